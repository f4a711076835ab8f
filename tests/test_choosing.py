"""What a fit chooses on validation ratings, and what it promises: no file is served worse than by damped biases."""

import os
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import random_frame

from autorec import AutoRec, Bias, BiasedMF, Ratings, load, random_split, read_ratings
from autorec.errors import ParameterError
from autorec.fitting import fit as fitting
from autorec.fitting.choosing import choose_l2, clearly_better, lower_l2, raise_l2, residuals_pay, still_falls
from autorec.fitting.scale import rows_inside
from autorec.ratings.convert import as_ratings
from autorec.training.loop import Point, TrainingLog

ROOT = Path(__file__).parents[1]
MOVIELENS = Path(os.environ.get("AUTOREC_DATA", ROOT.parent / "shared" / "datasets")) / "ml-100k" / "u.data"


def rmse(model: AutoRec | Bias | BiasedMF, test: Ratings) -> float:
    users, items = test.user_ids[test.rows()], test.item_ids[test.csr.indices]
    return float(np.sqrt(np.mean((model.predict(users, items) - test.csr.data) ** 2)))


def skewed(ratings: int, users: int = 300, items: int = 250, seed: int = 0, taste: float = 0.5) -> Ratings:
    """Stars of planted biases and tastes, few items rated often and most seldom, as of films."""
    rng = np.random.default_rng(seed)
    popularity, activity = 1 / (np.arange(items) + 8), rng.lognormal(0, 1, users)
    weights = (activity[:, None] * popularity).ravel()
    pairs = rng.choice(users * items, ratings, replace=False, p=weights / weights.sum())
    user, item = np.divmod(np.sort(pairs), items)
    tastes, films = rng.normal(0, taste, (users, 3)), rng.normal(0, taste, (items, 3))
    biases = 3.6 + rng.normal(0, 0.5, users)[user] + rng.normal(0, 0.4, items)[item]
    stars = biases + (tastes[user] * films[item]).sum(axis=1) + rng.normal(0, 0.7, ratings)
    return as_ratings(pd.DataFrame({"user": user, "item": item, "rating": stars.round().clip(1, 5)}))


def dense(users: int, items: int) -> Ratings:
    made = runpy.run_path(str(ROOT / "scripts" / "make_ratings.py"))["dense_ratings"](users, items)
    return as_ratings(pd.DataFrame(dict(zip(("user", "item", "rating"), made, strict=True))))


@pytest.mark.parametrize("orientation", ["item", "user"])
@pytest.mark.parametrize("ratings", [1200, 4000, 15_000])
def test_no_sparsity_is_served_worse_than_by_damped_biases(orientation, ratings):
    split = random_split(skewed(ratings), 0.2, 0)
    model = AutoRec(orientation, hidden=40).fit(split.train)
    assert rmse(model, split.test) < rmse(Bias("auto", "auto").fit(split.train), split.test) + 0.001


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("orientation", ["item", "user"])
@pytest.mark.parametrize("share", [1, 2, 5, 10, 20, 40])
def test_movielens_thinned_is_served_no_worse_than_by_damped_biases(orientation, share):
    if not MOVIELENS.exists():
        pytest.skip("ml-100k is not there; set AUTOREC_DATA to a folder that has it")
    ratings = read_ratings(MOVIELENS)
    thinned = ratings.select(np.random.default_rng(7).random(len(ratings)) < 1 / share)
    split = random_split(thinned, 0.1, 0)
    model = AutoRec(orientation).fit(split.train)
    assert rmse(model, split.test) < rmse(Bias("auto", "auto").fit(split.train), split.test) + 0.001


@pytest.mark.parametrize("orientation", ["item", "user"])
def test_a_small_dense_catalogue_is_served_as_well_as_by_matrix_factorisation(orientation):
    split = random_split(dense(500, 60), 0.1, 0)
    inner = random_split(split.train, 0.1, 0)
    l2 = min((0.1, 0.15, 0.2), key=lambda tried: rmse(BiasedMF(factors=10, l2=tried).fit(inner.train), inner.test))
    model = AutoRec(orientation, hidden=100).fit(split.train)
    assert model.summary_["inputs"] == {"item": "residuals", "user": "residuals+rated"}[orientation]
    assert rmse(model, split.test) < 1.005 * rmse(BiasedMF(factors=10, l2=l2).fit(split.train), split.test)


