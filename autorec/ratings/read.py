"""Rating files of every common kind → Ratings. The format is told by the content; options override it."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from mmap import mmap
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pa_parquet

from autorec.errors import InputError, ParameterError
from autorec.ratings import codes, text
from autorec.ratings import ids as id_tools
from autorec.ratings.columns import Columns
from autorec.ratings.ids import Ids
from autorec.ratings.layout import FORMATS, Layout, is_netflix, sniff
from autorec.ratings.matrix import Ratings, build, from_frame
from autorec.ratings.sources import Data, load, text_of
from autorec.ratings.titles import with_titles

# Rating file and titles of known data sets, looked for in this order.
_KNOWN = (("ratings.dat", "movies.dat"), ("u.data", "u.item"), ("ratings.csv", "movies.csv"), ("ratings.parquet", ""))

_PARQUET_ROWS = 2**20  # taken at once
_PARQUET_BUFFER = 2**20  # bytes of a column read ahead

ColumnsOption = Mapping[str, str | int] | str | None


def read_ratings(
    path: str | PathLike[str],
    *,
    columns: ColumnsOption = None,
    sep: str | None = None,
    format: str | None = None,
    header: bool | None = None,
    items: str | PathLike[str] | None = None,
    scale: tuple[float, float] | None = None,
    on_error: str = "raise",
    member: str | None = None,
) -> Ratings:
    """Ratings of a file, a folder of a known data set, or "-" (stdin).

    Known: MovieLens u.data, ratings.dat, ratings.csv; RecBole .inter; Netflix Prize blocks; delimited text with or
    without a header; Parquet; each also in gzip, zip or zstd.

    columns   which column is what: {"user": "userId", "item": 2, …} or "user=userId,item=2"; names or places from 1
    sep       text between columns; header: whether the first line names them; format: text, netflix or parquet
    items     file of titles; without it the titles that lie beside a MovieLens file are taken
    scale     (lowest, highest) possible rating; else as observed
    on_error  "raise", or "skip": rows that cannot be read are dropped and counted in `Ratings.skipped`
    member    which file of a zip archive

    InputError tells file and line and what to do. A pair rated twice keeps its last rating (`Ratings.duplicates`).
    """
    if on_error not in ("raise", "skip"):
        raise ParameterError(f"on_error is {on_error!r}; allowed: raise, skip")
    if format is not None and format not in FORMATS:
        raise ParameterError(f"format is {format!r}; allowed: {', '.join(FORMATS)}")
    file, titles = _located(fspath(path))
    data = load(file, member)
    chosen = _columns_option(columns)
    if format == "parquet" or (format is None and bytes(data[:4]) == b"PAR1"):
        ratings = _from_parquet(file, data, chosen, scale, on_error)
    else:
        lines = _text_lines(file, data)
        if format == "netflix" or (format is None and chosen is None and is_netflix(lines)):
            found = _from_netflix(file, data, on_error)
        else:
            found = text.parse(file, data, sniff(file, lines, sep=sep, header=header, columns=chosen), on_error)
        ratings = _built(file, found, scale)
    titles = fspath(items) if items is not None else titles
    return with_titles(ratings, titles) if titles is not None else ratings


def read_pairs(path: str | PathLike[str], *, columns: ColumnsOption = None, sep: str | None = None) -> pd.DataFrame:
    """Pairs of a file → DataFrame user, item: raw ids in the order of the file; other columns are left out."""
    file = fspath(path)
    data = load(file)
    if bytes(data[:4]) == b"PAR1":
        table = pa_parquet.read_table(pa.BufferReader(pa.py_buffer(data))).to_pandas()
        missing = {"user", "item"} - set(table.columns)
        if missing:
            raise InputError(f"{file} has the columns {list(table.columns)}; it needs user and item")
        return pd.DataFrame({side: id_tools.as_ids(table[side], f"{file}, column {side}") for side in ("user", "item")})
    lines = _text_lines(file, data)
    chosen = _columns_option(columns)
    layout = sniff(file, lines, sep=sep, columns=chosen, needed=("user", "item"))
    sides = {role: place for role, place in layout.columns.items() if role in ("user", "item")}
    found = text.parse(file, data, Layout(layout.separator, layout.header, layout.n_columns, sides), "raise")
    return pd.DataFrame({"user": found.user_ids[found.users], "item": found.item_ids[found.items]})


def read_ids(path: str | PathLike[str]) -> Ids:
    """Ids, one a line; empty lines are left out."""
    lines = [line.strip() for line in text_of(load(fspath(path))).splitlines()]
    return id_tools.from_tokens([line for line in lines if line])


def read_json_lines(stream: Iterable[str]) -> Ratings:
    """JSON objects, one a line: {"user": …, "item": …, "rating": …} or {"user": …, "ratings": {item: rating, …}}."""
    rows: list[tuple[str, str, float]] = []
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            pairs = record["ratings"].items() if "ratings" in record else [(record["item"], record["rating"])]
            rows += [(_token(record["user"]), _token(item), float(rating)) for item, rating in pairs]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"line {number}: {line.strip()[:60]!r} is no rating ({type(error).__name__}: {error}); "
                'give objects such as {"user": "ann", "ratings": {"12": 4}}'
            ) from None
    if not rows:
        raise InputError("there are no ratings; give one JSON object a line")
    users, items, ratings = zip(*rows, strict=True)
    return from_frame(
        pd.DataFrame(
            {"user": id_tools.from_tokens(users), "item": id_tools.from_tokens(items), "rating": np.array(ratings)}
        )
    )


def _token(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise TypeError(f"an id is text or a whole number, not {value!r}")
    return str(value)


def _located(path: str) -> tuple[str, str | None]:
    """The rating file and the titles that belong to it."""
    place = Path(path)
    if path != "-" and place.is_dir():
        for name, titles in _KNOWN:
            if (place / name).is_file():
                return str(place / name), _if_there(place / titles) if titles else None
        inter = sorted(place.glob("*.inter"))
        if len(inter) == 1:
            return str(inter[0]), None
        looked = ", ".join(name for name, _ in _KNOWN)
        raise InputError(f"the folder {path} holds none of {looked} and not one .inter file; name the rating file")
    known = dict(_KNOWN) | {f"u{fold}.{part}": "u.item" for fold in "12345ab" for part in ("base", "test")}
    titles = known.get(place.name, "")
    return path, _if_there(place.with_name(titles)) if titles else None


def _if_there(path: Path) -> str | None:
    return str(path) if path.is_file() else None


def _columns_option(columns: ColumnsOption) -> Mapping[str, str | int] | None:
    if not isinstance(columns, str):
        return columns
    pairs = [part.partition("=") for part in columns.split(",")]
    if not all(equals and role and column for role, equals, column in pairs):
        raise ParameterError(f"columns is {columns!r}; give role=column pairs, as in user=1,item=2,rating=3")
    return {role.strip(): column.strip() for role, _, column in pairs}


def _text_lines(path: str, data: Data) -> list[str]:
    if b"\0" in bytes(data[:65536]):
        raise InputError(f"{path} is not text, Parquet, gzip, zip or zstd; give a file of one of these kinds")
    return text.head_lines(data)


def _built(path: str, found: Columns, scale: tuple[float, float] | None) -> Ratings:
    if found.ratings is None or not len(found.ratings):
        raise InputError(f"{path} has a header and no ratings below it")
    try:
        return build(
            found.users,
            found.items,
            found.ratings,
            found.user_ids,
            found.item_ids,
            timestamps=found.timestamps,
            scale=scale,
            skipped=found.skipped,
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _from_netflix(path: str, data: Data, on_error: str) -> Columns:
    """Blocks `ITEM:` and below it `user,rating,date` → the same as three columns and the item of each line."""
    raw = bytes(data).replace(b"\r\n", b"\n")
    raw = raw if raw.endswith(b"\n") else raw + b"\n"
    heads = list(re.finditer(rb"^(\d+):\n", raw, re.MULTILINE))
    if not heads or heads[0].start() != 0:
        raise InputError(f"{path}, line 1: Netflix Prize blocks begin with a line such as 1:")
    ends = [*(head.start() for head in heads[1:]), len(raw)]
    # Each line gets its item; a block's first line stays as an empty one, so that line numbers keep their meaning.
    blocks = (
        b"\n" + raw[head.end() : end].replace(b"\n", b"," + head.group(1) + b"\n")
        for head, end in zip(heads, ends, strict=True)
    )
    layout = Layout(",", 0, 4, {"user": 0, "rating": 1, "timestamp": 2, "item": 3})
    return text.parse(path, b"".join(blocks), layout, on_error)


def _from_parquet(
    path: str, data: Data, columns: Mapping[str, str | int] | None, scale: tuple[float, float] | None, on_error: str
) -> Ratings:
    try:
        file = _parquet_file(path, data)
        names = file.schema_arrow.names
        layout = sniff(path, [",".join(names), ",".join("0" for _ in names)], sep=",", header=True, columns=columns)
        roles = {role: names[place] for role, place in layout.columns.items()}
        if (found := _numbers(file, roles)) is not None:
            return _built(path, found, scale)
        table = file.read(list(dict.fromkeys(roles.values())))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is not a whole Parquet file ({str(error).splitlines()[0]})") from None
    frame = pd.DataFrame({role: table.column(name).to_pandas() for role, name in roles.items()})
    bad = frame.isna().any(axis=1) | ~np.isfinite(pd.to_numeric(frame["rating"], errors="coerce"))
    if bad.any() and on_error == "raise":
        raise InputError(
            f"{path}, row {int(np.argmax(bad)) + 1}: a value is missing or the rating is not a finite number; "
            "correct it, or drop such rows with on_error='skip' (--on-error skip)"
        )
    kept = frame[~bad].astype({"rating": np.float64})
    try:
        ratings = from_frame(kept, scale=scale)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if not len(ratings):
        raise InputError(f"{path} has no ratings")
    return replace(ratings, skipped=int(bad.sum()))


def _parquet_file(path: str, data: Data) -> pa_parquet.ParquetFile:
    """Read piece by piece: pages that are mapped would count as memory of this process, and so would a whole file
    fetched ahead (Arrow's `pre_buffer`)."""
    source = path if isinstance(data, mmap) else pa.BufferReader(pa.py_buffer(data))
    return pa_parquet.ParquetFile(source, buffer_size=_PARQUET_BUFFER, pre_buffer=False)


def _numbers(file: pa_parquet.ParquetFile, roles: Mapping[str, str]) -> Columns | None:
    """Columns of a file whose ids are numbers ≥ 0, taken row group by row group: never twice in memory.

    None where that does not hold, a value is missing or a rating is not finite: then the whole table is looked at.
    """
    types = {role: file.schema_arrow.field(name).type for role, name in roles.items()}
    whole = [pa.types.is_integer(kind) for role, kind in types.items() if role != "rating"]
    if not all(whole) or not (pa.types.is_floating(types["rating"]) or pa.types.is_integer(types["rating"])):
        return None
    n = file.metadata.num_rows
    dtypes = {"user": np.int32, "item": np.int32, "rating": np.float32, "timestamp": np.int64}
    arrays: dict[str, npt.NDArray[Any]] = {role: np.empty(n, dtypes[role]) for role in roles}
    start = 0
    for batch in file.iter_batches(_PARQUET_ROWS, columns=list(roles.values())):
        for role, name in roles.items():
            column = batch.column(name)
            if column.null_count:
                return None
            values = column.to_numpy()
            if role == "rating" and not np.isfinite(values).all():
                return None
            if role in ("user", "item"):
                if values.min(initial=0) < 0:
                    return None
                if values.max(initial=0) > np.iinfo(arrays[role].dtype).max:
                    arrays[role] = arrays[role].astype(np.int64)
            arrays[role][start : start + len(values)] = values
        start += batch.num_rows
    if not n:
        return None
    pa.default_memory_pool().release_unused()  # a third of a GiB after 100 million ratings
    users, user_ids = codes.of_numbers(arrays.pop("user"))
    items, item_ids = codes.of_numbers(arrays.pop("item"))
    return Columns(users, items, user_ids, item_ids, arrays["rating"], arrays.get("timestamp"))
