"""The fields of many lines of plain text: where they end, and what is in them, a column at a time.

Ends: of 64 letters at a look, those that are separators or newlines are the bits of one number. Numbers: eight letters
of each field become one word, right-aligned, and loops without branches turn words into numbers, several at once. What
these loops make of fields that are not plain is nowhere used.

Common to all: text [n] uint8; ends [1 + fields] uint64: where each field ends, of line after line (the last sign of a
separator, the newline), and before these the end of the line before; lengths [fields]; column: the first of the fields
that are looked at; step: from one to the next, the fields of a line.
"""

from typing import Any

import numba
import numpy as np

from autorec import masks
from autorec.ratings import text_ids
from autorec.ratings.plain import MINUS, NEWLINE, QUOTE, RETURN, SKIP, TEXT, ZERO

AHEAD = masks.WIDTH + 16  # letters that may be read beyond the last that is taken

_ONE, _EIGHT = np.uint64(1), np.uint64(8)
_BITS = np.uint64(64)

# The same letter or number eight times.
_ONES = np.uint64(0x0101010101010101)
_HIGH = np.uint64(0x8080808080808080)
_ZEROS = np.uint64(0x3030303030303030)
_POINTS = np.uint64(0x1E1E1E1E1E1E1E1E)  # "." ^ "0"
_TO_HIGH = np.uint64(0x7676767676767676)  # added to 10 or more it reaches the high bit, to 9 or less not


@numba.njit(cache=True, nogil=True)
def signs_of(form: Any, room: int) -> Any:
    """[room] how many signs end each field, of line after line."""
    _, second, returns, roles = form
    many = np.empty(room, dtype=np.uint64)
    for k in range(room):
        many[k] = 1 + (returns if k % len(roles) == len(roles) - 1 else second >= 0)
    return many


@numba.njit(cache=True, nogil=True)
def find_ends(text: Any, place: Any, form: Any, most: int, ends: Any) -> Any:
    """Write from ends[1] on where fields end, till `most` lines have ended or there is no more room or text →

    how many lines these are; whether there are signs that are not plain, or lines of more or fewer fields; whether a
    field begins with a zero and another digit; whether one begins with a minus.
    """
    separator, second, returns, roles = form
    bare = True  # no column in which all letters may stand: what is no number is seen by those who read numbers
    for role in roles:
        bare &= role != SKIP and not role & TEXT
    last = np.uint64(len(text) - AHEAD)
    found, newlines, room = np.uint64(0), np.uint64(0), np.uint64(len(ends) - masks.WIDTH - 1)
    before_separator = before_newline = strange = np.uint64(0)
    zeros, minuses = np.uint64(text[place] == ZERO), np.uint64(text[place] == MINUS)
    while newlines < np.uint64(most) and found <= room and place <= last:
        separators, ended = masks.equal(text, place, separator), masks.equal(text, place, NEWLINE)
        if second >= 0:
            firsts = separators
            separators = (firsts << _ONE | before_separator) & masks.equal(text, place, second)
            before_separator = firsts >> np.uint64(63)
        if returns:
            firsts, all_newlines = masks.equal(text, place, RETURN), ended
            ended &= firsts << _ONE | before_newline
            before_newline = firsts >> np.uint64(63)
            strange |= ended ^ all_newlines
        if not bare:
            strange |= masks.equal(text, place, QUOTE)
            alone = masks.equal(text, place, RETURN)
            strange |= alone & ~masks.equal(text, place + _ONE, NEWLINE) if returns else alone
        both = separators | ended
        zeros |= both & masks.equal(text, place + _ONE, ZERO) & ~masks.no_digits(text, place + np.uint64(2))
        minuses |= both & masks.equal(text, place + _ONE, MINUS)
        newlines += masks.count(ended)
        here, at = masks.count(both), found + _ONE
        for j in range(8):  # without asking whether there are so many: what is too much is written over
            ends[at + np.uint64(j)] = place + masks.lowest(both)
            both &= both - _ONE
        if here > _EIGHT:
            for j in range(8, 16):
                ends[at + np.uint64(j)] = place + masks.lowest(both)
                both &= both - _ONE
            at += np.uint64(16)
            while both:
                ends[at] = place + masks.lowest(both)
                both &= both - _ONE
                at += _ONE
        found += here
        place += np.uint64(masks.WIDTH)
    whole, at, broken = found // np.uint64(len(roles)), np.uint64(0), False
    for _ in range(whole):  # as many newlines as lines, and each ends one: so there are none but at the ends of lines
        at += np.uint64(len(roles))
        broken |= text[ends[at]] != NEWLINE
    bad = broken or strange != np.uint64(0) or newlines != whole
    return np.int64(whole), bad, zeros != np.uint64(0), minuses != np.uint64(0)


@numba.njit(cache=True, nogil=True)
def lengths_of(ends: Any, signs: Any, found: Any) -> None:
    """found [fields]: how many letters each has."""
    for k in range(len(found)):
        found[k] = ends[k + 1] - ends[k] - signs[k]


@numba.njit(cache=True, nogil=True)
def zero_leads(text: Any, ends: Any, lengths: Any, column: Any, step: Any, lines: int) -> bool:
    """Whether a field of the column begins with a zero and has more digits, which the number of an id has not."""
    leads = False
    for _ in range(lines):
        leads |= text[ends[column] + _ONE] == ZERO and lengths[column] != _ONE
        column += step
    return leads


