"""Ratings of any size → a store, within a stated memory: text and ids are parsed and sorted once, out of core."""

import contextlib
import gc
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pa_parquet

from autorec import __version__, checks, files, folders, progress, words
from autorec.errors import InputError, ParameterError, shown
from autorec.extras import require
from autorec.hashes import hash_of, seal
from autorec.memory import parse_size, readable
from autorec.preparation.arrange import sort_rows
from autorec.preparation.blocks import Reading, read_blocks, size_of
from autorec.preparation.gather import Gathered, gather
from autorec.preparation.spill import spill_folder
from autorec.ratings import sentinels
from autorec.ratings.ids import Ids, make_table
from autorec.ratings.items import describe_items
from autorec.ratings.read import ColumnsOption, check_options, locate
from autorec.ratings.roles import parse_columns
from autorec.ratings.store import (
    FILES,
    FORMAT,
    ITEMS,
    MANIFEST,
    PARTS,
    RATINGS,
    USERS,
    VERSION,
    Group,
    Manifest,
    check_store_path,
    is_store,
    owned,
)

LEAST = 2**30  # bytes
_LIBRARIES = 400 * 2**20  # bytes of a process that has loaded them and does nothing

Scale = tuple[float, float] | None
Levels = npt.NDArray[np.float32] | None  # [k] ascending


