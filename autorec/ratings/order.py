"""Pairs by user, then item: their order, stable (of equal pairs the earlier in the source stays the earlier), which of
them come again, where those of each user begin."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer[Any]]

LEAST = 2**20  # pairs from which on counting pays: loading the compiled code takes longer than sorting fewer
_PARTS = 64  # of the pairs, gone through side by side
_BLOCK = 512  # pairs looked at together


def order_of_pairs(users: IntArray, items: IntArray, n_users: int, n_items: int) -> IntArray:
    """[n] places of the pairs in order; users < n_users, items < n_items."""
    dtype: Any = np.int32 if len(users) < 2**31 else np.int64
    if not LEAST <= len(users) < 2**32:
        return np.lexsort((items, users)).astype(dtype)
    order = np.empty(len(users), dtype=dtype)
    starts = np.zeros(n_users + 1, dtype=np.int64)
    _counted(users, starts)
    parts = int(numba.get_num_threads())
    bounds = np.searchsorted(starts, np.linspace(0, len(users), parts + 1)[1:-1])
    _sort(users, items, starts, np.concatenate(([0], bounds, [n_users])), order)
    return order


def taken(values: npt.NDArray[Any], order: IntArray) -> npt.NDArray[Any]:
    """values[order], by all threads when there are many."""
    if len(order) < LEAST:
        return values[order]
    found = np.empty(len(order), dtype=values.dtype)
    threads = int(numba.get_num_threads())
    bounds = [len(order) * part // (4 * threads) for part in range(4 * threads + 1)]

    def take(first: int, end: int) -> None:
        np.take(values, order[first:end], out=found[first:end], mode="clip")  # which, unlike "raise", needs no copy

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(take, bounds[:-1], bounds[1:]))
    return found


def gone_through(users: IntArray, items: IntArray, n_users: int) -> tuple[bool, int, npt.NDArray[np.int64]]:
    """Whether the pairs are in order; if so, how many are the same as the one before, and [n_users + 1] the place where
    those of each user begin, the last their number."""
    starts = np.zeros(n_users + 1, dtype=np.int64)
    if len(users) < LEAST:
        same = users[1:] == users[:-1]
        later = (users[1:] > users[:-1]) | (same & (items[1:] >= items[:-1]))
        starts[1:] = np.cumsum(np.bincount(users, minlength=n_users))
        return bool(later.all()), int(np.count_nonzero(same & (items[1:] == items[:-1]))), starts
    starts[users[-1] + 1 :] = len(users)
    ordered, repeats = _go_through(users, items, starts)
    return ordered, repeats, starts


@numba.njit(parallel=True, cache=True, nogil=True)
def _go_through(users: Any, items: Any, starts: Any) -> Any:
    n = len(users)
    ordered, repeats = np.ones(_PARTS, dtype=np.bool_), np.zeros(_PARTS, dtype=np.int64)
    for part in numba.prange(_PARTS):
        first, end = max(n * part // _PARTS, 1), n * (part + 1) // _PARTS
        for start in range(first, end, _BLOCK):
            stop = min(start + _BLOCK, end)
            user, user_before = users[start:stop], users[start - 1 : stop - 1]
            item, item_before = items[start:stop], items[start - 1 : stop - 1]
            earlier, again = False, np.int32(0)  # no way out of the loop, which so goes many at a time
            for k in range(len(user)):
                same = user[k] == user_before[k]
                earlier |= (user[k] < user_before[k]) | (same & (item[k] < item_before[k]))
                again += np.int32(same & (item[k] == item_before[k]))
            if earlier:
                ordered[part] = False
                break
            repeats[part] += again
            if user[-1] != user_before[0]:
                for k in range(len(user)):
                    for one in range(user_before[k] + 1, user[k] + 1):
                        starts[one] = start + k
    return bool(ordered.all()), int(repeats.sum())


@numba.njit(cache=True, nogil=True)
def _counted(users: Any, starts: Any) -> None:
    """starts [users + 1], given as zeros: where the pairs of each user begin."""
    for user in users:
        starts[user + 1] += 1
    for user in range(1, len(starts)):
        starts[user] += starts[user - 1]


@numba.njit(parallel=True, cache=True, nogil=True)
def _sort(users: Any, items: Any, starts: Any, bounds: Any, order: Any) -> None:
    """Each part, of its users bounds[part] … bounds[part + 1], finds all pairs and orders them: item and place in the
    source are one number, so that those of one item stay as they come."""
    pairs, place_of = np.empty(len(users), dtype=np.uint64), starts[:-1].copy()
    for part in numba.prange(len(bounds) - 1):
        first, end = bounds[part], bounds[part + 1]
        for k in range(len(users)):
            user = users[k]
            if first <= user < end:
                pairs[place_of[user]] = np.uint64(items[k]) << np.uint64(32) | np.uint64(k)
                place_of[user] += 1
        for user in range(first, end):
            pairs[starts[user] : starts[user + 1]].sort()
        for k in range(starts[first], starts[end]):
            order[k] = pairs[k] & np.uint64(2**32 - 1)
