"""Hidden layers padded to whole cache lines during training: the kernels read rows of 64-byte multiples faster.

The added units have weights 0. In a network whose hidden units are 0 at 0, their gradients are exactly 0 and no
optimiser changes them: the network is the same. Any other network is not padded, and none whose last layer holds mean
and variance side by side, or whose layers are normalised.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch

from autorec.network.autoencoder import Autoencoder

LINE = 16  # floats in a cache line


def padded(units: int) -> int:
    """`units` rounded up to a multiple of LINE."""
    return -(-units // LINE) * LINE


def pad(network: Autoencoder) -> None:
    """Widen each hidden layer to a multiple of 16 units, in place; `trim` takes them away."""
    if _can_be_padded(network):
        _resize(network, [padded(units) for units in network.encoder.widths])


def trim(network: Autoencoder) -> None:
    """Undo `pad`."""
    if _can_be_padded(network):
        _resize(network, network.encoder.widths)


def _can_be_padded(network: Autoencoder) -> bool:
    encoder = network.encoder
    return encoder.activation.at_zero == encoder.centre and not encoder.linear_code and not encoder.norms


def _resize(network: Autoencoder, widths: Sequence[int]) -> None:
    encoder = network.encoder
    for weight in encoder.weights:
        _reshape(weight, (len(weight), widths[0]))
    _reshape(encoder.bias, (widths[0],))
    for shape, weight, bias in zip(pairwise(widths), encoder.inner_weights, encoder.inner_biases, strict=True):
        _reshape(weight, shape)
        _reshape(bias, shape[1:])
    for name in network.heads:
        weight = network.head(name).weight
        _reshape(weight, (len(weight), widths[-1]))


def _reshape(parameter: torch.Tensor, shape: tuple[int, ...]) -> None:
    """Cut, or fill up with zeros."""
    old = parameter.detach()
    if old.shape == shape:
        return
    kept = tuple(slice(0, min(a, b)) for a, b in zip(old.shape, shape, strict=True))
    new = old.new_zeros(shape)
    new[kept] = old[kept]
    parameter.data = new
