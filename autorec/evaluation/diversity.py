"""How different the items of a list are from one another (Ziegler et al., WWW 2005)."""

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from scipy import sparse

LISTS = 100  # looked at, evenly spaced over the users; their mean has a standard error under a hundredth


def diversity(
    items: npt.NDArray[np.integer[Any]], ks: Sequence[int], ratings: sparse.csr_array, counts: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """[ks] mean over lists of the mean of 1 − cos(i, j) over the pairs of items in the first k places.

    items [users × K], −1 for a place left empty; at most 100 of the lists are taken. cos is that of who rated the items
    in training, ratings [users × items], each rating as 1; 0 where nobody rated one of them. counts [items]: ratings of
    each item. Lists of fewer than two items have no value; NaN where no list has one.
    """
    values = np.full((min(len(items), LISTS), len(ks)), np.nan)
    if len(values):
        chosen = items[np.linspace(0, len(items) - 1, len(values)).astype(np.int64)]
        wanted = np.unique(chosen[chosen >= 0])
        place = np.full(ratings.shape[1], len(wanted), dtype=np.uint32)
        place[wanted] = np.arange(len(wanted))
        ptr = np.concatenate(([0], np.cumsum(counts[wanted])))
        raters = _raters(ratings.indptr, ratings.indices, place, ptr)
        lists = np.where(chosen >= 0, place[chosen].astype(np.int64), -1)
        _of_lists(lists, np.asarray(ks), ptr, raters, ratings.shape[0], values)
    defined = ~np.isnan(values)
    n = defined.sum(axis=0)
    return np.where(n > 0, np.where(defined, values, 0).sum(axis=0) / np.maximum(n, 1), np.nan)


@numba.njit(cache=True, nogil=True)
def _raters(indptr: Any, indices: Any, place: Any, ptr: Any) -> Any:
    """The users who rated each item that has a place, item by item: those of place j at ptr[j] … ptr[j + 1] − 1."""
    raters, places = np.empty(ptr[-1] + 1, dtype=np.int32), np.empty(ptr[-1] + 1, dtype=np.uint32)
    n = np.uint64(0)
    for user in range(len(indptr) - 1):
        for entry in range(indptr[user], indptr[user + 1]):
            raters[n], places[n] = user, place[indices[entry]]  # written always: no branch to guess
            n += np.uint64(places[n] < len(ptr) - 1)
    by_item, at = np.empty(ptr[-1], dtype=np.int32), ptr.copy()  # where the next user of each goes
    for k in range(n):
        by_item[at[places[k]]] = raters[k]
        at[places[k]] += 1
    return by_item


@numba.njit(parallel=True, cache=True, nogil=True)
def _of_lists(items: Any, ks: Any, ptr: Any, raters: Any, n_users: int, values: Any) -> None:
    """With S the sum of the list's columns, each of length 1: Σ_{i<j} cos(i, j) = (‖S‖² − rated items) / 2."""
    for row in numba.prange(len(items)):
        total = np.zeros(n_users)  # S
        rated, n, at = 0.0, 0, 0
        for rank in range(items.shape[1]):
            item = items[row, rank]
            if item >= 0:
                mine = raters[ptr[item] : ptr[item + 1]]
                n += 1
                rated += len(mine) > 0
                length = 1 / np.sqrt(max(len(mine), 1))
                for place in range(len(mine)):
                    total[np.uint32(mine[place])] += length
            if at < len(ks) and rank + 1 == ks[at]:
                if n > 1:
                    pairs = n * (n - 1) / 2
                    values[row, at] = 1 - ((total * total).sum() - rated) / 2 / pairs
                at += 1
