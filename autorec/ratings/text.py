"""Delimited text → columns: a scan of large plain files, pyarrow for all others, and a slow pass that finds the line at
fault."""

import csv
import io
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from autorec.errors import InputError
from autorec.ratings import ids as id_tools
from autorec.ratings import scan
from autorec.ratings.columns import Columns
from autorec.ratings.ids import Ids
from autorec.ratings.layout import Layout
from autorec.ratings.sources import Data

_SINGLE = "\x1f"  # stands for a separator of several letters; ASCII's own unit separator
_BLOCK = 8 * 2**20  # bytes a thread parses at once


def parse(path: str, data: Data, layout: Layout, on_error: str) -> Columns:
    """All rows below the header. InputError names file and line; on_error="skip" drops and counts such rows."""
    if len(data) >= scan.LEAST and (plain := scan.scan(data, layout)) is not None:
        return plain
    kinds = _timestamp_kind(data, layout)
    try:
        return _columns(_fast(data, layout, kinds), layout)
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError):
        kept, skipped = _examined(path, data, layout, on_error)
        if not kept:
            raise InputError(f"{path} has no row that can be read") from None
        body = _write(kept, layout)
        clean = Layout(layout.separator, 0, layout.n_columns, layout.columns)
        try:
            return _columns(_fast(body, clean, _timestamp_kind(body, clean)), clean, skipped)
        except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{path} cannot be read as text with separator {layout.separator!r}: {reason}") from error


def head_lines(data: Data, size: int = 65536) -> list[str]:
    """The first lines as text, without a last one that may be cut."""
    raw = bytes(data[:size]).removeprefix(b"\xef\xbb\xbf")
    lines = raw.decode("utf-8", errors="replace").splitlines()
    return lines[:-1] if len(data) > size and len(lines) > 1 else lines


def _fast(data: Data, layout: Layout, timestamp: pa.DataType) -> pa.Table:
    separator = layout.separator
    if len(separator) > 1:
        if data.find(_SINGLE.encode()) >= 0:
            raise ValueError("the text holds control characters")
        data = bytes(data).replace(separator.encode(), _SINGLE.encode())
        separator = _SINGLE
    names = [f"column {place}" for place in range(layout.n_columns)]
    text = pa.dictionary(pa.int32(), pa.string())
    types = {"user": text, "item": text, "rating": pa.float64(), "timestamp": timestamp}
    return pa_csv.read_csv(
        pa.BufferReader(pa.py_buffer(data)),
        read_options=pa_csv.ReadOptions(column_names=names, skip_rows=layout.header, block_size=_BLOCK),
        parse_options=pa_csv.ParseOptions(delimiter=separator, quote_char=False if separator == _SINGLE else '"'),
        convert_options=pa_csv.ConvertOptions(
            include_columns=[names[place] for place in layout.columns.values()],
            column_types={names[place]: types[role] for role, place in layout.columns.items()},
            null_values=[],
            strings_can_be_null=False,
        ),
    ).rename_columns(list(layout.columns))


def _columns(table: pa.Table, layout: Layout, skipped: int = 0) -> Columns:
    users, user_ids = _coded(table["user"])
    items, item_ids = _coded(table["item"])
    ratings = table["rating"].to_numpy() if "rating" in layout.columns else None
    if ratings is not None and not np.isfinite(ratings).all():
        raise ValueError("a rating is not finite")
    timestamps = _seconds(table["timestamp"]) if "timestamp" in layout.columns else None
    return Columns(users, items, user_ids, item_ids, ratings, timestamps, skipped)


def _coded(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], Ids]:
    """Codes into the sorted ids. ValueError: an id is empty."""
    if not column.num_chunks:
        return np.zeros(0, dtype=np.int32), id_tools.from_tokens([])
    whole = column.unify_dictionaries()
    tokens = whole.chunk(0).dictionary.to_pylist()
    if any(not token.strip() for token in tokens):
        raise ValueError("an id is empty")
    rank, ids = id_tools.ranked(tokens)
    return rank[np.concatenate([chunk.indices.to_numpy() for chunk in whole.chunks])], ids