@dataclass(frozen=True)
class Room:
    """What is held at once. block: bytes of text; bucket: rows that are sorted; group: rows of a row group; database:
    bytes of DuckDB."""

    block: int
    bucket: int
    group: int
    database: int

    @classmethod
    def of(cls, memory: int) -> "Room":
        """Shares of a memory in bytes, of which the libraries take their part first."""
        free = memory - _LIBRARIES
        return cls(block=min(free // 30, 2**27), bucket=min(free // 250, 2**22), group=2**20, database=free // 2)


def prepare(
    ratings: str | PathLike[str],
    output: str | PathLike[str],
    *,
    memory: int | str = "4GB",
    columns: ColumnsOption = None,
    sep: str | None = None,
    decimal: str = ".",
    format: words.Format | None = None,
    header: bool | None = None,
    items: str | PathLike[str] | None = None,
    scale: Scale = None,
    missing: float | Iterable[float] | None = None,
    on_error: words.OnError = "raise",
    member: str | None = None,
) -> dict[str, Any]:
    """Write the ratings of a file as a store, a folder that `read_ratings` reads without parsing or sorting anything,
    to the same ratings bit for bit; returns its manifest.

    ratings  a file of text or Parquet, also packed by gzip or zstd, a folder of a known data set, or "-" (stdin)
    output   a folder; a store that is there is replaced in one step, anything else is refused
    memory   bytes, or text such as 4GB, that the process takes at most, 1 GiB or more; what is larger spills to a
             folder beside `output` of up to twice the size of the text, which is removed at the end

    The other options are those of `read_ratings`. Zip archives, Netflix Prize blocks, UTF-16 and tables in memory are
    refused: they cannot be read block by block. Needs the extra `prepare`, DuckDB, which sorts the ids.
    InputError: see `read_ratings`; something else than a store is at `output`. OSError: the disk is full.

    >>> autorec.load_sample().to_frame().to_csv("ratings.csv", index=False)
    >>> manifest = autorec.prepare("ratings.csv", "store")
    >>> autorec.read_ratings("store")
    Ratings(600 users × 300 items, 24000 ratings)
    """
    require("prepare", "prepare")
    check_options(sep, decimal, format, header, scale, on_error)
    if not isinstance(ratings, (str, PathLike)):
        raise ParameterError(f"ratings of type {type(ratings).__name__}; prepare takes the name of a file")
    if member is not None:
        raise ParameterError(f"member is {shown(member)}: zip archives are not read block by block; unpack it first")
    size = parse_size("memory", memory)
    if not LEAST <= size <= checks.LARGEST:
        raise ParameterError(f"memory is {shown(memory)}; allowed: {readable(LEAST)} or more, below 2**63 bytes")
    if is_store(ratings):
        raise InputError(f"{fspath(ratings)} is a store already")
    check_store_path(output)
    name, titles = locate(fspath(ratings))
    titles = str(checks.path("items", items)) if items is not None else titles
    reading = Reading(parse_columns(columns), sep, decimal, format, header, on_error)
    return write_store(name, files.resolved(output), reading, Room.of(size), titles, scale, missing)


def write_store(
    name: str, output: Path, reading: Reading, room: Room, titles: str | None, scale: Scale, missing: Any
) -> Manifest:
    """`prepare`, the sizes of what is held at once given."""
    marks = sentinels.parse_missing(missing)
    with folders.atomic_folder(output, owned, FILES) as folder, spill_folder(output) as spill:
        _require_utf8(output)
        with progress.bar("Reading", size_of(name)) as update:
            found = gather(name, read_blocks(name, reading, room.block, update), marks, scale, spill)
        _release()
        for side, file in (("user", USERS), ("item", ITEMS)):
            progress.note(f"Sorting the {side} ids.")
            found.dictionaries[side].number(folder / file, room.database)
        if titles is not None:
            _add_titles(folder / ITEMS, titles)
        with progress.bar("Sorting", len(found)) as update:
            parts = sort_rows(found, room.bucket, spill, update)
            written, levels, counts = _write_ratings(folder / RATINGS, _list_levels(found.levels), room.group, parts)
        if scale is None and levels is not None and (suspect := sentinels.judge(levels, counts)):
            sentinels.warn(name, *suspect)
        manifest = _make_manifest(folder, found, written, levels, scale)
        (folder / MANIFEST).write_bytes(seal(manifest))
    return manifest


def _require_utf8(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(f"{path} is no UTF-8 name, which Arrow and DuckDB need; give another") from None


def _release() -> None:
    """Give what the reader held back to the system before DuckDB takes its share."""
    gc.collect()
    pa.default_memory_pool().release_unused()


def _add_titles(path: Path, titles: str) -> None:
    column = pa_parquet.read_table(path).column("item")
    ids: Ids = column.to_numpy()
    ids = ids if ids.dtype == np.int64 else ids.astype(object)
    of_items, attributes = describe_items(ids, titles)
    pa_parquet.write_table(make_table({"item": ids, "title": of_items, **attributes}), path, compression="zstd")


def _write_ratings(
    path: Path, levels: Levels, group: int, parts: Iterable[Group]
) -> tuple[int, Levels, npt.NDArray[np.int64]]:
    """(rows written, the levels [k], how many rows of each [k])."""
    counts, written = np.zeros(0 if levels is None else len(levels), dtype=np.int64), 0
    how: dict[str, Any] = {"compression": "zstd", "use_dictionary": levels is not None and ["level"]}
    with contextlib.ExitStack() as stack:
        writer: Any = None
        for part in parts:
            columns: dict[str, Any] = {"user": part.users, "item": part.items, "rating": part.values}
            if levels is not None:
                columns["level"] = _find_levels(columns.pop("rating"), levels)
                counts += np.bincount(columns["level"], minlength=len(levels))
            columns |= {name: of for name, of in (("timestamp", part.timestamps), ("row", part.rows)) if of is not None}
            table = pa.table(columns)
            if writer is None:
                writer = stack.enter_context(pa_parquet.ParquetWriter(path, table.schema, **how))
            for begin, end in _cut_at_users(part.users, group):
                writer.write_table(table.slice(begin, end - begin), row_group_size=end - begin)
            written += len(table)
    return written, levels, counts


def _cut_at_users(users: npt.NDArray[np.int32], most: int) -> Iterator[tuple[int, int]]:
    """(begin, end) of parts of sorted users [n] of at most `most` rows, more where one user has them; none cuts one."""
    ends = np.append(np.flatnonzero(np.diff(users)) + 1, len(users))
    begin = 0
    while begin < len(users):
        end = int(ends[max(np.searchsorted(ends, begin + most, "right") - 1, np.searchsorted(ends, begin, "right"))])
        yield begin, end
        begin = end


def _list_levels(bits: set[int] | None) -> Levels:
    if bits is None:
        return None
    values = np.array(sorted(bits), dtype=np.uint32).view(np.float32)
    return values[np.argsort(values, kind="stable")]


def _find_levels(values: npt.NDArray[np.float32], levels: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """[n] the index of each value in the levels, by its bits: 0 and −0 are two."""
    bits = levels.view(np.uint32)
    order = np.argsort(bits).astype(np.uint8)
    return order[np.searchsorted(bits[order], values.view(np.uint32))]


def _make_manifest(folder: Path, found: Gathered, written: int, levels: Levels, scale: Scale) -> Manifest:
    return {
        "format": FORMAT,
        "version": VERSION,
        "library": __version__,
        "users": found.dictionaries["user"].n,
        "items": found.dictionaries["item"].n,
        "ratings": written,
        "duplicates": len(found) - written,
        "skipped": found.skipped,
        "missing": found.missing,
        "scale": None if scale is None else list(map(float, scale)),
        "levels": None if levels is None else levels.tolist(),
        "files": {name: {"bytes": (folder / name).stat().st_size, "sha256": hash_of(folder / name)} for name in PARTS},
    }
