"""Damped user and item biases: the baseline that every rating model must beat, and the answer for unknown ids."""

from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from scipy import sparse

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
    csr: sparse.csr_array,
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
    mean = float(csr.data.mean(dtype=np.float64)) if csr.nnz else 0.0
    user_counts = _counts(user_damping, np.diff(csr.indptr))
    item_counts = _counts(item_damping, np.bincount(csr.indices, minlength=csr.shape[1]))
    user = np.zeros(csr.shape[0])
    item = np.zeros(csr.shape[1])
    sums = np.zeros((_PARTS, csr.shape[1]))
    for _ in range(sweeps):
        _sum_by_item(csr.indptr, csr.indices, csr.data, mean, user, sums)
        item = sums.sum(axis=0) / item_counts
        _sum_by_user(csr.indptr, csr.indices, csr.data, mean, item, user)
        user /= user_counts
    return Biases(mean, user, item)


@numba.njit(parallel=True, cache=True, nogil=True)
def _sum_by_item(indptr: Any, indices: Any, values: Any, mean: float, user: Any, sums: Any) -> None:
    """sums [parts × items] of value − mean − user bias, a part of the rows each."""
    n, parts = len(user), len(sums)
    for part in numba.prange(parts):
        total = sums[part]
        total[:] = 0
        for row in range(n * part // parts, n * (part + 1) // parts):
            level = mean + user[row]
            for k in range(indptr[row], indptr[row + 1]):
                total[indices[k]] += values[k] - level


@numba.njit(parallel=True, cache=True, nogil=True)
def _sum_by_user(indptr: Any, indices: Any, values: Any, mean: float, item: Any, sums: Any) -> None:
    """sums [users] of value − mean − item bias."""
    for row in numba.prange(len(sums)):
        total = 0.0
        for k in range(indptr[row], indptr[row + 1]):
            total += values[k] - mean - item[indices[k]]
        sums[row] = total


def fold_in_users(biases: Biases, csr: sparse.csr_array, *, damping: float = USER_DAMPING) -> Biases:
    """The same items, biases of new users from their rows of `csr` [new users × items]."""
    rows = np.repeat(np.arange(csr.shape[0]), np.diff(csr.indptr))
    residual = csr.data - biases.mean - biases.item[csr.indices]
    return replace(biases, user=np.bincount(rows, residual, csr.shape[0]) / _counts(damping, np.diff(csr.indptr)))


def fold_in_items(biases: Biases, csr: sparse.csr_array, *, damping: float = ITEM_DAMPING) -> Biases:
    """The same users, biases of new items from their columns of `csr` [users × new items]."""
    flipped = Biases(biases.mean, biases.item, biases.user)
    folded = fold_in_users(flipped, sparse.csr_array(csr.T), damping=damping)
    return Biases(biases.mean, biases.user, folded.user)


def _counts(damping: float, counts: IntArray) -> FloatArray:
    """damping + n, 1 where both are 0: the sum above it is then 0 too."""
    total = damping + counts
    return np.where(total > 0, total, 1.0)
