"""Biased matrix factorisation by alternating least squares: what every rating model should be compared with.

    r̂(u, i) = mean + b_u + b_i + p_u · q_i                                  (Koren, Bell, Volinsky, IEEE Computer 2009)

    Σ_observed (r − r̂)²  +  λ (Σ_u n_u (‖p_u‖² + b_u²)  +  Σ_i n_i (‖q_i‖² + b_i²))     (ALS-WR: Zhou et al., AAIM 2008)

n_u, n_i: numbers of ratings. With the items fixed, each user's (p_u, b_u) is a ridge regression of its own, and so are
the items' with the users fixed; a sweep solves both exactly, so that the objective never rises. Ratings are mapped to
1 … 5 as in AutoRec, so that λ means the same on every scale.
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec import checks, progress
from autorec.models.base import FloatArray, IntArray, OnValidation, Recommender
from autorec.models.scale import inside, outside
from autorec.models.vectors import Vectors, vectors
from autorec.ratings.matrix import Ratings

Solutions = npt.NDArray[np.float64]  # [n × (f + 1)]: factors, bias

_TOGETHER = 8  # entries whose products are summed in one pass
_LANES = 8  # numbers that a processor multiplies at a time


class BiasedMF(Recommender):
    """factors: f; l2: λ; sweeps: over users and items. random_state: of the start, small normal numbers.

    New users and new items fold in by the same regression, exactly, without training.
    """

    users_: Solutions
    items_: Solutions
    mean_: float

    def __init__(self, factors: int = 50, l2: float = 0.07, sweeps: int = 15, random_state: int = 0) -> None:
        self.factors = factors
        self.l2 = l2
        self.sweeps = sweeps
        self.random_state = random_state

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        factors = checks.whole("factors", self.factors)
        sweeps = checks.whole("sweeps", self.sweeps)
        checks.number("l2", self.l2, above=0)
        rng = np.random.default_rng(checks.whole("random_state", self.random_state, least=0))
        csr = inside(ratings.csr, ratings.scale)
        self.mean_ = float(csr.data.mean(dtype=np.float64))
        by_item = csr.T.tocsr()
        self.users_ = np.zeros((ratings.n_users, factors + 1))
        self.items_ = rng.normal(0, 0.1, (ratings.n_items, factors + 1))
        self.items_[:, -1] = 0
        with progress.bar("alternating least squares", sweeps) as update:
            for sweep in range(sweeps):
                update(sweep, f"sweep {sweep + 1} of {sweeps}")
                self.users_ = self._solved(csr, self.items_)
                self.items_ = self._solved(by_item, self.users_)
        return {"sweeps": sweeps}

    def _solved(self, csr: sparse.csr_array, others: Solutions) -> Solutions:
        """The vectors of the rows of `csr`, given those of its columns; zeros for a row without ratings."""
        found = np.zeros((csr.shape[0], others.shape[1]))
        _solve_rows(csr.indptr, csr.indices, csr.data - self.mean_, others, self.l2, found)
        return found

    def _memory(self, n_users: int, n_items: int, n_ratings: int) -> int:
        vectors = 2 * 8 * (self.factors + 1) * (n_users + n_items)  # a sweep makes all of them anew
        return super()._memory(n_users, n_items, n_ratings) + vectors

    def _encode(self, histories: sparse.csr_array) -> Vectors:
        return self._vectors(self._with_users(histories)["users_"])

    def _users(self, rows: IntArray) -> Vectors:
        return self._vectors(self.users_[rows])

    def _vectors(self, users: Solutions) -> Vectors:
        return vectors(users[:, :-1], users[:, -1] + self.mean_)

    def _items(self) -> Vectors:
        return vectors(self.items_[:, :-1], self.items_[:, -1])

    def _to_ratings(self, scores: FloatArray) -> FloatArray:
        return outside(scores, self.ratings_.scale)

    def _with_users(self, histories: sparse.csr_array) -> dict[str, Any]:
        return {"users_": self._solved(inside(histories, self.ratings_.scale), self.items_)}

    def _with_items(self, histories: sparse.csr_array) -> dict[str, Any]:
        return {"items_": self._solved(inside(histories, self.ratings_.scale).T.tocsr(), self.users_)}

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"users": self.users_, "items": self.items_, "mean": np.array([self.mean_])}

    def _set_arrays(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.users_, self.items_, self.mean_ = arrays["users"], arrays["items"], float(arrays["mean"][0])


@numba.njit(parallel=True, error_model="numpy", cache=True, nogil=True)
def _solve_rows(indptr: Any, indices: Any, targets: Any, others: Any, l2: float, found: Any) -> None:
    """found[row] = argmin Σ (target − b_other − x · (factors_other, 1))² + l2 · n · ‖x‖²."""
    size = others.shape[1]
    wide = -(-size // _LANES) * _LANES  # filled up with zeros
    for row in numba.prange(len(found)):
        first, end = indptr[row], indptr[row + 1]
        if first == end:
            continue
        A = np.zeros((size, wide))  # the normal equations; only the lower triangle counts
        y = np.zeros(size)
        Z = np.zeros((_TOGETHER, wide))
        for start in range(first, end, _TOGETHER):
            _take(indices, targets, others, start, end, Z, y)
            _add_products(Z, A)
        for i in range(size):
            A[i, i] += l2 * (end - first)
        _solve(A, y)
        found[row] = y


@numba.njit(fastmath=True, cache=True, nogil=True)
def _take(indices: Any, targets: Any, others: Any, start: int, end: int, Z: Any, y: Any) -> None:
    """Z [8 × wide] = (factors, 1, 0 …) of the entries from `start` on, zeros from `end` on; y += Σ residual · Z."""
    last = others.shape[1] - 1
    for place in range(_TOGETHER):
        z = Z[place]
        if start + place >= end:
            z[:] = 0
            continue
        other = others[indices[start + place]]
        residual = targets[start + place] - other[last]
        z[:last] = other[:last]
        z[last] = 1
        for i in range(len(y)):
            y[i] += residual * z[i]


@numba.njit(fastmath=True, cache=True, nogil=True)
def _add_products(Z: Any, A: Any) -> None:
    """A += Zᵀ Z, its lower triangle, rounded up to whole lanes; eight entries for one load and store."""
    z0, z1, z2, z3, z4, z5, z6, z7 = Z[0], Z[1], Z[2], Z[3], Z[4], Z[5], Z[6], Z[7]
    for i in range(len(A)):
        line = A[i]
        a0, a1, a2, a3, a4, a5, a6, a7 = z0[i], z1[i], z2[i], z3[i], z4[i], z5[i], z6[i], z7[i]
        for j in range((i // _LANES + 1) * _LANES):
            line[j] += (
                a0 * z0[j] + a1 * z1[j] + a2 * z2[j] + a3 * z3[j] + a4 * z4[j] + a5 * z5[j] + a6 * z6[j] + a7 * z7[j]
            )


@numba.njit(fastmath=True, error_model="numpy", cache=True, nogil=True)
def _solve(A: Any, y: Any) -> None:
    """Cholesky in place, A = Lᵀ L: y becomes A⁻¹ y; the lower triangle of A is read and overwritten.

    From the last row up, so that all that moves is the beginning of a row.
    """
    n = len(y)
    for k in range(n - 1, -1, -1):
        pivot = A[k]
        scale = 1 / np.sqrt(pivot[k])
        for j in range(k + 1):
            pivot[j] *= scale
        for i in range(k):
            line, factor = A[i], pivot[i]
            for j in range((i // _LANES + 1) * _LANES):
                line[j] -= factor * pivot[j]
    for i in range(n - 1, -1, -1):  # Lᵀ w = y
        line = A[i]
        y[i] /= line[i]
        solved = y[i]
        for k in range(i):
            y[k] -= solved * line[k]
    for i in range(n):  # L x = w
        line, known = A[i], 0.0
        for k in range(i):
            known += line[k] * y[k]
        y[i] = (y[i] - known) / line[i]
