"""The second pass over delimited text: Arrow's parser splits the records, Python checks each field.

It is slower than the first pass (`ratings.delimited`), reads the same, and knows which line is at fault and why.
"""

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from autorec.array_types import BoolArray
from autorec.errors import InputError
from autorec.ratings import ids as id_tools
from autorec.ratings.dialect import Dialect
from autorec.ratings.ids import Codes, Ids
from autorec.ratings.matrix import Parsed
from autorec.ratings.values import advise_skip, describe_rating_fault, describe_time_fault, parse_rating, parse_seconds

_LARGEST = 2**30  # bytes of a record
_UNITS = [chr(code) for code in (0x1F, 0x1E, 0x1D, 0x1C)]  # ASCII's own separators, to stand for longer ones
_UNDECODED = 0x10FF00  # + a byte that is not UTF-8: the character, for private use, that stands for it


def convert_by_field(source: str, data: bytes, dialect: Dialect, on_error: str) -> Parsed:
    """All rows from `dialect.start` on; as `delimited.parse_text`, whose errors these are."""
    records = _Records(source, data, dialect)
    wrong: dict[str, BoolArray] = {}
    values: dict[str, npt.NDArray[Any]] = {}
    tokens: dict[str, tuple[Any, npt.NDArray[Any]]] = {}
    for role, column in dialect.columns.items():
        encoded = records.columns[column].dictionary_encode()
        distinct, indices = encoded.dictionary, encoded.indices.to_numpy()
        if role in ("user", "item"):
            bad = find_bad_ids(distinct) | _hold_undecoded(distinct)
            tokens[role] = distinct, indices
        else:
            value, bad = _parse_ratings(distinct, dialect) if role == "rating" else _parse_times(distinct, dialect)
            values[role] = value[indices]
        wrong[role] = bad[indices]
    bad = np.logical_or.reduce(list(wrong.values()))
    bad_rows = [row for row in np.flatnonzero(bad).tolist() if not records.is_blank(row)]
    odd = records.find_width_faults()
    if on_error == "raise" and (bad_rows or odd):
        raise InputError(_describe_first_fault(records, bad_rows, odd))
    coded = [_code_kept_ids(source, side, *tokens[side], ~bad) for side in ("user", "item")]
    (users, user_ids), (items, item_ids) = coded
    ratings, seconds = (values[role][~bad] if role in values else None for role in ("rating", "timestamp"))
    return Parsed(users, items, user_ids, item_ids, ratings, seconds, skipped=len(bad_rows) + len(odd))


def shorten_separator(buffer: Any, separator: str) -> tuple[Any, str]:
    """The text with its separator replaced by a character that it does not hold. ValueError: there is none."""
    text = buffer.to_pybytes()
    unit = next((unit for unit in _UNITS if unit.encode() not in text), None)
    if unit is None:
        raise ValueError("the text holds ASCII's control characters 28 to 31")
    return pa.py_buffer(text.replace(separator.encode(), unit.encode())), unit


def find_bad_ids(tokens: Any) -> BoolArray:
    """[n] whether each is blank or holds a NUL."""
    blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(tokens)), 0)
    return np.asarray(pc.or_(blank, pc.match_substring(tokens, "\0")).to_numpy(zero_copy_only=False), dtype=bool)


class _Records:
    """The records of a text.

    columns  the fields of records of the right width, an Arrow array [rows] of text for each column
    numbers  [rows] the number, from 1, of each of these records
    odd      (number, fields, text) of each record of another width
    """

    def __init__(self, source: str, data: bytes, dialect: Dialect) -> None:
        self.source, self.dialect = source, dialect
        text, separator = _mark_undecoded(data[dialect.start :]), dialect.separator
        quoted = dialect.quotes and b'"' in text
        if not dialect.quotes:
            try:
                buffer, separator = shorten_separator(pa.py_buffer(text), separator)
            except ValueError as error:
                raise InputError(f"{source} cannot be read with the separator {dialect.separator!r}: {error}") from None
            text = buffer.to_pybytes()
        self.separator = separator
        self.odd: list[tuple[int, int, str]] = []
        self.columns = self._cut(text, quoted)
        self.numbers = self._number_records()
        self._line_ends = self._count_line_ends() if quoted else None
        if quoted and text.count(b'"') % 2:
            self._refuse_open_quote()

    def _cut(self, text: bytes, quoted: bool) -> list[Any]:
        names = list(map(str, range(self.dialect.n_columns)))

        def keep(row: Any) -> str:
            self.odd.append((row.number, row.actual_columns, row.text))
            return "skip"

        try:
            table = pa_csv.read_csv(
                pa.BufferReader(text),
                read_options=pa_csv.ReadOptions(
                    column_names=names, use_threads=False, block_size=min(len(text) + 1, _LARGEST)
                ),
                parse_options=pa_csv.ParseOptions(
                    delimiter=self.separator,
                    quote_char='"' if self.dialect.quotes else False,
                    newlines_in_values=quoted,
                    ignore_empty_lines=False,
                    invalid_row_handler=keep,
                ),
                convert_options=pa_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), null_values=[], strings_can_be_null=False
                ),
            )
        except pa.ArrowException as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{self.source} cannot be read as text with the separator {self.dialect.separator!r}: {reason}"
            ) from None
        return [table[name].combine_chunks() for name in names]

    def _number_records(self) -> npt.NDArray[np.int64]:
        """[rows] the number of each record of the right width."""
        n = len(self.columns[0])
        numbers = np.ones(n + len(self.odd) + 1, dtype=bool)
        numbers[[0, *(number for number, _, _ in self.odd)]] = False
        return np.flatnonzero(numbers)

    def _count_line_ends(self) -> npt.NDArray[np.int64]:
        """[records + 1] the line ends within all records before each, from record 1 on; [0] is 0."""
        within = np.zeros(len(self.numbers) + len(self.odd) + 1, dtype=np.int64)
        for column in self.columns:
            for mark, times in (("\n", 1), ("\r", 1), ("\r\n", -1)):
                within[self.numbers] += times * pc.count_substring(column, mark).to_numpy().astype(np.int64)
        for number, _, text in self.odd:
            within[number] = len(re.findall(r"\r\n|\n|\r", text))
        return np.cumsum(within)

    def line(self, number: int) -> int:
        """The line of the file on which a record begins."""
        within = 0 if self._line_ends is None else int(self._line_ends[number - 1])
        return self.dialect.line + number - 1 + within

    def is_blank(self, row: int) -> bool:
        """Whether no field of a row holds anything."""
        return not any(column[row].as_py().strip() for column in self.columns)

    def find_width_faults(self) -> list[tuple[int, int]]:
        """(number, fields) of the records of another width that are neither blank nor comments. Where ids begin with #
        nothing is a comment."""
        no_comments = pc.any(pc.starts_with(self.columns[0], "#"), min_count=0).as_py()
        return [
            (number, width)
            for number, width, text in self.odd
            if text.strip() and (no_comments or not text.lstrip().startswith("#"))
        ]

    def _refuse_open_quote(self) -> None:
        last = len(self.numbers) + len(self.odd)
        if self._line_ends is not None and self._line_ends[last] > self._line_ends[last - 1]:
            raise InputError(
                f"{self.source}, line {self.line(last)}: a quote opens here and never closes, so that all lines below "
                "belong to one field; close it"
            )


