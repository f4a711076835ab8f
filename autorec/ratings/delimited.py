"""Delimited text → parsed rows, by pyarrow.csv.

Two passes give the same rows. The first lets Arrow convert whole columns, on all cores. Where one cannot be converted,
the second (`ratings.records`) splits the records with the same parser, checks every field, and finds the line at fault.
A test holds that the second reads what the first accepts in the same way.
"""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv

from autorec.errors import InputError
from autorec.ratings import ids as id_tools
from autorec.ratings.dialect import Dialect
from autorec.ratings.ids import Codes, Ids
from autorec.ratings.matrix import Parsed
from autorec.ratings.records import convert_by_field, find_bad_ids, shorten_separator
from autorec.ratings.validity import check_values
from autorec.ratings.values import convert_dates, parse_number, parse_seconds

_BLOCK = 8 * 2**20  # bytes a thread parses at once

_IDS = pa.dictionary(pa.int32(), pa.string())


def parse_text(source: str, data: bytes, dialect: Dialect, on_error: str) -> Parsed:
    """All rows from `dialect.start` on. InputError names file and line; on_error="skip" drops and counts such rows.

    A line without any value is no row, and one that begins with # and is no row is a comment.
    """
    found = parse_block(source, data, dialect, on_error)
    if dialect.start < len(data) and not len(found.users):
        raise InputError(f"{source} has no row that can be read")
    return found


def parse_block(source: str, data: bytes, dialect: Dialect, on_error: str) -> Parsed:
    """`parse_text` of a part of a file, which may hold no row. `dialect.line` is that at `dialect.start`."""
    if dialect.start >= len(data):
        return _empty(dialect)
    try:
        return _convert_at_once(source, data, dialect)
    except (pa.ArrowException, ValueError, OverflowError):
        return convert_by_field(source, data, dialect, on_error)


def _empty(dialect: Dialect) -> Parsed:
    no_ids, codes = id_tools.from_tokens([]), np.zeros(0, dtype=np.int32)
    ratings = np.zeros(0, dtype=np.float32) if "rating" in dialect.columns else None
    return Parsed(codes, codes, no_ids, no_ids, ratings, None)


def _convert_at_once(source: str, data: bytes, dialect: Dialect) -> Parsed:
    """All rows, converted column by column. ValueError, ArrowException: a column cannot be converted, or may be cut."""
    quoted = dialect.quotes and b'"' in data
    if quoted and data.count(b'"', dialect.start) % 2:
        raise ValueError("a quote may be open")
    buffer, separator, step = pa.py_buffer(data).slice(dialect.start), dialect.separator, 1
    if separator == "::":
        separator, step = ":", 2  # the columns between are empty, which the type null demands
    elif not dialect.quotes:
        buffer, separator = shorten_separator(buffer, separator)
    width = step * (dialect.n_columns - 1) + 1
    types: dict[str, Any] = {str(number): pa.null() for number in range(width) if step == 2 and number % 2}
    roles = {role: str(step * column) for role, column in dialect.columns.items()}
    of_role = {"user": _IDS, "item": _IDS, "rating": pa.float64(), "timestamp": _time_type(data, dialect)}
    types |= {column: of_role[role] for role, column in roles.items()}
    table = pa_csv.read_csv(
        pa.BufferReader(buffer),
        read_options=pa_csv.ReadOptions(column_names=list(map(str, range(width))), block_size=_BLOCK),
        parse_options=pa_csv.ParseOptions(
            delimiter=separator,
            quote_char='"' if dialect.quotes else False,
            newlines_in_values=quoted,
        ),
        convert_options=pa_csv.ConvertOptions(
            include_columns=list(types),
            column_types=types,
            null_values=[""] if step == 2 else [],
            strings_can_be_null=False,
            decimal_point=dialect.decimal,
        ),
    )
    found = {role: table[column] for role, column in roles.items()}
    if any(found[role].null_count for role in ("rating", "timestamp") if role in found):
        raise ValueError("a value is missing")
    return _parse_columns(source, found)


def _time_type(data: bytes, dialect: Dialect) -> Any:
    """The Arrow type for times written as in the first row: seconds, dates, or dates with a zone."""
    column = dialect.columns.get("timestamp", 0)
    line = re.split(rb"[\r\n]", data[dialect.start : dialect.start + 65536].lstrip(b"\r\n"), maxsplit=1)[0]
    fields = line.decode(errors="replace").split(dialect.separator)
    token = fields[column].strip().strip('"') if column < len(fields) else ""
    if parse_number(token, dialect.decimal) is not None or parse_seconds(token) is None:
        return pa.float64()
    return pa.timestamp("us", "UTC" if re.search(r"(Z|[+-]\d\d(:?\d\d)?)$", token[10:]) else None)


def _parse_columns(source: str, columns: dict[str, Any]) -> Parsed:
    users, user_ids = _code_ids(source, "user", columns["user"])
    items, item_ids = _code_ids(source, "item", columns["item"])
    ratings = _convert_by_chunk(columns["rating"], _take_ratings, np.float32) if "rating" in columns else None
    seconds = _convert_by_chunk(columns["timestamp"], _floor_times, np.int64) if "timestamp" in columns else None
    return Parsed(users, items, user_ids, item_ids, ratings, seconds)


def _convert_by_chunk(column: Any, convert: Callable[[Any], npt.NDArray[Any]], dtype: Any) -> npt.NDArray[Any]:
    """[rows] a column, converted chunk by chunk so that each stays in the cache."""
    values = np.empty(len(column), dtype=dtype)
    start = 0
    for chunk in column.chunks:
        values[start : start + len(chunk)] = convert(chunk)
        start += len(chunk)
    return values


def _code_ids(source: str, role: str, column: Any) -> tuple[Codes, Ids]:
    """[rows] codes into the sorted ids. ValueError: an id is blank."""
    if not column.num_chunks:
        return np.zeros(0, dtype=np.int32), id_tools.from_tokens([])
    whole = column.unify_dictionaries()
    tokens = whole.chunk(0).dictionary
    if find_bad_ids(tokens).any():
        raise ValueError(f"a {role} is blank")
    rank, ids = id_tools.factorize_tokens(tokens, f"{source}, column {role}")
    return _convert_by_chunk(whole, lambda chunk: rank[chunk.indices.to_numpy()], np.int32), ids


def _take_ratings(chunk: Any) -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = chunk.to_numpy()
    check_values(values)
    return values


def _floor_times(chunk: Any) -> npt.NDArray[Any]:
    """[n] whole seconds of Arrow dates or float64. ValueError: a number beyond the integers that a float64 holds."""
    if pa.types.is_timestamp(chunk.type):
        return convert_dates(chunk)
    values: npt.NDArray[np.float64] = chunk.to_numpy()
    if len(values) and not (values.min() > -(2.0**53) and values.max() < 2.0**53):
        raise ValueError("a time that may be cut")
    whole: npt.NDArray[np.float64] = np.floor(values)
    return whole
