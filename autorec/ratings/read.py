"""Rating files of every common kind → Ratings. The format is recognised from the content; options override it."""

import warnings
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import IO, Any, get_args

import numpy as np
import pandas as pd

from autorec import checks, group, words
from autorec.errors import InputError, ParameterError, shown
from autorec.ratings import ids as id_tools
from autorec.ratings.arrow import parse_parquet
from autorec.ratings.convert import TABLE, is_in_memory, is_table, parse_in_memory
from autorec.ratings.delimited import parse_text
from autorec.ratings.dialect import detect_dialect, head_lines
from autorec.ratings.ids import Ids
from autorec.ratings.items import with_items
from autorec.ratings.json_lines import is_json_lines, parse_json_lines
from autorec.ratings.matrix import Parsed, Ratings, build
from autorec.ratings.netflix import is_netflix, parse_netflix
from autorec.ratings.roles import Columns, find_columns, parse_columns
from autorec.ratings.sentinels import is_finite, leave_out, parse_missing, warn_of_suspect
from autorec.ratings.source import Source, open_source
from autorec.ratings.store import MANIFEST, PARTS, is_store, read_store
from autorec.ratings.stored import Stored, open_store
from autorec.ratings.values import LATEST

# Rating file and titles of known data sets, looked for in this order.
_KNOWN = (("ratings.dat", "movies.dat"), ("u.data", "u.item"), ("ratings.csv", "movies.csv"), ("ratings.parquet", ""))

_MODEL = "model.json"  # what makes a folder a saved model

ColumnsOption = Columns | str | None
File = str | PathLike[str] | IO[bytes] | IO[str]


def read_ratings(
    path: Any,
    *,
    columns: ColumnsOption = None,
    sep: str | None = None,
    decimal: str = ".",
    format: words.Format | None = None,
    header: bool | None = None,
    items: Any = None,
    scale: tuple[float, float] | None = None,
    missing: float | Iterable[float] | None = None,
    on_error: words.OnError = "raise",
    member: str | None = None,
) -> Ratings:
    """Ratings of a file, a folder of a known data set, a store that `prepare` wrote, "-" (stdin), an open file, or a
    table or matrix in memory.

    Known: MovieLens u.data, ratings.dat, ratings.csv; RecBole .inter; Netflix Prize blocks; delimited text with or
    without a header, in UTF-8, or UTF-16 and 32 with a byte order mark; JSON lines (see `read_json_lines`); Parquet;
    each also in gzip, zip or zstd. In memory: a DataFrame of pandas or polars, an Arrow table, a SciPy sparse matrix,
    which need no option of a file.

    columns   which column is what: {"user": "userId", "item": 2, …} or "user=userId,item=2"; names or numbers from 1
    sep       text between columns; decimal: the decimal point, "." or ","
    header    whether the first line names the columns; format: text, netflix or parquet
    items     titles and attributes (see `Ratings`): a file or a table; without it the file beside a MovieLens file
    scale     (lowest, highest) possible rating; else as observed
    missing   a rating, or several, that stands for none, as 99 in Jester; such rows are counted in `Ratings.missing`
    on_error  "raise", or "skip": rows that cannot be read are dropped and counted in `Ratings.skipped`
    member    which file of a zip archive

    InputError names file and line and says what to do; ParameterError: an option that is not allowed; OSError: what the
    system says of the file. A pair rated twice keeps its last rating (`Ratings.duplicates`).

    >>> import io
    >>> autorec.read_ratings(io.StringIO("user_id,movie_id,stars\\n1,7,5\\n2,9,3.5\\n"))
    Ratings(2 users × 2 items, 2 ratings)
    >>> frame = pd.DataFrame({"who": [1, 2], "what": [7, 9], "stars": [5, 3]})
    >>> autorec.read_ratings(frame, columns="user=who,item=what,rating=stars")
    Ratings(2 users × 2 items, 2 ratings)
    """
    check_options(sep, decimal, format, header, scale, on_error, member)
    if items is not None and not is_table(items):
        items = fspath(checks.path("items", items))
    sentinels = parse_missing(missing)
    titles: Any = None
    chosen = parse_columns(columns)
    if is_in_memory(path):
        where = "a file is read: leave it out for a table or matrix"
        _refuse_options_of_files(where, sep=sep, format=format, header=header, member=member, on_error=on_error)
        ratings = _build(TABLE, parse_in_memory(path, chosen), scale, sentinels)
        return with_items(ratings, items) if items is not None else ratings
    if isinstance(path, (str, PathLike)) and is_store(path):
        own: dict[str, Any] = {"sep": sep, "format": format, "header": header, "member": member, "on_error": on_error}
        _check_for_store(**own, columns=columns, missing=missing)
        ratings = read_store(path, scale)
        return with_items(ratings, items) if items is not None else ratings
    if isinstance(path, (str, PathLike)):
        path, titles = locate(fspath(path))
    source = open_source(path, member)
    if format == "parquet" or (format is None and source.is_parquet):
        parsed = parse_parquet(source, chosen, on_error)
    else:
        parsed = _parse(source, chosen, sep, decimal, format, header, on_error)
    ratings = _build(source.name, parsed, scale, sentinels)
    titles = items if items is not None else titles
    return with_items(ratings, titles) if titles is not None else ratings


