"""Raw ids → codes into the sorted different ones, many at a time."""

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autorec.ratings import ids as id_tools
from autorec.ratings import text_ids
from autorec.ratings.ids import Ids

Rows = tuple[int, int]  # the first, the one after the last


def of_numbers(ids: npt.NDArray[np.integer[Any]]) -> tuple[npt.NDArray[np.integer[Any]], npt.NDArray[np.int64]]:
    """Numbers ≥ 0 → codes, the different numbers. int32 are overwritten by their codes."""
    highest = int(ids.max(initial=0))
    if highest > max(4 * len(ids), 2**20):  # a table would be larger than what it orders
        unique, codes = np.unique(ids, return_inverse=True)
        return codes, unique.astype(np.int64)
    table = np.zeros(highest + 1, dtype=np.int32)
    _mark(ids, table)
    unique = np.flatnonzero(table)
    table[unique] = np.arange(len(unique), dtype=np.int32)
    codes = ids if ids.dtype == np.int32 else np.empty(len(ids), dtype=np.int32)
    _look_up(ids, table, codes)
    return codes, unique.astype(np.int64)


def of_tables(tables: Sequence[Any], rows: Sequence[Sequence[Rows]], codes: npt.NDArray[np.int32]) -> Ids | None:
    """Codes that hold, in rows[i], for tables[i] → codes that hold for all, in place; the different ids.

    None: an id is blank, no UTF-8, or has control characters.
    """
    whole, maps = tables[0], [np.arange(tables[0][2][0], dtype=np.int32)]
    for table in tables[1:]:
        more = np.empty(table[2][0], dtype=np.int32)
        whole = text_ids.add(table, whole, more)
        maps.append(more)
    letters, offsets = text_ids.letters_of(whole)
    if len(letters) and letters.min() < ord(" "):
        return None
    tokens = pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(letters))
    try:
        tokens.validate(full=True)
    except pa.ArrowInvalid:
        return None
    found = tokens.to_pylist()
    if not all(map(str.strip, found)):
        return None
    rank, ids = id_tools.ranked(found)
    for places, more in zip(rows, maps, strict=True):
        for first, end in places:
            _look_up(codes[first:end], rank[more], codes[first:end])
    return ids


@numba.njit(parallel=True, cache=True, nogil=True)
def _mark(ids: Any, table: Any) -> None:
    for k in numba.prange(len(ids)):  # several threads may write the same 1; once, so that they don't wait for it
        if not table[ids[k]]:
            table[ids[k]] = 1


@numba.njit(parallel=True, cache=True, nogil=True)
def _look_up(ids: Any, table: Any, codes: Any) -> None:
    for k in numba.prange(len(ids)):
        codes[k] = table[ids[k]]
