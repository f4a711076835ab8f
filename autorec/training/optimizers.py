"""Optimisers by name: each makes a function `epoch(number) -> Σ (r − r̂)² / N` that goes once over all batches.

Adam is written here for the CPU: one pass over parameter, gradient and state, with the gradient of the penalty in
the same pass, because on large catalogues such passes cost as much as the ratings do. RProp and L-BFGS are torch's,
on the full batch.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np
import torch

from autorec.training.objective import Example, Objective
from autorec.training.schedule import warm_cosine

Epoch = Callable[[int], float]
Maker = Callable[[Objective, Sequence[Example], int, float, np.random.Generator], Epoch]

LBFGS_HISTORY = 10  # pairs of vectors kept
LBFGS_ITERATIONS = 4  # between two looks at the validation ratings: one "epoch"


def adam(
    objective: Objective,
    examples: Sequence[Example],
    epochs: int,
    learning_rate: float,
    rng: np.random.Generator,
) -> Epoch:
    """Adam (Kingma and Ba, ICLR 2015) with β = (.9, .999), ε = 1e-8, batches in random order, warm-up and cosine."""
    objective.network.keep_rooms()
    parameters = list(objective.network.parameters())
    decay = {id(parameter): c for parameter, c in objective.decays()}
    states = [(torch.zeros_like(parameter), torch.zeros_like(parameter)) for parameter in parameters]
    total = epochs * len(examples)
    step = 0

    def epoch(number: int) -> float:
        nonlocal step
        loss = 0.0
        for place in rng.permutation(len(examples)):
            batch_loss = _gradients(objective, examples[place])
            loss += batch_loss * examples[place].batch.n_rows
            rate = learning_rate * warm_cosine(step, total)
            step += 1
            for parameter, (mean, square) in zip(parameters, states, strict=True):
                _adam_step(parameter, mean, square, rate, decay.get(id(parameter), 0.0), step)
        return loss / objective.n_rows

    return epoch


def rprop(
    objective: Objective,
    examples: Sequence[Example],
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
    examples: Sequence[Example],
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


def _gradients(objective: Objective, example: Example) -> float:
    """Put the gradient of the batch loss, without penalty, into `.grad`; return the loss."""
    for parameter in objective.network.parameters():
        parameter.grad = None
    loss = objective.batch_loss(example)
    loss.backward()
    return loss.item()


def _full_gradients(objective: Objective, examples: Sequence[Example]) -> float:
    """Put the gradient of the whole objective / N into `.grad`; return Σ (r − r̂)² / N."""
    for parameter in objective.network.parameters():
        parameter.grad = None
    total = 0.0
    for example in examples:
        loss = objective.batch_loss(example) * (example.batch.n_rows / objective.n_rows)
        loss.backward()
        total += loss.item()
    with torch.no_grad():
        for parameter, c in objective.decays():
            if c > 0 and parameter.grad is not None:
                parameter.grad.add_(parameter, alpha=c)
    return total


def _adam_step(
    parameter: torch.Tensor, mean: torch.Tensor, square: torch.Tensor, rate: float, decay: float, step: int
) -> None:
    gradient = parameter.grad
    if gradient is None:
        return
    corrections = (1 / (1 - 0.9**step), 1 / (1 - 0.999**step))
    with torch.no_grad():
        if parameter.device.type == "cpu":
            p, g, m, s = (t.detach().numpy().reshape(-1) for t in (parameter, gradient.contiguous(), mean, square))
            factors = tuple(map(np.float32, (rate, decay, *corrections)))
            _adam_kernel(p, g, m, s, *factors, parts=8 * numba.get_num_threads())
            return
        gradient = gradient + decay * parameter
        mean.lerp_(gradient, 0.1)
        square.lerp_(gradient.square(), 0.001)
        parameter.addcdiv_(mean * corrections[0], (square * corrections[1]).sqrt_().add_(1e-8), value=-rate)


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)
def _adam_kernel(
    p: Any,
    g: Any,
    mean: Any,
    square: Any,
    rate: Any,
    decay: Any,
    mean_factor: Any,
    square_factor: Any,
    parts: int,
) -> None:
    n = len(p)
    for part in numba.prange(parts):
        for i in range(n * part // parts, n * (part + 1) // parts):
            gradient = g[i] + decay * p[i]
            m = mean[i] + np.float32(0.1) * (gradient - mean[i])
            s = square[i] + np.float32(0.001) * (gradient * gradient - square[i])
            mean[i] = m
            square[i] = s
            p[i] -= rate * m * mean_factor / (np.sqrt(s * square_factor) + np.float32(1e-8))
