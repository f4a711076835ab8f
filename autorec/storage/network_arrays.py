"""A network of torch as plain arrays for a safetensors file, and back.

    def _arrays(self):                  return network_arrays.pack(self.network_)
    def _expected_arrays(self, shapes): return network_arrays.expected(self._build, shapes, depth=…)
    def _set_arrays(self, arrays):      self.network_ = network_arrays.unpack(self._build, arrays)

`_build` makes the network of the model's parameters. It is called on torch's device "meta", where tensors have a shape
and no values, so that a file which lies about sizes costs no memory.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch

from autorec.storage.arrays import Arrays, Expected, Shape

Network = TypeVar("Network", bound=torch.nn.Module)


def pack(network: torch.nn.Module, prefix: str = "") -> Arrays:
    """`prefix` and name → array, of each tensor of the network."""
    return {prefix + name: value.numpy() for name, value in network.state_dict().items()}


def expected(
    build: Callable[[], torch.nn.Module], shapes: Mapping[str, Shape], depth: int, prefix: str = ""
) -> dict[str, Expected]:
    """What the arrays of the network that `build` makes have to be.

    shapes: of the arrays in the file. ValueError: they are fewer than the network has layers, `depth`, which is found
    before a network of a million layers is made.
    """
    if depth > len(shapes):
        raise ValueError(f"it has no weights for {depth} layers")
    return {
        prefix + name: Expected("float32", tuple(value.shape)) for name, value in _empty(build).state_dict().items()
    }


def unpack(build: Callable[[], Network], arrays: Arrays, prefix: str = "") -> Network:
    """The network of `pack`, its tensors views of the arrays, which are as `expected`. Arrays whose names do not begin
    with `prefix` are no part of it."""
    network = _empty(build)
    state = {
        name.removeprefix(prefix): torch.from_numpy(value) for name, value in arrays.items() if name.startswith(prefix)
    }
    network.load_state_dict(state, assign=True)
    return network


def _empty(build: Callable[[], Network]) -> Network:
    """The network without values: its shapes alone."""
    with torch.device("meta"):
        return build()
