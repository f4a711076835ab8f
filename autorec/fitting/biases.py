"""Damped user and item biases: a baseline, and the fallback for unknown ids."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from autorec.array_types import FloatArray, IntArray

if TYPE_CHECKING:
    from autorec.network.rows import Rows
    from autorec.network.shard import Mesh


USER_DAMPING = 15.0  # ratings; these are the defaults of Surprise's BaselineOnly
ITEM_DAMPING = 10.0
SWEEPS = 10
_BLOCK = 2**18  # ratings in a block of users, whose temporary arrays stay in a cache


@dataclass(frozen=True)
class Biases:
    """r̂(u, i) = mean + user[u] + item[i], on the scale of the ratings; float64. The dampings are those of a fold-in."""

    mean: float
    user: FloatArray  # [users]
    item: FloatArray  # [items]
    user_damping: float = USER_DAMPING
    item_damping: float = ITEM_DAMPING

    def predict(self, users: IntArray, items: IntArray) -> FloatArray:
        """Indices users, items [pairs] → predictions [pairs]; the bias of index −1 (unknown) is 0."""
        user = np.where(users >= 0, np.append(self.user, 0.0)[users], 0.0)
        item = np.where(items >= 0, np.append(self.item, 0.0)[items], 0.0)
        return np.asarray(self.mean + user + item)


def fit_biases(
    ratings: "sparse.csr_array | Rows",
    *,
    user_damping: float = USER_DAMPING,
    item_damping: float = ITEM_DAMPING,
    sweeps: int = SWEEPS,
    mesh: "Mesh | None" = None,
) -> Biases:
    """Alternating damped means over the observed entries of ratings [users × items].

    Each sweep sets item[i] = Σ(r − mean − user[u]) / (item_damping + n_i), then user[u] = Σ(r − mean − item[i]) /
    (user_damping + n_u): block descent on Σ(r − r̂)² + item_damping·Σ item² + user_damping·Σ user² (Koren, KDD 2008,
    §2.1; ACM TKDD 4(1), eq. 1). Without ratings everything is 0. Memory beside the ratings grows with users and items,
    not with ratings.

    mesh: of processes, each of which has some of the ratings, in the columns that are its own (`training.part`). They
    have the biases of all users then, and each of the items in its columns; sums over processes round in another order.
    """
    return bias_fitter(ratings, sweeps, mesh)(user_damping, item_damping)


def bias_fitter(
    ratings: "sparse.csr_array | Rows", sweeps: int = SWEEPS, mesh: "Mesh | None" = None
) -> Callable[[float, float], Biases]:
    """A function (user damping, item damping) → `fit_biases` of the ratings [users × items]; shared sums are made
    once."""
    mesh = None if mesh is None or mesh.size == 1 else mesh
    totals = _sum_up(ratings, mesh)
    of_users, of_items = totals.user_deviations(), totals.item_deviations()

    def blocks() -> "Iterator[tuple[slice, sparse.csr_array, sparse.csc_array]]":
        return ((rows, observed, observed.T) for rows, observed in _make_blocks(ratings))

    kept = list(blocks()) if ratings.nnz <= _BLOCK else None

    def fit(user_damping: float, item_damping: float) -> Biases:
        user_weights = _add_damping(user_damping, totals.user_counts)
        item_weights = _add_damping(item_damping, totals.item_counts)
        user, item = np.zeros(ratings.shape[0]), np.zeros(ratings.shape[1])
        taken = np.zeros(ratings.shape[1])  # [items] Σ user[u] over the users of each item
        for _ in range(sweeps):
            item = (of_items - taken) / item_weights
            taken[:] = 0
            if mesh is not None:  # what others take off each user has to be known first
                for rows, observed, _ in kept or blocks():
                    user[rows] = observed @ item
                user = (of_users - mesh.total(user)) / user_weights
            for rows, observed, transposed in kept or blocks():
                if mesh is None:
                    user[rows] = (of_users[rows] - observed @ item) / user_weights[rows]
                taken += transposed @ user[rows]
            if mesh is not None:
                mesh.total_of_columns(taken)
        return Biases(totals.mean, user, item, user_damping, item_damping)

    return fit


def item_means(ratings: "sparse.csr_array | Rows", damping: float, mesh: "Mesh | None" = None) -> FloatArray:
    """Ratings [users × items] → [items] mean of each item's ratings and `damping` more at the mean of all. mesh: as in
    `fit_biases`."""
    totals = _sum_up(ratings, mesh)
    return np.asarray(totals.mean + totals.item_deviations() / _add_damping(damping, totals.item_counts))


def fold_in_users(biases: Biases, csr: sparse.csr_array) -> Biases:
    """The same items, biases of new users from their rows of `csr` [new users × items]."""
    counts = np.diff(csr.indptr)
    rows = np.repeat(np.arange(len(counts)), counts)
    sums = np.bincount(rows, csr.data - (biases.mean + biases.item[csr.indices]), minlength=len(counts))
    return replace(biases, user=sums / _add_damping(biases.user_damping, counts))


def fold_in_items(biases: Biases, csr: sparse.csr_array) -> Biases:
    """The same users, biases of new items from their columns of `csr` [users × new items]."""
    flipped = Biases(biases.mean, biases.item, biases.user, biases.item_damping, biases.user_damping)
    return replace(biases, item=fold_in_users(flipped, sparse.csr_array(csr.T)).user)


@dataclass(frozen=True)
class _Totals:
    """Sums and numbers of the ratings of each user and item."""

    user_sums: FloatArray
    user_counts: FloatArray
    item_sums: FloatArray
    item_counts: FloatArray

    @property
    def mean(self) -> float:
        return float(self.user_sums.sum() / max(self.user_counts.sum(), 1))

    def user_deviations(self) -> FloatArray:
        """[users] Σ(r − mean)"""
        return np.asarray(self.user_sums - self.mean * self.user_counts)

    def item_deviations(self) -> FloatArray:
        """[items] Σ(r − mean)"""
        return np.asarray(self.item_sums - self.mean * self.item_counts)


def _sum_up(ratings: "sparse.csr_array | Rows", mesh: "Mesh | None" = None) -> _Totals:
    n, m = ratings.shape
    totals = _Totals(np.zeros(n), np.zeros(n), np.zeros(m), np.zeros(m))
    for rows, observed in _make_blocks(ratings):
        values = sparse.csr_array(
            (_read_values(ratings, rows), observed.indices, observed.indptr), shape=observed.shape
        )
        for matrix, of_users, of_items in (
            (values, totals.user_sums, totals.item_sums),
            (observed, totals.user_counts, totals.item_counts),
        ):
            of_users[rows] = np.asarray(matrix.sum(axis=1))
            of_items += np.asarray(matrix.sum(axis=0))
    if mesh is not None:
        for of_users in (totals.user_sums, totals.user_counts):
            mesh.total(of_users)
        for of_items in (totals.item_sums, totals.item_counts):
            mesh.total_of_columns(of_items)
    return totals


def _make_blocks(ratings: "sparse.csr_array | Rows") -> Iterator[tuple[slice, sparse.csr_array]]:
    """Yield (users, [users × items] ones where a rating is observed, in float64)."""
    indptr, n = ratings.indptr, ratings.shape[0]
    first = 0
    while first < n:
        last = int(np.searchsorted(indptr, int(indptr[first]) + _BLOCK, side="right")) - 1
        rows = slice(first, min(max(last, first + 1), n))
        entries = slice(int(indptr[rows.start]), int(indptr[rows.stop]))
        ones = (~np.isnan(_read_entries(ratings, entries))).astype(np.float64)
        pointers = indptr[rows.start : rows.stop + 1] - indptr[rows.start]
        shape = (rows.stop - rows.start, ratings.shape[1])
        yield rows, sparse.csr_array((ones, ratings.indices[entries], pointers), shape=shape)
        first = rows.stop


def _read_values(ratings: "sparse.csr_array | Rows", rows: slice) -> FloatArray:
    """[ratings of these users] float64, 0 where one is left out."""
    entries = slice(int(ratings.indptr[rows.start]), int(ratings.indptr[rows.stop]))
    return np.nan_to_num(_read_entries(ratings, entries).astype(np.float64), nan=0.0)


def _read_entries(ratings: "sparse.csr_array | Rows", entries: slice) -> FloatArray:
    """[entries] the ratings, NaN where one is left out."""
    if isinstance(ratings, sparse.csr_array):
        return np.asarray(ratings.data[entries])
    levels = ratings.levels[entries]
    return np.asarray(ratings.table[levels] if levels.dtype == np.uint8 else levels)


def _add_damping(damping: float, counts: FloatArray | IntArray) -> FloatArray:
    """damping + n, the denominator of a damped mean; 1 where both are 0, since the numerator is 0 too."""
    total = damping + counts
    return np.where(total > 0, total, 1.0)