def open_ratings(path: Any, **how: Any) -> Ratings | Stored:
    """`read_ratings`; but in a process group of torch.distributed, of a store without `items=`, ratings that stay on
    the disk: `fit` of AutoRec, alone or in a Joint, then reads in each process the part that it trains on, and all
    other functions read all of them.

    >>> import io
    >>> autorec.open_ratings(io.StringIO("user_id,movie_id,stars\\n1,7,5\\n2,9,3.5\\n"))
    Ratings(2 users × 2 items, 2 ratings)
    """
    named = isinstance(path, (str, PathLike)) and how.get("items") is None
    if group.place()[1] == 1 or not (named and is_store(path)):
        return read_ratings(path, **how)
    _check_for_store(**{name: value for name, value in how.items() if name not in ("items", "scale", "decimal")})
    return open_store(Path(path), how.get("scale"), partial(read_ratings, path, **how))


def read_pairs(path: File, *, columns: ColumnsOption = None, sep: str | None = None) -> pd.DataFrame:
    """Pairs of a file → DataFrame user, item[, timestamp]: raw ids in the order of the file, and seconds since 1970
    where the file has a column of dates; other columns are left out.

    columns, sep: as in `read_ratings`. InputError names file and line.

    >>> import io
    >>> autorec.read_pairs(io.StringIO("user,item\\n1,7\\n2,9\\n"))
       user  item
    0     1     7
    1     2     9
    """
    check_options(sep)
    source, chosen, needed = open_source(path), parse_columns(columns), ("user", "item")
    if source.is_parquet:
        found = parse_parquet(source, chosen, "raise", needed)
    else:
        refuse_binary(source)
        lines = head_lines(source.data)
        if sep is None and is_json_lines(source.name, lines):
            found = parse_json_lines(source, chosen, "raise", needed)
        else:
            dialect = detect_dialect(source.name, lines, sep=sep, columns=chosen, needed=needed)
            asked = {role: column for role, column in dialect.columns.items() if role != "rating"}
            found = parse_text(source.name, source.data, replace(dialect, columns=asked), "raise")
    pairs = pd.DataFrame({"user": found.user_ids[found.users], "item": found.item_ids[found.items]})
    return pairs if found.timestamps is None else pairs.assign(timestamp=found.timestamps)


def read_ids(path: File) -> Ids:
    """[n] ids of a file, one a line, int64 if all are integers, else text; empty lines and spaces around are left out,
    and so is a first line above others that names a column, as user or movieId.

    InputError: not UTF-8 text.

    >>> import io
    >>> autorec.read_ids(io.StringIO("3\\n7\\n"))
    array([3, 7])
    """
    source = open_source(path)
    refuse_binary(source)
    lines = [line.strip() for line in source.lines() if line.strip()]
    has_header = len(lines) > 1 and any(find_columns(lines[:1], role) for role in ("user", "item"))
    return id_tools.from_tokens(lines[has_header:])


