"""Discounted cumulative gain with binary gains, for validation while training and for evaluation."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec.ratings.sorting import find_pairs

Float = npt.NDArray[np.float64]
Counts = npt.NDArray[np.integer[Any]]


def discounts(k: int) -> Float:
    """[k] 1 / log₂(1 + rank) of the ranks from 1."""
    return np.asarray(1 / np.log2(np.arange(2, k + 2)))


def ideal_dcg(n: Counts, k: int) -> Float:
    """Σ_{rank ≤ min(k, n)} 1 / log₂(1 + rank), the most that n relevant items reach; of the shape of n, from 1."""
    return np.asarray(np.cumsum(discounts(k))[np.minimum(n, k) - 1])


def ndcg_of_each(items: Counts, wanted: sparse.csr_array, n: Counts, k: int) -> Float:
    """[users] Σ_hits 1 / log₂(1 + rank) ÷ `ideal_dcg`(n, k).

    items [users × length] best first, −1 for an empty rank; wanted [users × items], columns ascending, entries that are
    hits; n [users] relevant items of each, from 1; k: at which the lists and the ideal are cut, the length or more.
    """
    hits = find_pairs(wanted, np.arange(len(items))[:, None], items) >= 0
    return np.asarray(hits @ discounts(items.shape[1]) / ideal_dcg(n, k))
