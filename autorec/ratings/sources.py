"""The bytes of what a user names: a file, stdin, or one compressed with gzip, zip or zstd."""

import gzip
import io
import lzma
import mmap
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pyarrow as pa

from autorec.errors import InputError

Data = bytes | mmap.mmap

_RATINGS = (".dat", ".data", ".csv", ".tsv", ".txt", ".inter", ".base", ".test", ".parquet")
_NOT_RATINGS = (
    "readme",
    "movies",
    "items",
    "users",
    "tags",
    "links",
    "genome",
    "occupation",
    "genre",
    "u.user",
    "u.item",
)


def load(path: str, member: str | None = None) -> Data:
    """The bytes of `path` ("-" is stdin), decompressed; an uncompressed file is mapped, not copied.

    member: which file of a zip archive; needed only when more than one looks like ratings.
    InputError: missing, a folder, empty, or damaged.
    """
    data = sys.stdin.buffer.read() if path == "-" else _mapped(path)
    head = bytes(data[:4])
    if head[:2] == b"\x1f\x8b":
        data = _unpacked(path, lambda: gzip.decompress(data), "gzip")
    elif head == b"PK\x03\x04":
        data = _unpacked(path, lambda: _from_zip(path, data, member), "zip")
    elif head == b"\x28\xb5\x2f\xfd":
        data = _unpacked(path, lambda: _from_zstd(data), "zstd")
    elif member is not None:
        raise InputError(f"{path} is no zip archive, so it has no member {member!r}; leave the member out")
    if not len(data) or not bytes(data[:65536]).strip():
        raise InputError(f"{path} is empty; give a file with ratings")
    return data


def _mapped(path: str) -> Data:
    place = Path(path)
    if not place.exists():
        raise InputError(f"{path} does not exist; check the name")
    if place.is_dir():
        raise InputError(f"{path} is a folder; name a file in it")
    if not place.stat().st_size:
        return b""
    with place.open("rb") as file:
        try:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError):  # a pipe or a device
            return file.read()


def _unpacked(path: str, unpack: Callable[[], bytes], kind: str) -> bytes:
    try:
        return unpack()
    except (
        OSError,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise InputError(f"{path} is not a whole {kind} file ({error}); fetch or pack it again") from error


def _from_zstd(data: Data) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(pa.py_buffer(data)), "zstd") as stream:
        return bytes(stream.read())


def _from_zip(path: str, data: Data, member: str | None) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        if member is None:
            likely = [name for name in names if _looks_like_ratings(name)]
            if len(likely) != 1:
                listed = ", ".join(names[:20]) + (" …" if len(names) > 20 else "")
                raise InputError(f"{path} holds {len(names)} files; say which is meant by member (--member): {listed}")
            member = likely[0]
        elif member not in names:
            raise InputError(f"{path} has no member {member!r}; it has: {', '.join(names[:20])}")
        return archive.read(member)


def _looks_like_ratings(name: str) -> bool:
    last = PurePosixPath(name).name.lower()
    return last.endswith(_RATINGS) and not last.startswith((*_NOT_RATINGS, "."))


def text_of(data: Data) -> str:
    """UTF-8 (a byte order mark is dropped), else Latin-1, which MovieLens' older titles are in."""
    raw = bytes(data)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
