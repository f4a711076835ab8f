"""Gibbs sampling of one side of a matrix factorisation, users or items, the other side held.

A row u of the side has a vector z_u = (p_u, b_u) [d], factors and then a bias, and features x_u [k]:

    r_ui ~ N(b_i + z_u · (q_i, 1), 1/α)        ratings less their mean; (q_i, b_i) the vectors of the other side
    z_u  ~ N(μ + Bᵀx_u, Λ⁻¹)
    (μ, Λ) ~ normal-Wishart(0, β₀ = 2, W₀ = I, ν₀ = d)        each b_j of B ~ N(0, (κΛ)⁻¹),  κ ~ Gamma

(Salakhutdinov and Mnih, ICML 2008; with features: Simm et al., Macau, 2015). The columns of the features are
orthogonal, or nearly so, and all b_j are drawn on their own.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, sparse, stats

from autorec.array_types import Float32, FloatArray
from autorec.compiled import kernel
from autorec.network.ranges import run_in_ranges

_WEIGHT = 2.0  # β₀, ratings' worth of rows at a mean of 0
_VAGUE = 1e-2  # shape and rate of the Gamma prior of κ
_ROW_COST = 64  # cost of the equations of a row beside that of an entry, in entries


@dataclass(frozen=True)
class Prior:
    """mean μ [d], precision Λ [d × d], link B [k × d], strength κ of the link's own prior."""

    mean: FloatArray
    precision: FloatArray
    link: FloatArray
    strength: float = 5.0

    def means(self, features: Float32) -> Float32:
        """[n × d] prior means μ + Bᵀx of rows with these features [n × k]."""
        return np.asarray(self.mean.astype(np.float32) + features @ self.link.astype(np.float32))


def first_prior(size: int, n_features: int) -> Prior:
    """A prior to start from, d = size: vectors of standard deviation 0.3 around 0."""
    return Prior(np.zeros(size), np.eye(size) * 10, np.zeros((n_features, size)))


def draw_prior(vectors: Float32, features: Float32, last: Prior, rng: np.random.Generator) -> Prior:
    """A prior given the vectors [n × d] of the rows and their features [n × k], columns orthogonal."""
    n, size = vectors.shape
    found = vectors.astype(np.float64)
    left = found - features @ last.link.astype(np.float32)
    mean = left.mean(axis=0)
    spread = np.eye(size) + (left - mean).T @ (left - mean) + n * _WEIGHT / (n + _WEIGHT) * np.outer(mean, mean)
    spread += last.strength * last.link.T @ last.link
    freedom = size + n + len(last.link)
    precision = np.atleast_2d(stats.wishart.rvs(freedom, np.linalg.inv(spread), random_state=rng))
    root = np.linalg.cholesky(precision)

    def draw(count: int) -> FloatArray:
        """[count × d] from N(0, Λ⁻¹)."""
        return np.asarray(linalg.solve_triangular(root.T, rng.normal(size=(size, count))).T)

    mu = n * mean / (n + _WEIGHT) + draw(1)[0] / np.sqrt(n + _WEIGHT)
    certainty = np.square(features, dtype=np.float64).sum(axis=0)[:, None] + last.strength  # [k × 1]
    projected = features.T @ (found - mu).astype(np.float32)
    link = projected / certainty + draw(len(last.link)) / np.sqrt(certainty)
    total = float(np.einsum("ka,ab,kb->", link, precision, link))
    strength = float(rng.gamma(_VAGUE + link.size / 2, 1 / (_VAGUE + total / 2)))
    return Prior(mu, precision, link, strength)


