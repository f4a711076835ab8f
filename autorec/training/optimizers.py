"""Optimisers by name: each makes a function `epoch(number) -> Σ (r − r̂)² / N` that goes once over all batches.

Adam is our own, in `autorec.training.adam`. RProp and L-BFGS are torch's, on the full batch.
"""

import math
from collections.abc import Callable

import numpy as np
import torch

from autorec.training.adam import adam
from autorec.training.objective import Example, Examples, Objective

Epoch = Callable[[int], float]
Maker = Callable[[Objective, Examples, int, float, np.random.Generator], Epoch]

LBFGS_HISTORY = 10  # pairs of vectors kept
LBFGS_ITERATIONS = 4  # between two looks at the validation ratings: one "epoch"


def rprop(
    objective: Objective,
    examples: Examples,
    epochs: int,
    learning_rate: float,
    rng: np.random.Generator,
) -> Epoch:
    """RProp (Riedmiller and Braun, 1993): the sign of the full-batch gradient, a step size for each parameter."""
    optimizer = torch.optim.Rprop(objective.network.parameters(), lr=learning_rate)

    def epoch(number: int) -> float:
        loss = _full_gradients(objective, examples)
        optimizer.step()
        return loss

    return epoch


def lbfgs(
    objective: Objective,
    examples: Examples,
    epochs: int,
    learning_rate: float,
    rng: np.random.Generator,
) -> Epoch:
    """L-BFGS with strong Wolfe line search on the full batch; an epoch is 4 iterations. No learning rate is used."""
    optimizer = torch.optim.LBFGS(
        objective.network.parameters(),
        max_iter=LBFGS_ITERATIONS,
        history_size=LBFGS_HISTORY,
        line_search_fn="strong_wolfe",
        tolerance_grad=0,
        tolerance_change=0,
    )
    losses: list[float] = []

    def closure() -> float:
        losses.append(_full_gradients(objective, examples))
        return losses[-1] + float(objective.penalty().detach())

    def epoch(number: int) -> float:
        losses.clear()
        optimizer.step(closure)
        return min(losses) if all(map(math.isfinite, losses)) else math.nan

    return epoch


OPTIMIZERS: dict[str, Maker] = {"adam": adam, "rprop": rprop, "lbfgs": lbfgs}


def _full_gradients(objective: Objective, examples: Examples) -> float:
    """Put the gradient of the whole objective / N into `.grad`; return Σ (r − r̂)² / N."""
    for parameter in objective.network.parameters():
        parameter.grad = None
    total = sum(_add_gradients(objective, examples[place]) for place in range(len(examples)))
    with torch.no_grad():
        for parameter, c in objective.decays():
            if c > 0 and parameter.grad is not None:
                parameter.grad.add_(parameter, alpha=c)
    return total


def _add_gradients(objective: Objective, example: Example) -> float:
    """Of one batch; its part of Σ (r − r̂)² / N."""
    loss = objective.batch_loss(example) * (example.batch.n_rows / objective.n_rows)
    loss.backward()
    return loss.item()
