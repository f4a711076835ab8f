"""The learning rate over the steps of a training."""

import math

WARM_UP = 0.02  # of all steps


def warm_cosine(step: int, total: int) -> float:
    """Factor of the learning rate at `step` of `total`: linear from 0 to 1 in the first 2 %, times ½(1 +
    cos(π·step/total))."""
    warm = min(1.0, step / (WARM_UP * total + 1))
    return warm * 0.5 * (1 + math.cos(math.pi * step / max(total, 1)))
