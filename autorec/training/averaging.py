"""A running mean of weights, which stands where the steps of a stochastic optimiser scatter around (Polyak and
Juditsky, 1992)."""

from collections.abc import Sequence

import torch

from autorec.network.example import Example
from autorec.threads import run_in_threads
from autorec.training.steps import Step


def averaging(step: Step, weights: Sequence[torch.Tensor], means: Sequence[torch.Tensor], decay: float) -> Step:
    """`step`, and after it means ← d · means + (1 − d) · weights, tensors of the same shapes.

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
