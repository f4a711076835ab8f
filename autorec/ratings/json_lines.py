"""JSON lines, an object a line → ratings, or pairs of users and items."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from autorec.errors import InputError, ParameterError, shown
from autorec.ratings import ids as id_tools
from autorec.ratings.convert import as_ratings, parse_in_memory
from autorec.ratings.dialect import Line
from autorec.ratings.matrix import Parsed, Ratings
from autorec.ratings.roles import Columns, choose_columns
from autorec.ratings.source import Source
from autorec.ratings.values import parse_rating, parse_seconds

_RATING = ("user", "item", "rating")
_EXAMPLE = '{"user": "ann", "item": 12, "rating": 4} or {"user": "ann", "ratings": {"12": 4}}'

Row = dict[str, Any]  # role → value
ReadRecord = Callable[[Any], list[Row]]


def read_json_lines(stream: Iterable[str]) -> Ratings:
    """Ratings of JSON objects, one a line: {"user": …, "item": …, "rating": …} or {"user": …, "ratings": {item: rating,
    …}}. InputError names the line.

    >>> autorec.read_json_lines(['{"user": "ann", "ratings": {"12": 4, "15": 5}}'])
    Ratings(1 users × 2 items, 2 ratings)
    """
    try:
        lines = iter(stream)
    except (TypeError, ValueError):  # no collection, a closed file
        raise ParameterError(f"JSON lines are {shown(stream)}; give an open text file or a list of lines") from None
    roles = {role: role for role in _RATING}
    rows, _ = _read_rows(lines, lambda record: _read_record(record, roles), "", "raise")
    if not rows:
        raise InputError("there are no ratings; give one JSON object a line")
    return as_ratings(_tabulate(rows))


def is_json_lines(source: str, lines: Sequence[Line]) -> bool:
    """Whether a file is JSON lines, told by the first of its lines. InputError: the file is one JSON document."""
    first = lines[0].text.strip() if lines else ""
    try:
        record = json.loads(first) if first[:1] in ("{", "[") else None
    except (ValueError, RecursionError):
        record = [{}] if re.fullmatch(r'[\[{]|\[?\s*{\s*".*', first) else None
    if isinstance(record, list) and record and isinstance(record[0], dict):
        raise InputError(f"{source} is JSON, but not an object a line; write lines such as {_EXAMPLE}")
    return isinstance(record, dict)


def parse_json_lines(source: Source, columns: Columns | None, on_error: str, needed: Sequence[str] = _RATING) -> Parsed:
    """The rows of a file of JSON lines. The names of the first object say which field is what, as a header does; dates
    are seconds or ISO text. InputError names the line."""
    lines = source.lines()
    first = json.loads(next(line for line in lines if line.strip()))
    if "rating" in needed and isinstance(first.get("ratings"), dict):
        roles = {role: role for role in needed}
    else:
        names = list(first)
        chosen = choose_columns(source.name, names, columns, needed)
        roles = {role: names[column] for role, column in chosen.items() if role in (*needed, "timestamp")}
    rows, skipped = _read_rows(lines, lambda record: _read_record(record, roles), f"{source.name}, ", on_error)
    if not rows:
        raise InputError(f"{source.name} has no row that can be read")
    table = _tabulate(rows)
    parsed = parse_in_memory(table if "rating" in table else table.assign(rating=0.0))  # pairs have none to be read
    return replace(parsed, skipped=skipped)


def _read_rows(lines: Iterable[str], read: ReadRecord, where: str, on_error: str) -> tuple[list[Row], int]:
    """(the rows of all lines, how many lines were skipped)."""
    rows: list[Row] = []
    skipped = 0
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                rows += read(json.loads(line))
        except (ValueError, RecursionError, AttributeError, TypeError) as error:
            if on_error == "raise":
                raise InputError(
                    f"{where}line {number}: {str(line).strip()[:60]!r} is no rating ({error}); "
                    f"give objects such as {_EXAMPLE}"
                ) from None
            skipped += 1
    return rows, skipped


def _tabulate(rows: list[Row]) -> pd.DataFrame:
    columns = {role: [row[role] for row in rows] for role in rows[0]}
    return pd.DataFrame(
        {
            role: id_tools.from_tokens(values) if role in ("user", "item") else np.array(values)
            for role, values in columns.items()
        }
    )


def _read_record(record: Any, roles: dict[str, str]) -> list[Row]:
    """The rows of one object. ValueError says what is wrong with it."""
    if not isinstance(record, dict):
        raise ValueError("it is no object")
    several = set(roles) == set(_RATING) and "ratings" in record
    missing = [name for name in (("user",) if several else roles.values()) if name not in record]
    if missing:
        raise ValueError(f"it has no {' and no '.join(missing)}")
    if not several:
        return [{role: _READ[role](record[name]) for role, name in roles.items()}]
    if not isinstance(record["ratings"], dict):
        raise ValueError("its ratings are no object of items and their ratings")
    user = _read_id(record["user"])
    return [{"user": user, "item": item, "rating": _read_rating(value)} for item, value in record["ratings"].items()]


def _read_id(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError(f"an id is text or a whole number, not {value!r}")
    return str(value)


def _read_rating(value: Any) -> float:
    rating = None if isinstance(value, bool) or not isinstance(value, (str, int, float)) else parse_rating(str(value))
    if rating is None:
        raise ValueError(f"{str(value)[:40]!r} is not a finite number")
    return rating


def _read_time(value: Any) -> int:
    seconds = None if isinstance(value, bool) or not isinstance(value, (str, int, float)) else parse_seconds(str(value))
    if seconds is None:
        raise ValueError(f"{str(value)[:40]!r} is neither seconds nor an ISO date")
    return seconds


_READ: dict[str, Callable[[Any], Any]] = {
    "user": _read_id,
    "item": _read_id,
    "rating": _read_rating,
    "timestamp": _read_time,
}
