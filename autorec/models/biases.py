"""Damped user and item biases: the baseline that every rating model must beat, and the answer for unknown ids."""

from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec.network.kernels import value
from autorec.network.rows import Rows, to_levels

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

USER_DAMPING = 15.0  # ratings; Surprise's BaselineOnly uses the same two
ITEM_DAMPING = 10.0
SWEEPS = 10
_PARTS = 8  # of the rows; fixed, so that sums round alike with any number of threads


@dataclass(frozen=True)
class Biases:
    """r̂(u, i) = mean + user[u] + item[i], on the scale of the ratings. Floats 64."""

    mean: float
    user: FloatArray  # [users]
    item: FloatArray  # [items]

    def predict(self, users: IntArray, items: IntArray) -> FloatArray:
        """[pairs] predictions; an index of −1 (unknown) adds nothing, two of them give the mean."""
        user = np.where(users >= 0, np.append(self.user, 0.0)[users], 0.0)
        item = np.where(items >= 0, np.append(self.item, 0.0)[items], 0.0)
        return np.asarray(self.mean + user + item)


def fit_biases(
    ratings: sparse.csr_array | Rows,
    *,
    user_damping: float = USER_DAMPING,
    item_damping: float = ITEM_DAMPING,
    sweeps: int = SWEEPS,
) -> Biases:
    """Alternating damped means over the observed entries of users × items.

    Each sweep sets item[i] = Σ(r − mean − user[u]) / (item_damping + n_i), then user[u] = Σ(r − mean − item[i]) /
    (user_damping + n_u): block descent on Σ(r − r̂)² + item_damping·Σ item² + user_damping·Σ user² (Koren, KDD 2008,
    §2.1; ACM TKDD 4(1), eq. 1). Without ratings everything is 0.
    """
    entries = _entries(ratings)
    mean, user_counts, item_counts = _counted(entries, ratings.shape)
    user_weights, item_weights = _damped(user_damping, user_counts), _damped(item_damping, item_counts)
    user = np.zeros(ratings.shape[0])
    item = np.zeros(ratings.shape[1])
    sums = np.zeros((_PARTS, ratings.shape[1]))
    for _ in range(sweeps):
        _sum_by_item(*entries, mean, user, sums)
        item = sums.sum(axis=0) / item_weights
        _sum_by_user(*entries, mean, item, user)
        user /= user_weights
    return Biases(mean, user, item)


def item_means(ratings: sparse.csr_array | Rows, damping: float) -> FloatArray:
    """[items] mean of the ratings of each item and of `damping` more at the mean of all."""
    entries = _entries(ratings)
    mean, _, counts = _counted(entries, ratings.shape)
    sums = np.zeros((_PARTS, ratings.shape[1]))
    _sum_by_item(*entries, mean, np.zeros(ratings.shape[0]), sums)
    return np.asarray(mean + sums.sum(axis=0) / _damped(damping, counts))


Entries = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[np.float32]]


def _entries(ratings: sparse.csr_array | Rows) -> Entries:
    """(indptr, indices, levels, table) as in Rows, which the loops below go through."""
    if isinstance(ratings, Rows):
        return ratings.indptr, ratings.indices, ratings.levels, ratings.table
    indptr = ratings.indptr.astype(np.int64, copy=False)
    found = to_levels(ratings.data)  # as in Rows where that can be, so that the loops are compiled once
    levels, table = (ratings.data, np.empty(0, dtype=np.float32)) if found is None else found
    return indptr, ratings.indices, levels, table


def _counted(entries: Entries, shape: tuple[int, int]) -> tuple[float, IntArray, IntArray]:
    """Mean of all, how many each user has, how many each item has."""
    users, items = np.zeros(shape[0], dtype=np.int64), np.zeros((_PARTS, shape[1]), dtype=np.int64)
    sums = np.zeros(_PARTS)
    _count(*entries, users, items, sums)
    return float(sums.sum()) / max(int(users.sum()), 1), users, items.sum(axis=0)


@numba.njit(parallel=True, cache=True, nogil=True)
def _count(indptr: Any, indices: Any, levels: Any, table: Any, users: Any, items: Any, sums: Any) -> None:
    """Entries by user, by item (a part of the rows each), and the sum of their values."""
    n, parts = len(users), len(sums)
    for part in numba.prange(parts):
        total = 0.0
        for row in range(n * part // parts, n * (part + 1) // parts):
            for k in range(indptr[row], indptr[row + 1]):
                rating = value(levels, table, k)
                if not np.isnan(rating):
                    total += rating
                    users[row] += 1
                    items[part, indices[k]] += 1
        sums[part] = total


@numba.njit(parallel=True, cache=True, nogil=True)
def _sum_by_item(indptr: Any, indices: Any, levels: Any, table: Any, mean: float, user: Any, sums: Any) -> None:
    """sums [parts × items] of value − mean − user bias, a part of the rows each."""
    n, parts = len(user), len(sums)
    for part in numba.prange(parts):
        total = sums[part]
        total[:] = 0
        for row in range(n * part // parts, n * (part + 1) // parts):
            level = mean + user[row]
            for k in range(indptr[row], indptr[row + 1]):
                rating = value(levels, table, k)
                if not np.isnan(rating):
                    total[indices[k]] += rating - level


@numba.njit(parallel=True, cache=True, nogil=True)
def _sum_by_user(indptr: Any, indices: Any, levels: Any, table: Any, mean: float, item: Any, sums: Any) -> None:
    """sums [users] of value − mean − item bias."""
    for row in numba.prange(len(sums)):
        total = 0.0
        for k in range(indptr[row], indptr[row + 1]):
            rating = value(levels, table, k)
            if not np.isnan(rating):
                total += rating - mean - item[indices[k]]
        sums[row] = total


def fold_in_users(biases: Biases, csr: sparse.csr_array, *, damping: float = USER_DAMPING) -> Biases:
    """The same items, biases of new users from their rows of `csr` [new users × items]."""
    sums = np.zeros(csr.shape[0])
    _sum_by_user(*_entries(csr), biases.mean, biases.item, sums)
    return replace(biases, user=sums / _damped(damping, np.diff(csr.indptr)))


def fold_in_items(biases: Biases, csr: sparse.csr_array, *, damping: float = ITEM_DAMPING) -> Biases:
    """The same users, biases of new items from their columns of `csr` [users × new items]."""
    flipped = Biases(biases.mean, biases.item, biases.user)
    folded = fold_in_users(flipped, sparse.csr_array(csr.T), damping=damping)
    return Biases(biases.mean, biases.user, folded.user)


def _damped(damping: float, counts: IntArray) -> FloatArray:
    """damping + n, 1 where both are 0: the sum above it is then 0 too."""
    total = damping + counts
    return np.where(total > 0, total, 1.0)
