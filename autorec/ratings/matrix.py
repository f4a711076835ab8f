"""Ratings: the observed entries of a users × items matrix, with the raw ids of both sides.

Stored = observed: an explicit 0 is a rating. Everything between the reader and the writer of files works on the integer
rows and columns of `Ratings.csr`; raw ids live in `user_ids` and `item_ids` only.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from autorec.array_types import BoolArray, FloatArray, IntArray
from autorec.errors import InputError
from autorec.ratings import ids as id_tools
from autorec.ratings.ids import Codes, Ids
from autorec.ratings.sorting import count_repeats, find_pairs, find_row_starts, sort_pairs
from autorec.ratings.validity import check_matrix, check_values, is_canonical, is_marked_valid, mark_valid


@dataclass(frozen=True, eq=False)
class Parsed:
    """Rows of a source in its order, with ids as codes, as readers make them for `build`.

    users, items        [rows] codes into user_ids, item_ids
    user_ids, item_ids  [users], [items] the distinct ids, sorted
    ratings             [rows] finite; None where the source has none
    timestamps          [rows] seconds since 1970; None where the source has none
    skipped             rows that were dropped because they could not be read
    """

    users: Codes
    items: Codes
    user_ids: Ids
    item_ids: Ids
    ratings: npt.NDArray[np.floating[Any]] | None
    timestamps: npt.NDArray[np.int64] | None
    skipped: int = 0


@dataclass(frozen=True, eq=False)
class Ratings:
    """Observed ratings as a CSR matrix [users × items].

    csr          float32, column indices ascending in each row, each pair once, explicit zeros kept
    user_ids     [users] raw ids of the rows, int64 or text
    item_ids     [items] raw ids of the columns
    timestamps   [ratings] int64 seconds since 1970, aligned with `csr.data`; None when the source has none
    order        [ratings] row of the source of each entry; None when that is the CSR order
    titles       [items] text, "" where unknown; None when no titles were given
    attributes   name → [items] text, "" where unknown; a | between the values of an item that has several
    given_scale  lowest and highest possible rating when the user states them, else None
    duplicates   rows of the source that a later row of the same pair replaced
    skipped      rows of the source dropped because unreadable (`on_error="skip"`)
    missing      rows of the source dropped because their rating stands for a missing one (`missing=`)

    A matrix that is given is checked and copied; entries may be unsorted, and of a pair that occurs more than once the
    latest stays, as in `build`. InputError: arrays that do not fit together, ratings that are not finite, equal ids.

    >>> ratings = autorec.read_ratings(pd.DataFrame({"user": ["ann", "bob"], "item": [7, 9], "rating": [4, 5]}))
    >>> ratings
    Ratings(2 users × 2 items, 2 ratings)
    >>> ratings.csr.toarray()
    array([[4., 0.],
           [0., 5.]], dtype=float32)
    >>> ratings.item_ids
    array([7, 9])
    """

    csr: sparse.csr_array
    user_ids: Ids
    item_ids: Ids
    timestamps: npt.NDArray[np.int64] | None = None
    order: IntArray | None = None
    titles: npt.NDArray[np.object_] | None = None
    attributes: dict[str, npt.NDArray[np.object_]] = field(default_factory=dict)
    given_scale: tuple[float, float] | None = None
    duplicates: int = 0
    skipped: int = 0
    missing: int = 0

    def __post_init__(self) -> None:
        if not is_marked_valid(self.csr):
            for name, value in _copy_checked(self).items():
                object.__setattr__(self, name, value)
        if self.csr.shape != (len(self.user_ids), len(self.item_ids)):
            raise InputError(
                f"a matrix of shape {self.csr.shape} needs as many ids; "
                f"got {len(self.user_ids)} users and {len(self.item_ids)} items"
            )

    def __len__(self) -> int:
        return int(self.csr.nnz)

    __iter__ = None  # a million objects are asked for by mistake only: see `to_frame`

    def __getitem__(self, rows: Any) -> "Ratings":
        """The ratings [n] of these rows of `to_frame`, by mask, numbers or slice; as scikit-learn splits them."""
        kept = np.zeros(len(self), dtype=bool)
        kept[rows] = True
        return self.select(kept[self.ranks()])

    @property
    def shape(self) -> tuple[int]:
        """(ratings,); the matrix has `csr.shape`."""
        return (len(self),)

    def __repr__(self) -> str:
        return f"Ratings({self.n_users} users × {self.n_items} items, {len(self)} ratings)"

    @property
    def whole(self) -> "Ratings":
        """These ratings; of those that a process reads in part, all."""
        return self

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
    def items_by_value(self) -> dict[str, dict[str, IntArray]]:
        """Name of an attribute → value → columns of the items that have it, ascending."""
        found: dict[str, dict[str, IntArray]] = {}
        for name, texts in self.attributes.items():
            columns: dict[str, list[int]] = {}
            for column, text in enumerate(texts):
                for value in dict.fromkeys(text.split("|")):
                    columns.setdefault(value.strip(), []).append(column)
            found[name] = {value: np.array(those) for value, those in columns.items() if value}
        return found

    @cached_property
    def _user_index(self) -> pd.Index:
        return id_tools.make_index(self.user_ids)

    @cached_property
    def _item_index(self) -> pd.Index:
        return id_tools.make_index(self.item_ids)

    def csr_arrays(self) -> Iterator[npt.NDArray[Any]]:
        """indptr, indices and data of `csr`."""
        yield from (self.csr.indptr, self.csr.indices, self.csr.data)

    def find_users(self, ids: Any) -> npt.NDArray[np.int64]:
        """Raw ids [n] → their rows [n], −1 where unknown. InputError: neither integers nor text."""
        return id_tools.look_up(id_tools.as_ids(ids, "user ids"), self._user_index)

    def find_items(self, ids: Any) -> npt.NDArray[np.int64]:
        """Raw ids [n] → their columns [n], −1 where unknown. InputError: neither integers nor text."""
        return id_tools.look_up(id_tools.as_ids(ids, "item ids"), self._item_index)

    def find_ratings(self, other: "Ratings") -> npt.NDArray[np.int64]:
        """[ratings of `other`] the entry of `csr` with the same user and item, −1 where there is none."""
        rows, columns = self.find_users(other.user_ids), self.find_items(other.item_ids)
        return find_pairs(self.csr, rows[other.rows()], columns[other.csr.indices])

    def rows(self) -> IntArray:
        """[ratings] the row of each entry, aligned with `csr.indices` and `csr.data`."""
        return np.repeat(np.arange(self.n_users, dtype=self.csr.indices.dtype), np.diff(self.csr.indptr))

    def ranks(self) -> IntArray:
        """[ratings] rank 0 … n−1 of each entry in the order of the source."""
        if self.order is None:
            return np.arange(len(self))
        ranks = np.empty(len(self), dtype=np.int64)
        ranks[np.argsort(self.order)] = np.arange(len(self))
        return ranks

    def select(self, entries: BoolArray, *, compact: bool = True) -> "Ratings":
        """The entries where the mask `entries` [ratings] is True; with `compact`, without users and items left empty.

        A scale that was not given is that of the entries kept.
        """
        kept = np.concatenate(([0], np.cumsum(entries)))[self.csr.indptr].astype(self.csr.indptr.dtype)
        csr = sparse.csr_array((self.csr.data[entries], self.csr.indices[entries], kept), shape=self.csr.shape)
        chosen = replace(
            self,
            csr=mark_valid(csr),
            timestamps=None if self.timestamps is None else self.timestamps[entries],
            order=self.ranks()[entries],
            duplicates=0,
            skipped=0,
            missing=0,
        )
        return chosen.compact() if compact else chosen

    def compact(self) -> "Ratings":
        """The same ratings without empty rows and columns: [users with a rating × items with a rating]."""
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
        return replace(
            self,
            csr=mark_valid(csr),
            user_ids=self.user_ids[users],
            item_ids=self.item_ids[items],
            titles=None if self.titles is None else self.titles[items],
            attributes={name: values[items] for name, values in self.attributes.items()},
        )

    def to_frame(self) -> pd.DataFrame:
        """DataFrame user, item, rating[, timestamp]: one row a rating, in the order of the source."""
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
    """The lowest rating of a liked item: low + ¾·(high − low), 4 on 1 … 5. Where low = high, that rating."""
    low, high = scale
    return low + 0.75 * (high - low)


def build(rows: Parsed, *, scale: tuple[float, float] | None = None) -> Ratings:
    """Rows that have ratings → Ratings. Nothing else sorts entries or drops duplicates.

    The arrays are not copied unless they must be. Of a pair that occurs more than once the latest by timestamp stays,
    without timestamps (or on equal ones) the last in the source. InputError: a rating that is not finite, beyond
    MAX_RATING or outside the scale.
    """
    assert rows.ratings is not None  # asked for by all who call this
    values, times = check_and_cast(rows.ratings, scale), rows.timestamps
    n_users, n_items = len(rows.user_ids), len(rows.item_ids)
    users, items, order = arrange(rows.users, rows.items, n_users, n_items, times)
    dtype: Any = np.int32 if len(users) < 2**31 else np.int64
    csr = sparse.csr_array(
        (
            values if order is None else values[order],
            items.astype(dtype, copy=False),
            find_row_starts(users, n_users).astype(dtype, copy=False),
        ),
        shape=(n_users, n_items),
    )
    return Ratings(
        mark_valid(csr),
        rows.user_ids,
        rows.item_ids,
        timestamps=times if times is None or order is None else times[order],
        order=order,
        given_scale=scale,
        duplicates=len(values) - len(users),
        skipped=rows.skipped,
    )


def arrange(
    users: IntArray, items: IntArray, n_users: int, n_items: int, timestamps: npt.NDArray[np.int64] | None
) -> tuple[IntArray, IntArray, IntArray | None]:
    """(users, items [pairs] sorted by user, then item, each pair once; the row [pairs] of each, None where that is the
    order already) of users and items [n]. Of a pair the latest row by timestamp [n] stays, else the last."""
    order = None
    duplicates = count_repeats(users, items)
    if duplicates is None:
        order, users, items = sort_pairs(users, items, n_users, n_items)
        duplicates = count_repeats(users, items) or 0
    if duplicates:
        repeated = (users[1:] == users[:-1]) & (items[1:] == items[:-1])  # [n − 1] by the next entry
        kept = _keep_latest(np.arange(len(users)) if order is None else order, repeated, timestamps)
        first = np.concatenate(([True], ~repeated))
        users, items, order = users[first], items[first], kept
    return users, items, order


def _keep_latest(order: IntArray, repeated: BoolArray, timestamps: IntArray | None) -> IntArray:
    """[pairs] of each pair in `order` the row of the source with the latest timestamp, of equal ones the last."""
    pair = np.concatenate(([0], np.cumsum(~repeated)))
    if timestamps is not None:
        order = order[np.lexsort((timestamps[order], pair))]
    kept: IntArray = order[np.append(~repeated, True)]
    return kept


def check_and_cast(values: FloatArray, scale: tuple[float, float] | None) -> npt.NDArray[np.float32]:
    """Ratings [n] as float32. InputError: one is not finite, beyond MAX_RATING or outside the scale (lowest,
    highest)."""
    check_values(values)
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


def _copy_checked(ratings: Ratings) -> dict[str, Any]:
    """The fields of Ratings that a caller made: checked, sorted and copied."""
    csr = ratings.csr
    if not (sparse.issparse(csr) and csr.format == "csr"):
        raise InputError(f"Ratings of {type(csr).__name__}; give a SciPy CSR matrix users × items, or use as_ratings")
    check_matrix(csr)
    n = int(csr.indptr[-1])
    for name in ("timestamps", "order"):
        given = getattr(ratings, name)
        if given is not None and not (isinstance(given, np.ndarray) and given.dtype.kind in "iu"):
            raise InputError(f"{name} of type {type(given).__name__}; give an array of {n} whole numbers")
        if given is not None and given.shape != (n,):
            raise InputError(f"{name} has shape {given.shape}; the matrix has {n} ratings")
    ids = {name: id_tools.as_ids(getattr(ratings, name), name) for name in ("user_ids", "item_ids")}
    for name, of_side in ids.items():
        if not id_tools.make_index(of_side).is_unique:
            raise InputError(f"{name} holds an id twice; give each row and column its own id")
    if ids["user_ids"].shape + ids["item_ids"].shape != csr.shape:
        return ids
    check_values(csr.data[:n])
    values, indices = csr.data[:n].astype(np.float32), csr.indices[:n].copy()
    own = sparse.csr_array((values, indices, csr.indptr.copy()), shape=csr.shape)
    if is_canonical(own):
        return ids | {"csr": mark_valid(own)}
    rows = np.repeat(np.arange(csr.shape[0], dtype=indices.dtype), np.diff(csr.indptr))
    made = build(Parsed(rows, indices, ids["user_ids"], ids["item_ids"], values, ratings.timestamps))
    order = made.order if ratings.order is None or made.order is None else ratings.order[made.order]
    duplicates = ratings.duplicates + made.duplicates
    return ids | {"csr": made.csr, "timestamps": made.timestamps, "order": order, "duplicates": duplicates}
