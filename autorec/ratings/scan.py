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
from autorec.ratings.sources import Data

LEAST = 4 * 2**20  # bytes from which on it pays: loading the compiled code takes longer than parsing less
_SKIP, _USER, _ITEM, _RATING, _TIMESTAMP = range(5)
_ROLES = {"user": _USER, "item": _ITEM, "rating": _RATING, "timestamp": _TIMESTAMP}
_DIGITS = 18  # that always fit an int64
_EXACT = 15  # digits whose whole number and power of ten are exact in float64, so that their quotient is the nearest
_ZERO, _POINT, _MINUS, _QUOTE, _RETURN, _NEWLINE = (np.uint8(ord(sign)) for sign in '0.-"\r\n')
_POWERS = np.array([10**digits for digits in range(16)], dtype=np.uint64)
_TENTHS = (np.arange(100) / 10).astype(np.float32)
_AHEAD = 16  # letters that may be read beyond the 64 of a look, by numbers that begin within
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
    ratings, timestamps = np.empty(n + last, np.float32), np.empty((n + last) if timed else 0, np.int64)
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
        mine = text[bounds[part] : bounds[part + 1]]
        whole = len(mine) // masks.WIDTH * masks.WIDTH
        lines = np.uint64(0)
        for start in range(0, whole, masks.WIDTH):
            lines += masks.count(masks.equal(mine, start, _NEWLINE))
        for place in range(whole, len(mine)):
            lines += np.uint64(mine[place] == _NEWLINE)
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
        place, row, end = np.uint64(bounds[part]), offsets[part], offsets[part + 1]
        good = True
        while row < end and good:
            place, row = _short_lines(
                text, place, separator, second, roles, row, end, users, items, ratings, timestamps
            )
            if row < end:
                place, good = _line(
                    text, place, separator, second, roles, highest, row, users, items, ratings, timestamps
                )
                row += 1
        plain[part] = good and place == bounds[part + 1]
    return bool(plain.all())


@numba.njit(cache=True, nogil=True)
def _short_lines(
    text: Any,
    line: Any,
    separator: int,
    second: int,
    roles: Any,
    row: int,
    end_row: int,
    users: Any,
    items: Any,
    ratings: Any,
    timestamps: Any,
) -> Any:
    """Read rows up to `end_row` → (the place, the row) of the first line that `_line` is to read: one of more than 64
    letters, with a sign, with an id or part of a rating of more than 8 digits, near the end of the text, or not plain.

    Where all fields of a line end is known from one look at 64 letters; digits are read eight at once. What is made of
    a line that is not plain is nowhere used, and no place beyond `_AHEAD` is read for it.
    """
    one, eight = np.uint64(1), np.uint64(8)  # unsigned: no index counts from the end, so none is looked at for that
    width = np.uint64(2 if second >= 0 else 1)
    columns = len(roles)
    of_role = np.full(5, -1)
    for column in range(columns):
        of_role[roles[column]] = column
    user, item, rating, timestamp = of_role[_USER], of_role[_ITEM], of_role[_RATING], of_role[_TIMESTAMP]
    stops = np.empty(columns + 1, dtype=np.uint64)  # where the fields end, from the second on
    while row < end_row and np.int64(line) <= len(text) - masks.WIDTH - _AHEAD:
        ends = masks.equal(text, line, _NEWLINE)
        length = masks.lowest(ends)
        within = (one << (length & np.uint64(63))) - one
        separators = masks.equal(text, line, separator)
        if second >= 0:
            separators &= masks.equal(text, line, second) >> one
        separators &= within
        others = (masks.no_digits(text, line) & within) ^ (separators | separators << width - one)
        good = ends != np.uint64(0) and np.int64(masks.count(separators)) == columns - 1
        stops[0] = line - width
        for column in range(1, columns):
            stops[column] = line + masks.lowest(separators)
            separators &= separators - one
        stops[columns] = line + length
        if others and text[line + length - one] == _RETURN:
            others ^= one << (length - one & np.uint64(63))
            stops[columns] -= one
        users[row], right = _short_id(text, stops[user] + width, stops[user + 1])
        good &= right
        items[row], right = _short_id(text, stops[item] + width, stops[item + 1])
        good &= right
        start, stop = stops[rating] + width, stops[rating + 1]
        if others:
            point = line + masks.lowest(others)
            places = stop - point - one
            good &= (others & others - one == np.uint64(0)) & (text[point] == _POINT)
            good &= (point - start - one < eight) & (places - one < eight) & (stop - start - one <= np.uint64(_EXACT))
            if good and point == start + one and places == one:
                number = np.uint64(text[start] - _ZERO) * np.uint64(10) + np.uint64(text[point + one] - _ZERO)
                ratings[row] = _TENTHS[number]
            else:
                power = _POWERS[places & np.uint64(15)]
                whole = _number(text, start, point - start) * power + _number(text, point + one, places)
                ratings[row] = np.float64(whole) / np.float64(power)
        else:
            good &= stop - start - one < eight
            ratings[row] = np.float64(_number(text, start, stop - start))
        if timestamp >= 0:
            start, stop = stops[timestamp] + width, stops[timestamp + 1]
            good &= stop - start - one < np.uint64(16)
            if stop - start <= eight:
                timestamps[row] = _number(text, start, stop - start)
            elif good:
                high = _number(text, start, stop - start - eight)
                timestamps[row] = high * np.uint64(10**8) + _number(text, stop - eight, eight)
        if not good:
            break
        line += length + one
        row += 1
    return line, row


@numba.njit(cache=True, nogil=True)
def _short_id(text: Any, start: Any, stop: Any) -> Any:
    """A number, whether it has up to 8 digits and no leading zero. (No `and`: it would be a branch to guess.)"""
    digits = stop - start
    right = (digits - np.uint64(1) < np.uint64(8)) & ((text[start] != _ZERO) | (digits == np.uint64(1)))
    return _number(text, start, digits), right


@numba.njit(cache=True, nogil=True)
def _number(text: Any, start: Any, digits: Any) -> Any:
    """The number that 1 … 8 digits make; of others any. Pairs of neighbours become one number, three times."""
    letters = masks.eight(text, start) << (np.uint64(64) - digits * np.uint64(8) & np.uint64(63))  # zeros come first
    pairs = (letters & np.uint64(0x0F0F0F0F0F0F0F0F)) * np.uint64(10 * 2**8 + 1) >> np.uint64(8)
    fours = (pairs & np.uint64(0x00FF00FF00FF00FF)) * np.uint64(100 * 2**16 + 1) >> np.uint64(16)
    return (fours & np.uint64(0x0000FFFF0000FFFF)) * np.uint64(10_000 * 2**32 + 1) >> np.uint64(32)


@numba.njit(cache=True, nogil=True)
def _line(
    text: Any,
    place: Any,
    separator: int,
    second: int,
    roles: Any,
    highest: int,
    row: int,
    users: Any,
    items: Any,
    ratings: Any,
    timestamps: Any,
) -> Any:
    """(where the next line begins, whether all was plain), letter by letter."""
    good = True
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
    return place, good


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
    for k in numba.prange(len(ids)):  # several threads may write the same 1; once, so that they don't wait for it
        if not table[ids[k]]:
            table[ids[k]] = 1


@numba.njit(parallel=True, cache=True, nogil=True)
def _look_up(ids: Any, table: Any, codes: Any) -> None:
    for k in numba.prange(len(ids)):
        codes[k] = table[ids[k]]
