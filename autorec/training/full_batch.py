"""RProp and L-BFGS, torch's, on the gradient of all rows at once: the optimisers of the AutoRec paper."""

import math
from collections.abc import Callable, Sequence

import torch

from autorec.training.objective import Loss
from autorec.training.state import State
from autorec.training.steps import Epoch, Examples, full_batch_gradients

LBFGS_HISTORY = 10  # pairs of vectors
LBFGS_ITERATIONS = 4  # between two validations: one "epoch"


def rprop_epoch(
    loss: Loss, parameters: Sequence[torch.Tensor], examples: Examples, learning_rate: float, state: State
) -> Epoch:
    """RProp (Riedmiller and Braun, 1993): the sign of the gradient, a step size for each number of the parameters.

    parameters: tensors of any shape. examples [batches]: their gradients are summed. learning_rate: the first step
    size. state: keeps the optimiser.
    """
    optimizer = state.keep(torch.optim.Rprop(parameters, lr=learning_rate))

    def epoch(number: int) -> dict[str, float]:
        terms = full_batch_gradients(loss, examples, parameters)
        optimizer.step()
        return terms

    return epoch


def lbfgs_epoch(loss: Loss, parameters: Sequence[torch.Tensor], examples: Examples, state: State) -> Epoch:
    """`lbfgs` of the summed gradients of the examples [batches], 4 iterations an epoch; parameters: tensors of any
    shape."""
    return lbfgs(lambda: full_batch_gradients(loss, examples, parameters), parameters, LBFGS_ITERATIONS, state)


def lbfgs(
    evaluate: Callable[[], dict[str, float]], parameters: Sequence[torch.Tensor], iterations: int, state: State
) -> Epoch:
    """L-BFGS with strong Wolfe line search; an epoch is so many iterations and returns the terms of least sum.

    evaluate puts the gradient into `.grad` of the parameters, tensors of any shape, and returns the terms. state: keeps
    the optimiser.
    """
    optimizer = state.keep(
        torch.optim.LBFGS(
            parameters,
            max_iter=iterations,
            history_size=LBFGS_HISTORY,
            line_search_fn="strong_wolfe",
            tolerance_grad=0,
            tolerance_change=0,
        )
    )
    evaluations: list[dict[str, float]] = []

    def closure() -> float:
        evaluations.append(evaluate())
        return math.fsum(evaluations[-1].values())

    def epoch(number: int) -> dict[str, float]:
        evaluations.clear()
        optimizer.step(closure)
        broken = [terms for terms in evaluations if not all(map(math.isfinite, terms.values()))]
        return broken[0] if broken else min(evaluations, key=lambda terms: math.fsum(terms.values()))

    return epoch
