"""A store: ratings that `autorec.prepare` has put in order, as a folder of Parquet files with a manifest.

    store.json       what is in it: counts, levels, scale, bytes and SHA-256 of the other files, and its own SHA-256
    ratings.parquet  user, item (int32 codes), level (the index of the rating in the table of levels, one byte) or,
                     with more than 255 levels, rating (float32), timestamp and row of the source where there are any;
                     sorted by user, then item, each pair once; a user's ratings are in one row group
    users.parquet    user: the raw id of each code, int64 or text, ascending
    items.parquet    item: the same; title and attributes where they were given

It is read a row group at a time into CSR: no id is parsed and nothing is sorted.
"""

import contextlib
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pa_parquet
from scipy import sparse

from autorec import __version__, files, folders
from autorec.errors import InputError
from autorec.hashes import hash_of, is_whole
from autorec.ratings.ids import Ids
from autorec.ratings.matrix import Ratings, check_and_cast
from autorec.ratings.sentinels import warn_of_suspect
from autorec.ratings.sorting import count_repeats
from autorec.ratings.validity import mark_valid

MANIFEST = "store.json"
RATINGS, USERS, ITEMS = PARTS = ("ratings.parquet", "users.parquet", "items.parquet")
FILES = (MANIFEST, *PARTS)
FORMAT, VERSION = "autorec ratings", 1
MOST_LEVELS = 255

_MOST = 2**20  # bytes of store.json
_COUNTS = ("users", "items", "ratings", "duplicates", "skipped", "missing")

Manifest = dict[str, Any]


class Group(NamedTuple):
    """A row group: users, items [n] codes, values [n] ratings; timestamps and rows of the source [n], or None."""

    users: npt.NDArray[np.int32]
    items: npt.NDArray[np.int32]
    values: npt.NDArray[np.float32]
    timestamps: npt.NDArray[np.int64] | None
    rows: npt.NDArray[np.int64] | None


def is_store(path: files.PathLike) -> bool:
    """Whether a folder says that it is a store."""
    return (Path(path) / MANIFEST).is_file()


