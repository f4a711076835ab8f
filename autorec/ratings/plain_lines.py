"""Lines of plain text → rows: many together, about 10 ns a line, and letter by letter, 40 ns, where these do not do."""

from typing import Any

import numba
import numpy as np

from autorec import masks
from autorec.ratings import fields, text_ids
from autorec.ratings.one_line import one_line
from autorec.ratings.plain import NOT_PLAIN, RATING, SKIP, TEXT, TIMESTAMP, USER

_MOST, _LEAST = text_ids.AHEAD, 8  # lines taken together; after some that would not do, few


@numba.njit(cache=True, nogil=True)
def read_lines(text: Any, start: int, stop: int, row: int, end_row: int, form: Any, columns: Any, tables: Any) -> Any:
    """Lines text[start : stop] → rows `row` … `end_row` → (what is wrong: 0 or bits of `plain`, the tables as they are
    now). Together do not do: lines near the end of the text, and a line with a number of more than 8 letters (a time:
    16) or one that is not plain, with its neighbours."""
    _, _, _, roles = form
    users, items, ratings, timestamps = columns
    n, step, room = len(roles), np.uint64(len(roles)), _MOST * len(roles) + 2 * masks.WIDTH
    ends, lengths, signs = np.empty(room + 1, np.uint64), np.empty(room, np.uint64), fields.signs_of(form, room)
    words, more, negative = np.empty(_MOST, np.uint64), np.empty(_MOST, np.uint64), np.empty(_MOST, np.bool_)
    line, take, wrong = np.uint64(start), _LEAST, 0
    while row < end_row and not wrong:
        lines = 0
        tables = text_ids.with_room(tables[0]), text_ids.with_room(tables[1])
        if np.int64(line) <= len(text) - fields.AHEAD:
            ends[0] = line - np.uint64(1)
            whole, bad, zeros, minuses = fields.find_ends(text, line, form, min(take, end_row - row), ends)
            lines = min(whole, end_row - row, take)
            fields.lengths_of(ends, signs, lengths[: whole * n])
            for field in range(n):
                role, column = roles[field], np.uint64(field)
                if bad or role == SKIP:
                    continue
                if role == RATING:
                    if minuses:
                        fields.take_signs(text, ends, lengths, column, step, negative[:lines])
                    bad |= fields.words_of(text, ends, lengths, column, step, words[:lines])
                    bad |= fields.decimals_of(words, ratings[row : row + lines])
                    if minuses:
                        fields.give_signs(negative, ratings[row : row + lines])
                elif role == TIMESTAMP:
                    bad |= fields.pairs_of_words(text, ends, lengths, column, step, words[:lines], more)
                    bad |= fields.times_of(words, more, timestamps[row : row + lines])
                elif role & TEXT:
                    bad |= fields.places_of(ends, lengths, column, step, words[:lines], more)
                    if not bad:
                        user = role & ~TEXT == USER
                        ids, table = (users, tables[0]) if user else (items, tables[1])
                        text_ids.codes_of(text, words, more, table, ids[row : row + lines])
                else:
                    ids = users if role == USER else items
                    bad |= fields.words_of(text, ends, lengths, column, step, words[:lines])
                    bad |= fields.numbers_of(words, ids[row : row + lines])
                    bad |= zeros and fields.zero_leads(text, ends, lengths, column, step, lines)
            lines = 0 if bad else lines
        if lines:
            line, row, take = ends[lines * n] + np.uint64(1), row + lines, min(2 * take, _MOST)
        elif take > _LEAST:
            take = _LEAST
        else:
            last = min(row + _LEAST, end_row)
            while row < last and not wrong:
                line, wrong = one_line(text, line, form, row, columns, tables)
                row += 1
    return wrong if wrong or line == np.uint64(stop) else NOT_PLAIN, tables
