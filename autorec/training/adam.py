"""Adam (Kingma and Ba, ICLR 2015), β = (.9, .999), ε = 1e-8, at the speed of memory.

On a large catalogue passes over the weights cost more than the ratings do. So each row of the two large weights is
moved right after its gradient has been summed, while that is in L1: the gradient is never stored, and parameter and
state are read and written once a step, the penalty's gradient in the same pass.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np
import torch

from autorec.network import kernels
from autorec.network.batch import Batch
from autorec.training.objective import Examples, Objective
from autorec.training.schedule import warm_cosine

BETAS, EPSILON = (0.9, 0.999), 1e-8


def adam(
    objective: Objective,
    examples: Examples,
    epochs: int,
    learning_rate: float,
    rng: np.random.Generator,
) -> Callable[[int], float]:
    """`epoch(number) -> Σ (r − r̂)² / N`: batches in random order, warm-up and cosine."""
    network = objective.network
    decays = {id(parameter): c for parameter, c in objective.decays()}
    states = {p: _State(p, decays.get(id(p), 0.0)) for p in network.parameters()}
    if network.weight_in.device.type == "cpu":
        network.sinks = (states[network.weight_in].take, states[network.weight_out].take)
    total = epochs * len(examples)
    step = 0

    def epoch(number: int) -> float:
        return sum(move(place) for place in rng.permutation(len(examples))) / objective.n_rows

    def move(place: int) -> float:
        """One step; what it returns, summed, is Σ (r − r̂)². The batch may have been made for it and goes with it."""
        nonlocal step
        rate = learning_rate * warm_cosine(step, total)
        step += 1
        for state in states.values():
            state.begin(rate, step)
        example = examples[place]
        batch_loss = objective.batch_loss(example)
        batch_loss.backward()
        for parameter, state in states.items():
            if parameter.grad is not None:
                state.move(parameter.grad)
        return batch_loss.item() * example.batch.n_rows

    return epoch


@dataclass(eq=False)
class _State:
    """One parameter with the running means of its gradient and of its square. decay: c of the penalty (c/2)‖p‖²."""

    parameter: torch.Tensor
    decay: float
    mean: torch.Tensor = field(init=False)
    square: torch.Tensor = field(init=False)
    factors: tuple[np.float32, ...] = ()  # rate, decay, and the two corrections of the bias towards 0

    def __post_init__(self) -> None:
        self.mean = torch.zeros_like(self.parameter, requires_grad=False)
        self.square = torch.zeros_like(self.parameter, requires_grad=False)

    def begin(self, rate: float, step: int) -> None:
        """The step's learning rate and number, from 1."""
        corrections = (1 / (1 - beta**step) for beta in BETAS)
        self.factors = tuple(map(np.float32, (rate, self.decay, *corrections)))
        self.parameter.grad = None

    def move(self, gradient: torch.Tensor) -> None:
        """The step of Adam with a gradient that is stored."""
        arrays = (self.parameter.detach(), gradient.contiguous(), self.mean, self.square)
        if gradient.device.type == "cpu":
            _move(*(array.numpy().reshape(-1) for array in arrays), *self.factors, _parts())
            return
        rate, decay, *corrections = map(float, self.factors)
        parameter, gradient, mean, square = arrays
        gradient = gradient + decay * parameter
        mean.lerp_(gradient, 1 - BETAS[0])
        square.lerp_(gradient.square(), 1 - BETAS[1])
        parameter.addcdiv_(mean * corrections[0], (square * corrections[1]).sqrt_().add_(EPSILON), value=-rate)

    def take(self, batch: Batch, values: torch.Tensor, D: torch.Tensor) -> None:
        """The sink (see `sparse.Sink`): the step of Adam with the gradient Xᵀ · D, row by row."""
        tensors = (batch.column_ptr, batch.column_rows, values, D, self.parameter, self.mean, self.square)
        _move_columns(*(tensor.detach().numpy() for tensor in tensors), *self.factors, _parts())


def _parts() -> int:
    """More ranges than threads, so that a thread that is held up does not hold up the others."""
    return 4 * int(numba.get_num_threads())


@numba.njit(parallel=True, error_model="numpy", cache=True, nogil=True)
def _move_columns(
    column_ptr: Any,
    column_rows: Any,
    ordered: Any,
    D: Any,
    p: Any,
    mean: Any,
    square: Any,
    rate: Any,
    decay: Any,
    mean_factor: Any,
    square_factor: Any,
    parts: int,
) -> None:
    """`kernels.transposed`, each row used at once; all parameters [m × H]."""
    bounds = kernels.ranges(column_ptr, parts, kernels.COLUMN)
    for part in numba.prange(parts):
        g = np.empty(p.shape[1], dtype=np.float32)
        for column in range(bounds[part], bounds[part + 1]):
            kernels.sum_column(column_ptr[column], column_ptr[column + 1], column_rows, ordered, D, g)
            _move_run(p[column], g, mean[column], square[column], rate, decay, mean_factor, square_factor)


@numba.njit(parallel=True, error_model="numpy", cache=True, nogil=True)
def _move(
    p: Any, g: Any, mean: Any, square: Any, rate: Any, decay: Any, mean_factor: Any, square_factor: Any, parts: int
) -> None:
    """All arrays flat."""
    n = len(p)
    for part in numba.prange(parts):
        run = slice(n * part // parts, n * (part + 1) // parts)
        _move_run(p[run], g[run], mean[run], square[run], rate, decay, mean_factor, square_factor)


@numba.njit(fastmath=True, error_model="numpy", cache=True, nogil=True)  # numpy: no test for division by 0
def _move_run(
    p: Any, g: Any, mean: Any, square: Any, rate: Any, decay: Any, mean_factor: Any, square_factor: Any
) -> None:
    for i in range(len(p)):
        gradient = g[i] + decay * p[i]
        m = mean[i] + np.float32(1 - BETAS[0]) * (gradient - mean[i])
        s = square[i] + np.float32(1 - BETAS[1]) * (gradient * gradient - square[i])
        mean[i] = m
        square[i] = s
        p[i] -= rate * m * mean_factor / (np.sqrt(s * square_factor) + np.float32(EPSILON))
