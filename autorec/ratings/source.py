"""The bytes of what a user names: a file, stdin, an open file, or one of these compressed with gzip, zip or zstd."""

import codecs
import contextlib
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from autorec.errors import InputError, NotEnoughMemoryError, ParameterError
from autorec.ratings import compression

UTF_16_32 = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's does, so it is looked for first
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class Source:
    """Bytes to read from.

    name  for messages
    data  all bytes, decompressed; b"" where `path` is given
    path  of a Parquet file on disk, which is read in pieces
    """

    name: str
    data: bytes
    path: Path | None = None

    @property
    def is_parquet(self) -> bool:
        return self.path is not None or self.data[:4] == _PARQUET

    @property
    def size(self) -> int:
        """Bytes of the file as Parquet sees it."""
        return len(self.data) if self.path is None else self.path.stat().st_size

    def reader(self) -> Any:
        """The buffer or path that Parquet is read from; not memory-mapped, so that a file that shrinks is no crash."""
        return pa.BufferReader(self.data) if self.path is None else str(self.path)


def _advise(given: Any) -> str:
    """What to do with what holds ratings and is no file."""
    if hasattr(given, "collect"):
        return "; collect() a lazy frame first"
    return "; make a DataFrame with columns user, item, rating of an array" if hasattr(given, "shape") else ""


def open_source(given: Any, member: str | None = None) -> Source:
    """What `given` holds: a path, "-" for stdin, or an open file (anything with `read`), decompressed.

    member: which file of a zip archive; needed only when more than one looks like ratings.
    InputError: missing, a folder, empty, or damaged. ParameterError: neither a path nor an open file.
    """
    if hasattr(given, "read"):
        name, content = str(getattr(given, "name", "the open file")), _read_open(given)
        if not isinstance(content, (bytes, str)):
            raise ParameterError(f"{name} reads {type(content).__name__}; give a file that reads bytes or text")
        data = content.encode() if isinstance(content, str) else content
    elif not isinstance(given, (str, os.PathLike)):
        raise ParameterError(
            f"a rating file of type {type(given).__name__}; give a path, - for stdin, or an open file{_advise(given)}"
        )
    elif os.fspath(given) == "-":
        name, data = "-", _read_stdin()
    else:
        name = os.fspath(given)
        path = require_file(name)
        if member is None and is_parquet_file(path):
            return Source(name, b"", path)
        data = _read_file(name, path)
    return Source(name, _unpack(name, data, member))


def _read_open(file: Any) -> Any:
    """What an open file holds. InputError: it is closed, or not in the encoding in which it was opened."""
    try:
        return file.read()
    except ValueError as error:
        raise InputError(f"the open file cannot be read: {error}; open it again, as bytes") from None


def require_file(name: str) -> Path:
    path = Path(name)
    if "\0" in name:
        raise InputError(f"{name!r} is no file name")
    if not path.exists():
        raise InputError(f"{name} does not exist; check the name")
    if path.is_dir():
        raise InputError(f"{name} is a folder; name a file in it")
    return path


def _read_file(name: str, path: Path) -> bytes:
    """All bytes. InputError: a device, which may never end; NotEnoughMemoryError."""
    with path.open("rb") as file:
        kind = os.fstat(file.fileno()).st_mode
        if (stat.S_ISCHR(kind) or stat.S_ISBLK(kind)) and not file.isatty():
            raise InputError(f"{name} is a device; give a file, a pipe, or - for stdin")
        try:
            return file.read()
        except MemoryError:
            raise NotEnoughMemoryError(
                f"{name} is larger than the memory that is free; read it where more is"
            ) from None


def is_parquet_file(path: Path) -> bool:
    """Whether `path` is a Parquet file that Arrow can read in pieces: no pipe or device, and its name is UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    if not stat.S_ISREG(path.stat().st_mode):
        return False
    with path.open("rb") as file:
        return file.read(4) == _PARQUET


def _read_stdin() -> bytes:
    if sys.stdin is None or sys.stdin.closed:
        raise InputError("stdin is closed; give a file")
    return sys.stdin.buffer.read() if hasattr(sys.stdin, "buffer") else sys.stdin.read().encode()


def _unpack(name: str, data: bytes, member: str | None) -> bytes:
    unpack = compression.choose_unpacker(data)
    if unpack is not None:
        data = unpack(name, data, member)
    elif member is not None:
        raise InputError(f"{name} is no zip archive, so it has no member {member!r}; leave the member out")
    for mark, encoding in UTF_16_32:
        if data.startswith(mark):
            try:
                data = data.decode(encoding).encode()
            except UnicodeError as error:
                raise InputError(
                    f"{name} begins as {encoding.upper()} text and is none ({error}); save it as UTF-8"
                ) from None
            break
    if not data or not data[:65536].strip():
        raise InputError(f"{name} is empty; give a file with ratings")
    return data


def decode_text(data: bytes) -> str:
    """Text of UTF-8 bytes (a byte order mark is dropped), else of Windows' cp1252, else of Latin-1, which MovieLens'
    older titles use."""
    for encoding in ("utf-8-sig", "cp1252"):
        with contextlib.suppress(UnicodeDecodeError):
            return data.decode(encoding)
    return data.decode("latin-1")
