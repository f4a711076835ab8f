"""Ratings: the observed entries of a users × items matrix, with the raw ids of both sides.

Stored = observed: an explicit 0 is a rating. Everything between the reader and the writer of files works on the integer
rows and columns of `Ratings.csr`; raw ids live in `user_ids` and `item_ids` only.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from autorec.errors import InputError
from autorec.ratings import ids as id_tools
from autorec.ratings.ids import Ids
from autorec.ratings.order import gone_through, sorted_pairs, taken

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Ratings:
    """Observed ratings as CSR, users × items.

    csr          float32, column indices ascending in each row, each pair once, explicit zeros kept
    user_ids     [users] raw ids of the rows, int64 or text
    item_ids     [items] raw ids of the columns
    timestamps   [ratings] int64 seconds, aligned with `csr.data`; None when the source has none
    order        [ratings] place of each entry in the source; None when that is the CSR order
    titles       [items] text, "" where unknown; None when no titles were given
    given_scale  lowest and highest possible rating when the user states them, else None
    duplicates   rows of the source that a later row of the same pair replaced
    skipped      rows of the source dropped because unreadable (`on_error="skip"`)
    """

    csr: sparse.csr_array
    user_ids: Ids
    item_ids: Ids
    timestamps: npt.NDArray[np.int64] | None = None
    order: IntArray | None = None
    titles: npt.NDArray[np.object_] | None = None
    given_scale: tuple[float, float] | None = None
    duplicates: int = 0
    skipped: int = 0

    def __post_init__(self) -> None:
        if self.csr.shape != (len(self.user_ids), len(self.item_ids)):
            raise InputError(
                f"a matrix of shape {self.csr.shape} needs as many ids; "
                f"got {len(self.user_ids)} users and {len(self.item_ids)} items"
            )

    def __len__(self) -> int:
        return int(self.csr.nnz)

    def __repr__(self) -> str:
        return f"Ratings({self.n_users} users × {self.n_items} items, {len(self)} ratings)"

    @property
    def n_users(self) -> int:
        return int(self.csr.shape[0])

    @property
    def n_items(self) -> int:
        return int(self.csr.shape[1])

    @cached_property
    def scale(self) -> tuple[float, float]:
        """(lowest, highest) rating: as given, else as observed. (nan, nan) without ratings."""
        if self.given_scale is not None:
            return self.given_scale
        if not len(self):
            return (float("nan"), float("nan"))
        return (float(self.csr.data.min()), float(self.csr.data.max()))

    @cached_property
    def item_counts(self) -> npt.NDArray[np.int64]:
        """[items] how many ratings each has; not to be written to."""
        return np.bincount(self.csr.indices, minlength=self.n_items)

    @cached_property
    def _user_index(self) -> pd.Index:
        return id_tools.index_of(self.user_ids)

    @cached_property
    def _item_index(self) -> pd.Index:
        return id_tools.index_of(self.item_ids)

    def find_users(self, ids: Any) -> npt.NDArray[np.int64]:
        """Rows of the raw ids, −1 where unknown."""
        return id_tools.lookup(id_tools.as_ids(ids, "user ids"), self._user_index)

    def find_items(self, ids: Any) -> npt.NDArray[np.int64]:
        """Columns of the raw ids, −1 where unknown."""
        return id_tools.lookup(id_tools.as_ids(ids, "item ids"), self._item_index)

    def rows(self) -> IntArray:
        """[ratings] the row of each entry, aligned with `csr.indices` and `csr.data`."""
        return np.repeat(np.arange(self.n_users, dtype=self.csr.indices.dtype), np.diff(self.csr.indptr))

    def ranks(self) -> IntArray:
        """[ratings] position 0 … n−1 of each entry in the order of the source."""
        if self.order is None:
            return np.arange(len(self))
        ranks = np.empty(len(self), dtype=np.int64)
        ranks[np.argsort(self.order)] = np.arange(len(self))
        return ranks

    def select(self, entries: BoolArray, *, compact: bool = True) -> "Ratings":
        """The entries where `entries` [ratings] is True; with `compact`, without the users and items left empty.

        An observed scale is observed anew: what was left out leaves no trace.
        """
        kept = np.concatenate(([0], np.cumsum(entries)))[self.csr.indptr].astype(self.csr.indptr.dtype)
        csr = sparse.csr_array((self.csr.data[entries], self.csr.indices[entries], kept), shape=self.csr.shape)
        csr.has_canonical_format = True
        chosen = replace(
            self,
            csr=csr,
            timestamps=None if self.timestamps is None else self.timestamps[entries],
            order=self.ranks()[entries],
            duplicates=0,
            skipped=0,
        )
        return chosen.compact() if compact else chosen

    def compact(self) -> "Ratings":
        """Without the users and items that have no rating."""
        users = np.diff(self.csr.indptr) > 0
        items = np.zeros(self.n_items, dtype=bool)
        items[self.csr.indices] = True
        if users.all() and items.all():
            return self
        column = (np.cumsum(items) - 1).astype(self.csr.indices.dtype)
        indptr = np.concatenate(([0], self.csr.indptr[1:][users])).astype(self.csr.indptr.dtype)
        csr = sparse.csr_array(
            (self.csr.data, column[self.csr.indices], indptr), shape=(int(users.sum()), int(items.sum()))
        )
        csr.has_canonical_format = True
        return replace(
            self,
            csr=csr,
            user_ids=self.user_ids[users],
            item_ids=self.item_ids[items],
            titles=None if self.titles is None else self.titles[items],
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a rating, in the order of the source: user, item, rating[, timestamp]."""
        frame = pd.DataFrame(
            {
                "user": self.user_ids[self.rows()],
                "item": self.item_ids[self.csr.indices],
                "rating": self.csr.data,
            }
        )
        if self.timestamps is not None:
            frame["timestamp"] = self.timestamps
        if self.order is not None:
            frame = frame.iloc[np.argsort(self.order)].reset_index(drop=True)
        return frame


