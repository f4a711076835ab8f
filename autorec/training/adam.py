"""Adam (Kingma and Ba, ICLR 2015), ε = 1e-8, at the speed of memory, and the learning rate over its steps.

On a large catalogue, passes over the weights take longer than those over the ratings. So where the gradient of a weight
is one sparse product, plus at most a multiple of the weight (`autorec.network.gradient`), each row of the weight is
updated right after its gradient has been summed, while that is in L1: the gradient is never stored, and parameter and
moments are read and written once a step. Any other gradient is summed first.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from autorec.compiled import kernel
from autorec.network import kernels
from autorec.network.gradient import Product, summed, terms_of
from autorec.network.ranges import COLUMN_COST, run_in_parts, run_in_ranges

BETAS, EPSILON = (0.9, 0.999), 1e-8
WARM_UP = 0.02  # of all steps


class Adam:
    """parameters: tensors of any shape to update. rate: step, from 0 → learning rate. betas: how much of the running
    mean of the gradient, and of its square, a step keeps."""

    def __init__(
        self,
        parameters: Iterable[torch.Tensor],
        rate: Callable[[int], float],
        betas: tuple[float, float] = BETAS,
    ) -> None:
        self.parameters: Sequence[torch.Tensor] = list(parameters)
        self.rate = rate
        self.betas = betas
        self._moments = [_Moments(parameter) for parameter in self.parameters]
        self._updates = 0  # so far; a step of a training may make several

    def step(self, number: int) -> None:
        """Update each parameter that has a gradient, from `.grad` and the terms that are being collected."""
        rate = self.rate(number)
        self._updates += 1
        news = tuple(1 - beta for beta in self.betas)
        corrections = tuple(1 / (1 - beta**self._updates) for beta in self.betas)
        for moments in self._moments:
            moments.update(rate, *news, *corrections)

    def state_dict(self) -> dict[str, Any]:
        """The number of updates and the means of each parameter, as `load_state_dict` takes them."""
        return {"updates": self._updates, "moments": [[one.mean, one.square] for one in self._moments]}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Go on from a `state_dict` of an Adam of parameters of the same shapes."""
        self._updates = state["updates"]
        for moments, (mean, square) in zip(self._moments, state["moments"], strict=True):
            moments.mean.copy_(mean)
            moments.square.copy_(square)


@dataclass(eq=False)
class _Moments:
    """One parameter with the running means of its gradient and of its square."""

    parameter: torch.Tensor
    mean: torch.Tensor = field(init=False)
    square: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.mean = torch.zeros_like(self.parameter, requires_grad=False)
        self.square = torch.zeros_like(self.parameter, requires_grad=False)

    def update(self, rate: float, mean_new: float, square_new: float, mean_factor: float, square_factor: float) -> None:
        """mean_new, square_new: the weight of this gradient in the two means. mean_factor, square_factor: correct their
        bias towards 0."""
        products, decay = terms_of(self.parameter)
        factors = (rate, decay, mean_new, square_new, mean_factor, square_factor)
        if len(products) == 1 and self.parameter.grad is None:
            self._update_by_product(products[0], *factors)
            return
        gradient = summed(self.parameter, products)
        if gradient is not None:
            self._update_by_array(gradient, *factors)
        elif decay:
            self._update_by_array(torch.zeros_like(self.parameter), *factors)

    def _update_by_product(self, product: Product, *factors: float) -> None:
        order = product.batch.pattern.by_column
        tensors = (order.ptr, order.rows, product.values, product.D, self.parameter, self.mean, self.square)
        arrays = [tensor.detach().numpy() for tensor in tensors]
        arguments = (*arrays, *map(np.float32, factors))
        run_in_ranges(_update_rows, arrays[0], *arguments, row_cost=COLUMN_COST, per_thread=4)

    def _update_by_array(self, gradient: torch.Tensor, *factors: float) -> None:
        if self.parameter.device.type != "cpu":
            self._update_by_torch(gradient.detach(), *factors)
            return
        tensors = (self.parameter, gradient, self.mean, self.square)
        arrays = [tensor.detach().contiguous().view(-1).numpy() for tensor in tensors]  # [size] each
        run_in_parts(_update_run, *arrays, numbers=list(map(np.float32, factors)))

    def _update_by_torch(self, gradient: torch.Tensor, rate: float, decay: float, *factors: float) -> None:
        mean_new, square_new, mean_factor, square_factor = factors
        parameter = self.parameter.detach()
        gradient = gradient + decay * parameter
        self.mean.lerp_(gradient, mean_new)
        self.square.lerp_(gradient.square(), square_new)
        denominator = (self.square * square_factor).sqrt_().add_(EPSILON)
        parameter.addcdiv_(self.mean * mean_factor, denominator, value=-rate)


@kernel
def _update_rows(
    column_ptr: Any,
    column_rows: Any,
    ordered: Any,
    D: Any,
    p: Any,
    mean: Any,
    square: Any,
    rate: Any,
    decay: Any,
    mean_new: Any,
    square_new: Any,
    mean_factor: Any,
    square_factor: Any,
    first: int,
    last: int,
) -> None:
    """`kernels.transposed_product` whose rows g [H] update p, mean and square [m × H] at once. D [n × H]."""
    g = np.empty(p.shape[1], dtype=np.float32)
    for column in range(first, last):
        kernels.sum_column(column_ptr[column], column_ptr[column + 1], column_rows, ordered, D, g)
        factors = rate, decay, mean_new, square_new, mean_factor, square_factor
        _update_run(p[column], g, mean[column], square[column], *factors)


@kernel(fastmath=True)
def _update_run(
    p: Any,
    g: Any,
    mean: Any,
    square: Any,
    rate: Any,
    decay: Any,
    mean_new: Any,
    square_new: Any,
    mean_factor: Any,
    square_factor: Any,
) -> None:
    for i in range(len(p)):
        gradient = g[i] + decay * p[i]
        m = mean[i] + mean_new * (gradient - mean[i])
        s = square[i] + square_new * (gradient * gradient - square[i])
        mean[i] = m
        square[i] = s
        p[i] -= rate * m * mean_factor / (np.sqrt(s * square_factor) + np.float32(EPSILON))


def warm_cosine(step: int, total: int) -> float:
    """Factor of the learning rate at `step` of `total`: linear from 0 to 1 in the first 2 %, times ½(1 +
    cos(π·step/total))."""
    warm = min(1.0, step / (WARM_UP * total + 1))
    return warm * 0.5 * (1 + math.cos(math.pi * step / max(total, 1)))
