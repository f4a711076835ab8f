"""Which column is the user, the item, the rating, the timestamp: by name, by number, or as the user says."""

import re
from collections.abc import Mapping, Sequence

from autorec.errors import InputError, ParameterError, shown

ROLES = ("user", "item", "rating", "timestamp")
Columns = Mapping[str, str | int]

_NAMES = {
    "user": {"user", "userid", "uid", "reviewerid", "customer", "customerid", "member", "memberid"},
    "item": {
        "item", "itemid", "iid", "movie", "movieid", "film", "filmid", "book", "bookid", "isbn",
        "product", "productid", "asin", "anime", "animeid", "track", "trackid", "song", "songid", "joke", "jokeid",
    },
    "rating": {"rating", "score", "stars", "overall", "value", "bookrating"},
    "timestamp": {"timestamp", "time", "date", "datetime", "unixreviewtime", "ts"},
}  # fmt: skip
_CHOICES = "where each row is a choice without a rating, add a rating of 1 to all of them, for models of choices"
_LISTED = 20  # names of columns in a sentence
_SAY = "say it by columns (--columns), as in user=1,item=2,rating=3"


def count_known_names(names: Sequence[str]) -> int:
    """How many of the names are known names of a role."""
    known = set().union(*_NAMES.values())
    return sum(normalize(name) in known for name in names)


def choose_columns(
    source: str, header: Sequence[str], columns: Columns | None, needed: Sequence[str]
) -> dict[str, int]:
    """Role → column from 0, by the names of a header or, if given, by `columns` (role → name, or number from 1).

    The name of the role itself is preferred to one that ends in "id", and that to others. InputError: two equally good
    names, or a needed role without a column.
    """
    chosen = (
        _choose_by_name(source, header, needed)
        if columns is None
        else _choose_as_given(source, columns, header, len(header))
    )
    _check_needed(source, chosen, needed, f"the columns {_list(header)}")
    return chosen


def number_columns(source: str, width: int, columns: Columns | None, needed: Sequence[str]) -> dict[str, int]:
    """Role → column from 0 where there is no header: by `columns`, else user, item, rating, timestamp in this order."""
    if columns is not None:
        chosen = _choose_as_given(source, columns, None, width)
        _check_needed(source, chosen, needed, f"{width} columns")
        return chosen
    if width > len(ROLES):
        raise InputError(
            f"{source} has {width} columns and no header; say which are meant by columns (--columns), "
            "as in user=1,item=2,rating=3"
        )
    if width < len(needed):
        alone = f"; {_CHOICES}" if width == 2 else ""
        raise InputError(f"{source} has {width} columns; it needs {len(needed)}: {', '.join(needed)}{alone}")
    return dict(zip(ROLES[:width], range(width), strict=True))


def parse_columns(columns: Columns | str | None) -> Columns | None:
    """The option `columns`: a mapping, or the same as text, "user=userId,item=2,rating=3"."""
    if columns is None or isinstance(columns, Mapping):
        return columns
    if not isinstance(columns, str):
        raise ParameterError(
            f"columns is {shown(columns)}; give {{role: column}} or text such as user=1,item=2,rating=3"
        )
    pairs = [part.partition("=") for part in columns.split(",")]
    if not all(equals and role.strip() and column.strip() for role, equals, column in pairs):
        raise ParameterError(f"columns is {shown(columns)}; give role=column pairs, as in user=1,item=2,rating=3")
    return {role.strip(): column.strip() for role, _, column in pairs}


def normalize(name: str) -> str:
    """userId, user_id, "user_id:token" → userid."""
    return re.sub(r"[^a-z0-9]", "", name.split(":")[0].lower())


def find_columns(header: Sequence[str], role: str) -> list[int]:
    """The columns with the best known name of a role; several are equally good."""
    ranked = [
        (0 if name == role else 1 if name.endswith("id") else 2, number)
        for number, name in enumerate(map(normalize, header))
        if name in _NAMES[role]
    ]
    return [number for rank, number in ranked if rank == min(ranked)[0]]


def _choose_by_name(source: str, header: Sequence[str], needed: Sequence[str]) -> dict[str, int]:
    chosen = {}
    for role in ROLES:
        best = find_columns(header, role)
        if len(best) > 1 and (role in needed or role == "timestamp"):
            raise InputError(
                f"{source} has the columns {_list([header[number] for number in best], ' and ')}: "
                f"which is the {role} is not clear; {_SAY}"
            )
        if best:
            chosen[role] = best[0]
    return chosen


def _list(names: Sequence[str], mark: str = ", ") -> str:
    """The first names, in quotes."""
    more = f" … ({len(names)} in all)" if len(names) > _LISTED else ""
    return mark.join(repr(name[:60]) for name in names[:_LISTED]) + more


def _choose_as_given(source: str, columns: Columns, header: Sequence[str] | None, width: int) -> dict[str, int]:
    chosen: dict[str, int] = {}
    for role, column in columns.items():
        if role not in ROLES:
            raise InputError(f"columns: {role!r} is none of {', '.join(ROLES)}")
        number = _find_column(str(column), header, width)
        if number is None:
            there = f"the columns {_list(header)}" if header else f"{width} columns and no header"
            raise InputError(
                f"{source} has {there}, no {role} column {str(column)!r}; give a name of the header or a number from 1"
            )
        if number in chosen.values():
            other = next(name for name, taken in chosen.items() if taken == number)
            raise InputError(f"columns: {str(column)!r} is both {other} and {role}; give each role its own column")
        chosen[role] = number
    return chosen


def _find_column(column: str, header: Sequence[str] | None, width: int) -> int | None:
    names = list(header or ())
    if column in names:
        return names.index(column)
    if column.isascii() and column.isdigit():
        return int(column) - 1 if len(column) < 10 and 1 <= int(column) <= width else None
    alike = [normalize(name) for name in names]
    return alike.index(normalize(column)) if normalize(column) in alike else None


def _check_needed(source: str, chosen: Mapping[str, int], needed: Sequence[str], there: str) -> None:
    missing = [role for role in needed if role not in chosen]
    if missing:
        alone = f"; {_CHOICES}" if missing == ["rating"] else ""
        raise InputError(f"{source} has {there}: which is the {' and the '.join(missing)} is not clear; {_SAY}{alone}")
