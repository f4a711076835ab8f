"""A rating file, block by block: the rows that `read_ratings` reads, never all at once.

Text is cut at ends of records and each piece is read as a file of its own by `ratings.delimited`, so that a row means
the same. Ids are coded within a block.
"""

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, NamedTuple

import pyarrow as pa

from autorec.errors import InputError
from autorec.ratings.arrow import parse_parquet_blocks
from autorec.ratings.delimited import parse_block
from autorec.ratings.dialect import Dialect, detect_dialect, head_lines
from autorec.ratings.json_lines import is_json_lines
from autorec.ratings.matrix import Parsed
from autorec.ratings.netflix import is_netflix
from autorec.ratings.roles import Columns
from autorec.ratings.source import STREAMS, UTF_16_32, ZIP, Source, is_parquet_file, require_bounded, require_file

_HEAD = 2**17  # bytes from which the dialect is told, twice what `head_lines` looks at
_LONGEST = 16  # blocks that one record, from quote to quote, may take
_ROW = 32  # bytes of a row of text, about
_LINE_END = re.compile(rb"\r\n|\n|\r")

Read = Callable[[int], bytes]
Update = Callable[[float, str], None]  # of a bar of `progress`


class Reading(NamedTuple):
    """How a file is read, as for `read_ratings`."""

    columns: Columns | None
    sep: str | None
    decimal: str
    format: str | None
    header: bool | None
    on_error: str


def read_blocks(name: str, how: Reading, size: int, update: Update) -> Iterator[Parsed]:
    """The rows of a file, or of stdin ("-"), in blocks of about `size` bytes of text.

    update: called with the bytes of the file that have been read. InputError: what `read_ratings` refuses, and what
    cannot be read block by block.
    """
    if name != "-":
        path = require_file(name)
        if how.format == "parquet" or (how.format is None and is_parquet_file(path)):
            yield from parse_parquet_blocks(Source(name, b"", path), how.columns, how.on_error, max(size // _ROW, 1))
            return
        with path.open("rb") as file:
            yield from _read_text(name, file, how, size, update)
    elif sys.stdin is None or sys.stdin.closed:
        raise InputError("stdin is closed; give a file")
    else:
        yield from _read_text(name, sys.stdin.buffer, how, size, update)


def _read_text(name: str, file: IO[bytes], how: Reading, size: int, update: Update) -> Iterator[Parsed]:
    read = _open(name, file)
    head = _fill(read, max(size, _HEAD))
    dialect = _find_dialect(name, head, how)
    line = dialect.line
    for piece in _cut(name, read, head[dialect.start :], dialect, size):
        yield parse_block(name, piece, replace(dialect, start=0, line=line), how.on_error)
        line += piece.count(b"\n") if b"\r" not in piece else len(_LINE_END.findall(piece))
        update(float(file.tell()) if file.seekable() else 0.0, "")


def _open(name: str, file: IO[bytes]) -> Read:
    """What reads the next bytes of a text file, unpacked."""
    start = file.peek(4)[:4] if hasattr(file, "peek") else b""
    kind = next((kind for magic, kind in STREAMS.items() if start.startswith(magic)), None)
    if kind is None:
        if start.startswith(ZIP):
            raise InputError(
                f"{name} is a zip archive or a spreadsheet, which are not read block by block; unpack it first, or "
                "save the sheet with the ratings as CSV"
            )
        if any(start.startswith(mark) for mark, _ in UTF_16_32):
            raise InputError(f"{name} is UTF-16 or UTF-32, which is not read block by block; save it as UTF-8")
        return file.read
    stream = pa.CompressedInputStream(pa.PythonFile(file), kind)
    done = 0

    def read(n: int) -> bytes:
        nonlocal done
        try:
            data: bytes = stream.read(n)
        except Exception as error:  # decoders raise many kinds on damaged bytes
            raise InputError(f"{name} is not a whole {kind} file ({error}); fetch or pack it again") from None
        done += len(data)
        if file.seekable():
            require_bounded(name, done, file.tell())
        return data

    return read


def _fill(read: Read, size: int) -> bytes:
    """`size` bytes, fewer at the end of the file alone: a pipe may give fewer at once."""
    parts, missing = [], size
    while missing > 0 and (data := read(missing)):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)


def _find_dialect(name: str, head: bytes, how: Reading) -> Dialect:
    if not head.strip():
        raise InputError(f"{name} is empty; give a file with ratings")
    if b"\0" in head[: _HEAD // 2]:
        raise InputError(f"{name} is not text, Parquet, gzip or zstd; give a file of one of these kinds")
    lines = head_lines(head)
    given = how.format is None and how.columns is None and how.sep is None
    if how.format == "netflix" or (given and is_netflix(lines)):
        raise InputError(f"{name} has blocks of the Netflix Prize, whose rows do not say their item; write it as CSV")
    if how.sep is None and is_json_lines(name, lines):
        raise InputError(f"{name} is JSON lines, which are not read block by block; write them as CSV or Parquet")
    return detect_dialect(name, lines, sep=how.sep, header=how.header, columns=how.columns, decimal=how.decimal)


def _cut(name: str, read: Read, text: bytes, dialect: Dialect, size: int) -> Iterator[bytes]:
    """The text and what `read` gives after it, in pieces of about `size` bytes that end where a record does."""
    quotes, wanted, ended = len(dialect.separator) == 1, size, False
    while True:
        if not ended and len(text) < wanted:
            more = _fill(read, wanted - len(text))
            ended = len(text) + len(more) < wanted
            text += more
        if ended and len(text) <= wanted:
            if text:
                yield text
            return
        end = _find_end(text[:wanted], quotes)
        if end:
            yield text[:end]
            text, wanted = text[end:], size
        elif wanted < _LONGEST * size:
            wanted *= 2
        else:
            raise InputError(
                f"{name}: no record ends within {wanted:,} bytes, below {text[:60].decode(errors='replace')!r}: a "
                "quote may open there and not close; close it"
            )


def _find_end(text: bytes, quotes: bool) -> int:
    """Where the last whole record of a text ends, 0 without one: after a line end that no quote is open at."""
    mark, stop = (b"\n", len(text)) if b"\n" in text else (b"\r", len(text) - 1)  # a last \r may be half of \r\n
    end = text.rfind(mark, 0, stop) + 1
    if not quotes or b'"' not in text:
        return end
    is_open = text.count(b'"', 0, end) % 2
    while end and is_open:
        before = text.rfind(mark, 0, end - 1) + 1
        is_open = (is_open + text.count(b'"', before, end)) % 2
        end = before
    return end


def size_of(name: str) -> float | None:
    """Bytes of a file, None where that is not known before it is read."""
    path = Path(name)
    return float(path.stat().st_size) if name != "-" and path.is_file() else None
