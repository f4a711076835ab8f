"""Tables and matrices in memory → Ratings."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from scipy import sparse

from autorec.errors import InputError, ParameterError
from autorec.ratings import ids as id_tools
from autorec.ratings.arrow import parse_table
from autorec.ratings.ids import Codes, Ids
from autorec.ratings.matrix import Parsed, Ratings, build
from autorec.ratings.roles import Columns, choose_columns
from autorec.ratings.stored import Stored
from autorec.ratings.validity import check_matrix, check_values
from autorec.ratings.values import convert_times

TABLE = "the table"  # in messages
_NEEDED = ("user", "item", "rating")
_NO_NUMBERS = (bytes, np.datetime64, np.timedelta64)  # of which float() makes numbers all the same


def as_ratings(data: Any) -> Ratings:
    """Ratings; a table with a user, an item, a rating and maybe a timestamp; or a SciPy sparse matrix users × items.

    A table is a pandas DataFrame, an Arrow table, or what offers itself as one (`__arrow_c_stream__`), as polars does;
    its columns are recognised by their names as those of a file are, `user_id`, `movieId`, `stars` …, see
    `autorec.ratings.roles`. Nothing of a table or matrix is shared with the Ratings: what happens to it later does not
    reach them. InputError: any other type; a column that is missing or not clear; a damaged matrix; ratings that are
    not finite numbers.
    """
    if isinstance(data, (Ratings, Stored)):
        return data.whole
    return build(parse_in_memory(data))


def is_in_memory(data: Any) -> bool:
    """Whether `parse_in_memory` takes it."""
    return is_table(data) or sparse.issparse(data)


def parse_in_memory(data: Any, columns: Columns | None = None) -> Parsed:
    """A table or matrix as for `as_ratings` → its ratings. columns: role → name of a column, or number from 1."""
    if sparse.issparse(data):
        if columns is not None:
            raise ParameterError("columns names columns of a table; a matrix users × items has none")
        return _parse_matrix(data)
    if isinstance(data, pd.DataFrame):
        return _parse_frame(data, columns)
    if hasattr(data, "__arrow_c_stream__"):
        table = _take_table(data)
        roles = _choose_roles(table.column_names, columns)
        chosen = pa.table([table.column(number) for number in roles.values()], names=list(roles))
        return parse_table(TABLE, chosen, {role: role for role in roles}, on_error="raise")
    raise _refuse_type(data)


def _refuse_type(data: Any) -> InputError:
    lazy = "; collect() a lazy frame first" if hasattr(data, "collect") else ""
    return InputError(
        f"ratings of type {type(data).__name__}; give Ratings, a DataFrame with columns user, item, rating, "
        f"or a SciPy sparse matrix users × items{lazy}"
    )


def take_frame(table: Any) -> pd.DataFrame:
    """A table, see `is_in_memory`, as pandas has it."""
    return table if isinstance(table, pd.DataFrame) else _take_table(table).to_pandas()


def is_table(data: Any) -> bool:
    """A DataFrame, an Arrow table, or what offers itself as one."""
    return isinstance(data, pd.DataFrame) or hasattr(data, "__arrow_c_stream__")


def _take_table(data: Any) -> Any:
    try:
        return pa.table(data)
    except pa.ArrowInvalid:  # what offers itself is a column, as a Series is
        raise _refuse_type(data) from None


def _parse_frame(frame: pd.DataFrame, columns: Columns | None) -> Parsed:
    """Timestamps are seconds since 1970, dates or ISO text."""
    roles = _choose_roles([str(name) for name in frame.columns], columns)
    chosen = frame.iloc[:, list(roles.values())].set_axis(list(roles), axis=1)
    users, user_ids = _take_ids(chosen["user"])
    items, item_ids = _take_ids(chosen["item"])
    return Parsed(users, items, user_ids, item_ids, _take_ratings(chosen["rating"]), _take_times(chosen))


def _parse_matrix(matrix: Any) -> Parsed:
    """Ids are row and column numbers. Stored entries are observed, zeros too."""
    check_matrix(matrix)
    try:
        coo = sparse.coo_array(matrix)
    except (ValueError, TypeError, IndexError) as error:
        raise InputError(f"a damaged {matrix.format.upper()} matrix: {error}") from None
    check_matrix(coo)
    check_values(coo.data)
    ids = tuple(np.arange(size, dtype=np.int64) for size in coo.shape)
    return Parsed(coo.row.copy(), coo.col.copy(), ids[0], ids[1], coo.data.astype(np.float32), None)


def _choose_roles(names: list[str], columns: Columns | None) -> dict[str, int]:
    """Role → number of its column, from 0."""
    return choose_columns(TABLE, names, columns, _NEEDED)


def _take_ids(column: "pd.Series[Any]") -> tuple[Codes, Ids]:
    """(codes [n], ids [k]) of the column of a role, its name. InputError: see `ids.as_ids`, and blank text."""
    codes, ids = id_tools.factorize(id_tools.as_ids(column, f"column {column.name}"))
    if ids.dtype.kind == "O" and not all(map(str.strip, ids)):
        raise InputError(f"column {column.name}: an id is blank; drop such rows, or say by text what it stands for")
    return codes, ids


def _take_ratings(column: "pd.Series[Any]") -> npt.NDArray[np.float64]:
    """[n] ratings of a column that holds numbers, or text or objects that are numbers."""
    if column.dtype.kind not in "biufO" and not isinstance(column.dtype, pd.StringDtype):
        raise InputError(f"column rating has type {column.dtype}; give numbers")
    if column.dtype == object and (odd := [kind for kind in set(map(type, column)) if issubclass(kind, _NO_NUMBERS)]):
        raise InputError(f"column rating holds values of type {odd[0].__name__}; give numbers")
    try:
        return column.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise InputError(f"column rating must be numbers: {error}") from None


def _take_times(frame: pd.DataFrame) -> npt.NDArray[np.int64] | None:
    if "timestamp" not in frame.columns:
        return None
    column = frame["timestamp"]
    if column.isna().any():
        raise InputError(f"column timestamp: {int(column.isna().sum())} of {len(column)} are missing")
    try:
        array = pa.array(column, from_pandas=True)
    except (pa.ArrowException, OverflowError, ValueError, TypeError) as error:
        raise InputError(f"column timestamp must be seconds or dates: {str(error).splitlines()[0]}") from None
    seconds, valid = convert_times(array, "column timestamp")
    if not valid.all():
        raise InputError(
            f"column timestamp: {column.iloc[int(np.argmin(valid))]!r} is neither a date nor seconds that fit 64 bits"
        )
    return seconds