def check_options(
    sep: Any,
    decimal: Any = ".",
    format: Any = None,
    header: Any = None,
    scale: Any = None,
    on_error: Any = "raise",
    member: Any = None,
) -> None:
    if sep is not None and not (isinstance(sep, str) and sep and _is_writable(sep) and not set(sep) & set('\n\r"')):
        raise ParameterError(f"sep is {shown(sep)}; allowed: the text between two columns, as in ',' or '::'")
    checks.one_of("on_error", on_error, get_args(words.OnError))
    checks.optional(partial(checks.one_of, allowed=get_args(words.Format)), "format", format)
    if not isinstance(decimal, str) or decimal not in (".", ","):
        raise ParameterError(f"decimal is {shown(decimal)}; allowed: '.' and ','")
    checks.optional(checks.flag, "header", header)
    if member is not None and not isinstance(member, str):
        raise ParameterError(f"member is {shown(member)}; allowed: the name of a file in the archive")
    if scale is not None and not _is_scale(scale):
        raise ParameterError(f"scale is {shown(scale)}; allowed: (lowest, highest) possible rating, two finite numbers")


def _check_for_store(**options: Any) -> None:
    missing = parse_missing(options.pop("missing", None)) or None
    where = "a file is read: leave it out for a store, or give it to prepare"
    _refuse_options_of_files(where, **options, missing=missing)


def _is_writable(text: str) -> bool:
    """Whether a file in UTF-8 can hold the text."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _refuse_options_of_files(where: str, **options: Any) -> None:
    for name, value in options.items():
        if value is not None and not (isinstance(value, str) and value == "raise"):
            raise ParameterError(f"{name} is {shown(value)}, which says how {where}")


def _is_scale(scale: Any) -> bool:
    try:
        return len(scale) == 2 and not isinstance(scale, str) and all(map(is_finite, scale))
    except TypeError:
        return False


def locate(path: str) -> tuple[str, str | None]:
    """The rating file that `path` names or holds, and the titles that belong to it."""
    location = Path(path)
    if path != "-" and location.is_dir():
        if all((location / name).is_file() for name in PARTS):
            raise InputError(
                f"{path} holds the files of a store but no {MANIFEST}; restore it, or prepare the ratings again"
            )
        if (location / _MODEL).is_file():
            raise InputError(f"{path} is the folder of a saved model; name the file of ratings")
        for name, titles in _KNOWN:
            if (location / name).is_file():
                return str(location / name), _if_there(location / titles) if titles else None
        inter = sorted(location.glob("*.inter"))
        if len(inter) == 1:
            return str(inter[0]), None
        looked = ", ".join(name for name, _ in _KNOWN)
        raise InputError(f"the folder {path} holds none of {looked} and not one .inter file; name the rating file")
    known = dict(_KNOWN) | {f"u{fold}.{part}": "u.item" for fold in "12345ab" for part in ("base", "test")}
    titles = known.get(location.name, "")
    return path, _if_there(location.with_name(titles)) if titles else None


def _if_there(path: Path) -> str | None:
    return str(path) if path.is_file() else None


def _parse(
    source: Source,
    columns: Columns | None,
    sep: str | None,
    decimal: str,
    format: words.Format | None,
    header: bool | None,
    on_error: str,
) -> Parsed:
    refuse_binary(source)
    lines = head_lines(source.data)
    if format == "netflix" or (format is None and columns is None and sep is None and is_netflix(lines)):
        return parse_netflix(source.name, source.data, on_error)
    if format is None and sep is None and header is None and decimal == "." and is_json_lines(source.name, lines):
        return parse_json_lines(source, columns, on_error)
    dialect = detect_dialect(source.name, lines, sep=sep, header=header, columns=columns, decimal=decimal)
    return parse_text(source.name, source.data, dialect, on_error)


def refuse_binary(source: Source) -> None:
    if b"\0" in source.data[:65536]:
        raise InputError(f"{source.name} is not text, Parquet, gzip, zip or zstd; give a file of one of these kinds")


def _build(source: str, parsed: Parsed, scale: tuple[float, float] | None, sentinels: list[float]) -> Ratings:
    if parsed.ratings is None or not len(parsed.ratings):
        raise InputError(f"{source} has a header and no ratings below it")
    parsed, missing = leave_out(source, parsed, sentinels)
    try:
        ratings = build(parsed, scale=scale)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    warn_of_suspect(source, ratings)
    if ratings.timestamps is not None and int(np.median(ratings.timestamps)) > LATEST:
        warnings.warn(
            f"{source}: most timestamps lie beyond the year 2100 when read as seconds: if they are milliseconds, divide"
            " them by 1000, or half-lives and days are a thousand times too short",
            stacklevel=3,
        )
    return replace(ratings.compact(), missing=missing) if missing else ratings