def read_store(path: files.PathLike, scale: tuple[float, float] | None = None) -> Ratings:
    """The ratings of a store, bit for bit as `read_ratings` reads the source.

    scale: in place of the one that `prepare` was given. InputError: a file that is missing, damaged, or not the one
    that was written.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    check_hashes(folder, manifest)
    with damage_told(folder):
        user_ids = _read_ids(folder / USERS, "user", manifest["users"])
        item_ids = _read_ids(folder / ITEMS, "item", manifest["items"])
        titles, attributes = _read_titles(folder / ITEMS)
        csr, timestamps, order = _read_csr(folder, manifest)
    scale = scale if scale is not None else manifest["scale"] and tuple(manifest["scale"])
    if scale is not None:
        check_and_cast(csr.data, scale)
    ratings = Ratings(
        mark_valid(csr),
        user_ids,
        item_ids,
        timestamps=timestamps,
        order=order,
        titles=titles,
        attributes=attributes,
        given_scale=scale,
        **{name: manifest[name] for name in ("duplicates", "skipped", "missing")},
    )
    warn_of_suspect(str(path), ratings)
    return ratings


def read_manifest(folder: Path) -> Manifest:
    """`store.json` of a folder. InputError: it is damaged or of another version."""
    path = folder / MANIFEST
    with path.open("rb") as file:
        data = file.read(_MOST + 1)
    try:
        manifest = json.loads(data) if len(data) <= _MOST else None
    except (ValueError, RecursionError):
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise _damaged(folder, f'{MANIFEST} does not say "format": "{FORMAT}"')
    if manifest.get("version") != VERSION:
        raise InputError(
            f"{folder} is a store of version {manifest.get('version')!r}, this autorec {__version__} reads {VERSION}; "
            "prepare the ratings again"
        )
    kinds = all(isinstance(manifest.get(name), int) for name in _COUNTS) and isinstance(manifest.get("files"), dict)
    if not is_whole(manifest, data) or not kinds:
        raise _damaged(folder, f"{MANIFEST} is not the file that was written (its SHA-256 differs)")
    return manifest


@contextlib.contextmanager
def damage_told(folder: Path) -> Iterator[None]:
    """Within the block, what reading a damaged store raises becomes an InputError."""
    try:
        yield
    except (pa.ArrowException, LookupError, ValueError, TypeError) as error:
        raise _damaged(folder, str(error).splitlines()[0] if str(error) else type(error).__name__) from error


def read_groups(folder: Path, manifest: Manifest, *, dated: bool = True) -> Iterator[Group]:
    """The row groups of a store in order, checked: codes within bounds, sorted, each pair once, each user in one.
    dated: with timestamps and rows of the source, where there are any. ValueError: they are not."""
    levels = None if manifest["levels"] is None else np.array(manifest["levels"], dtype=np.float32)
    wanted = None if dated else ["user", "item", "rating" if levels is None else "level"]
    last = -1
    with (folder / RATINGS).open("rb") as handle, pa_parquet.ParquetFile(handle) as file:
        if file.metadata.num_rows != manifest["ratings"]:
            raise ValueError(f"{RATINGS} has {file.metadata.num_rows:,} rows, not {manifest['ratings']:,}")
        for number in range(file.num_row_groups):
            table = file.read_row_group(number, wanted)
            columns = {name: table.column(name).to_numpy() for name in table.column_names}
            users, items = columns["user"], columns["item"]
            ordered = len(users) and users[0] > last and count_repeats(users, items) == 0
            if not ordered or users[-1] >= manifest["users"] or items.min() < 0 or items.max() >= manifest["items"]:
                raise ValueError(f"row group {number + 1} of {RATINGS} is out of order or out of bounds")
            last = users[-1]
            values = columns["rating"] if levels is None else levels[columns["level"]]
            yield Group(users, items, values, columns.get("timestamp"), columns.get("row"))


def owned(folder: Path) -> Collection[str]:
    """The files of a folder that `prepare` may replace: a whole store and nothing else, or nothing. InputError:
    anything else."""
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else {""}
    if not there:
        return ()
    if there != set(FILES):
        raise InputError(f"{folder} is there and holds other things than a store; give a new folder")
    check_hashes(folder, read_manifest(folder))
    return FILES


def check_store_path(path: files.PathLike) -> None:
    """Raise what writing a store to `path` would raise because of what is there, before the work.

    >>> autorec.check_store_path("store")  # nothing is there: nothing to say
    """
    folders.require_replaceable(path, owned)
    files.require_room(files.resolved(path).parent)


def check_hashes(folder: Path, manifest: Manifest) -> None:
    """InputError: a file of the store is missing or not the one that was written."""
    for name in PARTS:
        path, told = folder / name, manifest["files"].get(name, {})
        if not path.is_file():
            raise _damaged(folder, f"it lacks {name}")
        if path.stat().st_size != told.get("bytes") or hash_of(path) != told.get("sha256"):
            raise _damaged(folder, f"{name} is not the file that was written (its SHA-256 differs)")


def _damaged(folder: Path, what: str) -> InputError:
    return InputError(f"the store {folder} is damaged: {what}; prepare the ratings again or restore a copy")


def _read_ids(path: Path, name: str, n: int) -> Ids:
    with path.open("rb") as handle:
        column = pa_parquet.read_table(handle, columns=[name]).column(name).combine_chunks()
    if len(column) != n or column.null_count or not pc.all(pc.less(column[:-1], column[1:]), min_count=0).as_py():
        raise ValueError(f"{path.name} does not hold {n:,} ascending ids")
    ids: Ids = column.to_numpy(zero_copy_only=False)
    return ids if ids.dtype == np.int64 else ids.astype(object)


def _read_titles(path: Path) -> tuple[npt.NDArray[np.object_] | None, dict[str, npt.NDArray[np.object_]]]:
    """(titles, attributes) of the items, text."""
    with path.open("rb") as handle:
        table = pa_parquet.read_table(handle)
    texts = {name: table.column(name).to_numpy().astype(object) for name in table.column_names if name != "item"}
    return texts.pop("title", None), texts


def _read_csr(
    folder: Path, manifest: Manifest
) -> tuple[sparse.csr_array, npt.NDArray[np.int64] | None, npt.NDArray[Any] | None]:
    """(ratings [users × items], timestamps [ratings] or None, row of the source [ratings] or None)."""
    n, shape = manifest["ratings"], (manifest["users"], manifest["items"])
    index: Any = np.int32 if n < 2**31 else np.int64
    indices, data = np.empty(n, dtype=index), np.empty(n, dtype=np.float32)
    counts = np.zeros(shape[0] + 1, dtype=index)
    further: dict[str, npt.NDArray[Any]] = {}
    start = 0
    for group in read_groups(folder, manifest):
        part = slice(start, start + len(group.users))
        first = int(group.users[0])
        of_group = np.bincount(group.users - first)
        counts[first + 1 : first + 1 + len(of_group)] = of_group
        indices[part], data[part] = group.items, group.values
        for name, values, dtype in (("timestamps", group.timestamps, np.int64), ("order", group.rows, index)):
            if values is not None:
                further.setdefault(name, np.empty(n, dtype=dtype))[part] = values
        start = part.stop
    indptr = np.cumsum(counts, dtype=index)
    csr = sparse.csr_array((data, indices, indptr), shape=shape)
    return csr, further.get("timestamps"), further.get("order")
