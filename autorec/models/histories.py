"""New ratings, and the history of one person, aligned to the rows or columns of a fitted model."""

import functools
import numbers
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from autorec.array_types import IntArray
from autorec.errors import InputError, shown
from autorec.ratings.convert import as_ratings
from autorec.ratings.entries import with_entries
from autorec.ratings.ids import as_collection
from autorec.ratings.join import clip_to_scale
from autorec.ratings.matrix import Ratings
from autorec.ratings.validity import MAX_RATING, check_matrix, check_values, mark_valid

_ORDINARY = {float, type(None)}  # types of ratings that need no closer look, which would take 1 µs each


def as_ratings_of(data: Any, fitted: Ratings, sides: Sequence[str] = ("users", "items")) -> Ratings:
    """`as_ratings`, where a SciPy matrix, which has no ids, has those of `fitted` on the given sides: its rows are the
    users, its columns the items that the model was fitted on. InputError: a matrix of another size."""
    made = as_ratings(data)
    if not sparse.issparse(data):
        return made
    known = {"users": fitted.user_ids, "items": fitted.item_ids}
    for side, size in zip(known, made.csr.shape, strict=True):
        if side in sides and size != len(known[side]):
            raise InputError(
                f"a matrix of {size:,} {side}, which has no ids, for a model of {len(known[side]):,}: its rows are the "
                "users and its columns the items that the model was fitted on; give Ratings or a table with ids"
            )
    ids: dict[str, Any] = {f"{side[:-1]}_ids": known[side] for side in sides}
    return replace(made, **ids)


def align(new: Ratings, fitted: Ratings, of: str) -> Ratings:
    """`new` as [new users × items of `fitted`] (`of="users"`) or [users of `fitted` × new items] (`of="items"`).

    Ratings of items (users) that `fitted` does not have are left out, and counted in a warning. Ratings outside the
    scale of `fitted` are clipped to it, and counted in a warning.
    """
    side = "items" if of == "users" else "users"
    positions = fitted.find_items(new.item_ids) if of == "users" else fitted.find_users(new.user_ids)
    known = positions[new.csr.indices if of == "users" else new.rows()] >= 0  # [new ratings]
    if not known.all():
        warnings.warn(
            f"{int((~known).sum())} of {len(new)} new ratings left out: their {side} are not known to the model",
            stacklevel=3,
        )
    kept = new.select(known, compact=False)
    rows, columns = kept.rows(), kept.csr.indices
    shape = (new.n_users, fitted.n_items) if of == "users" else (fitted.n_users, new.n_items)
    pair = (rows, positions[columns]) if of == "users" else (positions[rows], columns)
    csr = sparse.csr_array((clip_to_scale(kept.csr.data, fitted.scale), pair), shape=shape)
    csr.sort_indices()
    times = None if kept.timestamps is None else kept.timestamps[np.lexsort((pair[1], pair[0]))]
    mark_valid(csr)  # its ratings were checked before: no need to check at each fold-in
    changed: dict[str, Any] = {"csr": csr, "timestamps": times, "order": None, "given_scale": fitted.scale}
    if of == "users":
        return replace(fitted, user_ids=new.user_ids, **changed)
    return replace(fitted, item_ids=new.item_ids, titles=new.titles, attributes=new.attributes, **changed)


def make_history(fitted: Ratings, history: Any, row: int = -1) -> tuple[sparse.csr_array, int]:
    """What one person rated → (CSR [1 × items of `fitted`], how many of its items are not known).

    history: raw item id → rating, or a collection of ids. An item without a rating (None) counts as the highest: the
    person likes it. Of an item given twice the last counts. row: a user of `fitted` whose ratings go before these;
    −1: none. InputError: a rating outside the scale of `fitted`.
    """
    ids = list(history) if isinstance(history, Mapping) else list(as_collection(history))
    given = list(history.values()) if isinstance(history, Mapping) else [None] * len(ids)
    columns = fitted.find_items(ids)
    return join_history(fitted, ids, columns, given, row), int((columns < 0).sum())