@pytest.mark.parametrize("orientation", ["item", "user"])
def test_a_training_that_is_worse_than_damped_biases_says_so_and_falls_back(orientation):
    """Of ratings by chance there is nothing to learn but by heart."""
    frame = random_frame(80, 60, 0.5)
    model = AutoRec(orientation, hidden=20, penalty="l2:0.01", learning_rate=0.1, epochs=10)
    with pytest.warns(UserWarning, match=f"AutoRec, orientation {orientation}.*the model is these biases alone"):
        model.fit(frame)
    biases = Bias(model.user_damping_, model.item_damping_).fit(frame)
    pairs = frame["user"], frame["item"]
    np.testing.assert_allclose(model.predict(*pairs), biases.predict(*pairs), atol=1e-4)
    assert model.summary_["fell_back"] and model.summary_["validation_rmse"] > model.summary_["biases_rmse"]
    new = pd.DataFrame({"user": ["new"] * 3, "item": [0, 1, 2], "rating": [5.0, 4.0, 5.0]})
    expected = biases.fold_in(new).predict(["new"] * 4, [3, 4, 5, 6])
    np.testing.assert_allclose(model.fold_in(new).predict(["new"] * 4, [3, 4, 5, 6]), expected, atol=1e-3)


def test_without_biases_of_its_own_a_worse_training_is_told_and_kept():
    with pytest.warns(UserWarning, match="the model is kept as it is"):
        AutoRec(offset="means", hidden=20, penalty="l2:0.01", learning_rate=0.1, epochs=10).fit(
            random_frame(80, 60, 0.5)
        )


@pytest.mark.parametrize("inputs", ["residuals", "residuals+rated"])
@pytest.mark.parametrize(("orientation", "of"), [("item", "items"), ("user", "users")])
def test_residuals_of_folded_rows_are_those_of_the_training(orientation, of, inputs, tmp_path):
    ratings = dense(200, 40)
    model = AutoRec(orientation, inputs=inputs, hidden=20, penalty="l2:100", epochs=8).fit(ratings)
    pairs = ratings.user_ids[ratings.rows()], ratings.item_ids[ratings.csr.indices]
    predicted = model.predict(*pairs)
    np.testing.assert_allclose(model.fold_in(ratings, of=of).predict(*pairs), predicted, atol=0.05)
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(load(tmp_path / "m").predict(*pairs), predicted)


def test_the_network_reads_residuals_where_it_says_so():
    """Codes by the formula of one user: f(W · (r − mean − user bias − item biases) + a)."""
    ratings = dense(200, 40)
    model = AutoRec("user", inputs="residuals", hidden=20, penalty="l2:100", epochs=8).fit(ratings)
    batch = rows_inside(ratings.csr, ratings.scale).batch(np.array([7]))
    left = batch.values.numpy() - model.mean_ - model.row_bias_[7] - model.centre_[batch.indices.numpy()]
    encoder = model.network_.encoder
    sums = left @ encoder.weights[0].detach().numpy()[batch.indices.numpy()] + encoder.bias.detach().numpy()
    np.testing.assert_allclose(
        model.encode_users(ratings.csr[[7]]).factors[0], 1 / (1 + np.exp(-sums)) - 0.5, atol=1e-4
    )


def test_what_is_rated_is_an_input_with_weights_of_its_own():
    """Codes of one user: f(√(100/n) (W · (r − mean − user bias − item biases) + W′ · 1) + a) of n items."""
    ratings = dense(200, 40)
    model = AutoRec("user", inputs="residuals+rated", hidden=20, penalty="l2:100", epochs=8).fit(ratings)
    batch = rows_inside(ratings.csr, ratings.scale).batch(np.array([7]))
    rated = batch.indices.numpy()
    left = batch.values.numpy() - model.mean_ - model.row_bias_[7] - model.centre_[rated]
    encoder = model.network_.encoder
    W, of_rated = (weight.detach().numpy()[rated] for weight in encoder.weights)
    assert np.abs(of_rated).max() > 1e-3
    sums = np.sqrt(100 / len(rated)) * (left @ W + of_rated.sum(axis=0)) + encoder.bias.detach().numpy()
    np.testing.assert_allclose(
        model.encode_users(ratings.csr[[7]]).factors[0], 1 / (1 + np.exp(-sums)) - 0.5, atol=1e-4
    )


@pytest.mark.parametrize("inputs", ["residuals", "residuals+rated"])
def test_residuals_need_biases(inputs):
    with pytest.raises(ParameterError, match="offset biases"):
        AutoRec(inputs=inputs, offset="means").fit(random_frame())


def test_l2_moves_as_far_as_it_is_clearly_better_and_no_further():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, 4000)
    asked = []

    def errors(l2):
        asked.append(l2)
        return noise * (1 + 0.05 * abs(np.log2(l2 / 2000)))

    assert choose_l2(errors, 250) == 2000
    assert asked == [250, 125, 500, 1000, 2000, 4000]
    assert choose_l2(lambda l2: rng.permutation(noise), 250) == 250


def test_l2_is_not_doubled_from_damped_biases_on():
    """A larger λ only comes closer to them."""
    asked = []

    def errors(l2):
        asked.append(l2)
        return np.full(100, 1 - l2 / 1e6)

    assert choose_l2(errors, 250, 1.0) == 250 and asked == [250, 125]
    assert choose_l2(errors, 250, 1.1) > 250


