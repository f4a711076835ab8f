"""Tables and matrices in memory → Ratings."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from scipy import sparse

from autorec.errors import InputError
from autorec.ratings import ids as id_tools
from autorec.ratings.arrow import parse_table
from autorec.ratings.matrix import Ratings, build
from autorec.ratings.validity import check_matrix, check_values
from autorec.ratings.values import convert_times

_NEEDED = ("user", "item", "rating")


def as_ratings(data: Any) -> Ratings:
    """Ratings; a table with columns user, item, rating[, timestamp]; or a SciPy sparse matrix users × items.

    A table is a pandas DataFrame, an Arrow table, or what offers itself as one (`__arrow_c_stream__`), as polars does.
    Nothing of a table or matrix is shared with the Ratings: what happens to it later does not reach them.
    InputError: any other type; a damaged matrix; ratings that are not finite numbers.
    """
    if isinstance(data, Ratings):
        return data
    if isinstance(data, pd.DataFrame):
        return from_frame(data)
    if sparse.issparse(data):
        return from_sparse(data)
    if hasattr(data, "__arrow_c_stream__"):
        return from_arrow(data)
    raise InputError(
        f"ratings of type {type(data).__name__}; give Ratings, a DataFrame with columns user, item, rating, "
        "or a SciPy sparse matrix users × items"
    )


def from_frame(frame: pd.DataFrame, *, scale: tuple[float, float] | None = None) -> Ratings:
    """Ratings of a DataFrame user, item, rating[, timestamp]; timestamps are seconds since 1970, dates or ISO text."""
    _check_names(list(frame.columns))
    users, user_ids = id_tools.factorize(id_tools.as_ids(frame["user"], "column user"))
    items, item_ids = id_tools.factorize(id_tools.as_ids(frame["item"], "column item"))
    return build(
        users, items, _take_ratings(frame["rating"]), user_ids, item_ids, timestamps=_take_times(frame), scale=scale
    )


def from_arrow(table: Any) -> Ratings:
    """An Arrow table, or what offers itself as one, with the columns of `from_frame`."""
    table = pa.table(table)
    _check_names(table.column_names)
    roles = {name: name for name in (*_NEEDED, "timestamp") if name in table.column_names}
    found = parse_table("the table", table, roles, on_error="raise")
    assert found.ratings is not None  # asked for
    return build(found.users, found.items, found.ratings, found.user_ids, found.item_ids, timestamps=found.timestamps)


def from_sparse(matrix: Any) -> Ratings:
    """A SciPy sparse matrix users × items; ids are row and column numbers. Stored entries are observed, zeros too."""
    check_matrix(matrix)
    try:
        coo = sparse.coo_array(matrix)
    except (ValueError, TypeError, IndexError) as error:
        raise InputError(f"a damaged {matrix.format.upper()} matrix: {error}") from None
    check_matrix(coo)
    check_values(coo.data)
    ids = tuple(np.arange(size, dtype=np.int64) for size in coo.shape)
    return build(coo.row.copy(), coo.col.copy(), coo.data.astype(np.float32), ids[0], ids[1])


def _check_names(names: list[Any]) -> None:
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise InputError(
            f"the table has columns {names}; {', '.join(missing)} missing: rename them to user, item, rating"
        )
    for name in (*_NEEDED, "timestamp"):
        if names.count(name) > 1:
            raise InputError(f"the table has {names.count(name)} columns {name}; keep one")


def _take_ratings(column: "pd.Series[Any]") -> npt.NDArray[np.float64]:
    """[n] ratings of a column that holds numbers, or text or objects that are numbers."""
    if column.dtype.kind not in "biufO" and not isinstance(column.dtype, pd.StringDtype):
        raise InputError(f"column rating has type {column.dtype}; give numbers")
    try:
        return column.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    except (TypeError, ValueError) as error:
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
