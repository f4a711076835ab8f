"""How different the items of a list are from one another (Ziegler et al., WWW 2005)."""

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec import masks
from autorec.evaluation.metrics import means

LISTS = 100  # looked at, evenly spaced over the users; their mean has a standard error under a hundredth
_WORDS = 2**21  # of 64 users that are kept at a time, 16 MiB
_PARTS = 32  # of the work, which take about as long each


def diversity(
    items: npt.NDArray[np.integer[Any]], ks: Sequence[int], ratings: sparse.csr_array, counts: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """[ks] mean over lists of the mean of 1 − cos(i, j) over the pairs of items in the first k places.

    items [users × K], −1 for a place left empty; at most 100 of the lists are taken. cos is that of who rated the items
    in training, ratings [users × items], each rating as 1: users who rated both ÷ √(who rated i · who rated j); 0 where
    nobody rated one of them. counts [items]: ratings of each item. Lists of fewer than two items have no value; NaN
    where no list has one.
    """
    values = np.full((min(len(items), LISTS), len(ks)), np.nan)
    if len(values):
        chosen = items[np.linspace(0, len(items) - 1, len(values)).astype(np.int64)]
        wanted = np.unique(chosen[chosen >= 0])
        place = np.full(ratings.shape[1], len(wanted), dtype=np.uint32)
        place[wanted] = np.arange(len(wanted))
        lists = np.where(chosen >= 0, place[chosen].astype(np.int64), -1)
        both = _raters_of_both(lists, place, len(wanted), ratings)
        _of_lists(lists, np.asarray(ks), 1 / np.sqrt(np.maximum(counts[wanted], 1)), both, values)
    return means(values)


def _raters_of_both(
    lists: npt.NDArray[np.int64], place: npt.NDArray[np.uint32], n: int, ratings: sparse.csr_array
) -> npt.NDArray[np.int32]:
    """[n × n] users who rated the items at both places, for pairs that a list has. place [items]: n for others.

    The users of an item are bits, so that of a pair 64 are looked at together.
    """
    both = np.zeros((n, n), dtype=np.int32)
    in_a_list = np.zeros((n, n), dtype=np.bool_)
    _mark(lists, in_a_list)
    size = 64 * max(_WORDS // (n + 1), 1)
    for first in range(0, ratings.shape[0], size):
        indptr = ratings.indptr[first : first + size + 1]
        bits = np.zeros((n + 1, -(-(len(indptr) - 1) // 64)), dtype=np.uint64)
        _set_bits(indptr, ratings.indices, place, bits)
        _count_both(bits, in_a_list, both)
    return both


@numba.njit(cache=True, nogil=True)
def _mark(lists: Any, in_a_list: Any) -> None:
    """in_a_list[i, j] = whether i < j stand in one list."""
    for row in range(len(lists)):
        for rank in range(lists.shape[1]):
            j = lists[row, rank]
            for before in range(rank if j >= 0 else 0):  # places are left empty at the end only
                i = lists[row, before]
                in_a_list[min(i, j), max(i, j)] = True


@numba.njit(parallel=True, cache=True, nogil=True)
def _set_bits(indptr: Any, indices: Any, place: Any, bits: Any) -> None:
    """Bit b of bits[j, w]: whether user 64·w + b rated the item at place j; the last row is of all other items."""
    for word in numba.prange(bits.shape[1]):
        for bit in range(min(64, len(indptr) - 1 - 64 * word)):
            user = 64 * word + bit
            for entry in range(indptr[user], indptr[user + 1]):
                bits[place[indices[entry]], word] |= np.uint64(1) << np.uint64(bit)


@numba.njit(parallel=True, cache=True, nogil=True)
def _count_both(bits: Any, in_a_list: Any, both: Any) -> None:
    """Add to both[i, j], i < j, the users that have both bits."""
    for part in numba.prange(_PARTS):
        for i in range(part, len(both), _PARTS):
            for j in range(i + 1, len(both)):
                if in_a_list[i, j]:
                    users = np.uint64(0)
                    for word in range(bits.shape[1]):
                        users += masks.count(bits[i, word] & bits[j, word])
                    both[i, j] += np.int32(users)


@numba.njit(parallel=True, cache=True, nogil=True)
def _of_lists(lists: Any, ks: Any, lengths: Any, both: Any, values: Any) -> None:
    """lengths [places]: 1 / √(users who rated the item)."""
    for row in numba.prange(len(lists)):
        cosines, n, at = 0.0, 0, 0
        for rank in range(lists.shape[1]):
            j = lists[row, rank]
            if j >= 0:
                for before in range(n):
                    i = lists[row, before]
                    cosines += both[min(i, j), max(i, j)] * lengths[i] * lengths[j]
                n += 1
            if at < len(ks) and rank + 1 == ks[at]:
                if n > 1:
                    values[row, at] = 1 - cosines / (n * (n - 1) / 2)
                at += 1
