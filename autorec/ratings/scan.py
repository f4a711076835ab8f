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

from autorec.ratings.layout import Layout
from autorec.ratings.sources import Data

LEAST = 4 * 2**20  # bytes from which on it pays: loading the compiled code takes longer than parsing less
_SKIP, _USER, _ITEM, _RATING, _TIMESTAMP = range(5)
_ROLES = {"user": _USER, "item": _ITEM, "rating": _RATING, "timestamp": _TIMESTAMP}
_DIGITS = 18  # that always fit an int64
_EXACT = 15  # digits whose whole number and power of ten are exact in float64, so that their quotient is the nearest
_PARTS = 4  # a thread, so that one that is held up does not hold up the others


@dataclass(frozen=True, eq=False)
class Scanned:
    """users, items: the ids as numbers, one a row. timestamps: None when the layout has none."""

    users: npt.NDArray[np.int64]
    items: npt.NDArray[np.int64]
    ratings: npt.NDArray[np.float64]
    timestamps: npt.NDArray[np.int64] | None


def scan(data: Data, layout: Layout) -> Scanned | None:
    """All rows below the header, or None when the text is not plain."""
    separator = layout.separator.encode()
    if not 1 <= len(separator) <= 2 or not {"user", "item", "rating"} <= set(layout.columns):
        return None
    text = np.frombuffer(data, dtype=np.uint8)
    bounds = _line_starts(data, layout.header)
    counts = np.zeros(len(bounds) - 1, dtype=np.int64)
    _count_lines(text, bounds, counts)
    offsets = np.concatenate(([0], np.cumsum(counts)))
    roles = np.full(layout.n_columns, _SKIP, dtype=np.int8)
    for role, place in layout.columns.items():
        roles[place] = _ROLES[role]
    n = int(offsets[-1])
    timed = "timestamp" in layout.columns
    users, items, ratings = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.float64)
    timestamps = np.empty(n if timed else 0, np.int64)
    plain = np.zeros(len(counts), dtype=np.bool_)
    second = separator[1] if len(separator) == 2 else -1
    _parse(text, bounds, offsets, separator[0], second, roles, users, items, ratings, timestamps, plain)
    return Scanned(users, items, ratings, timestamps if timed else None) if plain.all() else None


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


def _line_starts(data: Data, header: int) -> npt.NDArray[np.int64]:
    """Bounds of parts of about equal size that begin at the start of a line, below the header."""
    start = 0
    for _ in range(header):
        start = data.find(b"\n", start) + 1 or len(data)
    parts = _PARTS * int(numba.get_num_threads())
    wanted = [start + (len(data) - start) * part // parts for part in range(1, parts)]
    found = [data.find(b"\n", place) + 1 or len(data) for place in wanted]
    return np.array([start, *found, len(data)], dtype=np.int64)


@numba.njit(parallel=True, cache=True, nogil=True)
def _count_lines(text: Any, bounds: Any, counts: Any) -> None:
    for part in numba.prange(len(counts)):
        first, end = bounds[part], bounds[part + 1]
        lines = 0
        for place in range(first, end):
            lines += text[place] == 10
        counts[part] = lines + (end > first and text[end - 1] != 10)


@numba.njit(parallel=True, cache=True, nogil=True)
def _parse(
    text: Any,
    bounds: Any,
    offsets: Any,
    separator: int,
    second: int,
    roles: Any,
    users: Any,
    items: Any,
    ratings: Any,
    timestamps: Any,
    plain: Any,
) -> None:
    for part in numba.prange(len(plain)):
        place, end = bounds[part], bounds[part + 1]
        good = True
        for row in range(offsets[part], offsets[part + 1]):
            for column in range(len(roles)):
                role = roles[column]
                if role == _USER:
                    users[row], place, right = _id(text, place, end)
                    good &= right
                elif role == _ITEM:
                    items[row], place, right = _id(text, place, end)
                    good &= right
                elif role == _RATING:
                    ratings[row], place, right = _decimal(text, place, end)
                    good &= right
                elif role == _TIMESTAMP:
                    start = place
                    timestamps[row], place = _whole(text, place, end)
                    good &= 0 < place - start <= _DIGITS
                else:
                    while place < end and text[place] != separator and text[place] != 10 and text[place] != 13:
                        good &= text[place] != 34  # a quote
                        place += 1
                place, right = _closed(text, place, end, separator, second, column == len(roles) - 1)
                good &= right
                if not good:
                    break
            if not good:
                break
        plain[part] = good and place == end


@numba.njit(cache=True, nogil=True)
def _whole(text: Any, place: int, end: int) -> Any:
    """(the number that the digits from `place` on make, the place after them)."""
    value = np.int64(0)
    while place < end and 48 <= text[place] <= 57:
        value = value * 10 + (np.int64(text[place]) - 48)
        place += 1
    return value, place


@numba.njit(cache=True, nogil=True)
def _id(text: Any, place: int, end: int) -> tuple[int, int, bool]:
    """A number, the place after it, whether it was written the one way it can be: no leading zero."""
    value, after = _whole(text, place, end)
    digits = after - place
    return value, after, 0 < digits <= _DIGITS and (digits == 1 or text[place] != 48)


@numba.njit(cache=True, nogil=True)
def _decimal(text: Any, place: int, end: int) -> tuple[float, int, bool]:
    """[-]digits[.digits] → the nearest float64, the place after it, whether it was one with at most 15 digits."""
    negative = place < end and text[place] == 45
    start = place + negative
    value, place = _whole(text, start, end)
    digits = place - start
    power = 1.0
    if place < end and text[place] == 46:
        start = place + 1
        while place + 1 < end and 48 <= text[place + 1] <= 57:
            place += 1
            value = value * 10 + (np.int64(text[place]) - 48)
            power *= 10.0
        place += 1
        digits += place - start
    number = value / power
    return (-number if negative else number), place, 0 < digits <= _EXACT


@numba.njit(cache=True, nogil=True)
def _closed(text: Any, place: int, end: int, separator: int, second: int, last: bool) -> tuple[int, bool]:
    """The place after what ends a field (a separator; the last: the end of a line), and whether it was there."""
    if last:
        if place < end and text[place] == 13:
            place += 1
        return (place, True) if place == end else (place + 1, text[place] == 10)
    if place >= end or text[place] != separator:
        return place, False
    if second < 0:
        return place + 1, True
    return place + 2, place + 1 < end and text[place + 1] == second


@numba.njit(parallel=True, cache=True, nogil=True)
def _mark(ids: Any, table: Any) -> None:
    for k in numba.prange(len(ids)):  # several threads may write the same 1
        table[ids[k]] = 1


@numba.njit(parallel=True, cache=True, nogil=True)
def _look_up(ids: Any, table: Any, codes: Any) -> None:
    for k in numba.prange(len(ids)):
        codes[k] = table[ids[k]]
