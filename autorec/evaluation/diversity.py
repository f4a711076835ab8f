"""How different the items of a list are from one another (Ziegler et al., WWW 2005)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec.evaluation.metrics import means

LISTS = 100  # lists measured, evenly spaced over the users; the standard error of their mean is below 0.01

Float = npt.NDArray[np.float64]


def diversity(
    items: npt.NDArray[np.integer[Any]], ks: Sequence[int], ratings: sparse.csr_array, counts: npt.NDArray[np.int64]
) -> Float:
    """[ks] mean over lists of the mean of 1 − cos(i, j) over the pairs of items in the first k ranks.

    items [users × K], −1 for an empty rank; at most 100 of the lists are taken. cos is that of who rated the items in
    training, ratings [users × items], each rating as 1: users who rated both ÷ √(who rated i · who rated j); 0 where
    nobody rated one of them. counts [items]: ratings of each item. Lists of fewer than two items have no value; NaN
    where no list has one.
    """
    lists = items[np.linspace(0, len(items) - 1, min(len(items), LISTS)).astype(np.int64)]
    recommended = np.unique(lists[lists >= 0])
    raters = sparse.csc_array(ratings[:, recommended])  # [users × recommended items]
    weights = 1 / np.sqrt(np.maximum(counts[recommended], 1))
    values = [_measure_list(np.searchsorted(recommended, one[one >= 0]), ks, raters, weights) for one in lists]
    return means(np.array(values).reshape(len(lists), len(ks)))


def _measure_list(
    columns: npt.NDArray[np.integer[Any]], ks: Sequence[int], raters: sparse.csc_array, weights: Float
) -> Float:
    """[ks] mean of 1 − cos over the pairs of the first k items, which are these columns of `raters` [users × items].

    With x_i [users] 1/√(who rated i) for those who rated it, else 0, Σ_{i ≠ j} cos(i, j) = ‖Σ_i x_i‖² − Σ_i ‖x_i‖²: no
    loop over pairs. weights [items]: the 1/√.
    """
    values = np.full(len(ks), np.nan)
    total, rated = np.zeros(raters.shape[0]), 0  # Σ x_i, and Σ ‖x_i‖²: the items that somebody rated
    for at, (first, last) in enumerate(pairwise((0, *ks))):
        new = columns[first:last]
        if len(new):
            users = [raters.indices[raters.indptr[i] : raters.indptr[i + 1]] for i in new]
            lengths = [len(one) for one in users]
            total += np.bincount(np.concatenate(users), np.repeat(weights[new], lengths), minlength=len(total))
            rated += sum(length > 0 for length in lengths)
        n = min(last, len(columns))
        if n > 1:
            values[at] = 1 - (total @ total - rated) / (n * (n - 1))
    return values
