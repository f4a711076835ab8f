"""The lines of plain text → numbers: most with one look at all of a line and eight digits at once, the rest letter by
letter. The two read the same; what neither reads is not plain.

Common to both: text [n] uint8; separator, second: the letters between fields, second −1 where it is one; roles [fields
of a line]; columns: users, items, ratings, timestamps, at place `row` of which goes what is read.
"""

from typing import Any

import numba
import numpy as np

from autorec import masks

SKIP, USER, ITEM, RATING, TIMESTAMP = range(5)
_DIGITS = 18  # that always fit an int64
_EXACT = 15  # digits whose whole number and power of ten are exact in float64, so that their quotient is the nearest
_ZERO, _POINT, _MINUS, _QUOTE, _RETURN, NEWLINE = (np.uint8(ord(sign)) for sign in '0.-"\r\n')
_POWERS = np.array([10**digits for digits in range(16)], dtype=np.uint64)
_TENTHS = np.arange(128) / 10
_AHEAD = 16  # letters that may be read beyond the 64 of a look, by numbers that begin within


@numba.njit(cache=True, nogil=True)
def short_lines(
    text: Any,
    line: Any,
    separator: int,
    second: int,
    roles: Any,
    row: int,
    end_row: int,
    columns: Any,
) -> Any:
    """Read rows up to `end_row` → (the place, the row) of the first line that `plain_line` is to read: one of more than
    64 letters, with a sign, with an id or part of a rating of more than 8 digits, near the text's end, or not plain.

    Where all fields of a line end is known from one look at 64 letters; digits are read eight at once. What is made of
    a line that is not plain is nowhere used, and no place beyond `_AHEAD` is read for it.
    """
    one, width = np.uint64(1), np.uint64(2 if second >= 0 else 1)  # unsigned: no index counts from the end
    users, items, ratings, timestamps = columns
    last, of_role = len(roles) - 1, np.full(5, -1)
    for column in range(last + 1):
        of_role[roles[column]] = column
    user, item, rating, timestamp = of_role[USER], of_role[ITEM], of_role[RATING], of_role[TIMESTAMP]
    stops = np.empty(last + 2, dtype=np.uint64)  # where the fields end, from the second on
    while row < end_row and np.int64(line) <= len(text) - masks.WIDTH - _AHEAD:
        length = masks.lowest(masks.equal(text, line, NEWLINE))
        within = (one << (length & np.uint64(63))) - one
        separators = masks.equal(text, line, separator)
        if second >= 0:
            separators &= masks.equal(text, line, second) >> one
        separators &= within
        others = (masks.no_digits(text, line) & within) ^ (separators | separators << width - one)
        good = length < np.uint64(masks.WIDTH) and np.int64(masks.count(separators)) == last
        stops[0] = line - width
        for column in range(1, last + 1):
            stops[column] = line + masks.lowest(separators)
            separators &= separators - one
        stops[last + 1] = line + length
        if others and text[line + length - one] == _RETURN:
            others ^= one << (length - one & np.uint64(63))
            stops[last + 1] -= one
        users[row], right = _short_id(text, stops[user] + width, stops[user + 1])
        good &= right
        items[row], right = _short_id(text, stops[item] + width, stops[item + 1])
        good &= right
        start, stop = stops[rating] + width, stops[rating + 1]
        if others:
            ratings[row], right = _short_decimal(text, start, stop, line + masks.lowest(others))
            good &= right & (others & others - one == np.uint64(0))
        else:
            ratings[row], right = np.float32(_number(text, start, stop - start)), stop - start - one < np.uint64(8)
            good &= right
        if timestamp >= 0:
            timestamps[row], right = _short_time(text, stops[timestamp] + width, stops[timestamp + 1])
            good &= right
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
def _short_decimal(text: Any, start: Any, stop: Any, point: Any) -> Any:
    """Digits around a point → the nearest float64, whether it was that, up to 8 digits on each side and 15 in all."""
    one, eight = np.uint64(1), np.uint64(8)
    places = stop - point - one
    right = (point - start - one < eight) & (places - one < eight) & (text[point] == _POINT)
    right &= stop - start - one <= np.uint64(_EXACT)
    if right and point == start + one and places == one:
        number = np.uint64(text[start] - _ZERO) * np.uint64(10) + np.uint64(text[point + one] - _ZERO)
        return _TENTHS[number & np.uint64(127)], right  # beyond 99 only in a line that is not plain
    power = _POWERS[places & np.uint64(15)]
    whole = _number(text, start, point - start) * power + _number(text, point + one, places)
    return np.float64(whole) / np.float64(power), right


@numba.njit(cache=True, nogil=True)
def _short_time(text: Any, start: Any, stop: Any) -> Any:
    """A number, whether it has up to 16 digits."""
    digits, eight = stop - start, np.uint64(8)
    if digits <= eight:
        return _number(text, start, digits), digits > np.uint64(0)
    if digits > np.uint64(16):
        return np.uint64(0), False
    high = _number(text, start, digits - eight)
    return high * np.uint64(10**8) + _number(text, stop - eight, eight), True


@numba.njit(cache=True, nogil=True)
def _number(text: Any, start: Any, digits: Any) -> Any:
    """The number that 1 … 8 digits make; of others any. Pairs of neighbours become one number, three times."""
    letters = masks.eight(text, start) << (np.uint64(64) - digits * np.uint64(8) & np.uint64(63))  # zeros come first
    pairs = (letters & np.uint64(0x0F0F0F0F0F0F0F0F)) * np.uint64(10 * 2**8 + 1) >> np.uint64(8)
    fours = (pairs & np.uint64(0x00FF00FF00FF00FF)) * np.uint64(100 * 2**16 + 1) >> np.uint64(16)
    return (fours & np.uint64(0x0000FFFF0000FFFF)) * np.uint64(10_000 * 2**32 + 1) >> np.uint64(32)


@numba.njit(cache=True, nogil=True)
def plain_line(
    text: Any,
    place: Any,
    separator: int,
    second: int,
    roles: Any,
    highest: int,
    row: int,
    columns: Any,
) -> Any:
    """(where the next line begins, whether all was plain), letter by letter."""
    users, items, ratings, timestamps = columns
    good = True
    for column in range(len(roles)):
        role = roles[column]
        if role == USER:
            users[row], place, right = _id(text, place, highest)
        elif role == ITEM:
            items[row], place, right = _id(text, place, highest)
        elif role == RATING:
            ratings[row], place, right = _decimal(text, place)
        elif role == TIMESTAMP:
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
    while text[place] != separator and text[place] != NEWLINE and text[place] != _RETURN:
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
        return (place + np.uint64(1), True) if text[place] == NEWLINE else (place, False)
    if text[place] != separator:
        return place, False
    if second < 0:
        return place + np.uint64(1), True
    return (place + np.uint64(2), True) if text[place + np.uint64(1)] == second else (place, False)