def _timestamp_kind(data: Data, layout: Layout) -> pa.DataType:
    """How the first row writes its time: whole seconds, seconds with a point, else a date."""
    lines = head_lines(data)
    place = layout.columns.get("timestamp")
    if place is None or len(lines) <= layout.header:
        return pa.int64()
    token = (lines[layout.header].split(layout.separator) + [""] * (place + 1))[place].strip().strip('"')
    if token.removeprefix("-").isdigit():
        return pa.int64()
    return pa.float64() if _number(token) is not None else pa.string()


def _seconds(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    if pa.types.is_string(column.type):
        return dates_to_seconds(column.to_pandas())
    return np.asarray(column.to_numpy(), dtype=np.float64 if pa.types.is_floating(column.type) else np.int64).astype(
        np.int64
    )


def dates_to_seconds(column: "pd.Series[Any]") -> npt.NDArray[np.int64]:
    """ISO dates → seconds since 1970, UTC where no zone is told. ValueError: no date."""
    dates = pd.to_datetime(column, format="ISO8601", utc=True)
    if dates.isna().any():
        raise ValueError("a date is missing")
    return np.asarray((dates - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(seconds=1), dtype=np.int64)


def _rows(data: Data, layout: Layout) -> Iterator[tuple[int, list[str] | str]]:
    """(line number from 1, fields) of each line with text, or (line number, what is wrong with the line)."""
    for number, raw in enumerate(io.BytesIO(data), 1):
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            yield number, "is not UTF-8 text"
            continue
        if "\0" in line:
            yield number, "holds a NUL byte: this is no text"
        elif line.strip():
            quoted = len(layout.separator) == 1 and '"' in line
            yield number, _split_quoted(line, layout.separator) if quoted else line.split(layout.separator)


def _split_quoted(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator), [])


def _examined(path: str, data: Data, layout: Layout, on_error: str) -> tuple[list[list[str]], int]:
    """The rows that are right, and how many are not; the first of these raises unless on_error is "skip"."""
    kept: list[list[str]] = []
    skipped = 0
    headers = layout.header
    for number, fields in _rows(data, layout):
        if headers:
            headers -= 1
            continue
        wrong = fields if isinstance(fields, str) else _fault(fields, layout)
        if wrong is None:
            kept.append([field.strip() for field in fields])
        elif on_error == "skip":
            skipped += 1
        else:
            raise InputError(
                f"{path}, line {number}: {wrong}; correct it, or drop such lines with on_error='skip' (--on-error skip)"
            )
    return kept, skipped


def _fault(fields: list[str], layout: Layout) -> str | None:
    """What is wrong with a row, None when nothing is."""
    if len(fields) != layout.n_columns:
        return f"has {len(fields)} columns where the first line has {layout.n_columns}"
    for role in ("user", "item"):
        if not fields[layout.columns[role]].strip():
            return f"the {role} is missing"
    if "rating" in layout.columns:
        token = fields[layout.columns["rating"]].strip()
        value = _number(token)
        if value is None or not math.isfinite(value):
            return f"the rating {token[:40]!r} is not a finite number"
    if "timestamp" in layout.columns and not _is_time(fields[layout.columns["timestamp"]].strip()):
        return f"the timestamp {fields[layout.columns['timestamp']].strip()[:40]!r} is neither seconds nor an ISO date"
    return None


def _is_time(token: str) -> bool:
    if (value := _number(token)) is not None:
        return math.isfinite(value)
    try:
        return not pd.isna(pd.to_datetime(token, format="ISO8601", utc=True))
    except (ValueError, OverflowError):
        return False


def _number(token: str) -> float | None:
    try:
        return float(token) if "_" not in token else None
    except ValueError:
        return None


def _write(rows: list[list[str]], layout: Layout) -> bytes:
    """Rows back to text, quoted where needed."""
    if len(layout.separator) > 1:
        return "\n".join(layout.separator.join(row) for row in rows).encode() + b"\n"
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=layout.separator, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()
