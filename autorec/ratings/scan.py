"""Large plain text → columns, on all cores, about as fast as it can be counted.

Plain: one row a line; decimal ratings; whole seconds as times; ids of any letters but quotes and control characters.
That is what MovieLens and most exports are. Whatever else is met, be it one letter, ends the scan with None, and the
general reader takes the file from its beginning and says what is wrong, if anything is.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from autorec import masks
from autorec.ratings import codes, text_ids
from autorec.ratings.columns import Columns
from autorec.ratings.layout import Layout
from autorec.ratings.plain import (
    ITEM,
    NEWLINE,
    NO_ITEM_NUMBER,
    NO_USER_NUMBER,
    NOT_PLAIN,
    RATING,
    SKIP,
    TEXT,
    TIMESTAMP,
    USER,
)
from autorec.ratings.plain_lines import read_lines
from autorec.ratings.sources import Data

LEAST = 4 * 2**20  # bytes from which on it pays: loading the compiled code takes longer than parsing less

_ROLES = {"user": USER, "item": ITEM, "rating": RATING, "timestamp": TIMESTAMP}
_PARTS = 4  # a thread, so that one that is held up does not hold up the others
_END = 16  # letters, at least, at the end that are read from a copy: what is read there may lie beyond the end

Text = npt.NDArray[np.uint8]
Piece = tuple[Text, int, int, int, int]  # some lines: the text, where in it they begin and end, the first row, the next
Read = tuple[Any, list[codes.Rows]]  # tables of text ids, the rows whose codes they give


def scan(data: Data, layout: Layout) -> Columns | None:
    """All rows below the header, or None when the text is not plain."""
    separator = layout.separator.encode()
    if not 1 <= len(separator) <= 2 or not {"user", "item", "rating"} <= set(layout.columns):
        return None
    start = _below(data, layout.header)
    first = bytes(data[start : data.find(b"\n", start) + 1 or len(data)])
    signs = (separator[0], separator[1] if len(separator) == 2 else -1, first.endswith(b"\r\n"))
    timed, texts = "timestamp" in layout.columns, 0
    pieces: list[Piece] = []
    while True:  # at first all ids are taken for numbers; those of columns that have others, then, for text
        form = (*signs, _roles(layout, texts))
        wrong, read = _read([_copied(first, 0)], form, _room(1, timed), threads=1)  # most are told by their first line
        if not wrong:
            pieces = pieces or _pieces(data, start)
            columns = _room(pieces[-1][-1], timed)
            wrong, read = _read(pieces, form, columns, int(numba.get_num_threads()))
        if not wrong:
            return _coded(columns, read, texts)
        if wrong & NOT_PLAIN:
            return None
        texts |= wrong


def _below(data: Data, header: int) -> int:
    """Where the first row begins."""
    start = 3 if data[:3] == b"\xef\xbb\xbf" else 0  # a byte order mark
    for _ in range(header):
        start = data.find(b"\n", start) + 1 or len(data)
    return start


def _roles(layout: Layout, texts: int) -> npt.NDArray[np.int8]:
    roles = np.full(layout.n_columns, SKIP, dtype=np.int8)
    for name, place in layout.columns.items():
        roles[place] = _ROLES[name]
    roles[(roles == USER) & bool(texts & NO_USER_NUMBER)] |= TEXT
    roles[(roles == ITEM) & bool(texts & NO_ITEM_NUMBER)] |= TEXT
    return roles


def _room(n: int, timed: bool) -> tuple[npt.NDArray[Any], ...]:
    """For users, items, ratings, timestamps."""
    return np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.float32), np.empty(n if timed else 0, np.int64)


def _copied(lines: bytes, row: int) -> Piece:
    """A piece by itself, whose last line ends, with room after it."""
    lines += b"" if lines.endswith(b"\n") or not lines else b"\n"
    text = np.frombuffer(lines + bytes(_END), dtype=np.uint8)
    return text, 0, len(lines), row, row + lines.count(b"\n")


def _pieces(data: Data, start: int) -> list[Piece]:
    """All lines from `start` on, in parts of about equal size; the last few in a copy."""
    text = np.frombuffer(data, dtype=np.uint8)
    end = max(data.rfind(b"\n", 0, max(len(data) - _END, 0)) + 1, start)
    parts = _PARTS * int(numba.get_num_threads())
    wanted = [start + (end - start) * part // parts for part in range(1, parts)]
    bounds = [start, *(min(data.find(b"\n", place) + 1 or end, end) for place in wanted), end]
    with ThreadPoolExecutor(int(numba.get_num_threads())) as pool:
        counts = list(pool.map(_count_lines, [text] * parts, bounds[:-1], bounds[1:]))
    rows = np.cumsum([0, *counts]).tolist()
    pieces = list(zip([text] * parts, bounds[:-1], bounds[1:], rows[:-1], rows[1:], strict=True))
    return [*pieces, _copied(bytes(data[end:]), rows[-1])]


def _read(
    pieces: Sequence[Piece], form: Any, columns: tuple[npt.NDArray[Any], ...], threads: int
) -> tuple[int, list[Read]]:
    """Fill the columns → (what is wrong: 0 or bits of `plain`; what each thread read)."""
    waiting = iter(pieces)

    def work() -> tuple[int, Read]:
        tables: Any = (text_ids.new_table(), text_ids.new_table())
        rows: list[codes.Rows] = []
        for text, start, stop, row, end_row in waiting:  # the next that no thread has taken
            wrong, tables = read_lines(text, start, stop, row, end_row, form, columns, tables)
            if wrong:
                list(waiting)  # nothing is left to the others
                return wrong, (tables, rows)
            rows.append((row, end_row))
        return 0, (tables, rows)

    if threads == 1:
        done = [work()]
    else:
        with ThreadPoolExecutor(threads) as pool:
            done = [future.result() for future in [pool.submit(work) for _ in range(threads)]]
    return int(np.bitwise_or.reduce([wrong for wrong, _ in done])), [read for _, read in done]


def _coded(columns: tuple[npt.NDArray[Any], ...], read: Sequence[Read], texts: int) -> Columns | None:
    users, items, ratings, timestamps = columns
    rows = [mine for _, mine in read]
    sides = []
    for side, (ids, text) in enumerate(((users, texts & NO_USER_NUMBER), (items, texts & NO_ITEM_NUMBER))):
        if text:
            unique = codes.of_tables([tables[side] for tables, _ in read], rows, ids)
            if unique is None:
                return None
            sides.append((ids, unique))
        else:
            sides.append(codes.of_numbers(ids))
    (users, user_ids), (items, item_ids) = sides
    return Columns(users, items, user_ids, item_ids, ratings, timestamps if len(timestamps) else None)


@numba.njit(cache=True, nogil=True)
def _count_lines(text: Any, start: int, stop: int) -> int:
    mine = text[start:stop]
    whole = len(mine) // masks.WIDTH * masks.WIDTH
    lines = np.uint64(0)
    for place in range(0, whole, masks.WIDTH):
        lines += masks.count(masks.equal(mine, place, NEWLINE))
    for place in range(whole, len(mine)):
        lines += np.uint64(mine[place] == NEWLINE)
    return int(lines)
