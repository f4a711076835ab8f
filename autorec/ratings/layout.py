"""What the first lines of a text file tell: separator, header, which column is what."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autorec.errors import InputError

ROLES = ("user", "item", "rating", "timestamp")
SEPARATORS = ("::", "\t", ",", ";", "|", " ")
FORMATS = ("text", "netflix", "parquet")

_NAMES = {
    "user": {"user", "userid", "uid", "reviewerid", "customer", "customerid", "member", "memberid"},
    "item": {
        "item", "itemid", "iid", "movie", "movieid", "film", "filmid", "book", "bookid", "isbn",
        "product", "productid", "asin", "anime", "animeid", "track", "trackid", "song", "songid", "joke", "jokeid",
    },
    "rating": {"rating", "score", "stars", "overall", "value", "bookrating"},
    "timestamp": {"timestamp", "time", "date", "datetime", "unixreviewtime", "ts"},
}  # fmt: skip
_SAMPLE = 20  # lines looked at


@dataclass(frozen=True)
class Layout:
    """separator; header: lines before the first rating (0 or 1); n_columns; columns: role → place from 0."""

    separator: str
    header: int
    n_columns: int
    columns: dict[str, int]


def is_netflix(lines: Sequence[str]) -> bool:
    """Netflix Prize blocks: a line `ITEM:`, then lines `user,rating,date`."""
    return len(lines) > 1 and re.fullmatch(r"\d+:", lines[0].strip()) is not None and "," in lines[1]


def sniff(
    path: str,
    lines: Sequence[str],
    *,
    sep: str | None = None,
    header: bool | None = None,
    columns: Mapping[str, str | int] | None = None,
    needed: Sequence[str] = ("user", "item", "rating"),
) -> Layout:
    """The layout of a text file from its first lines; what is given is taken, not guessed.

    columns: role → name in the header or place from 1. needed: the roles that must be found.
    InputError: one column only, a role not found, an unknown column; each says what to give.
    """
    lines = [line for line in lines if line.strip()][:_SAMPLE]
    separator = sep.replace("\\t", "\t") if sep is not None else _separator(path, lines)
    first = _fields(lines[0], separator)
    named = [_plain(name) for name in first]
    has_header = header if header is not None else _is_header(named, lines, separator, columns)
    if columns is not None:
        found = _given(path, columns, first if has_header else None, len(first))
    elif has_header:
        found = {role: named.index(name) for role in ROLES for name in named if name in _NAMES[role]}
    else:
        found = _by_place(path, len(first), needed)
    missing = [role for role in needed if role not in found]
    if missing:
        seen = f"the columns {', '.join(map(repr, first))}" if has_header else f"{len(first)} columns"
        raise InputError(
            f"{path} has {seen}: which is the {' and the '.join(missing)} is not clear; "
            f"say it by columns (--columns), as in user=1,item=2,rating=3"
        )
    return Layout(separator, int(has_header), len(first), found)


def _separator(path: str, lines: Sequence[str]) -> str:
    for separator in SEPARATORS:
        counts = {line.count(separator) for line in lines if not line.startswith('"')} or {lines[0].count(separator)}
        if min(counts) > 0:
            return separator
    raise InputError(
        f"{path}: no separator found in line 1, {_short(lines[0])}; a rating needs user, item and rating: "
        "say the separator by sep (--sep)"
    )


def _is_header(
    named: Sequence[str], lines: Sequence[str], separator: str, columns: Mapping[str, str | int] | None
) -> bool:
    if columns is not None and any(isinstance(c, str) and not c.isdigit() for c in columns.values()):
        return True
    known = set().union(*_NAMES.values())
    if sum(name in known for name in named) >= 2:
        return True
    if len(lines) < 2:
        return False
    # A first line without any number above a line that has some.
    second = _fields(lines[1], separator)
    return not any(map(_is_number, _fields(lines[0], separator))) and any(map(_is_number, second))


def _given(path: str, columns: Mapping[str, str | int], header: Sequence[str] | None, width: int) -> dict[str, int]:
    found = {}
    for role, column in columns.items():
        if role not in ROLES:
            raise InputError(f"columns: {role!r} is none of {', '.join(ROLES)}")
        text = str(column)
        if header is not None and text in header:
            found[role] = list(header).index(text)
        elif header is not None and _plain(text) in map(_plain, header) and not text.isdigit():
            found[role] = [_plain(name) for name in header].index(_plain(text))
        elif text.isdigit() and 1 <= int(text) <= width:
            found[role] = int(text) - 1
        else:
            there = f"the columns {', '.join(map(repr, header))}" if header else f"{width} columns and no header"
            raise InputError(
                f"{path} has {there}, no {role} column {text!r}; give a name of the header or a place from 1"
            )
    return found


def _by_place(path: str, width: int, needed: Sequence[str]) -> dict[str, int]:
    if width > len(ROLES):
        raise InputError(
            f"{path} has {width} columns and no header; say which are meant by columns (--columns), "
            "as in user=1,item=2,rating=3"
        )
    if width < len(needed):
        raise InputError(f"{path} has {width} columns; it needs {len(needed)}: {', '.join(needed)}")
    return dict(zip(ROLES[:width], range(width), strict=True))


def _fields(line: str, separator: str) -> list[str]:
    return [field.strip().strip('"') for field in line.rstrip("\r\n").split(separator)]


def _plain(name: str) -> str:
    """userId, user_id, "user_id:token" → userid."""
    return re.sub(r"[^a-z0-9]", "", name.split(":")[0].lower())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")
