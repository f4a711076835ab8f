"""Damped biases against the sums that define them, written as loops over dense arrays."""

import math

import numpy as np
import pandas as pd
import pytest
from conftest import random_frame
from scipy import sparse

from autorec import Bias, Ratings
from autorec.errors import ParameterError
from autorec.fitting import biases as bias_tools
from autorec.fitting.biases import fit_biases, fold_in_items, fold_in_users, item_means
from autorec.fitting.dampings import compass
from autorec.fitting.scale import rows_inside
from autorec.ratings.convert import as_ratings


def naive(dense: np.ndarray, user_damping: float, item_damping: float, sweeps: int) -> tuple:
    """dense [users × items], NaN where nothing is observed."""
    mean = np.nanmean(dense)
    user, item = np.zeros(dense.shape[0]), np.zeros(dense.shape[1])
    counts = ~np.isnan(dense)
    for _ in range(sweeps):
        item = np.nansum(dense - mean - user[:, None], axis=0) / (item_damping + counts.sum(axis=0))
        user = np.nansum(dense - mean - item, axis=1) / (user_damping + counts.sum(axis=1))
    return mean, user, item


def dense_of(csr: sparse.csr_array) -> np.ndarray:
    dense = np.full(csr.shape, np.nan)
    coo = csr.tocoo()
    dense[coo.row, coo.col] = coo.data
    return dense


@pytest.mark.parametrize("block", [1, 50, 2**18])
def test_they_are_alternating_damped_means(monkeypatch, block):
    """Whatever the blocks of users; an explicit 0 is a rating."""
    monkeypatch.setattr(bias_tools, "_BLOCK", block)
    csr = as_ratings(random_frame(40, 25).assign(rating=lambda f: f["rating"] - 3)).csr
    assert (csr.data == 0).any()
    mean, user, item = naive(dense_of(csr), 4.0, 7.0, 6)
    found = fit_biases(csr, user_damping=4.0, item_damping=7.0, sweeps=6)
    assert found.mean == pytest.approx(mean)
    np.testing.assert_allclose(found.user, user, atol=1e-12)
    np.testing.assert_allclose(found.item, item, atol=1e-12)


@pytest.mark.parametrize("distinct", [5, 400])  # kept as bytes, kept as floats
def test_entries_left_out_are_not_there(distinct):
    frame = random_frame(40, 25)
    ratings = as_ratings(frame.assign(rating=np.random.default_rng(1).integers(0, distinct, len(frame)).astype(float)))
    rows = rows_inside(ratings.csr, ratings.scale)
    aside = np.arange(0, rows.nnz, 3)
    dense = dense_of(ratings.csr)
    low, high = ratings.scale
    dense = 1 + (dense - low) * 4 / (high - low)
    users, items = np.nonzero(~np.isnan(dense))
    dense[users[aside], items[aside]] = np.nan
    mean, user, item = naive(dense, 15.0, 10.0, 10)
    found = fit_biases(rows.without(aside))
    np.testing.assert_allclose([found.mean, *found.user, *found.item], [mean, *user, *item], atol=1e-6)
    damped = (np.nansum(dense - mean, axis=0)) / (2 + (~np.isnan(dense)).sum(axis=0)) + mean
    np.testing.assert_allclose(item_means(rows.without(aside), 2.0), damped, atol=1e-6)


def test_a_fold_in_is_one_more_damped_mean():
    csr = as_ratings(random_frame(40, 25)).csr
    known, dense = fit_biases(csr, user_damping=3.0, item_damping=2.0), dense_of(csr)
    counts = ~np.isnan(dense)
    user = np.nansum(dense - known.mean - known.item, axis=1) / (3 + counts.sum(axis=1))
    np.testing.assert_allclose(fold_in_users(known, csr).user, user, atol=1e-12)
    item = np.nansum(dense - known.mean - known.user[:, None], axis=0) / (2 + counts.sum(axis=0))
    np.testing.assert_allclose(fold_in_items(known, csr).item, item, atol=1e-12)


def test_without_ratings_everything_is_0():
    found = fit_biases(sparse.csr_array((3, 4), dtype=np.float32), user_damping=0.0, item_damping=0.0)
    assert found.mean == 0 and not found.user.any() and not found.item.any()
    assert not item_means(sparse.csr_array((3, 4), dtype=np.float32), 0.0).any()


def planted_biases(user_spread: float, item_spread: float, seed: int = 0) -> Ratings:
    """Noise of standard deviation 1 on biases of these; 400 users × 100 items, 6,000 ratings."""
    rng = np.random.default_rng(seed)
    users, items = np.divmod(rng.choice(400 * 100, 6000, replace=False), 100)
    values = rng.normal(0, user_spread, 400)[users] + rng.normal(0, item_spread, 100)[items] + rng.normal(0, 1, 6000)
    return as_ratings(pd.DataFrame({"user": users, "item": items, "rating": values}))


@pytest.mark.parametrize(("user_spread", "item_spread"), [(0.5, 0.2), (0.2, 0.7)])
def test_chosen_dampings_are_near_the_variance_of_the_noise_over_that_of_the_biases(user_spread, item_spread):
    """The best damping, of normal biases: Robinson, Statistical Science 6(1), 1991."""
    model = Bias("auto", "auto").fit(planted_biases(user_spread, item_spread))
    for found, spread in ((model.user_damping_, user_spread), (model.item_damping_, item_spread)):
        assert 1 / 3 < found * spread**2 < 3
    assert model.summary_ == {"user_damping": model.user_damping_, "item_damping": model.item_damping_}


def test_a_given_damping_stays_and_too_few_ratings_choose_none(frame):
    ratings = planted_biases(0.5, 0.5)
    model = Bias("auto", 7.0).fit(ratings)
    assert model.item_damping_ == 7 and model.user_damping_ != 15
    few = Bias("auto", "auto").fit(frame)
    assert (few.user_damping_, few.item_damping_) == (15, 10)
    with pytest.raises(ParameterError, match="auto, or a finite number from 0 up"):
        Bias("car").fit(frame)


@pytest.mark.parametrize("free", [(True, True), (False, True)])
def test_the_compass_finds_a_valley_far_from_its_start(free):
    asked = []

    def error(point):
        asked.append(point)
        return abs(math.log(point[0] / 900)) + abs(math.log(point[1] / 0.02))

    found = compass(error, (10.0, 10.0), free)
    assert found[1] == pytest.approx(0.02, rel=0.2)
    assert found[0] == pytest.approx(900, rel=0.2) if free[0] else found[0] == 10
    assert len(asked) == len(set(asked)) < 60
