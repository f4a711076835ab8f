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
_ZERO, _POINT, _MINUS, _QUOTE, _RETURN, _NEWLINE = (np.uint8(ord(sign)) for sign in '0.-"\r\n')
_PARTS = 4  # a thread, so that one that is held up does not hold up the others


@dataclass(frozen=True, eq=False)
class Scanned:
    """users, items: the ids as numbers, one a row. timestamps: None when the layout has none."""

    users: npt.NDArray[np.integer[Any]]
    items: npt.NDArray[np.integer[Any]]
    ratings: npt.NDArray[np.float64]
    timestamps: npt.NDArray[np.int64] | None


def scan(data: Data, layout: Layout) -> Scanned | None:
    """All rows below the header, or None when the text is not plain."""
    separator = layout.separator.encode()
    if not 1 <= len(separator) <= 2 or not {"user", "item", "rating"} <= set(layout.columns):
        return None
    roles = np.full(layout.n_columns, _SKIP, dtype=np.int8)
    for role, place in layout.columns.items():
        roles[place] = _ROLES[role]
    signs = (separator[0], separator[1] if len(separator) == 2 else -1)
    # Lines that end are read without a look at where the text ends; a last one that does not gets its end in a copy.
    whole = data.rfind(b"\n") + 1
    tail = bytes(data[whole:]) + b"\n" if whole < len(data) else b""
    body, end = np.frombuffer(data, dtype=np.uint8), np.frombuffer(tail, dtype=np.uint8)
    bounds = _line_starts(data, layout.header, whole)
    counts = np.zeros(len(bounds) - 1, dtype=np.int64)
    _count_lines(body, bounds, counts)
    offsets = np.concatenate(([0], np.cumsum(counts)))
    n, last = int(offsets[-1]), int(bool(tail))
    timed = "timestamp" in layout.columns
    ratings, timestamps = np.empty(n + last, np.float64), np.empty((n + last) if timed else 0, np.int64)
    kinds: tuple[Any, ...] = (np.int32, np.int64)
    for kind in kinds:  # ids that fit the narrow one are written, and later coded, in half the bytes
        users, items = np.empty(n + last, kind), np.empty(n + last, kind)
        found = (int(np.iinfo(kind).max), users, items, ratings, timestamps)
        plain = _parse(body, bounds, offsets, *signs, roles, *found)
        if plain and last:
            plain = _parse(end, np.array([0, len(end)]), np.array([n, n + 1]), *signs, roles, *found)
        if plain:
            return Scanned(users, items, ratings, timestamps if timed else None)
    return None


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
        lines = 0
        mine = text[bounds[part] : bounds[part + 1]]
        for start in range(0, len(mine), 2**12):  # so few that 16 bits count them, many at a time
            block: Any = mine[start : start + 2**12]
            few: Any = np.uint16(0)
            for place in range(len(block)):
                few = np.uint16(few + (np.uint16(1) if block[place] == _NEWLINE else np.uint16(0)))
            lines += few
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
    users: Any,
    items: Any,
    ratings: Any,
    timestamps: Any,
) -> bool:
    """Whether all was plain and no id above `highest`. Every line of the text ends in a newline: no field runs beyond
    it."""
    plain = np.zeros(len(bounds) - 1, dtype=np.bool_)
    for part in numba.prange(len(plain)):
        place = np.uint64(bounds[part])  # unsigned: no index counts from the end, so none is looked at for that
        good = True
        for row in range(offsets[part], offsets[part + 1]):
            for column in range(len(roles)):
                role = roles[column]
                if role == _USER:
                    users[row], place, right = _id(text, place, highest)
                elif role == _ITEM:
                    items[row], place, right = _id(text, place, highest)
                elif role == _RATING:
                    ratings[row], place, right = _decimal(text, place)
                elif role == _TIMESTAMP:
                    start = place
                    timestamps[row], place = _whole(text, place)
                    right = 0 < place - start <= _DIGITS
                else:
                    place, right = _skipped(text, place, separator)
                good &= right
                place, right = _closed(text, place, separator, second, column == len(roles) - 1)
                good &= right
            if not good:
                break
        plain[part] = good and place == bounds[part + 1]
    return bool(plain.all())


@numba.njit(cache=True, nogil=True)
def _whole(text: Any, place: Any) -> Any:
    """(the number that the digits from `place` on make, the place after them)."""
    value = np.int64(0)
    digit = np.uint8(text[place] - _ZERO)
    while digit <= 9:
        value = value * 10 + np.int64(digit)
        place += np.uint64(1)
        digit = np.uint8(text[place] - _ZERO)
    return value, place


@numba.njit(cache=True, nogil=True)
def _id(text: Any, place: Any, highest: int) -> Any:
    """A number, the place after it, whether it was written the one way it can be, no leading zero, and not too high."""
    value, after = _whole(text, place)
    digits = np.int64(after - place)
    return value, after, 0 < digits <= _DIGITS and (digits == 1 or text[place] != _ZERO) and value <= highest


@numba.njit(cache=True, nogil=True)
def _decimal(text: Any, place: Any) -> Any:
    """[-]digits[.digits] → the nearest float64, the place after it, whether it was one with at most 15 digits."""
    negative = text[place] == _MINUS
    start = place + np.uint64(negative)
    value, place = _whole(text, start)
    digits = np.int64(place - start)
    if text[place] != _POINT:
        return np.float64(-value if negative else value), place, 0 < digits <= _EXACT
    power = 1.0
    place += np.uint64(1)
    digit = np.uint8(text[place] - _ZERO)
    while digit <= 9:
        value = value * 10 + np.int64(digit)
        power *= 10.0
        digits += 1
        place += np.uint64(1)
        digit = np.uint8(text[place] - _ZERO)
    number = value / power
    return (-number if negative else number), place, 0 < digits <= _EXACT


@numba.njit(cache=True, nogil=True)
def _skipped(text: Any, place: Any, separator: int) -> Any:
    """The place after a field that nobody asked for, and whether it was without quotes."""
    plain = True
    while text[place] != separator and text[place] != _NEWLINE and text[place] != _RETURN:
        plain &= text[place] != _QUOTE
        place += np.uint64(1)
    return place, plain


@numba.njit(cache=True, nogil=True)
def _closed(text: Any, place: Any, separator: int, second: int, last: bool) -> Any:
    """The place after what ends a field (a separator; the last: the end of a line), and whether it was there. Where it
    was not, the place stays, so that it never comes to lie beyond the line's end."""
    if last:
        if text[place] == _RETURN:
            place += np.uint64(1)
        return (place + np.uint64(1), True) if text[place] == _NEWLINE else (place, False)
    if text[place] != separator:
        return place, False
    if second < 0:
        return place + np.uint64(1), True
    return (place + np.uint64(2), True) if text[place + np.uint64(1)] == second else (place, False)


@numba.njit(parallel=True, cache=True, nogil=True)
def _mark(ids: Any, table: Any) -> None:
    for k in numba.prange(len(ids)):  # several threads may write the same 1
        table[ids[k]] = 1


@numba.njit(parallel=True, cache=True, nogil=True)
def _look_up(ids: Any, table: Any, codes: Any) -> None:
    for k in numba.prange(len(ids)):
        codes[k] = table[ids[k]]
