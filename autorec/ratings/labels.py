"""Labels of users or items, as MovieLens' `u.user` and `users.dat` have them: the id first, labels in other columns."""

import numbers
import re
from io import StringIO

import pandas as pd

from autorec.errors import InputError, ParameterError, nearest, shown
from autorec.ratings.roles import count_known_names, normalize
from autorec.ratings.source import decode_text, open_source

_SEPARATORS = ("::", "\t", "|", ",", ";")


def read_labels(path: str, column: str | int = 2) -> "pd.Series[str]":
    """A text file → Series: id as written (its index) → label; empty labels are left out, of equal ids the last counts.

    column: position of the label from 1, or its name in the first line. The first column holds the ids; the first line
    is one of names where it begins with "id", "user", "movieId" and the like. InputError: one column only, lines of
    different length, no such column.

    >>> from pathlib import Path
    >>> _ = Path("users.csv").write_text("user,gender\\n1,F\\n2,M\\n")
    >>> autorec.read_labels("users.csv", "gender").to_dict()
    {'1': 'F', '2': 'M'}
    """
    text = decode_text(open_source(path).data)
    first = text.lstrip("\r\n").partition("\n")[0]
    separator = next((mark for mark in _SEPARATORS if mark in first), None)
    if separator is None:
        raise InputError(f"{path}, line 1: {first[:60]!r} has one column; labels need two: id and label")
    try:
        table = pd.read_csv(
            StringIO(text), sep=re.escape(separator), engine="python", header=None, dtype=str, keep_default_na=False
        )
    except pd.errors.ParserError as error:
        raise InputError(f"{path} cannot be read as a table: {error}") from None
    names = [str(name).strip() for name in table.iloc[0]]
    headed = normalize(names[0]) == "id" or count_known_names(names[:1]) == 1
    number = _find_column(path, column, names if headed else [], table.shape[1])
    table = table[1:] if headed else table
    labels = pd.Series(table[number].str.strip().to_numpy(), table[0].str.strip(), name="label", dtype=object)
    return labels[(labels != "") & ~labels.index.duplicated(keep="last")]


def _find_column(path: str, column: str | int, names: list[str], width: int) -> int:
    """The position from 0 of a column that is given by its position from 1 or by its name."""
    if not isinstance(column, str) and not (isinstance(column, numbers.Integral) and 0 < column < 2**63):
        raise ParameterError(f"column is {shown(column)}; allowed: a name, or a position from 2 up")
    if column in names[1:]:
        return names.index(str(column), 1)
    if str(column).isdecimal() and 2 <= int(column) <= width:
        return int(column) - 1
    allowed = ", or ".join(filter(None, (f"2 to {width}", ", ".join(names[1:]))))
    raise InputError(f"{path} has no labels in column {column}; allowed: {allowed}{nearest(str(column), names[1:])}")
