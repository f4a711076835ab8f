"""Ratings that are missing for what they would be: whether a cell is rated depends on its rating.

    P(u rates i) = σ(a + b · r_ui),   r_ui ~ N(r̂(u, i), 1/α) whether it is rated or not,   σ(x) = 1 / (1 + e⁻ˣ)

(Logit-vd of Marlin and Zemel, RecSys 2009, with a logistic curve in place of a probability for each value). A missing
rating is drawn from its normal distribution and taken with probability 1 − σ(a + b · r), which is exact; a and b are
drawn from the normal distribution around their mode given all cells. All users × items are held at once. That the
choice of what is rated has this form is an assumption: held-out ratings are chosen in the same way, and cannot test it.
"""

from typing import Any

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy import sparse
from scipy.special import expit

from autorec.array_types import BoolArray, Float32, FloatArray
from autorec.errors import ParameterError
from autorec.models.gibbs import Prior, draw_vectors

MOST_CELLS = 10_000_000  # users × items
CELL_BYTES = 80
_TRIES = 100  # draws of a missing rating; where none is taken the last sweep's stays
_STEPS = 4  # of Newton's method, from the last mode
_PRECISION = 0.1  # of the normal prior of a and b
_NODES = 9  # of the quadrature
_ROUNDS = 15  # of fold-in


class Completion:
    """Targets of all cells, of which the missing ones are drawn. by_user [users × items], by_item [items × users]:
    given with the ratings on 1 … 5 less their mean; as attributes with every cell.

    propensity: a and b of the last draw, for targets; propensities: those that were kept.
    """

    def __init__(self, by_user: sparse.csr_array, by_item: sparse.csr_array) -> None:
        require_cells(*by_user.shape)
        self.seen = find_pattern(by_item).ravel()  # [cells of by_item]
        self.missing = np.flatnonzero(~self.seen)
        self.by_user, self.by_item = fill(by_user.toarray()), fill(by_item.toarray())
        self.propensity: FloatArray = np.zeros(2)
        self.propensities: list[FloatArray] = []

    def draw(self, residuals: Float32, certainty: float, rng: np.random.Generator) -> None:
        """New missing ratings, a and b, given the residuals of by_item [cells] and α."""
        targets, (a, b) = self.by_item.data, self.propensity
        predicted = (targets - residuals)[self.missing]
        left = np.arange(len(self.missing))
        for _ in range(_TRIES):
            tried = predicted[left] + rng.standard_normal(len(left)) / np.sqrt(certainty)
            taken = rng.random(len(left)) >= expit(a + b * tried)
            targets[self.missing[left[taken]]] = tried[taken]
            left = left[~taken]
            if not len(left):
                break
        self.by_user.data[:] = targets.reshape(self.by_item.shape).T.ravel()
        self.propensity = draw_propensity(targets, self.seen, self.propensity, rng)

    def keep(self) -> None:
        """Count the last draw as a sample."""
        self.propensities.append(self.propensity)


def draw_propensity(targets: Float32, seen: BoolArray, last: FloatArray, rng: np.random.Generator) -> FloatArray:
    """(a, b) of a logistic regression of seen [cells] on targets [cells]; Newton's method starts from the last."""
    x, found = targets.astype(np.float64), last
    for _ in range(_STEPS):
        chance = expit(found[0] + found[1] * x)
        missed, weight = seen - chance, chance * (1 - chance)
        slope = np.array([missed.sum(), missed @ x]) - _PRECISION * found
        mixed = weight @ x
        curve = np.array([[weight.sum(), mixed], [mixed, (weight * x) @ x]]) + _PRECISION * np.eye(2)
        found = found + np.linalg.solve(curve, slope)
    return rng.multivariate_normal(found, np.linalg.inv(curve))


def solve_rows(
    rows: sparse.csr_array,
    others: Float32,
    prior: Prior,
    features: Float32,
    certainty: float,
    propensity: FloatArray,
) -> Float32:
    """[n × d] vectors of new rows [n × m] as `draw_vectors` finds them, missing targets replaced by what is expected of
    them, in turn."""
    require_cells(*rows.shape)
    seen, given = find_pattern(rows), rows.toarray()
    found = prior.means(features)
    for _ in range(_ROUNDS):
        predicted = found[:, :-1] @ others[:, :-1].T + found[:, -1:] + others[:, -1]
        filled = np.where(seen, given, expect_missing(predicted, certainty, propensity))
        found = draw_vectors(fill(filled), others, prior, features, certainty)[0]
    return found


def expect_missing(predicted: Float32, certainty: float, propensity: FloatArray) -> Float32:
    """[any shape] E[r | r is missing], r ~ N(predicted, 1/α), by Gauss-Hermite quadrature."""
    total, mass = np.zeros_like(predicted), np.zeros_like(predicted)
    for node, weight in zip(*hermegauss(_NODES), strict=True):
        r = predicted + np.float32(node / np.sqrt(certainty))
        share = np.float32(weight) * expit(-np.float32(propensity[0]) - np.float32(propensity[1]) * r)
        total += share * r
        mass += share
    return np.asarray(total / np.maximum(mass, np.finfo(np.float32).tiny), dtype=np.float32)


def find_pattern(csr: sparse.csr_array) -> BoolArray:
    """[n × m] where an entry is."""
    return np.asarray(sparse.csr_array((np.ones(csr.nnz, bool), csr.indices, csr.indptr), shape=csr.shape).toarray())


def fill(values: Any) -> sparse.csr_array:
    """An array [n × m] with every cell as an entry."""
    n, m = values.shape
    columns = np.tile(np.arange(m, dtype=np.int32), n)
    starts = np.arange(n + 1, dtype=np.int32) * m
    return sparse.csr_array((values.astype(np.float32).ravel(), columns, starts), shape=values.shape)


def require_cells(n: int, m: int) -> None:
    if n * m > MOST_CELLS:
        raise ParameterError(
            f"missing is 'by-rating', which fills all {n * m:,} cells; allowed: up to {MOST_CELLS:,}; use 'ignored'"
        )
