"""All that changes while something trains, as a tree that a checkpoint can hold."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import torch

from autorec.training.adam import Adam
from autorec.training.tensor_tree import Columns, Tree

Generator = np.random.Generator | torch.Generator


class Stateful(Protocol):
    """An optimiser of torch, or one with the same two methods."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any: ...


Optimizer = TypeVar("Optimizer", bound=Stateful)


class State:
    """modules [n] and generators [k] of a training, and the optimisers that were given to `keep`.

    of_columns: parameters of the modules that have a row for each of n_columns, of which this process may have some.
    Put back into a training that was set up in the same way, it goes on with the same bits.
    """

    def __init__(
        self,
        modules: Sequence[torch.nn.Module],
        generators: Sequence[Generator] = (),
        of_columns: Iterable[torch.nn.Parameter] = (),
        n_columns: int = 0,
    ) -> None:
        self.modules = modules
        self.generators = generators
        self._of_columns, self._n_columns = set(of_columns), n_columns
        self.optimizers: list[Stateful] = []

    def keep(self, optimizer: Optimizer) -> Optimizer:
        """The optimiser itself, which belongs to the state from here on."""
        self.optimizers.append(optimizer)
        return optimizer

    def to_tree(self, *, finished: bool = False) -> Tree:
        """finished: without the optimisers, of which a finished training needs nothing more."""
        return {
            "modules": self.mark([module.state_dict() for module in self.modules]),
            "generators": [_state_of(generator) for generator in self.generators],
            "optimizers": [] if finished else [self._state_of_optimizer(one) for one in self.optimizers],
        }

    def mark(self, weights: Sequence[dict[str, torch.Tensor]]) -> Tree:
        """Weights of modules by name; those that are of columns as `Columns`."""
        parameters = {name: one for module in self.modules for name, one in module.named_parameters()}
        return [{name: self._marked(parameters.get(name), value) for name, value in one.items()} for one in weights]

    def _state_of_optimizer(self, optimizer: Stateful) -> Tree:
        state = optimizer.state_dict()
        if isinstance(optimizer, Adam):
            pairs = zip(optimizer.parameters, state["moments"], strict=True)
            state["moments"] = [[self._marked(parameter, moment) for moment in both] for parameter, both in pairs]
        return state

    def _marked(self, parameter: torch.Tensor | None, value: torch.Tensor) -> Tree:
        return Columns(value, self._n_columns) if parameter in self._of_columns else value

    def put_back(self, tree: Tree) -> None:
        """Set everything as it was when `to_tree` was called."""
        for module, weights in zip(self.modules, tree["modules"], strict=True):
            module.load_state_dict(weights)
        for generator, state in zip(self.generators, tree["generators"], strict=True):
            _set_state(generator, state)
        if tree["optimizers"]:
            for optimizer, moments in zip(self.optimizers, tree["optimizers"], strict=True):
                optimizer.load_state_dict(moments)


def _state_of(generator: Generator) -> Tree:
    return generator.get_state() if isinstance(generator, torch.Generator) else generator.bit_generator.state


def _set_state(generator: Generator, state: Tree) -> None:
    if isinstance(generator, torch.Generator):
        generator.set_state(state)
    else:
        generator.bit_generator.state = state