def liked_from(scale: tuple[float, float]) -> float:
    """The rating from which on an item counts as liked: low + ¾·(high − low), which is 4 on 1 … 5; where all ratings
    are alike that one."""
    low, high = scale
    return low + 0.75 * (high - low)


def build(
    users: IntArray,
    items: IntArray,
    values: FloatArray,
    user_ids: Ids,
    item_ids: Ids,
    *,
    timestamps: npt.NDArray[np.int64] | None = None,
    scale: tuple[float, float] | None = None,
    skipped: int = 0,
) -> Ratings:
    """Triples in source order → Ratings. The one place where entries are sorted and duplicates leave.

    users, items [n] are codes into user_ids, item_ids; values [n] finite. Of a pair that occurs more than once the
    latest by timestamp stays, without timestamps (or on equal ones) the last in source order.
    """
    values = _checked_values(values, scale)
    order = None
    ordered, duplicates, starts = gone_through(users, items, len(user_ids))
    if not ordered:
        order, users, items = sorted_pairs(users, items, len(user_ids), len(item_ids))
        _, duplicates, starts = gone_through(users, items, len(user_ids))
    if duplicates:
        again = (users[1:] == users[:-1]) & (items[1:] == items[:-1])  # [n − 1] the next entry is of the same pair
        kept = _last_of_each_pair(np.arange(len(users)) if order is None else order, again, timestamps)
        first = np.concatenate(([True], ~again))  # of each pair, in the order that `kept` has too
        users, items, order = users[first], items[first], kept
        _, _, starts = gone_through(users, items, len(user_ids))
    dtype: Any = np.int32 if len(users) < 2**31 else np.int64
    indptr = starts.astype(dtype)
    csr = sparse.csr_array(
        (values if order is None else taken(values, order), items.astype(dtype, copy=False), indptr),
        shape=(len(user_ids), len(item_ids)),
    )
    csr.has_canonical_format = True
    return Ratings(
        csr,
        user_ids,
        item_ids,
        timestamps=timestamps if timestamps is None or order is None else taken(timestamps, order),
        order=order,
        given_scale=scale,
        duplicates=duplicates,
        skipped=skipped,
    )


