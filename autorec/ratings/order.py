"""Pairs by user, then item: their order, stable (of equal pairs the earlier in the source stays the earlier), which of
them come again, where those of each user begin."""

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
    if len(users) < LEAST:
        return np.lexsort((items, users)).astype(dtype)
    order = np.empty(len(users), dtype=dtype)
    starts = np.zeros(n_users + 1, dtype=np.int64)
    _count(users, starts, order)
    _sort_within(items, starts, order)
    return order


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
def _count(keys: Any, starts: Any, order: Any) -> None:
    """Counting sort: `order` holds the places by the key of each, ties as they come; starts [keys + 1], given as zeros:
    where those of each key begin."""
    for key in keys:
        starts[key + 1] += 1
    for key in range(1, len(starts)):
        starts[key] += starts[key - 1]
    place = starts[:-1].copy()
    for k in range(len(keys)):
        order[place[keys[k]]] = k
        place[keys[k]] += 1


@numba.njit(parallel=True, cache=True, nogil=True)
def _sort_within(items: Any, starts: Any, order: Any) -> None:
    """The places of each user by item, ties as they come."""
    for user in numba.prange(len(starts) - 1):
        run = order[starts[user] : starts[user + 1]]
        run[:] = run[np.argsort(items[run], kind="mergesort")]
