"""How different the items of a list are from one another (Ziegler et al., WWW 2005)."""

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from scipy import sparse

LISTS = 200  # looked at, evenly spaced over the users; their mean has a standard error under a hundredth


def diversity(items: npt.NDArray[np.int64], ks: Sequence[int], ratings: sparse.csr_array) -> npt.NDArray[np.float64]:
    """[ks] mean over lists of the mean of 1 − cos(i, j) over the pairs of items in the first k places.

    items [users × K], −1 for a place left empty; at most 200 of the lists are taken. cos is that of who rated the items
    in training, ratings [users × items], each rating as 1; 0 where nobody rated one of them. Lists of fewer than two
    items have no value; NaN where no list has one.
    """
    values = np.full((min(len(items), LISTS), len(ks)), np.nan)
    if len(values):
        chosen = items[np.linspace(0, len(items) - 1, len(values)).astype(np.int64)]
        columns = sparse.csr_array(
            (np.empty(ratings.nnz, np.bool_), ratings.indices, ratings.indptr), ratings.shape
        ).tocsc()
        _of_lists(chosen, np.asarray(ks), columns.indptr, columns.indices, ratings.shape[0], values)
    defined = ~np.isnan(values)
    counts = defined.sum(axis=0)
    return np.where(counts > 0, np.where(defined, values, 0).sum(axis=0) / np.maximum(counts, 1), np.nan)


@numba.njit(parallel=True, cache=True, nogil=True)
def _of_lists(items: Any, ks: Any, indptr: Any, indices: Any, n_users: int, values: Any) -> None:
    """With S the sum of the list's columns, each of length 1: Σ_{i<j} cos(i, j) = (‖S‖² − rated items) / 2."""
    for row in numba.prange(len(items)):
        total = np.zeros(n_users)  # S
        square, rated, n, at = 0.0, 0, 0, 0
        for rank in range(items.shape[1]):
            item = items[row, rank]
            if item >= 0:
                raters = indices[indptr[item] : indptr[item + 1]]
                n += 1
                if len(raters):
                    length = 1 / np.sqrt(len(raters))
                    for user in raters:
                        square += (2 * total[user] + length) * length
                        total[user] += length
                    rated += 1
            if at < len(ks) and rank + 1 == ks[at]:
                if n > 1:
                    pairs = n * (n - 1) / 2
                    values[row, at] = 1 - (square - rated) / 2 / pairs
                at += 1
