"""The bytes of what a user names: a file, stdin, an open file, or one of these compressed with gzip, zip or zstd.

What is packed is unpacked within a bound: what unpacks to far more than ratings do is refused.
"""

import codecs
import contextlib
import io
import os
import re
import stat
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pyarrow as pa

from autorec.errors import InputError, NotEnoughMemoryError, ParameterError

UTF_16_32 = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's does, so it is looked for first
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PARQUET = b"PAR1"
ZIP = b"PK\x03\x04"  # what the bytes begin with
STREAMS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}  # read from begin to end
MOST_TIMES = 200  # the packed size; text of ratings packs to a third or a tenth
LEAST_ALLOWED = 2**26  # bytes that anything may unpack to
_BLOCK = 2**22  # bytes unpacked at once

_SPREADSHEETS = {"xl/workbook.xml", "xl/workbook.bin", "content.xml"}  # members of Excel's and LibreOffice's files
_RATINGS = (".dat", ".data", ".csv", ".tsv", ".txt", ".jsonl", ".inter", ".base", ".test", ".parquet")
_NOT_RATINGS = (
    "readme", "movies", "items", "users", "tags", "links", "genome", "occupation", "genre", "u.user", "u.item",
)  # fmt: skip

Unpack = Callable[[str, bytes, str | None], bytes]  # (name, packed data, member) → data


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

    def lines(self) -> list[str]:
        """The lines of text without their ends. InputError: it is not UTF-8."""
        try:
            return re.split(r"\r\n|\n|\r", self.data.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            line = self.data.count(b"\n", 0, error.start) + 1
            raise InputError(f"{self.name}, line {line}: is not UTF-8 text; save it as UTF-8") from None


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
    unpack = next((unpack for magic, unpack in _UNPACKERS.items() if data.startswith(magic)), None)
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
        raise InputError(f"{name} is empty; give one that holds something")
    return data


def decode_text(data: bytes) -> str:
    """Text of UTF-8 bytes (a byte order mark is dropped), else of Windows' cp1252, else of Latin-1, which MovieLens'
    older titles use."""
    for encoding in ("utf-8-sig", "cp1252"):
        with contextlib.suppress(UnicodeDecodeError):
            return data.decode(encoding)
    return data.decode("latin-1")


def _make_unpacker(kind: str) -> Unpack:
    def unpack(name: str, data: bytes, member: str | None) -> bytes:
        if member is not None:
            raise InputError(f"{name} is no zip archive, so it has no member {member!r}; leave the member out")

        def read() -> bytes:
            with pa.CompressedInputStream(pa.BufferReader(pa.py_buffer(data)), kind) as stream:
                return _read_bounded(name, stream, len(data))

        return _read_whole(name, kind, read)

    return unpack


def _unpack_zip(name: str, data: bytes, member: str | None) -> bytes:
    def read() -> bytes:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            info = archive.getinfo(_choose_member(name, archive, member))
            with archive.open(info) as stream:
                return _read_bounded(name, stream, info.compress_size)

    return _read_whole(name, "zip", read)


def require_bounded(name: str, size: int, packed: int) -> None:
    """InputError where `packed` bytes of a file unpack to `size`, more than they may."""
    allowed = max(LEAST_ALLOWED, MOST_TIMES * packed)
    if size > allowed:
        raise InputError(
            f"{name} unpacks to more than {allowed:,} bytes ({packed:,} packed), so it is taken for damage or an "
            "attack; unpack it yourself if you trust it"
        )


def _read_bounded(name: str, stream: IO[bytes], packed: int) -> bytes:
    blocks, size = [], 0
    while block := stream.read(_BLOCK):
        size += len(block)
        require_bounded(name, size, packed)
        blocks.append(block)
    return b"".join(blocks)


def _read_whole(name: str, kind: str, read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    except InputError:
        raise
    except MemoryError:
        raise NotEnoughMemoryError(f"{name} cannot be unpacked: it is damaged or larger than memory") from None
    except Exception as error:  # decoders raise many kinds on damaged bytes: zlib.error, ValueError, EOFError, …
        raise InputError(f"{name} is not a whole {kind} file ({error}); fetch or pack it again") from None


def _choose_member(name: str, archive: zipfile.ZipFile, member: str | None) -> str:
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    if member is None and not _SPREADSHEETS.isdisjoint(names):
        raise InputError(f"{name} is a spreadsheet; save the sheet with the ratings as CSV")
    listed = ", ".join(names[:20]) + (" …" if len(names) > 20 else "")
    if member is None:
        likely = [found for found in names if _looks_like_ratings(found)]
        if len(likely) != 1:
            raise InputError(f"{name} holds {len(names)} files; say which is meant by member (--member): {listed}")
        return likely[0]
    if member not in names:
        raise InputError(f"{name} has no member {member!r}; it has: {listed}")
    return member


def _looks_like_ratings(name: str) -> bool:
    last = PurePosixPath(name).name.lower()
    return last.endswith(_RATINGS) and not last.startswith((*_NOT_RATINGS, "."))


_UNPACKERS: dict[bytes, Unpack] = {ZIP: _unpack_zip} | {magic: _make_unpacker(kind) for magic, kind in STREAMS.items()}
