"""Gibbs sampling against closed forms, and Bayesian matrix factorisation against what it should find."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import autorec
from autorec.errors import InputError, ParameterError
from autorec.models import gibbs
from autorec.models.bayesian_mf import find_basis, project
from autorec.models.gibbs import Prior, draw_prior, draw_vectors


def problem(n: int = 40, m: int = 30, f: int = 3, seed: int = 0) -> tuple[sparse.csr_array, np.ndarray, np.ndarray]:
    """(targets [n × m] at a third of the entries, vectors of the columns [m × (f + 1)], features [n × 2])"""
    rng = np.random.default_rng(seed)
    targets = sparse.csr_array(np.where(rng.random((n, m)) < 0.3, rng.normal(size=(n, m)), 0), dtype=np.float32)
    features = np.linalg.qr(rng.normal(size=(n, 2)))[0]
    return targets, rng.normal(size=(m, f + 1)).astype(np.float32), features.astype(np.float32)


def some_prior(size: int = 4, n_features: int = 2, seed: int = 1) -> Prior:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(size, size))
    return Prior(rng.normal(size=size), root @ root.T + np.eye(size), rng.normal(size=(n_features, size)))


def test_posterior_means_are_the_regularised_regression() -> None:
    targets, others, features = problem()
    prior, certainty = some_prior(), 1.7
    means, drawn, residuals = draw_vectors(targets, others, prior, features, certainty)
    np.testing.assert_array_equal(means, drawn)
    for row in range(targets.shape[0]):
        entries = slice(targets.indptr[row], targets.indptr[row + 1])
        Z = others[targets.indices[entries]].astype(np.float64)
        t = targets.data[entries] - Z[:, -1]
        Z[:, -1] = 1
        A = prior.precision + certainty * Z.T @ Z
        expected = np.linalg.solve(A, prior.precision @ (prior.mean + features[row] @ prior.link) + certainty * Z.T @ t)
        np.testing.assert_allclose(means[row], expected, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(residuals[entries], t - Z @ expected, rtol=1e-3, atol=1e-3)


def test_draws_have_mean_and_covariance_of_the_posterior() -> None:
    """The same row ten thousand times."""
    targets, others, _ = problem(n=1)
    n, prior = 10_000, some_prior(n_features=0)
    same = sparse.csr_array(sparse.vstack([targets] * n))
    means, drawn, _ = draw_vectors(same, others, prior, np.zeros((n, 0), np.float32), 2.0, np.random.default_rng(0))
    Z = others[targets.indices].astype(np.float64)
    Z[:, -1] = 1
    covariance = np.linalg.inv(prior.precision + 2.0 * Z.T @ Z)
    np.testing.assert_allclose(drawn.mean(axis=0), means[0], atol=0.02)
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.05 * covariance.diagonal().max())


def test_a_row_without_ratings_has_the_prior_mean() -> None:
    _, others, features = problem()
    prior = some_prior()
    empty = sparse.csr_array((len(features), len(others)), dtype=np.float32)
    means, _, residuals = draw_vectors(empty, others, prior, features, 1.0)
    np.testing.assert_allclose(means, prior.means(features), rtol=1e-3, atol=1e-4)
    assert len(residuals) == 0


def test_the_prior_of_many_vectors_is_found() -> None:
    rng = np.random.default_rng(0)
    truth = replace(some_prior(), strength=1.0)
    features = np.linalg.qr(rng.normal(size=(20_000, 2)))[0].astype(np.float32) * 100
    noise = rng.multivariate_normal(np.zeros(4), np.linalg.inv(truth.precision), len(features))
    vectors = (truth.means(features) + noise).astype(np.float32)
    found = gibbs.first_prior(4, 2)
    for _ in range(5):
        found = draw_prior(vectors, features, found, rng)
    np.testing.assert_allclose(found.mean, truth.mean, atol=0.1)
    np.testing.assert_allclose(found.link, truth.link, atol=0.1)
    np.testing.assert_allclose(found.precision, truth.precision, rtol=0.1, atol=0.1)


def test_features_are_the_truncated_svd_of_the_pattern() -> None:
    targets, _, _ = problem()
    mask = (targets.toarray() != 0).astype(np.float64)
    rows = mask / np.sqrt(np.maximum(mask.sum(axis=1, keepdims=True), 1))
    features = project(targets, find_basis(targets, 5, seed=0))
    singular = np.linalg.svd(rows)[1][:5]
    np.testing.assert_allclose(np.linalg.norm(features, axis=0)[:2], singular[:2], rtol=1e-3)
    products = features.T @ features
    np.testing.assert_allclose(products, np.diag(products.diagonal()), atol=0.02)
    whole = project(targets, find_basis(targets, 30, seed=0))
    np.testing.assert_allclose(whole @ whole.T, rows @ rows.T, atol=1e-4)


def test_training_users_fold_in_as_they_are() -> None:
    """Both are posterior means given the items of each sample."""
    ratings = autorec.load_sample()
    model = autorec.BayesianMF(samples=5, burn_in=2, days=False).fit(ratings)
    folded = model.fold_in(ratings)
    np.testing.assert_allclose(folded.users_, model.users_, rtol=1e-4, atol=1e-5)


def rmse(model: autorec.BayesianMF | autorec.Bias, split: autorec.Split) -> float:
    return autorec.evaluate(model.fit(split.train), split.test).metrics["rmse"]


def test_it_is_better_than_biases() -> None:
    split = autorec.random_split(autorec.load_sample(), 0.1, 0)
    assert rmse(autorec.BayesianMF(samples=20), split) < rmse(autorec.Bias(), split) - 0.01


def test_who_rated_what_tells_of_tastes() -> None:
    """Two kinds of users who rate other items, and like others; their ratings alone are noise for the most part."""
    rng = np.random.default_rng(0)
    kind, side = np.repeat([-1, 1], 200), np.repeat([-1, 1], 40)  # [users], [items]
    observed = rng.random((400, 80)) < np.where(np.outer(kind, side) > 0, 0.16, 0.04)
    ratings = 3 + 0.7 * np.outer(kind, rng.choice([-1, 1], 80)) + rng.normal(0, 1, observed.shape)
    split = autorec.random_split(sparse.csr_array(np.where(observed, ratings, 0)), 0.1, 0)
    plain, informed = (rmse(autorec.BayesianMF(5, features, samples=20), split) for features in (0, 5))
    assert informed < plain - 0.03


def test_what_was_folded_in_is_not_folded_by() -> None:
    frame = autorec.load_sample()
    model = autorec.BayesianMF(samples=2, burn_in=0).fit(frame)
    with pytest.raises(ParameterError, match=r"the users of this model were folded in.*as it was fitted"):
        model.fold_in(frame).fold_in(frame, of="items")
    with pytest.raises(ParameterError, match="the items of this model were folded in"):
        model.fold_in(frame, of="items").fold_in(frame)


DAY = 86_400


def dated(users: int = 60, items: int = 40, days: int = 4) -> tuple[pd.DataFrame, np.ndarray]:
    """(ratings of all items, a part on each day of a user; the effect of the day of each, of standard deviation 1)"""
    rng = np.random.default_rng(0)
    user, item = (side.ravel() for side in np.indices((users, items)))
    day = rng.integers(days, size=len(user))
    mood = rng.normal(0, 1, (users, days))[user, day]
    rating = 10 + rng.normal(0, 1, users)[user] + mood + rng.normal(0, 0.5, len(user))
    frame = pd.DataFrame({"user": user, "item": item, "rating": rating, "timestamp": day * DAY + rng.integers(DAY)})
    return frame, mood


def test_moods_of_days_are_found_and_change_no_other_day() -> None:
    frame, mood = dated()
    aside = np.random.default_rng(1).random(len(frame)) < 0.1
    given, asked = frame[~aside], frame[aside]
    model = autorec.BayesianMF(2, 0, samples=20).fit(given)
    plain = model.predict(asked["user"], asked["item"])
    then = model.predict(asked["user"], asked["item"], asked["timestamp"])
    rmse = autorec.evaluate(model, asked).metrics["rmse"]
    assert rmse == pytest.approx(np.sqrt(np.mean((then - asked["rating"]) ** 2)))
    assert rmse < 0.6 < 0.9 < np.sqrt(np.mean((plain - asked["rating"]) ** 2))
    later = model.predict(asked["user"], asked["item"], asked["timestamp"] + 9 * DAY)
    np.testing.assert_array_equal(later, plain)
    found = model.days_.at(model.ratings_.rows(), model.ratings_.timestamps)
    centred = mood[~aside] - pd.Series(mood[~aside]).groupby(given["user"].to_numpy()).transform("mean")
    assert np.corrcoef(found, centred)[0, 1] > 0.95
    np.testing.assert_allclose(np.bincount(model.ratings_.rows(), found), 0, atol=1e-3)  # the rest is the level


def test_days_are_saved_and_are_of_the_users_of_the_fit(tmp_path: Path) -> None:
    frame, _ = dated(users=8)
    pairs = frame["user"], frame["item"], frame["timestamp"]
    model = autorec.Blend("bayesian-mf+biased-mf").fit(frame)
    model.save(tmp_path / "model")
    loaded = autorec.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(*pairs), model.predict(*pairs))
    of_day = model.members_[0].predict(*pairs) - model.members_[0].predict(*pairs[:2])
    expected = loaded.predict(*pairs[:2]) + of_day  # whole, whatever the weights
    np.testing.assert_allclose(loaded.predict(*pairs), np.clip(expected, *loaded.ratings_.scale), atol=0.05)  # clipped
    assert np.abs(loaded.predict(*pairs) - loaded.predict(*pairs[:2])).max() > 0.1
    folded = loaded.fold_in(frame)
    np.testing.assert_allclose(folded.predict(*pairs), folded.predict(*pairs[:2]), rtol=1e-5)


@pytest.mark.parametrize("timestamps", [[1], ["now", "then"], [0.5, 1.5]])
def test_times_of_pairs_are_seconds(timestamps: list[object]) -> None:
    model = autorec.BayesianMF(2, 0, samples=2).fit(dated(users=8)[0])
    with pytest.raises(InputError, match="give 2 whole numbers, seconds since 1970"):
        model.predict([0, 1], [0, 1], timestamps)
