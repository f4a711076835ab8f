"""Blends: their weights against a search over the simplex, their answers against those of their members."""

import numpy as np
import pandas as pd
import pytest

import autorec
from autorec.errors import ParameterError
from autorec.models.blend import learn_weights

SMALL = "biased-mf+bayesian-mf"


@pytest.fixture(scope="module")
def split() -> autorec.Split:
    return autorec.random_split(autorec.load_sample(), 0.1, 0)


@pytest.fixture(scope="module")
def blend(split: autorec.Split) -> autorec.Blend:
    return autorec.Blend(SMALL).fit(split.train)


def test_weights_are_the_best_of_the_simplex() -> None:
    rng = np.random.default_rng(0)
    ratings = rng.normal(3, 1, 500)
    predicted = ratings[:, None] + rng.normal(0.1, [0.5, 0.7, 2.0], (500, 3))
    weights, errors = learn_weights(predicted, ratings)
    assert weights.min() >= 0 and weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(errors, np.sqrt(np.mean((predicted - ratings[:, None]) ** 2, axis=0)))
    least = np.square(predicted @ weights - ratings).mean()
    grid = [(a, b, 1 - a - b) for a in np.linspace(0, 1, 101) for b in np.linspace(0, 1 - a, 101)]
    assert least <= min(np.square(predicted @ np.array(one) - ratings).mean() for one in grid) + 1e-9


def test_a_member_that_only_harms_has_no_weight() -> None:
    rng = np.random.default_rng(0)
    ratings = rng.normal(3, 1, 500)
    good = ratings + rng.normal(0, 0.1, 500)
    weights, _ = learn_weights(np.column_stack((good, good + rng.normal(0, 1, 500))), ratings)
    assert weights[1] == pytest.approx(0, abs=0.02)


def test_predictions_are_the_weighted_mean_of_the_members(blend: autorec.Blend, split: autorec.Split) -> None:
    assert blend.weights_.sum() == pytest.approx(1)
    table = blend.recommend(split.train.user_ids[:5], n=20)
    pairs = split.train.find_users(table["user"]), split.train.find_items(table["item"])
    expected = 0.0
    for seed, (name, weight) in enumerate(zip(SMALL.split("+"), blend.weights_, strict=True)):
        member = autorec.create(name, random_state=seed).fit(split.train)
        scores = member.score_users(member._users(np.arange(5)))
        expected = expected + weight * scores[pairs]
    np.testing.assert_allclose(table["score"], expected, rtol=1e-4)


def test_it_is_better_than_its_members(blend: autorec.Blend, split: autorec.Split) -> None:
    rmse = autorec.evaluate(blend, split.test).metrics["rmse"]
    assert rmse < autorec.evaluate(autorec.create("biased-mf").fit(split.train), split.test).metrics["rmse"]
    told = blend.summary_["members"]
    assert [one["name"] for one in told] == SMALL.split("+")
    assert all(0.5 < one["validation_rmse"] < 1.5 for one in told)


def test_new_users_and_items_are_those_of_the_members(blend: autorec.Blend, split: autorec.Split) -> None:
    folded = blend.fold_in(split.test)
    vectors = [member.fold_in(split.test)._users(np.arange(3)) for member in blend._ready()]
    found = folded._users(np.arange(3))
    np.testing.assert_allclose(found.factors, np.hstack([one.factors for one in vectors]), rtol=1e-5)
    of_items = blend.fold_in(split.train, of="items")
    assert len(of_items.recommend(split.train.user_ids[:2], n=3)) == 6


def test_without_validation_ratings_all_weights_are_equal(frame: pd.DataFrame) -> None:
    model = autorec.Blend("bayesian-mf+biased-mf+bayesian-mf").fit(frame)
    np.testing.assert_allclose(model.weights_, 1 / 3)
    assert not np.array_equal(model.members_[0].users_, model.members_[2].users_)  # another seed


@pytest.mark.parametrize("members", ["ease", "blend", "bias", "", 3, "i-autorec,bayesian-mf"])
def test_members_that_cannot_be_are_refused(members: object) -> None:
    with pytest.raises(ParameterError, match=r"allowed: .*i-autorec|allowed: names of models"):
        autorec.Blend(members).fit(autorec.load_sample())