def join_history(
    fitted: Ratings, ids: Sequence[Any], columns: IntArray, given: Sequence[float | None], row: int = -1
) -> sparse.csr_array:
    """`make_history` of ids [n] whose columns [n] are found, −1 for an unknown item, and of their ratings [n]."""
    low, high = fitted.scale
    allowed = f"allowed: {low:g} to {high:g}, None for a like"
    if not set(map(type, given)) <= _ORDINARY:
        for item, rating in zip(ids, given, strict=True):
            if rating is not None and (isinstance(rating, bool) or not isinstance(rating, numbers.Real)):
                raise InputError(f"the rating of item {item} is {shown(rating)}; {allowed}")
        given = [None if rating is None else min(max(rating, -MAX_RATING), MAX_RATING) for rating in given]
    wanted = np.array([high if rating is None else rating for rating in given], dtype=np.float64)
    with np.errstate(over="ignore"):  # what is too large becomes infinite, which no scale has
        values = wanted.astype(np.float32)  # as the ends of a scale are: 0.1 is below the float32 next to it
    right = (values >= low) & (values <= high)
    if not right.all():
        wrong = int(right.argmin())
        raise InputError(f"the rating of item {ids[wrong]} is {wanted[wrong]:g}; {allowed}")
    known = columns >= 0
    own = slice(fitted.csr.indptr[row], fitted.csr.indptr[row + 1]) if row >= 0 else slice(0)
    indices = np.concatenate((fitted.csr.indices[own], columns[known]))
    rated = np.concatenate((fitted.csr.data[own], values[known]))
    indices, last = np.unique(indices[::-1], return_index=True)
    ends = np.array([0, len(indices)], dtype=np.int32)
    return with_entries(no_history(fitted.n_items), rated[::-1][last], indices.astype(np.int32), ends)


@functools.lru_cache(maxsize=1)
def no_history(n_items: int) -> sparse.csr_array:
    """CSR [1 × items] without a rating, float32; not to be changed."""
    empty: Any = sparse.csr_array((1, n_items), dtype=np.float32)
    empty.has_canonical_format = True
    made: sparse.csr_array = empty
    return made


def each_alone(history: sparse.csr_array) -> sparse.csr_array:
    """One history [1 × items] of n ratings → [n × items], a rating in each row."""
    starts = np.arange(history.nnz + 1, dtype=history.indptr.dtype)
    return sparse.csr_array((history.data, history.indices, starts), shape=(history.nnz, history.shape[1]))


def check_vectors(users: Any, like: Any) -> None:
    """InputError unless users are vectors as a model makes them. like: those of one history, of the same model: an
    array [1 × …], a CSR matrix [1 × items], or a tuple of such."""
    if isinstance(like, tuple):
        if not isinstance(users, tuple) or len(users) != len(like):
            raise InputError(f"vectors of type {type(users).__name__}; give what encode_users of this model returns")
        for part, one in zip(users, like, strict=True):
            check_vectors(part, one)
        if len({part.shape[0] for part in users if hasattr(part, "shape")}) > 1:
            raise InputError("vectors whose parts are of different numbers of users; give what encode_users returns")
        return
    same_kind = sparse.issparse(users) if sparse.issparse(like) else isinstance(users, np.ndarray)
    if not same_kind or users.ndim != like.ndim or users.shape[1:] != like.shape[1:] or users.dtype.kind not in "biuf":
        got = f"shape {users.shape}" if hasattr(users, "shape") else f"type {type(users).__name__}"
        raise InputError(
            f"vectors of {got}; give what encode_users of this model returns, of shape "
            f"{('users', *like.shape[1:])}".replace("'", "")
        )
    if sparse.issparse(users):
        check_histories(users, like.shape[1])


def check_histories(histories: Any, n_items: int) -> sparse.csr_array:
    """A SciPy matrix [B × items], or an array with 0 for no rating, as CSR. InputError: another number of columns, a
    damaged matrix, or values that are no finite numbers."""
    is_array = isinstance(histories, np.ndarray) and histories.ndim == 2
    matrix: Any = sparse.csr_array(histories) if is_array else histories
    is_matrix: bool = sparse.issparse(matrix)
    if not is_matrix:
        raise InputError(f"histories of type {type(histories).__name__}; give a matrix users × {n_items} items")
    if matrix.ndim != 2 or matrix.shape[1] != n_items:
        raise InputError(f"histories of shape {matrix.shape}; give users × {n_items} items, those of the model")
    check_matrix(matrix)
    csr: sparse.csr_array = sparse.csr_array(matrix)
    check_matrix(csr)  # formats without index arrays too
    check_values(csr.data)
    return csr
