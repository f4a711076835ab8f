"""How different the items of a list are from one another (Ziegler et al., WWW 2005)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec.compiled import kernel
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
    n_raters = counts[recommended]
    weights = (n_raters > 0) / np.sqrt(np.maximum(n_raters, 1))
    values = [_measure_list(np.searchsorted(recommended, one[one >= 0]), ks, raters, weights) for one in lists]
    return means(np.array(values).reshape(len(lists), len(ks)))


def _measure_list(
    columns: npt.NDArray[np.integer[Any]], ks: Sequence[int], raters: sparse.csc_array, weights: Float
) -> Float:
    """[ks] mean of 1 − cos over the pairs of the first k items, which are these columns of `raters` [users × items].

    With x_i [users] 1/√(who rated i) for those who rated it, else 0, Σ_{i ≠ j} cos(i, j) = ‖Σ_i x_i‖² − Σ_i ‖x_i‖²: no
    loop over pairs. weights [items]: the 1/√, 0 of an item that nobody rated.
    """
    values = np.full(len(ks), np.nan)
    total, rated = np.zeros(raters.shape[0]), 0  # Σ x_i, and Σ ‖x_i‖²: the items that somebody rated
    for at, (first, last) in enumerate(pairwise((0, *ks))):
        new = columns[first:last]
        _add_columns(raters.indptr, raters.indices, new, weights, total)
        rated += int(np.count_nonzero(weights[new]))
        n = min(last, len(columns))
        if n > 1:
            values[at] = 1 - (total @ total - rated) / (n * (n - 1))
    return values


@kernel
def _add_columns(ptr: Any, rows: Any, columns: Any, weights: Any, total: Any) -> None:
    """Add weights[i] to total[row] for the rows of each of the columns i."""
    for i in columns:
        for k in range(ptr[i], ptr[i + 1]):
            total[rows[k]] += weights[i]
