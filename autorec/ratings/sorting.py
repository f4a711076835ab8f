"""Pairs of user and item: whether they are sorted, a stable sort, and where they stand in a matrix."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec.array_types import IntArray

_BLOCK = 2**16  # pairs compared at once, so that no temporary array is as long as the ratings


def count_repeats(users: IntArray, items: IntArray) -> int | None:
    """How many of the pairs, users [n] and items [n], equal the one before; None when not sorted by user, then item."""
    repeats = 0
    for start in range(0, len(users) - 1, _BLOCK):
        here, after = slice(start, start + _BLOCK), slice(start + 1, start + _BLOCK + 1)
        user, item = users[after], items[after]
        user_before, item_before = users[here][: len(user)], items[here][: len(item)]
        same = user == user_before
        if not ((user > user_before) | (same & (item >= item_before))).all():
            return None
        repeats += int(np.count_nonzero(same & (item == item_before)))
    return repeats


def find_row_starts(users: IntArray, n_users: int) -> npt.NDArray[np.int64]:
    """[n_users + 1] CSR's indptr: the index of the first pair of each user in sorted users [n], and n at the end."""
    return np.searchsorted(users, np.arange(n_users + 1, dtype=users.dtype)).astype(np.int64)


def find_pairs(csr: sparse.csr_array, rows: Any, columns: Any) -> npt.NDArray[np.int64]:
    """The entry of `csr` [n × m], whose columns ascend in each row, at (rows, columns), integers of any shapes that
    broadcast; −1 where it has none there, as where row or column is −1."""
    width = np.int64(csr.shape[1])
    stored = np.repeat(np.arange(csr.shape[0]), np.diff(csr.indptr)) * width + csr.indices  # ascending
    wanted = np.where((rows >= 0) & (columns >= 0), rows * width + columns, -1)
    entries = np.searchsorted(stored, wanted)
    return np.where(np.append(stored, -2)[entries] == wanted, entries, -1)


def sort_pairs(users: IntArray, items: IntArray, n_users: int, n_items: int) -> tuple[IntArray, IntArray, IntArray]:
    """(order [n], sorted users [n], sorted items [n]) of pairs [n] sorted by user, then item; equal pairs keep their
    order. users < n_users, items < n_items.

    SciPy's conversions COO → CSR → CSC are two counting sorts, first by item, then by user.
    """
    dtype: Any = np.int32 if max(len(users), n_users, n_items) < 2**31 else np.int64
    positions = np.arange(len(users), dtype=dtype)
    pairs = sparse.coo_array((positions, (items, users)), shape=(n_items, n_users))
    pairs.has_canonical_format = True  # else equal pairs would be summed
    by_item = pairs.tocsr()
    del positions, pairs  # while the next is made
    by_user = by_item.tocsc()
    del by_item
    sorted_users = np.repeat(np.arange(n_users, dtype=users.dtype), np.diff(by_user.indptr))
    return by_user.data, sorted_users, by_user.indices


def transposed(csr: sparse.csr_array) -> sparse.csr_array:
    """[n × m] → [m × n], columns ascending."""
    rows = csr.T.tocsr()
    rows.sort_indices()
    return rows
