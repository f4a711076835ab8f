"""Large plain text → columns, on all cores, about as fast as it can be counted.

Plain: whole non-negative numbers as ids, written the one way they can be; decimal ratings; whole seconds as times; one
row a line; no quotes. That is what MovieLens and most exports are. Whatever else is met, be it one letter, ends the
scan with None, and the general reader takes the file from its beginning and says what is wrong, if anything is.
"""

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from autorec import masks
from autorec.ratings.layout import Layout
from autorec.ratings.plain_lines import ITEM, NEWLINE, RATING, SKIP, TIMESTAMP, USER, plain_line, short_lines
from autorec.ratings.sources import Data

LEAST = 4 * 2**20  # bytes from which on it pays: loading the compiled code takes longer than parsing less
_ROLES = {"user": USER, "item": ITEM, "rating": RATING, "timestamp": TIMESTAMP}
_ALIKE = 8  # lines read letter by letter before others are tried at once: such lines seldom come alone
_PARTS = 4  # a thread, so that one that is held up does not hold up the others


@dataclass(frozen=True, eq=False)
class Scanned:
    """users, items: the ids as numbers, one a row. timestamps: None when the layout has none."""

    users: npt.NDArray[np.integer[Any]]
    items: npt.NDArray[np.integer[Any]]
    ratings: npt.NDArray[np.float32]
    timestamps: npt.NDArray[np.int64] | None


def scan(data: Data, layout: Layout) -> Scanned | None:
    """All rows below the header, or None when the text is not plain."""
    separator = layout.separator.encode()
    if not 1 <= len(separator) <= 2 or not {"user", "item", "rating"} <= set(layout.columns):
        return None
    roles = np.full(layout.n_columns, SKIP, dtype=np.int8)
    for role, place in layout.columns.items():
        roles[place] = _ROLES[role]
    signs = (separator[0], separator[1] if len(separator) == 2 else -1)
    # Lines that end are read without a look at where the text ends; a last one that does not gets its end in a copy.
    whole = data.rfind(b"\n") + 1
    tail = bytes(data[whole:]) + b"\n" if whole < len(data) else b""
    body, end = np.frombuffer(data, dtype=np.uint8), np.frombuffer(tail, dtype=np.uint8)
    bounds = _line_starts(data, layout.header, whole)
    first = np.array([bounds[0], max(data.find(b"\n", bounds[0]) + 1, bounds[0])])
    timed = "timestamp" in layout.columns
    offsets = None
    kinds: tuple[Any, ...] = (np.int32, np.int64)
    for kind in kinds:  # ids that fit the narrow one are written, and later coded, in half the bytes
        how = (*signs, roles, int(np.iinfo(kind).max))
        if first[0] < first[1] and not _parse(body, first, np.array([0, 1]), *how, _columns(1, kind, timed)):
            continue  # as most text that is not plain: told from its first line
        if offsets is None:
            offsets = _offsets(body, bounds)
        n, last = int(offsets[-1]), int(bool(tail))
        columns = _columns(n + last, kind, timed)
        plain = _parse(body, bounds, offsets, *how, columns)
        if plain and last:
            plain = _parse(end, np.array([0, len(end)]), np.array([n, n + 1]), *how, columns)
        if plain:
            users, items, ratings, timestamps = columns
            return Scanned(users, items, ratings, timestamps if timed else None)
    return None


def _offsets(body: npt.NDArray[np.uint8], bounds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """[parts + 1] the row that each part begins with; last, how many there are."""
    counts = np.zeros(len(bounds) - 1, dtype=np.int64)
    _count_lines(body, bounds, counts)
    return np.concatenate(([0], np.cumsum(counts)))


def _columns(n: int, kind: Any, timed: bool) -> tuple[npt.NDArray[Any], ...]:
    """Room for users, items, ratings, timestamps."""
    return np.empty(n, kind), np.empty(n, kind), np.empty(n, np.float32), np.empty(n if timed else 0, np.int64)


def coded(ids: npt.NDArray[np.integer[Any]]) -> tuple[npt.NDArray[np.integer[Any]], npt.NDArray[np.int64]]:
    """Numbers ≥ 0 → codes into the sorted different ones, and these. int32 are overwritten by their codes."""
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


def _line_starts(data: Data, header: int, end: int) -> npt.NDArray[np.int64]:
    """Bounds of parts of about equal size that begin at the start of a line, below the header and before `end`."""
    start = 0
    for _ in range(header):
        start = data.find(b"\n", start) + 1 or len(data)
    start = min(start, end)
    parts = _PARTS * int(numba.get_num_threads())
    wanted = [start + (end - start) * part // parts for part in range(1, parts)]
    found = [min(data.find(b"\n", place) + 1 or end, end) for place in wanted]
    return np.array([start, *found, end], dtype=np.int64)


@numba.njit(parallel=True, cache=True, nogil=True)
def _count_lines(text: Any, bounds: Any, counts: Any) -> None:
    for part in numba.prange(len(counts)):
        mine = text[bounds[part] : bounds[part + 1]]
        whole = len(mine) // masks.WIDTH * masks.WIDTH
        lines = np.uint64(0)
        for start in range(0, whole, masks.WIDTH):
            lines += masks.count(masks.equal(mine, start, NEWLINE))
        for place in range(whole, len(mine)):
            lines += np.uint64(mine[place] == NEWLINE)
        counts[part] = lines


@numba.njit(parallel=True, cache=True, nogil=True)
def _parse(
    text: Any,
    bounds: Any,
    offsets: Any,
    separator: int,
    second: int,
    roles: Any,
    highest: int,
    columns: Any,
) -> bool:
    """Whether all was plain and no id above `highest`. Every line of the text ends in a newline: no field runs beyond
    it."""
    plain = np.zeros(len(bounds) - 1, dtype=np.bool_)
    for part in numba.prange(len(plain)):
        place, row, end = np.uint64(bounds[part]), offsets[part], offsets[part + 1]
        good = True
        while row < end and good:
            place, row = short_lines(text, place, separator, second, roles, row, end, columns)
            stop = min(row + _ALIKE, end)
            while row < stop and good:
                place, good = plain_line(text, place, separator, second, roles, highest, row, columns)
                row += 1
        plain[part] = good and place == bounds[part + 1]
    return bool(plain.all())


@numba.njit(parallel=True, cache=True, nogil=True)
def _mark(ids: Any, table: Any) -> None:
    for k in numba.prange(len(ids)):  # several threads may write the same 1; once, so that they don't wait for it
        if not table[ids[k]]:
            table[ids[k]] = 1


@numba.njit(parallel=True, cache=True, nogil=True)
def _look_up(ids: Any, table: Any, codes: Any) -> None:
    for k in numba.prange(len(ids)):
        codes[k] = table[ids[k]]
