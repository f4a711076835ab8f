"""PureSVD and BiasedMF against the formulas they state."""

from itertools import pairwise

import numpy as np
import pytest
from conftest import random_frame
from scipy import sparse

from autorec import Bias, BiasedMF, PureSVD, evaluate
from autorec.errors import ParameterError
from autorec.models import mf
from autorec.ranking.positives import positives
from autorec.ratings.convert import as_ratings
from autorec.ratings.split import random_split
from autorec.threads import set_threads, thread_count


@pytest.mark.parametrize("factors", [1, 4, 1000])
def test_pure_svd_is_the_truncated_decomposition(factors):
    ratings = as_ratings(random_frame())
    model = PureSVD(factors).fit(ratings)
    dense = positives(ratings.csr, ratings.scale).toarray().astype(np.float64)
    right = np.linalg.svd(dense, full_matrices=False)[2][:factors]
    rows = np.arange(ratings.n_users)
    np.testing.assert_allclose(model._score_rows(rows), dense @ right.T @ right, atol=1e-4)
    if factors == 1000:
        np.testing.assert_allclose(model._score_rows(rows), dense, atol=1e-4)


def objective(model, ratings):
    """The sum of biased_mf's docstring, by loops over nothing but arrays, on ratings 1 … 5."""
    users, items = ratings.rows(), ratings.csr.indices
    p, q = model.users_[users], model.items_[items]
    predicted = model.mean_ + p[:, -1] + q[:, -1] + (p[:, :-1] * q[:, :-1]).sum(axis=1)
    penalty = (p**2).sum() + (q**2).sum()  # each vector once for each of its ratings
    return ((ratings.csr.data - predicted) ** 2).sum() + model.l2 * penalty


def test_a_sweep_never_raises_the_objective_and_ends_where_nothing_is_gained():
    ratings = as_ratings(random_frame())
    assert ratings.scale == (1, 5)
    models = [BiasedMF(3, 0.1, sweeps).fit(ratings) for sweeps in (1, 2, 3, 5, 10, 400)]
    values = [objective(model, ratings) for model in models]
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in pairwise(values))
    model = models[-1]
    rng = np.random.default_rng(0)
    for side in ("users_", "items_"):
        vectors = getattr(model, side)
        direction = rng.normal(size=vectors.shape)
        found = []
        for step in (1e-4, -1e-4):
            setattr(model, side, vectors + step * direction)
            found.append(objective(model, ratings))
        setattr(model, side, vectors)
        slope = (found[0] - found[1]) / 2e-4
        assert abs(slope) < 1e-3 * values[-1]


@pytest.mark.parametrize("entries", [7, 4096])
@pytest.mark.parametrize("factors", [1, 5])
def test_each_row_is_a_ridge_regression_of_its_own(monkeypatch, factors, entries):
    """Rows of all lengths from none to all columns, against a loop over rows; blocks shorter than a row too."""
    monkeypatch.setattr(mf, "_ENTRIES", entries)
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((60, 25)) < np.linspace(0, 1, 60)[:, None], rng.normal(size=(60, 25)) + 9, 0)
    csr, others = sparse.csr_array(dense), rng.normal(size=(25, factors + 1))
    found = mf.solve_rows(csr, others, 0.3)
    assert np.diff(csr.indptr).min() == 0 and np.diff(csr.indptr).max() == 25
    for row in range(60):
        columns = csr.indices[csr.indptr[row] : csr.indptr[row + 1]]
        A = np.column_stack((others[columns, :-1], np.ones(len(columns))))
        t = dense[row, columns] - others[columns, -1]
        ridge_matrix = A.T @ A + 0.3 * len(columns) * np.eye(factors + 1)
        expected = np.linalg.solve(ridge_matrix, A.T @ t) if len(columns) else np.zeros(factors + 1)
        np.testing.assert_allclose(found[row], expected, atol=1e-9)


def test_the_number_of_threads_changes_no_bit():
    csr = as_ratings(random_frame(200, 80)).csr
    others = np.random.default_rng(0).normal(size=(80, 6))
    before = thread_count()
    try:
        set_threads(1)
        one = mf.solve_rows(csr, others, 0.3)
    finally:
        set_threads(before)
    np.testing.assert_array_equal(mf.solve_rows(csr, others, 0.3), one)


def test_planted_factors_are_found():
    rng = np.random.default_rng(0)
    dense = np.clip(3 + rng.normal(0, 1, (200, 3)) @ rng.normal(0, 0.6, (3, 80)) + rng.normal(0, 0.1, (200, 80)), 1, 5)
    ratings = as_ratings(sparse.csr_array(np.where(rng.random(dense.shape) < 0.4, dense, 0)))
    one = random_split(ratings, 0.2)
    error = {model: evaluate(model.fit(one.train), one.test).metrics["rmse"] for model in (Bias(), BiasedMF(4, 0.02))}
    bias, factors = error.values()
    assert factors < 0.4 * bias


def test_known_users_fold_in_to_themselves():
    """At the optimum a user solved again from the items stays; far into the sweeps that is nearly so."""
    ratings = as_ratings(random_frame())
    model = BiasedMF(3, 0.1, 300).fit(ratings)
    again = model.fold_in(ratings)
    np.testing.assert_allclose(again.users_, model.users_, atol=1e-3)


def test_same_seed_same_bits():
    ratings = as_ratings(random_frame())
    for make in (BiasedMF, PureSVD):
        one, two = (make(random_state=3).fit(ratings)._arrays() for _ in range(2))
        assert all(np.array_equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("model", [BiasedMF(factors=0), BiasedMF(l2=0), BiasedMF(sweeps=0), PureSVD(factors=0)])
def test_settings_that_are_not_allowed_are_named(model):
    with pytest.raises(ParameterError, match=r"factors|l2|sweeps"):
        model.fit(random_frame())
