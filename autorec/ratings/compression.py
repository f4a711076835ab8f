"""Compressed bytes → bytes, within a bound: what unpacks to far more than ratings do is refused."""

import io
import zipfile
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import IO

import pyarrow as pa

from autorec.errors import InputError, NotEnoughMemoryError

MOST_TIMES = 200  # the packed size; text of ratings packs to a third or a tenth
LEAST_ALLOWED = 2**26  # bytes that anything may unpack to
_BLOCK = 2**22  # bytes unpacked at once

_RATINGS = (".dat", ".data", ".csv", ".tsv", ".txt", ".inter", ".base", ".test", ".parquet")
_NOT_RATINGS = (
    "readme", "movies", "items", "users", "tags", "links", "genome", "occupation", "genre", "u.user", "u.item",
)  # fmt: skip

Unpack = Callable[[str, bytes, str | None], bytes]


def choose_unpacker(data: bytes) -> Unpack | None:
    """The function (name, data, member) → bytes for what `data` begins like; None when it is not compressed.

    InputError of these: damaged, larger than MOST_TIMES its packed size (and than LEAST_ALLOWED), no such member.
    """
    return next((unpack for magic, unpack in _UNPACKERS if data.startswith(magic)), None)


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


_UNPACKERS: tuple[tuple[bytes, Unpack], ...] = (
    (b"\x1f\x8b", _make_unpacker("gzip")),
    (b"PK\x03\x04", _unpack_zip),
    (b"\x28\xb5\x2f\xfd", _make_unpacker("zstd")),
)
