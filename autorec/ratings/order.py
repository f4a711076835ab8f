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


def sorted_pairs(users: IntArray, items: IntArray, n_users: int, n_items: int) -> tuple[IntArray, IntArray, IntArray]:
    """[n] the places of the pairs in order, their users and items; users < n_users, items < n_items.

    Many are counted and put where they belong twice, first by item, then by user, by all threads.
    """
    n = len(users)
    dtype: Any = np.int32 if n < 2**31 else np.int64
    if not LEAST <= n < 2**32:
        order = np.lexsort((items, users)).astype(dtype)
        return order, users[order], items[order]
    parts = min(int(numba.get_num_threads()), max(4 * n // max(n_users, n_items), 1))
    bounds = np.linspace(0, n, parts + 1).astype(np.int64)
    by_item = np.empty(n, dtype=np.uint64)
    item_ends = _put_by_item(users, items, np.zeros((parts, n_items), dtype=np.int64), bounds, by_item)
    order, sorted_items = np.empty(n, dtype), np.empty(n, items.dtype)
    places = np.zeros((parts, n_users), dtype=np.int64)
    user_ends = _put_by_user(by_item, item_ends, places, bounds, order, sorted_items)
    del by_item
    return order, np.repeat(np.arange(n_users, dtype=users.dtype), np.diff(user_ends, prepend=0)), sorted_items


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


# What both passes have in common: the pairs are cut into parts at `bounds`; `places` [parts × keys], given as zeros,
# becomes where each part puts its next pair of that key: after those of lower keys and those of earlier parts, so that
# pairs of the same key stay as they come. A pair is one number: a key, and the place in the source in the lower half.


@numba.njit(cache=True, nogil=True)
def _to_places(counts: Any) -> None:
    """How many pairs each part has of each key → where it puts the first of them."""
    place = 0
    for key in range(counts.shape[1]):
        for part in range(counts.shape[0]):
            here = counts[part, key]
            counts[part, key] = place
            place += here


@numba.njit(parallel=True, cache=True, nogil=True)
def _put_by_item(users: Any, items: Any, places: Any, bounds: Any, by_item: Any) -> Any:
    """by_item: users and places in the source, by item; where the pairs of each item end."""
    for part in numba.prange(len(bounds) - 1):
        mine = places[part]
        for k in range(bounds[part], bounds[part + 1]):
            mine[items[k]] += 1
    _to_places(places)
    for part in numba.prange(len(bounds) - 1):
        mine = places[part]
        for k in range(bounds[part], bounds[part + 1]):
            by_item[mine[items[k]]] = np.uint64(users[k]) << np.uint64(32) | np.uint64(k)
            mine[items[k]] += 1
    return places[-1]


@numba.njit(parallel=True, cache=True, nogil=True)
def _put_by_user(by_item: Any, item_ends: Any, places: Any, bounds: Any, order: Any, sorted_items: Any) -> Any:
    """order, sorted_items: places in the source and items, by user; where the pairs of each user end."""
    half, low = np.uint64(32), np.uint64(2**32 - 1)
    for part in numba.prange(len(bounds) - 1):
        mine = places[part]
        for k in range(bounds[part], bounds[part + 1]):
            mine[by_item[k] >> half] += 1
    _to_places(places)
    for part in numba.prange(len(bounds) - 1):
        mine, item = places[part], np.searchsorted(item_ends, bounds[part], side="right")
        for k in range(bounds[part], bounds[part + 1]):
            while k >= item_ends[item]:
                item += 1
            place = mine[by_item[k] >> half]
            order[place], sorted_items[place] = by_item[k] & low, item
            mine[by_item[k] >> half] += 1
    return places[-1]
