"""The dialect of a text file, from its first lines: separator, header, first row, which column is what."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from autorec.errors import InputError, ParameterError
from autorec.ratings.roles import Columns, choose_columns, count_known_names, number_columns
from autorec.ratings.values import parse_number, parse_seconds

SEPARATORS = ("::", "\t", ",", ";", "|", " ")

_BOM = b"\xef\xbb\xbf"
_HEAD = 65536  # bytes read
_SAMPLE = 100  # lines read
_LINE_END = re.compile(rb"\r\n|\n|\r")
_EXCEL = re.compile(r'"?sep=(.)"?', re.IGNORECASE).fullmatch


class Line(NamedTuple):
    """A line of the file without its end: number from 1, byte at which it begins, byte after its end, text."""

    number: int
    start: int
    stop: int
    text: str


@dataclass(frozen=True)
class Dialect:
    """How the rows of a text file are written.

    separator  between two fields; fields may be quoted when it is one character of ASCII
    decimal    the decimal point, "." or ","
    start      byte at which the first row begins; line: the number of that line, from 1
    n_columns  fields of a row
    columns    role → column from 0
    """

    separator: str
    decimal: str
    start: int
    line: int
    n_columns: int
    columns: dict[str, int]

    @property
    def quotes(self) -> bool:
        return may_quote(self.separator)


def may_quote(separator: str) -> bool:
    """Whether fields may be quoted: not where a character stands for the separator, of which Arrow takes one byte."""
    return len(separator.encode()) == 1


def head_lines(data: bytes) -> list[Line]:
    """The first lines, blank ones left out, ended by \\n, \\r\\n or \\r; without a last line that _HEAD may cut."""
    start = len(_BOM) if data.startswith(_BOM) else 0
    lines = []
    number = 1
    for end in _LINE_END.finditer(data[:_HEAD]):
        if end.start() >= start:
            lines.append(Line(number, start, end.end(), _decode(data[start : end.start()])))
            number, start = number + 1, end.end()
    if len(data) <= _HEAD or not lines:
        whole = _LINE_END.search(data, _HEAD)
        stop, after = (whole.start(), whole.end()) if whole else (len(data), len(data))
        lines.append(Line(number, start, after, _decode(data[start:stop])))
    return [line for line in lines if line.text.strip()]


def _decode(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")


def detect_dialect(
    source: str,
    lines: Sequence[Line],
    *,
    sep: str | None = None,
    header: bool | None = None,
    columns: Columns | None = None,
    needed: Sequence[str] = ("user", "item", "rating"),
    decimal: str = ".",
) -> Dialect:
    """The dialect of a text file from its first lines; what is given is taken, not guessed.

    Excel's first line `sep=;` names the separator. Lines at the top that begin with # are comments; the last of them
    may be the header. InputError: no separator, several as good as each other, a role without a column.
    """
    if not lines:
        raise InputError(f"{source} is empty; give a file with ratings")
    if (excel := _EXCEL(lines[0].text.strip(" \t"))) and len(lines) > 1:
        sep, lines = sep or excel[1], lines[1:]
    lines = lines[:_SAMPLE]
    rows = _skip_comments(lines)
    comments = lines[: len(lines) - len(rows)]
    separator = sep if sep is not None else _find_separator(source, [row.text for row in rows], header, columns, needed)
    if separator == decimal:
        raise ParameterError(
            f"decimal is {decimal!r}, and so is the separator; they must differ: separate columns by ; or write points"
        )
    first = split_fields(rows[0].text, separator)
    if comments and header is None:
        above = split_fields(comments[-1].text.lstrip("# \t"), separator)
        if len(above) == len(first) and count_known_names(above) >= 2:
            chosen = choose_columns(source, above, columns, needed)
            return Dialect(separator, decimal, rows[0].start, rows[0].number, len(first), chosen)
    has_header = header if header is not None else _is_header([row.text for row in rows], separator, columns)
    if not has_header:
        chosen = number_columns(source, len(first), columns, needed)
        return Dialect(separator, decimal, rows[0].start, rows[0].number, len(first), chosen)
    chosen = choose_columns(source, first, columns, needed)
    return Dialect(separator, decimal, rows[0].stop, rows[0].number + 1, len(first), chosen)


def _skip_comments(lines: Sequence[Line]) -> Sequence[Line]:
    """The lines without the comments at the top.

    A line that begins with # is a row, not a comment, where it has as many fields as the first line without #, and a
    number among them: an id may begin with # too.
    """
    plain = next((line.text for line in lines if not line.text.lstrip().startswith("#")), None)
    if plain is None:
        return lines
    for number, line in enumerate(lines):
        if not line.text.lstrip().startswith("#"):
            return lines[number:]
        for separator in SEPARATORS:
            fields = split_fields(line.text, separator)
            as_wide = len(fields) > 1 and len(fields) == len(split_fields(plain, separator))
            if as_wide and _count_numbers(fields):
                return lines[number:]
    return lines


def split_fields(line: str, separator: str) -> list[str]:
    """The fields of one line, without quotes and the spaces around them."""
    if may_quote(separator) and '"' in line:
        try:
            fields = next(csv.reader([line], delimiter=separator), [""])
        except csv.Error:  # a field of more than csv.field_size_limit()
            fields = line.split(separator)
    else:
        fields = line.split(separator)
    return [field.strip().strip('"') for field in fields]


class _Score(NamedTuple):
    """How well a separator fits, compared in this order.

    plausible  lines whose fields are what their roles ask for
    clean      of these, lines whose ids hold no other separator
    regular    lines with the most frequent number of fields
    """

    plausible: int
    clean: int
    regular: int


def _find_separator(
    source: str, lines: Sequence[str], header: bool | None, columns: Columns | None, needed: Sequence[str]
) -> str:
    scores = {mark: _score(mark, lines, header, columns, needed) for mark in SEPARATORS}
    visible = {mark: score for mark, score in scores.items() if mark != " "}
    if not any(score.plausible for score in visible.values()):
        visible = scores  # a space is a separator only where nothing else is
    best = max(visible.values())
    winners = [mark for mark, score in visible.items() if score == best]
    if not best.regular:
        raise InputError(
            f"{source}: no separator found in line 1, {_shorten(lines[0])}; a rating needs user, item and rating: "
            "say the separator by sep (--sep)"
        )
    if len(winners) > 1 and best.plausible:
        raise InputError(
            f"{source}: the separator may be {' or '.join(map(repr, winners))}, as in {_shorten(lines[-1])}; "
            "say it by sep (--sep)"
        )
    return winners[0]


def _score(
    separator: str, lines: Sequence[str], header: bool | None, columns: Columns | None, needed: Sequence[str]
) -> _Score:
    rows = [split_fields(line, separator) for line in lines]
    width = Counter(map(len, rows)).most_common(1)[0][0]
    if width < 2:
        return _Score(0, 0, 0)
    regular = [row for row in rows if len(row) == width]
    has_header = header if header is not None else _is_header(lines, separator, columns)
    try:
        if has_header:
            roles = choose_columns("", rows[0], columns, needed)
        else:
            roles = number_columns("", width, columns, needed)
    except InputError:
        return _Score(0, 0, len(regular))
    body = regular[1:] if has_header and len(rows[0]) == width else regular
    roles = {role: column for role, column in roles.items() if role in needed or "rating" in needed}
    plausible = [row for row in body if max(roles.values()) < width and _is_plausible(row, roles, separator)]
    others = [mark for mark in SEPARATORS if mark not in (separator, " ")]
    ids = roles["user"], roles["item"]
    clean = [row for row in plausible if not any(mark in row[column] for column in ids for mark in others)]
    return _Score(len(plausible), len(clean), len(regular))


def _is_plausible(row: Sequence[str], roles: dict[str, int], separator: str) -> bool:
    if not (row[roles["user"]] and row[roles["item"]]):
        return False
    if "rating" in roles:
        rating = row[roles["rating"]]
        if parse_number(rating) is None and (separator == "," or parse_number(rating, ",") is None):
            return False
    return "timestamp" not in roles or parse_seconds(row[roles["timestamp"]]) is not None


def _is_header(lines: Sequence[str], separator: str, columns: Columns | None) -> bool:
    if columns is not None and any(isinstance(c, str) and not c.isdigit() for c in columns.values()):
        return True
    first = split_fields(lines[0], separator)
    if count_known_names(first) >= 2:
        return True
    if len(lines) < 2:
        return False
    # A header has no number, and the line below it has some.
    second = split_fields(lines[1], separator)
    return _count_numbers(first) == 0 < _count_numbers(second)


def _count_numbers(fields: Sequence[str]) -> int:
    return sum(parse_number(field) is not None for field in fields)


def _shorten(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")