@pytest.mark.parametrize("orientation", ["item", "user"])
def test_where_there_are_biases_alone_half_the_epochs_do(orientation):
    split = random_split(skewed(4000, taste=0.0), 0.2, 0)
    model = AutoRec(orientation, hidden=40).fit(split.train)
    assert max(one["epochs"] for one in model.summary_["tried"]) == 20 == model.summary_["epochs_planned"]
    assert model.summary_["validation_rmse"] == pytest.approx(model.summary_["biases_rmse"], rel=0.001)
    assert rmse(model, split.test) < rmse(Bias("auto", "auto").fit(split.train), split.test) + 0.001


def test_with_many_ratings_l2_is_lowered_only_where_a_quarter_is_far_better():
    """By 0.5 % of the RMSE; short trainings favour small λ by less."""
    asked = []

    def errors(rmse_of):
        return lambda l2: asked.append(l2) or np.full(100, rmse_of(l2))

    assert lower_l2(errors(lambda l2: 1 + l2 / 20_000), 350, np.full(100, 1.0175)) == 350 / 4  # −1.3 %, then −0.3 %
    assert asked == [350 / 4, 350 / 16]
    assert lower_l2(errors(lambda l2: 0.996), 350, np.ones(100)) == 350
    assert lower_l2(errors(lambda l2: l2), 350, np.full(100, 350.0)) == 350 / 16  # not below 15


def test_with_many_ratings_l2_is_doubled_while_trainings_overfit_and_get_better():
    def train(best_epochs, scores):
        found = {
            l2: TrainingLog([], epoch, score, "patience")
            for l2, epoch, score in zip((1000, 2000, 4000), best_epochs, scores, strict=True)
        }
        return found.__getitem__

    first = TrainingLog([], 4, 1.0, "patience")
    assert raise_l2(train((6, 20, 28), (0.9, 0.8, 0.7)), 500, first, 40)[0] == 4000
    assert raise_l2(train((6, 22, 28), (0.9, 0.8, 0.7)), 500, first, 40)[0] == 2000  # its best is in the second half
    assert raise_l2(train((6, 6, 6), (0.9, 0.95, 0.7)), 500, first, 40)[0] == 1000
    assert raise_l2(train((6, 6, 6), (0.9, 0.8, 0.7)), 500, TrainingLog([], 4, 1.0, "epochs"), 40)[0] == 500


def test_with_many_ratings_short_trainings_have_an_eighth_of_the_epochs_and_the_best_whole_one_is_kept(monkeypatch):
    monkeypatch.setattr(fitting, "SEARCH_MOST", 1000)
    summary = AutoRec("user", hidden=20, epochs=16).fit(dense(200, 40)).summary_
    short, whole = ([one for one in summary["tried"] if one["epochs"] == epochs] for epochs in (2, 16))
    assert [(one["inputs"], one["l2"]) for one in short[:2]] == [("ratings", 550), ("residuals+rated", 300)]
    assert short[2]["l2"] == 550 / 4 and whole[0]["l2"] in {550 / 4**n for n in range(len(short) - 1)}
    assert len(short) + len(whole) == len(summary["tried"])
    best = min(whole, key=lambda one: one["validation_rmse"])
    assert (summary["l2"], summary["validation_rmse"]) == (best["l2"], pytest.approx(best["validation_rmse"]))


def test_clearly_better_asks_for_more_than_a_standard_error():
    ones = np.ones(100)
    assert clearly_better(0.99 * ones, ones) and not clearly_better(ones, ones)
    up_and_down = 1 + 0.1 * np.resize([1, -1], 100) - 0.001  # better on the mean, by a fiftieth of its spread
    assert (up_and_down**2).mean() < 1.01 and not clearly_better(up_and_down, ones)
    assert residuals_pay(0.9 * ones, ones, "residuals") is False and residuals_pay(ones, 0.9 * ones, "residuals")
    assert residuals_pay(ones, 0.993 * ones, "residuals+rated") and not residuals_pay(ones, 0.993 * ones, "residuals")


@pytest.mark.parametrize(
    ("scores", "longer"),
    [([1.0, 0.95, 0.93, 0.92], True), ([1.0, 0.95, 0.93, 0.9299], False), ([1.0, 0.9, 0.93, 0.95], False), ([], False)],
)
def test_a_longer_training_is_tried_where_the_rmse_falls_to_the_end(scores, longer):
    best = 10 * (int(np.argmin(scores)) + 1) if scores else 0
    log = TrainingLog([Point(10 * (i + 1), 0.0, 1.0, score) for i, score in enumerate(scores)], best)
    assert still_falls(log) == longer