def _mark_undecoded(text: bytes) -> bytes:
    """The text as UTF-8; a byte that is not UTF-8 becomes the character _UNDECODED + byte."""
    try:
        text.decode()
    except UnicodeDecodeError:
        marks = {0xDC00 + byte: _UNDECODED + byte for byte in range(0x80, 0x100)}
        return text.decode(errors="surrogateescape").translate(marks).encode()
    return text


def _parse_ratings(distinct: Any, dialect: Dialect) -> tuple[npt.NDArray[np.float64], BoolArray]:
    """Tokens [n] → (ratings [n], NaN where a token is none; whether it is none [n])."""
    found = [parse_rating(token, dialect.decimal) for token in distinct.to_pylist()]
    values = np.array([np.nan if value is None else value for value in found], dtype=np.float64)
    return values, np.isnan(values)


def _parse_times(distinct: Any, dialect: Dialect) -> tuple[npt.NDArray[np.int64], BoolArray]:
    """Tokens [n] → (seconds since 1970 [n], 0 where a token is no time; whether it is none [n])."""
    plain = pc.match_substring_regex(distinct, "^-?[0-9]{1,18}$")
    seconds = pc.if_else(plain, distinct, "0").cast(pa.int64()).to_numpy().copy()
    bad = np.zeros(len(seconds), dtype=bool)
    for index in np.flatnonzero(~plain.to_numpy(zero_copy_only=False)).tolist():
        value = parse_seconds(distinct[index].as_py(), dialect.decimal)
        seconds[index], bad[index] = value or 0, value is None
    return seconds, bad


def _hold_undecoded(tokens: Any) -> BoolArray:
    """[n] whether each token holds a byte that is not UTF-8."""
    pattern = f"[{chr(_UNDECODED + 0x80)}-{chr(_UNDECODED + 0xFF)}]"
    return np.asarray(pc.match_substring_regex(tokens, pattern).to_numpy(zero_copy_only=False), dtype=bool)


def _describe_first_fault(records: _Records, bad_rows: list[int], odd: list[tuple[int, int]]) -> str:
    """A sentence about the first line at fault. bad_rows: rows with a wrong field; odd: records of a wrong width."""
    faults = [(int(records.numbers[row]), row, 0) for row in bad_rows[:1]] + [(n, -1, width) for n, width in odd[:1]]
    number, row, width = min(faults)
    wrong = f"has {width} columns where the first line has {records.dialect.n_columns}"
    return (
        f"{records.source}, line {records.line(number)}: {wrong if row < 0 else _describe_fault(records, row)}; "
        f"correct it{advise_skip('lines', records.dialect.columns)}"
    )


def _describe_fault(records: _Records, row: int) -> str:
    """What is wrong with a row."""
    dialect = records.dialect
    fields = {role: records.columns[column][row].as_py() for role, column in dialect.columns.items()}
    for side in ("user", "item"):
        if not fields[side].strip():
            return f"the {side} is missing"
        if "\0" in fields[side]:
            return f"the {side} holds a NUL byte: this is no text"
        if any(ord(character) >= _UNDECODED for character in fields[side]):
            return f"the {side} is not UTF-8 text"
    fault = describe_rating_fault(fields["rating"], dialect.decimal) if "rating" in fields else None
    if fault is None and "timestamp" in fields:
        fault = describe_time_fault(fields["timestamp"], dialect.decimal)
    assert fault is not None  # else the row is right
    return fault


def _code_kept_ids(source: str, side: str, distinct: Any, indices: Any, kept: Any) -> tuple[Codes, Ids]:
    """(codes [kept] into the ids, ids [k] that occur in the kept rows, sorted)."""
    indices = indices[kept]
    present = np.unique(indices)
    codes = np.zeros(len(distinct), dtype=np.int32)
    codes[present] = np.arange(len(present), dtype=np.int32)
    rank, ids = id_tools.factorize_tokens(distinct.take(pa.array(present)), f"{source}, column {side}")
    return rank[codes[indices]], ids
