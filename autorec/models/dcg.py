"""Discounted cumulative gain with binary gains, for validation while training and for evaluation."""

from typing import Any

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Counts = npt.NDArray[np.integer[Any]]


def discounts(k: int) -> Float:
    """[k] 1 / log₂(1 + rank) of the ranks from 1."""
    return np.asarray(1 / np.log2(np.arange(2, k + 2)))


def ideal_dcg(n: Counts, k: int) -> Float:
    """Σ_{rank ≤ min(k, n)} 1 / log₂(1 + rank), the most that n relevant items reach; of the shape of n, from 1."""
    return np.asarray(np.cumsum(discounts(k))[np.minimum(n, k) - 1])