def draw_vectors(
    targets: sparse.csr_array,
    others: Float32,
    prior: Prior,
    features: Float32,
    certainty: float,
    rng: np.random.Generator | None = None,
) -> tuple[Float32, Float32, Float32]:
    """(posterior means [n × d] of the rows of `targets`, a draw of them [n × d], its residuals [nnz]).

    targets [n × m]: ratings less their mean; others [m × d]; features [n × k]; certainty = α. Without `rng` the draw is
    the means.
    """
    shape = targets.shape[0], others.shape[1]
    noise = np.zeros(shape, np.float32) if rng is None else rng.standard_normal(shape, dtype=np.float32)
    precision = prior.precision.astype(np.float32)
    pull = prior.means(features) @ precision
    means, drawn, residuals = (np.empty(size, np.float32) for size in (shape, shape, targets.nnz))
    entries = targets.indptr.astype(np.int64), targets.indices.astype(np.int32), targets.data.astype(np.float32)
    given = np.ascontiguousarray(others), precision, pull, np.float32(certainty), noise
    run_in_ranges(_draw_rows, entries[0], *entries, *given, means, drawn, residuals, row_cost=_ROW_COST)
    return means, drawn, residuals


@kernel(fastmath=True)
def _draw_rows(
    indptr: Any,
    indices: Any,
    targets: Any,
    others: Any,
    precision: Any,
    pull: Any,
    certainty: Any,
    noise: Any,
    means: Any,
    drawn: Any,
    residuals: Any,
    first: int,
    last: int,
) -> None:
    """A = Λ + α Σ (q, 1)(q, 1)ᵀ = LLᵀ; mean = A⁻¹ (Λ · prior mean + α Σ (r − b)(q, 1)), draw = mean + L⁻ᵀ · noise."""
    size = others.shape[1]
    A = np.empty((size, size), np.float32)
    z = np.empty((4, size), np.float32)  # of four entries: one load and store of A serve four products
    e = np.empty(4, np.float32)
    for row in range(first, last):
        A[:] = precision
        x = means[row]
        x[:] = pull[row]
        for k in range(indptr[row], indptr[row + 1], 4):
            for j in range(4):
                if k + j < indptr[row + 1]:
                    z[j] = others[indices[k + j]]
                    e[j] = certainty * (targets[k + j] - z[j, size - 1])
                    z[j, size - 1] = 1
                else:
                    z[j] = 0
                    e[j] = 0
            for a in range(size):
                x[a] += e[0] * z[0, a] + e[1] * z[1, a] + e[2] * z[2, a] + e[3] * z[3, a]
                c0, c1, c2, c3 = certainty * z[0, a], certainty * z[1, a], certainty * z[2, a], certainty * z[3, a]
                of_row = A[a]
                for b in range(a + 1):
                    of_row[b] += c0 * z[0, b] + c1 * z[1, b] + c2 * z[2, b] + c3 * z[3, b]
        _factorise(A)
        _solve_lower(A, x)
        _solve_upper(A, x)
        y = drawn[row]
        y[:] = noise[row]
        _solve_upper(A, y)
        for a in range(size):
            y[a] += x[a]
        for k in range(indptr[row], indptr[row + 1]):
            q = others[indices[k]]
            error = targets[k] - q[size - 1] - y[size - 1]
            for a in range(size - 1):
                error -= q[a] * y[a]
            residuals[k] = error


@kernel(fastmath=True)
def _factorise(A: Any) -> None:
    """The lower triangle of A [d × d] becomes L, A = LLᵀ (Cholesky)."""
    for j in range(len(A)):
        for i in range(j, len(A)):
            total = A[i, j]
            for k in range(j):
                total -= A[i, k] * A[j, k]
            A[i, j] = np.sqrt(total) if i == j else total / A[j, j]


@kernel(fastmath=True)
def _solve_lower(L: Any, x: Any) -> None:
    """x [d] = L⁻¹ x."""
    for j in range(len(x)):
        total = x[j]
        for k in range(j):
            total -= L[j, k] * x[k]
        x[j] = total / L[j, j]


@kernel(fastmath=True)
def _solve_upper(L: Any, x: Any) -> None:
    """x [d] = L⁻ᵀ x."""
    for j in range(len(x) - 1, -1, -1):
        x[j] /= L[j, j]
        for k in range(j):
            x[k] -= L[j, k] * x[j]
