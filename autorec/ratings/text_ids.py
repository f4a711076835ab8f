"""Text ids → codes 0, 1, … in the order in which they are met: a hash table that is filled while lines are read.

table: (slots, keys, met)
  slots  [a power of two] uint64: 0, or the hash's upper 24 bits and, in the lower 40, where in `keys` the id lies
  keys   uint64: from 1 on, of each id: its hash; code · 2³² + letters; these, eight a word, zeros after the last
  met    [2] int64: how many ids there are, how many words of `keys` they take
"""

from typing import Any

import numba
import numpy as np

from autorec import masks

LONGEST = 255  # letters of an id
AHEAD = 512  # ids that a table with room has room for

_WORDS = 2 + (LONGEST + 7) // 8  # that an id may take
_PLACE = np.uint64(2**40 - 1)
_LOW = np.uint64(2**32 - 1)
_ODD, _ODDER = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)  # bits without a pattern


@numba.njit(cache=True, nogil=True)
def new_table() -> Any:
    return np.zeros(2**11, dtype=np.uint64), np.zeros(2**13, dtype=np.uint64), np.array([0, 1])


@numba.njit(cache=True, nogil=True)
def with_room(table: Any) -> Any:
    """The table, or a larger one of the same ids: there is room for `AHEAD` more, at most half of all slots taken."""
    slots, keys, met = table
    if met[1] + AHEAD * _WORDS > len(keys):
        more = np.zeros(2 * len(keys), dtype=np.uint64)
        for k in range(met[1]):
            more[k] = keys[k]
        keys = more
    if 2 * (met[0] + AHEAD) > len(slots):
        slots = np.zeros(4 * len(slots), dtype=np.uint64)
        one, place, last = np.uint64(1), np.uint64(1), np.uint64(len(slots) - 1)
        for _ in range(met[0]):
            at = keys[place] & last
            while slots[at]:
                at = (at + one) & last
            slots[at] = keys[place] & ~_PLACE | place
            place = _after(keys, place)
    return slots, keys, met


@numba.njit(cache=True, nogil=True)
def _after(keys: Any, place: Any) -> Any:
    """The place of the id after the one at `place`."""
    return place + np.uint64(2) + ((keys[place + np.uint64(1)] & _LOW) + np.uint64(7) >> np.uint64(3))


@numba.njit(cache=True, nogil=True)
def codes_of(text: Any, starts: Any, lengths: Any, table: Any, codes: Any) -> None:
    """codes[k]: that of the id text[starts[k] : starts[k] + lengths[k]], a new one where it was not met before.

    Up to `AHEAD` ids of 1 … `LONGEST` letters, in a table with room for them. There are 8 letters after each in `text`.
    """
    slots, keys, met = table
    one, eight, last = np.uint64(1), np.uint64(8), np.uint64(len(slots) - 1)
    hashes = np.empty(len(codes), dtype=np.uint64)
    # Hashes first: the look-ups, which wait for memory, then go on side by side. No calls but of what always becomes
    # one with its caller: at others Numba would count references to the arrays, which takes longer than a look-up.
    for k in range(len(codes)):
        start, length = starts[k], lengths[k]
        hashed = length * _ODD
        while length > eight:
            hashed = (hashed ^ masks.eight(text, start)) * _ODDER
            hashed ^= hashed >> np.uint64(32)
            start, length = start + eight, length - eight
        hashed = (hashed ^ _only(masks.eight(text, start), length)) * _ODDER
        hashed = (hashed ^ hashed >> np.uint64(29)) * _ODD
        hashes[k] = hashed ^ hashed >> np.uint64(32)
    for k in range(len(codes)):
        at, code = hashes[k] & last, np.int32(-1)
        while slots[at] and code < 0:
            place = slots[at] & _PLACE
            if (slots[at] ^ hashes[k]) <= _PLACE and keys[place + one] & _LOW == lengths[k]:
                word, start, length = place + one + one, starts[k], lengths[k]
                while length > eight and keys[word] == masks.eight(text, start):
                    word, start, length = word + one, start + eight, length - eight
                if length <= eight and keys[word] == _only(masks.eight(text, start), length):
                    code = np.int32(keys[place + one] >> np.uint64(32))
            at = (at + one) & last
        if code < 0:
            code, place = met[0], np.uint64(met[1])
            slots[at] = hashes[k] & ~_PLACE | place
            keys[place], keys[place + one] = hashes[k], np.uint64(code) << np.uint64(32) | lengths[k]
            word, start, length = place + one + one, starts[k], lengths[k]
            while length > eight:
                keys[word] = masks.eight(text, start)
                word, start, length = word + one, start + eight, length - eight
            keys[word] = _only(masks.eight(text, start), length)
            met[0], met[1] = code + 1, word + one
        codes[k] = code


@numba.njit(cache=True, nogil=True)
def _only(letters: Any, length: Any) -> Any:
    """The first 1 … 8 of eight letters, zeros after them."""
    beyond = np.uint64(64) - length * np.uint64(8) & np.uint64(63)
    return (letters << beyond) >> beyond


@numba.njit(cache=True, nogil=True)
def add(table: Any, whole: Any, codes: Any) -> Any:
    """`whole`, which also has the ids of `table`; codes [ids of `table`]: theirs in it."""
    _, keys, met = table
    letters, place = keys.view(np.uint8), np.uint64(1)
    starts, lengths = np.empty(AHEAD, dtype=np.uint64), np.empty(AHEAD, dtype=np.uint64)
    for first in range(0, met[0], AHEAD):
        some = codes[first : first + AHEAD]
        for k in range(len(some)):
            lengths[k], starts[k] = keys[place + np.uint64(1)] & _LOW, (place + np.uint64(2)) << np.uint64(3)
            place = _after(keys, place)
        whole = with_room(whole)
        codes_of(letters, starts, lengths, whole, some)
    return whole


@numba.njit(cache=True, nogil=True)
def letters_of(table: Any) -> Any:
    """The letters of all ids, in the order of their codes, one after the other; [ids + 1] where each begins."""
    _, keys, met = table
    among, letters = keys.view(np.uint8), np.empty(8 * met[1], dtype=np.uint8)
    offsets = np.zeros(met[0] + 1, dtype=np.int64)
    place = np.uint64(1)
    for k in range(met[0]):
        start, length = (place + np.uint64(2)) << np.uint64(3), keys[place + np.uint64(1)] & _LOW
        offsets[k + 1] = offsets[k] + np.int64(length)
        for letter in range(length):
            letters[offsets[k] + np.int64(letter)] = among[start + letter]
        place = _after(keys, place)
    return letters[: offsets[-1]], offsets
