"""Explanations sum to the score; each contribution is what a second way of computing it gives."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_cli import told

import autorec
from autorec.errors import InputError
from autorec.models.histories import make_history

QUICK = {"hidden": 16, "epochs": 15, "penalty": "l2:20"}
SUMS = {  # models whose score is a sum over the ratings, or linear in them given which items are rated
    "ease": {},
    "edlae": {},
    "rlae": {},
    "sansa": {},
    "item-knn": {},
    "pure-svd": {},
    "svd-ae": {"rank": 0.3},
    "elsa": {"factors": 16, "epochs": 3},
    "i-autorec": QUICK,
    "i-autorec-paper": {"hidden": 16, "epochs": 5},
    "rating-vae": {"hidden": 16, "epochs": 5},
    "biased-mf": {"factors": 10},
}
OTHERS = {
    "u-autorec": QUICK,
    "inf-ae": {},
    "mult-dae": {"hidden": 16, "epochs": 3},
    "autorec": {},
    "bias": {},
}


def score_of(model: autorec.Recommender, history: dict, item: object) -> float:
    """The score of a history without the ways of `explain`, on the scale of the ratings."""
    person, _ = make_history(model.ratings_, history)
    scores = model._to_ratings(model.score_users(model.encode_users(person)))
    return float(scores[0, model.ratings_.find_items([item])[0]])


def history_of(model: autorec.Recommender, user: int = 3) -> dict:
    frame = model.ratings_.to_frame()
    return dict(frame[frame["user"] == user][["item", "rating"]].itertuples(index=False, name=None))


@pytest.mark.parametrize("name", SUMS)
@pytest.mark.parametrize("scale", [(1, 0), (25, -25)])
def test_contributions_and_base_are_the_score(name: str, scale: tuple, frame: pd.DataFrame) -> None:
    factor, shift = scale
    model = autorec.create(name, **SUMS[name]).fit(frame.assign(rating=frame["rating"] * factor + shift))
    history = history_of(model)
    found = autorec.explain(model, history=history)
    assert found.exact and found.training == pytest.approx(0, abs=1e-5 * factor)
    assert found.score == pytest.approx(score_of(model, history, found.item), abs=1e-5 * factor)
    assert found.contributions["contribution"].sum() + found.base == pytest.approx(found.score, abs=1e-5 * factor)
    column = model.ratings_.find_items([found.item])[0]
    if model.rates:  # with the mean in place of every rating, less the items' biases, nothing contributes
        items = model._items()
        base = model._to_ratings(np.array([model.mean_ + items.bias[column]]))[0]
        assert found.base == pytest.approx(base, abs=2e-5 * factor)
    else:
        assert found.base == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("name", ["i-autorec", "i-autorec-paper", "rating-vae", "biased-mf"])
def test_a_regression_moves_with_a_rating_as_its_weight_says(name: str, frame: pd.DataFrame) -> None:
    model = autorec.create(name, **SUMS[name]).fit(frame)
    history = {**history_of(model), 0: 2.0}
    before, after = (autorec.explain(model, item=19, history=history | {0: rating}) for rating in (2.0, 4.0))
    moved = (one.contributions.set_index("item")["contribution"] for one in (before, after))
    change = dict(zip(("before", "after"), (one[0] for one in moved), strict=True))
    assert change["after"] - change["before"] == pytest.approx(
        score_of(model, history | {0: 4.0}, 19) - score_of(model, history, 19), abs=1e-5
    )
    assert before.base == pytest.approx(after.base, abs=1e-5)


@pytest.mark.parametrize("name", ["ease", "item-knn", "pure-svd"])
def test_a_sum_loses_what_a_rating_contributes(name: str, frame: pd.DataFrame) -> None:
    model = autorec.create(name, **SUMS[name]).fit(frame)
    history = history_of(model)
    found = autorec.explain(model, history=history)
    for item, contribution in found.contributions[["item", "contribution"]].itertuples(index=False):
        rest = {other: rating for other, rating in history.items() if other != item}
        assert found.score - score_of(model, rest, found.item) == pytest.approx(contribution, abs=1e-5)
        assert history[item] >= 4 or contribution == 0


@pytest.mark.parametrize("name", OTHERS)
def test_other_models_are_encoded_again_without_each_rating(name: str, frame: pd.DataFrame) -> None:
    model = autorec.create(name, **OTHERS[name]).fit(frame)
    history = history_of(model)
    found = autorec.explain(model, history=history)
    assert not found.exact
    by_hand = {
        item: found.score - score_of(model, {other: r for other, r in history.items() if other != item}, found.item)
        for item in history
    }
    table = found.contributions.set_index("item")
    assert table["contribution"].to_dict() == pytest.approx(by_hand, abs=1e-5)
    assert table["rating"].to_dict() == history
    assert table["contribution"].is_monotonic_decreasing
    assert table["contribution"].sum() + found.base == pytest.approx(found.score, abs=1e-5)


@pytest.mark.parametrize("name", ["i-autorec", "biased-mf", "ease", "u-autorec"])
def test_a_user_s_score_is_that_of_the_list(name: str) -> None:
    model = autorec.create(name, **(SUMS | OTHERS)[name]).fit(autorec.load_sample())
    user = model.ratings_.user_ids[7]
    first = model.recommend(user, 1).iloc[0]
    found = autorec.explain(model, user)
    assert (found.item, found.title) == (first["item"], first["title"])
    assert found.score == pytest.approx(first["score"], abs=1e-5)
    table = found.to_frame()
    assert table["contribution"].sum() == pytest.approx(found.score, abs=1e-4)
    assert ("training" in table["item"].tolist()) == (abs(found.training) > 1e-5) == (name != "ease")
    assert str(found).startswith(f"The score of {found.item} ({found.title}) is ")
    short = repr(found).splitlines()
    assert short[0] == str(found).splitlines()[0] and len(short) <= 8


def test_the_parts_of_the_joint_model_are_exact(frame: pd.DataFrame) -> None:
    model = autorec.create("autorec").fit(frame)
    assert not autorec.explain(model, 3).exact
    for by in ("choice", "rating"):
        assert autorec.explain(model, 3, by=by).exact
    assert autorec.explain(model, 3, 5, by="rating").score == pytest.approx(
        float(model.rating_._to_ratings(model.rating_._score_rows(np.array([3])))[0, 5]), abs=1e-5
    )


def test_what_it_refuses(ratings: autorec.Ratings) -> None:
    model = autorec.Ease().fit(ratings)
    with pytest.raises(InputError, match="got 0 users and no history; give one person"):
        autorec.explain(model)
    with pytest.raises(InputError, match="got 2 users and no history; give one person"):
        autorec.explain(model, [1, 2])
    with pytest.raises(InputError, match="unknown item 99"):
        autorec.explain(model, 1, 99)
    with pytest.raises(InputError, match="the model knows no item that this person rated"):
        autorec.explain(model, history={99: 5})
    with pytest.raises(InputError, match="this person rated all items of the model"):
        autorec.explain(model, history=list(range(20)))


def test_the_verb(tmp_path: Path) -> None:
    model = autorec.Ease().fit(autorec.load_sample())
    model.save(tmp_path / "model")
    user = model.ratings_.user_ids[7]
    answer = told("explain", tmp_path / "model", "--user", user)
    found = autorec.explain(model, user)
    assert (answer["explained"], answer["score"], answer["exact"]) == (found.item, found.score, True)
    assert [row["item"] for row in answer["rows"]] == [*found.contributions["item"], "base"]
    assert sum(row["contribution"] for row in answer["rows"]) == pytest.approx(found.score, abs=1e-5)
    told("explain", tmp_path / "model", "--user", user, "--item", found.item, "-o", tmp_path / "why.parquet")
    assert pd.read_parquet(tmp_path / "why.parquet")["contribution"].sum() == pytest.approx(found.score, abs=1e-5)
