"""Pairs by user, then item: their order, stable (of equal pairs the earlier in the source stays the earlier), which of
them come again, where those of each user begin."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer[Any]]

LEAST = 2**20  # pairs from which on counting pays: loading the compiled code takes longer than sorting fewer
_PARTS = 64  # of the pairs, gone through side by side


def order_of_pairs(users: IntArray, items: IntArray, n_users: int, n_items: int) -> IntArray | None:
    """[n] places of the pairs in order, None when they are in order already; users < n_users, items < n_items."""
    dtype: Any = np.int32 if len(users) < 2**31 else np.int64
    if len(users) < LEAST:
        order: IntArray = np.lexsort((items, users)).astype(dtype)
        return None if (order == np.arange(len(order))).all() else order
    if _is_ordered(users, items):
        return None
    order = np.empty(len(users), dtype=dtype)
    starts = np.zeros(n_users + 1, dtype=np.int64)
    _count(users, starts, order)
    _sort_within(items, starts, order)
    return order


def repeats(users: IntArray, items: IntArray) -> int:
    """How many of the pairs, in order, are the same as the one before."""
    if len(users) < LEAST:
        return int(np.count_nonzero((users[1:] == users[:-1]) & (items[1:] == items[:-1])))
    return int(_repeats(users, items))


def starts(users: IntArray, n_users: int) -> npt.NDArray[np.int64]:
    """[n_users + 1] the place where the pairs of each user begin, of ascending users; last, their number."""
    if len(users) < LEAST:
        return np.searchsorted(users, np.arange(n_users + 1)).astype(np.int64)
    found = np.empty(n_users + 1, dtype=np.int64)
    found[: users[0] + 1], found[users[-1] + 1 :] = 0, len(users)
    _starts(users, found)
    return found


@numba.njit(parallel=True, cache=True, nogil=True)
def _is_ordered(users: Any, items: Any) -> bool:
    ordered = np.ones(_PARTS, dtype=np.bool_)
    for part in numba.prange(_PARTS):
        user, user_before, item, item_before = _neighbours(users, items, part)
        later = False  # no way out of the loop, which so goes many at a time
        for k in range(len(user)):
            later |= (user[k] < user_before[k]) | ((user[k] == user_before[k]) & (item[k] < item_before[k]))
        ordered[part] = not later
    return bool(ordered.all())


@numba.njit(parallel=True, cache=True, nogil=True)
def _repeats(users: Any, items: Any) -> int:
    counts = np.zeros(_PARTS, dtype=np.int64)
    for part in numba.prange(_PARTS):
        user, user_before, item, item_before = _neighbours(users, items, part)
        for k in range(len(user)):
            counts[part] += (user[k] == user_before[k]) & (item[k] == item_before[k])
    return int(counts.sum())


@numba.njit(parallel=True, cache=True, nogil=True)
def _starts(users: Any, found: Any) -> None:
    for part in numba.prange(_PARTS):
        user, user_before, _, _ = _neighbours(users, users, part)
        first = max(len(users) * part // _PARTS, 1)
        for k in range(len(user)):
            if user[k] != user_before[k]:
                found[user_before[k] + 1 : user[k] + 1] = first + k


@numba.njit(cache=True, nogil=True)
def _neighbours(users: Any, items: Any, part: int) -> Any:
    """A part of the users, the ones before each of these, and of the items the same."""
    first, end = max(len(users) * part // _PARTS, 1), len(users) * (part + 1) // _PARTS
    return users[first:end], users[first - 1 : end - 1], items[first:end], items[first - 1 : end - 1]


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