def _last_of_each_pair(order: IntArray, again: BoolArray, timestamps: IntArray | None) -> IntArray:
    """Of each pair in `order` the place with the latest timestamp, among equal ones the last in the source."""
    pair = np.concatenate(([0], np.cumsum(~again)))
    if timestamps is not None:
        order = order[np.lexsort((timestamps[order], pair))]
    kept: IntArray = order[np.append(~again, True)]
    return kept


def _checked_values(values: FloatArray, scale: tuple[float, float] | None) -> npt.NDArray[np.float32]:
    if len(values) and not (np.isfinite(values.min()) and np.isfinite(values.max())):  # NaN would be both
        place = int(np.argmax(~np.isfinite(values)))
        raise InputError(f"rating {place + 1} of {len(values)} is {values[place]}; ratings are finite numbers")
    if scale is not None:
        low, high = scale
        if not low < high:
            raise InputError(f"scale {low:g}…{high:g}: the lowest rating must be below the highest")
        outside = (values < low) | (values > high)
        if outside.any():
            example = values[int(np.argmax(outside))]
            raise InputError(
                f"{int(outside.sum())} ratings lie outside the stated scale {low:g}…{high:g}, {example:g} among them"
            )
    return values.astype(np.float32, copy=False)


def as_ratings(data: Any) -> Ratings:
    """Ratings, a DataFrame with columns user, item, rating[, timestamp], or a SciPy sparse matrix users × items."""
    if isinstance(data, Ratings):
        return data
    if isinstance(data, pd.DataFrame):
        return from_frame(data)
    if sparse.issparse(data):
        return from_sparse(data)
    raise InputError(
        f"ratings of type {type(data).__name__}; give Ratings, a DataFrame with columns user, item, rating, "
        "or a SciPy sparse matrix users × items"
    )


def from_frame(frame: pd.DataFrame, *, scale: tuple[float, float] | None = None) -> Ratings:
    """A DataFrame with columns user, item, rating and, if there, timestamp (seconds or datetimes)."""
    missing = [name for name in ("user", "item", "rating") if name not in frame.columns]
    if missing:
        raise InputError(
            f"the table has columns {list(frame.columns)}; {', '.join(missing)} missing: "
            "rename them to user, item, rating"
        )
    users, user_ids = id_tools.factorize(id_tools.as_ids(frame["user"], "column user"))
    items, item_ids = id_tools.factorize(id_tools.as_ids(frame["item"], "column item"))
    try:
        values = frame["rating"].to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"column rating must be numbers: {error}") from error
    return build(users, items, values, user_ids, item_ids, timestamps=_seconds(frame), scale=scale)


def _seconds(frame: pd.DataFrame) -> npt.NDArray[np.int64] | None:
    if "timestamp" not in frame.columns:
        return None
    column = frame["timestamp"]
    if column.isna().any():
        raise InputError(f"column timestamp: {int(column.isna().sum())} of {len(column)} are missing")
    if column.dtype.kind == "M" or isinstance(column.dtype, pd.DatetimeTZDtype):
        return _epoch_seconds(column)
    if column.dtype.kind not in "iuf":
        raise InputError(f"column timestamp has type {column.dtype}; give seconds or datetimes")
    return column.to_numpy().astype(np.int64)


def _epoch_seconds(column: "pd.Series[Any]") -> npt.NDArray[np.int64]:
    return ((column - pd.Timestamp(0, tz=column.dt.tz)) // pd.Timedelta(seconds=1)).to_numpy().astype(np.int64)


def from_sparse(matrix: Any) -> Ratings:
    """A SciPy sparse matrix users × items; ids are row and column numbers. Stored entries are observed, zeros too."""
    coo = sparse.coo_array(matrix)
    if coo.ndim != 2:
        raise InputError(f"a sparse array of {coo.ndim} dimensions; give users × items")
    ids = tuple(np.arange(size, dtype=np.int64) for size in coo.shape)
    return build(coo.row, coo.col, np.asarray(coo.data), ids[0], ids[1])
