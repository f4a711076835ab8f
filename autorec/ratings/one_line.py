"""One line of plain text → one row, letter by letter."""

from typing import Any

import numba
import numpy as np

from autorec.ratings import text_ids
from autorec.ratings.plain import (
    EXACT,
    ID_DIGITS,
    MINUS,
    NEWLINE,
    NO_ITEM_NUMBER,
    NO_USER_NUMBER,
    NOT_PLAIN,
    POINT,
    QUOTE,
    RATING,
    RETURN,
    SKIP,
    TEXT,
    TIMESTAMP,
    USER,
    ZERO,
)

_DIGITS = 18  # that always fit an int64


@numba.njit(cache=True, nogil=True)
def one_line(text: Any, place: Any, form: Any, row: int, columns: Any, tables: Any) -> Any:
    """(where the next line begins, what is wrong: 0 or bits of `plain`). 8 letters follow the line."""
    separator, second, _, roles = form
    users, items, ratings, timestamps = columns
    wrong = 0
    for column in range(len(roles)):
        stop, right = _field(text, place, separator)
        role = roles[column]
        if role == RATING:
            ratings[row], good = _decimal(text, place, stop)
            right &= good
        elif role == TIMESTAMP:
            timestamps[row], good = _whole(text, place, stop, _DIGITS)
            right &= good
        elif role != SKIP:
            ids = users if role & ~TEXT == USER else items
            if role & TEXT:
                right &= np.uint64(0) < stop - place <= np.uint64(text_ids.LONGEST)
                if right:
                    table = tables[0] if role & ~TEXT == USER else tables[1]
                    text_ids.codes_of(text, np.array([place]), np.array([stop - place]), table, ids[row : row + 1])
            else:
                ids[row], good = _whole(text, place, stop, ID_DIGITS)
                if not good or (text[place] == ZERO and stop - place > np.uint64(1)):
                    wrong |= NO_USER_NUMBER if role == USER else NO_ITEM_NUMBER
        place, closed = _closed(text, stop, separator, second, column == len(roles) - 1)
        wrong |= 0 if right and closed else NOT_PLAIN
    return place, wrong


@numba.njit(cache=True, nogil=True)
def _field(text: Any, place: Any, separator: int) -> Any:
    """Where the field from `place` on ends, and whether it is without quotes."""
    plain = True
    while text[place] != separator and text[place] != NEWLINE and text[place] != RETURN:
        plain &= text[place] != QUOTE
        place += np.uint64(1)
    return place, plain


@numba.njit(cache=True, nogil=True)
def _whole(text: Any, start: Any, stop: Any, most: int) -> Any:
    """The number of these digits, whether it is one of 1 … `most`."""
    value, right = np.int64(0), np.uint64(0) < stop - start <= np.uint64(most)
    for place in range(start, stop):
        digit = np.uint8(text[place] - ZERO)
        right &= digit <= 9
        value = value * 10 + np.int64(digit)
    return value, right


@numba.njit(cache=True, nogil=True)
def _decimal(text: Any, start: Any, stop: Any) -> Any:
    """[-]digits[.digits] → the nearest float64, whether it was that, with 1 … `EXACT` digits."""
    negative = text[start] == MINUS
    value, power, digits = np.int64(0), 1.0, 0
    right, pointed = True, False
    for place in range(start + np.uint64(negative), stop):
        digit = np.uint8(text[place] - ZERO)
        if text[place] == POINT and not pointed:
            pointed = True
            continue
        right = bool(right and digit <= 9)
        value = value * 10 + np.int64(digit)
        digits += 1
        if pointed:
            power *= 10.0
    number = value / power
    return (-number if negative else number), right and 0 < digits <= EXACT


@numba.njit(cache=True, nogil=True)
def _closed(text: Any, place: Any, separator: int, second: int, last: bool) -> Any:
    """The place after what ends a field (a separator; the last: the end of a line), and whether it was there. Where it
    was not, the place stays, so that it never comes to lie beyond the line's end."""
    if last:
        if text[place] == RETURN:
            place += np.uint64(1)
        return (place + np.uint64(1), True) if text[place] == NEWLINE else (place, False)
    if text[place] != separator:
        return place, False
    if second < 0:
        return place + np.uint64(1), True
    return (place + np.uint64(2), True) if text[place + np.uint64(1)] == second else (place, False)
