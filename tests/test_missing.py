"""Ratings that are missing by what they would be: planted, and against sums over a grid."""

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit
from scipy.stats import norm

import autorec
from autorec.errors import ParameterError
from autorec.models.missing import Completion, draw_propensity, expect_missing, fill


def planted(users: int = 250, items: int = 50, slope: float = 0.35) -> tuple[np.ndarray, np.ndarray]:
    """(ratings [users × items] on −10 … 10, which are seen: a third, the higher the likelier)"""
    rng = np.random.default_rng(0)
    level = rng.normal(0, 2, (users, 1)) + rng.normal(0, 1, items)
    whole = level + rng.normal(0, 1.5, (users, 2)) @ rng.normal(0, 1.5, (2, items)) + rng.normal(0, 3, (users, items))
    whole = np.clip(whole, -10, 10)
    return whole, rng.random(whole.shape) < expit(slope * whole - 1)


def test_the_propensity_is_found_and_removed_ratings_are_rated_as_they_would_be(tmp_path: Path) -> None:
    whole, seen = planted()
    users, items = np.nonzero(seen)
    given = autorec.read_ratings(sparse.csr_array((whole[seen], (users, items)), shape=whole.shape), scale=(-10, 10))
    removed = np.nonzero(~seen)
    errors = {}
    for missing in ("ignored", "by-rating"):
        model = autorec.BayesianMF(4, 0, burn_in=50, samples=12, missing=missing).fit(given)
        errors[missing] = np.sqrt(np.mean((model.predict(*removed) - whole[removed]) ** 2))
    assert errors["by-rating"] < 0.75 * errors["ignored"]
    assert errors["by-rating"] < 1.25 * 3  # the noise
    assert model.summary_["rated"]["slope"] == pytest.approx(0.35, abs=0.04)
    assert model.summary_["rated"]["intercept"] == pytest.approx(-1, abs=0.25)
    model.save(tmp_path / "model")
    loaded = autorec.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(*removed), model.predict(*removed))
    folded = loaded.fold_in(given).predict(*removed)
    assert np.sqrt(np.mean((folded - model.predict(*removed)) ** 2)) < 0.8


def test_expected_missing_ratings_are_the_mean_of_their_distribution() -> None:
    grid, predicted = np.linspace(-8, 8, 20_001), np.array([-1.0, 0.0, 1.5], np.float32)
    density = norm.pdf(grid, predicted[:, None], 0.7) * (1 - expit(-0.5 + 1.3 * grid))
    expected = density @ grid / density.sum(axis=1)
    np.testing.assert_allclose(expect_missing(predicted, 1 / 0.49, np.array([-0.5, 1.3])), expected, atol=1e-3)


def test_missing_ratings_are_drawn_from_their_distribution() -> None:
    """Half of all cells missing, all predicted 0.5."""
    n = 200
    seen = np.arange(n * n).reshape(n, n) % 2 == 0
    csr = sparse.csr_array(np.where(seen, 2.0, 0))
    drawn = Completion(csr, csr.T.tocsr())
    drawn.propensity = np.array([0.2, 1.0])
    drawn.draw(drawn.by_item.data - np.float32(0.5), 4.0, np.random.default_rng(0))
    values = drawn.by_item.data[drawn.missing]
    assert values.mean() == pytest.approx(expect_missing(np.array([0.5]), 4.0, np.array([0.2, 1.0]))[0], abs=0.01)
    np.testing.assert_array_equal(drawn.by_user.toarray(), drawn.by_item.toarray().T)
    assert (drawn.by_user.toarray()[seen] == 2).all()


def test_the_propensity_is_that_of_a_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    targets = rng.normal(0, 1, 50_000)
    found = draw_propensity(targets, rng.random(len(targets)) < expit(-1 + 0.8 * targets), np.zeros(2), rng)
    np.testing.assert_allclose(found, [-1, 0.8], atol=0.06)


def test_large_catalogues_and_other_words_are_refused() -> None:
    assert fill(np.eye(2)).nnz == 4
    wide = sparse.csr_array(([1.0, 2.0], ([0, 5000], [0, 5000])), shape=(5001, 5001))
    with pytest.raises(ParameterError, match=r"fills all 25,010,001 cells; allowed: up to 10,000,000; use 'ignored'"):
        autorec.BayesianMF(missing="by-rating").fit(wide)
    with pytest.raises(ParameterError, match="missing is 'never'; allowed: ignored, by-rating"):
        autorec.BayesianMF(missing="never").fit(autorec.load_sample())