@numba.njit(cache=True, nogil=True)
def words_of(text: Any, ends: Any, lengths: Any, column: Any, step: Any, words: Any) -> bool:
    """Each field as digits 0 … 9, a byte each, zeros before the first; whether one has no letters or more than 8."""
    long = np.uint64(0)
    for k in range(len(words)):
        length = lengths[column]
        long |= length - _ONE
        words[k] = (masks.eight(text, ends[column] + _ONE) ^ _ZEROS) << (_BITS - length * _EIGHT & np.uint64(63))
        column += step
    return bool(long >= _EIGHT)


@numba.njit(cache=True, nogil=True)
def pairs_of_words(text: Any, ends: Any, lengths: Any, column: Any, step: Any, words: Any, highs: Any) -> bool:
    """As `words_of`: the last 8 digits, and those before; whether one has no letters or more than 16."""
    long = np.uint64(0)
    for k in range(len(words)):
        length, start = lengths[column], ends[column] + _ONE
        long |= length - _ONE
        low = min(length, _EIGHT)
        high = length - low
        words[k] = (masks.eight(text, start + high) ^ _ZEROS) << (_BITS - low * _EIGHT & np.uint64(63))
        upper = (masks.eight(text, start) ^ _ZEROS) << (_BITS - high * _EIGHT & np.uint64(63))
        highs[k] = upper if high else np.uint64(0)
        column += step
    return bool(long >= np.uint64(16))


@numba.njit(cache=True, nogil=True)
def places_of(ends: Any, lengths: Any, column: Any, step: Any, starts: Any, mine: Any) -> bool:
    """Where the fields begin and how many letters they have; whether one has none or too many for an id."""
    long = np.uint64(0)
    for k in range(len(starts)):
        starts[k], mine[k] = ends[column] + _ONE, lengths[column]
        long |= lengths[column] - _ONE
        column += step
    return bool(long >= np.uint64(text_ids.LONGEST))


@numba.njit(cache=True, nogil=True, inline="always")
def _value(word: Any) -> Any:
    """The number of eight digits: neighbours become one number, three times."""
    pairs = word * np.uint64(10) + (word >> _EIGHT)
    fours = (pairs & np.uint64(0x00FF00FF00FF00FF)) * np.uint64(100 * 2**16 + 1) >> np.uint64(16)
    return (fours & np.uint64(0x0000FFFF0000FFFF)) * np.uint64(10_000 * 2**32 + 1) >> np.uint64(32)


@numba.njit(cache=True, nogil=True, inline="always")
def _no_digits(word: Any) -> Any:
    """Whether a byte is more than 9."""
    return (word | (word + _TO_HIGH)) & _HIGH


@numba.njit(cache=True, nogil=True)
def numbers_of(words: Any, numbers: Any) -> bool:
    """Whether a letter is no digit; here and below, words may be more than the numbers."""
    wrong = np.uint64(0)
    for k in range(len(numbers)):
        wrong |= _no_digits(words[k])
        numbers[k] = _value(words[k])
    return bool(wrong != np.uint64(0))


@numba.njit(cache=True, nogil=True)
def times_of(words: Any, highs: Any, numbers: Any) -> bool:
    """As `numbers_of`, of up to 16 digits."""
    wrong = np.uint64(0)
    for k in range(len(numbers)):
        wrong |= _no_digits(words[k]) | _no_digits(highs[k])
        numbers[k] = _value(highs[k]) * np.uint64(10**8) + _value(words[k])
    return bool(wrong != np.uint64(0))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def decimals_of(words: Any, numbers: Any) -> bool:
    """digits[.digits] → the nearest float64, both numbers of the quotient being exact; whether one is none such."""
    wrong = np.uint64(0)
    for k in range(len(numbers)):
        word = words[k]
        others = word ^ _POINTS
        points = (others - _ONES) & ~others & _HIGH  # the lowest bit is right, which is all that is asked for
        point = (points & (~points + _ONE)) >> np.uint64(7)  # 1 at the point, as a digit: a power of ten
        before = point - _ONE
        closed_up = (word & before) << _EIGHT | word & ~(before | point * np.uint64(255))
        digits = closed_up if points else word
        power = _value(point) if points else _ONE
        wrong |= _no_digits(digits) | np.uint64(word == np.uint64(0x1E << 56))  # a point alone
        numbers[k] = np.float64(np.int32(_value(digits))) / np.float64(np.int32(power))
    return bool(wrong != np.uint64(0))


@numba.njit(cache=True, nogil=True)
def take_signs(text: Any, ends: Any, lengths: Any, column: Any, step: Any, negative: Any) -> None:
    """Which numbers have a minus; these then begin after it. (The field before has its length already.)"""
    for k in range(len(negative)):
        negative[k] = text[ends[column] + _ONE] == MINUS
        ends[column] += np.uint64(negative[k])
        lengths[column] -= np.uint64(negative[k])
        column += step


@numba.njit(cache=True, nogil=True)
def give_signs(negative: Any, numbers: Any) -> None:
    """Minus the numbers that had one."""
    for k in range(len(numbers)):
        if negative[k]:
            numbers[k] = -numbers[k]
