"""One update of a network, and an epoch of them.

A step takes an example and the number of the step, from 0, and returns the terms of its loss. An epoch takes its own
number, from 1, and returns the terms as means over all rows.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
import torch

from autorec.network.example import Example
from autorec.network.gradient import collecting
from autorec.threads import run_in_threads
from autorec.training.objective import Loss

Step = Callable[[Example, int], dict[str, float]]
Epoch = Callable[[int], dict[str, float]]


class Optimizer(Protocol):
    """What `descend` needs of an optimiser: parameters, and an update by the gradients that `backward` left in them."""

    @property
    def parameters(self) -> Sequence[torch.Tensor]:
        """Tensors of any shape, updated in place."""
        ...

    def step(self, number: int) -> None: ...


class Examples(Protocol):
    """The examples of an epoch: a list, or `autorec.training.batches.Streamed`."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Example: ...


def descend(
    loss: Loss, optimizer: Optimizer, fixed: Iterable[torch.Tensor] = (), *, penalty_values: bool = True
) -> Step:
    """One step of the optimiser down the gradient of the sum of the terms.

    fixed: other parameters of the loss, of any shape, for which no gradient is computed. penalty_values: False where
    nobody reads the terms of quadratic penalties, which may then be NaN; each takes a pass over the weights.
    """
    fixed = list(fixed)

    def step(example: Example, number: int) -> dict[str, float]:
        rows = example.mesh.rows  # where groups have rows of their own, gradients are arrays, to be summed over them
        for parameter in optimizer.parameters:
            parameter.grad = None
        collected = optimizer.parameters if rows.size == 1 else ()
        with without_gradients(fixed), collecting(collected, values=penalty_values):
            terms = loss(example, number)
            torch.stack(list(terms.values())).sum().backward()
            for parameter in optimizer.parameters:
                if parameter.grad is not None:
                    rows.total(parameter.grad)
            optimizer.step(number)
        values = rows.total(torch.stack(list(terms.values())).detach())
        return dict(zip(terms, values.tolist(), strict=True))

    return step


@contextlib.contextmanager
def without_gradients(parameters: Sequence[torch.Tensor]) -> Iterator[None]:
    """Within the block the parameters, of any shape, are constants to autograd."""
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def alternate(*steps: Step) -> Step:
    """The steps one after the other on the same example, as adversarial members learn; their terms side by side."""

    def step(example: Example, number: int) -> dict[str, float]:
        terms: dict[str, float] = {}
        for one in steps:
            terms |= one(example, number)
        return terms

    return step


def stochastic_epoch(step: Step, examples: Examples, rng: np.random.Generator) -> Epoch:
    """A step on each example, in a new random order each epoch."""

    def epoch(number: int) -> dict[str, float]:
        first = (number - 1) * len(examples)
        order = rng.permutation(len(examples))
        return _sum_terms(_shares(examples[index], step, first + at) for at, index in enumerate(order))

    return epoch


def full_batch_gradients(loss: Loss, examples: Examples, parameters: Sequence[torch.Tensor]) -> dict[str, float]:
    """Put the gradient of the objective / N into `.grad` of the parameters, tensors of any shape; return the terms.

    examples [batches]: of all rows; gradients and terms are summed over them.
    """
    for parameter in parameters:
        parameter.grad = None

    def add_gradients(example: Example, number: int) -> dict[str, float]:
        terms = loss(example, number)
        (torch.stack(list(terms.values())).sum() * example.share).backward()
        return {name: term.item() for name, term in terms.items()}

    return _sum_terms(_shares(examples[index], add_gradients, 0) for index in range(len(examples)))


def _shares(example: Example, step: Step, number: int) -> dict[str, float]:
    """The terms of a step on an example, times its share of the rows."""
    return {name: term * example.share for name, term in step(example, number).items()}


def _sum_terms(shares: Iterable[dict[str, float]]) -> dict[str, float]:
    means: dict[str, float] = {}
    for terms in shares:
        for name, term in terms.items():
            means[name] = means.get(name, 0.0) + term
    return means


def averaging(step: Step, weights: Sequence[torch.Tensor], means: Sequence[torch.Tensor], decay: float) -> Step:
    """`step`, and after it means ← d · means + (1 − d) · weights, tensors of the same shapes: the running mean stands
    where the steps of a stochastic optimiser scatter around (Polyak and Juditsky, 1992).

    d = min(decay, (1 + t) / (10 + t)) after t steps, so that the first weights, which are random, are soon forgotten.
    """

    def averaged(example: Example, number: int) -> dict[str, float]:
        terms = step(example, number)
        new = 1 - min(decay, (1 + number) / (10 + number))

        def update(index: int) -> None:
            means[index].detach().lerp_(weights[index].detach(), new)

        run_in_threads(update, len(means))
        return terms

    return averaged
