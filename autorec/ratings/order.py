"""The order of pairs by user, then item, stable: of equal pairs the earlier in the source stays the earlier."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer[Any]]

LEAST = 2**20  # pairs from which on counting pays: loading the compiled code takes longer than sorting fewer


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


@numba.njit(cache=True, nogil=True)
def _is_ordered(users: Any, items: Any) -> bool:
    for k in range(1, len(users)):
        if users[k] < users[k - 1] or (users[k] == users[k - 1] and items[k] < items[k - 1]):
            return False
    return True


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
