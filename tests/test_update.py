"""A model with a day's ratings more: the weights that it had go on, and what changed is told."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import checkerboard, random_frame
from test_cli import told

import autorec
from autorec.errors import InputError, ParameterError
from autorec.models.scoring import rmse

SMALL: dict[str, Any] = {"hidden": 8, "epochs": 5}
FIXED: dict[str, Any] = {"hidden": 40, "epochs": 40, "user_damping": 10, "item_damping": 10, "validation": 0.1}
RATING_MODELS = [
    ("i-autorec", SMALL),
    ("u-autorec", SMALL),
    ("u-autorec", {**SMALL, "inputs": "residuals+rated"}),
    ("i-autorec", {**SMALL, "decoder": "sigmoid", "code": "gaussian", "penalty": "l2:50"}),
    ("i-autorec", {**SMALL, "offset": "none", "optimizer": "rprop", "hidden": "8-6"}),
]


def new_part(frame: pd.DataFrame) -> pd.DataFrame:
    """Ratings by a new user, of a new item, and of old pairs otherwise rated."""
    new = pd.DataFrame({"user": [99] * 5, "item": [0, 3, 5, 7, 9], "rating": [5.0, 1, 4, 2, 5]})
    other = frame.iloc[0:200:50].assign(item=77)
    return pd.concat([new, other, frame.iloc[10:12].assign(rating=6 - frame["rating"].iloc[10:12])])


@pytest.mark.parametrize(("name", "settings"), RATING_MODELS)
def test_without_an_epoch_it_is_the_earlier_model(name: str, settings: dict[str, Any]) -> None:
    frame = random_frame(seed=2)
    model = autorec.create(name, **settings).fit(frame)
    assert not model.summary_["fell_back"]
    same = autorec.update(model, frame.iloc[5:15], epochs=0)
    assert (same.new_ratings, same.replaced, same.new_users, same.new_items) == (0, 10, 0, 0)
    assert same.overlap == 1 and same.rmse_before is None
    users, items = model.ratings_.user_ids[model.ratings_.rows()], model.ratings_.item_ids[model.ratings_.csr.indices]
    np.testing.assert_array_equal(same.model.predict(users, items), model.predict(users, items))


@pytest.mark.parametrize(("name", "settings"), RATING_MODELS[:3])
def test_without_an_epoch_new_users_are_folded_in(name: str, settings: dict[str, Any]) -> None:
    frame = random_frame(seed=2)
    model = autorec.create(name, **settings).fit(frame)
    new = pd.DataFrame({"user": [99] * 5, "item": [0, 3, 5, 7, 9], "rating": [5.0, 1, 4, 2, 5]})
    updated = autorec.update(model, new, epochs=0).model
    items = range(20)
    if name == "i-autorec":  # its items read the new user with weights 0, and their biases hold another rating
        assert np.abs(updated.predict([99] * 20, items) - model.fold_in(new).predict([99] * 20, items)).max() < 0.2
    else:
        np.testing.assert_allclose(
            updated.predict([99] * 20, items), model.fold_in(new).predict([99] * 20, items), rtol=1e-5
        )


@pytest.mark.parametrize(("name", "settings"), RATING_MODELS)
def test_it_takes_new_users_and_items_and_is_saved(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    frame = random_frame(seed=2)
    model = autorec.create(name, **settings).fit(frame)
    before = model.predict(frame["user"], frame["item"])
    result = autorec.update(model, new_part(frame), epochs=2)
    np.testing.assert_array_equal(model.predict(frame["user"], frame["item"]), before)
    assert (result.new_ratings, result.replaced, result.new_users, result.new_items) == (9, 2, 1, 1)
    assert result.how == "trained on from the earlier weights, 2 epochs"
    assert result.model.l2_ == model.l2_ and result.model.get_params() == model.get_params()
    result.model.save(tmp_path / "model")
    loaded = autorec.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.recommend([99, 3]), result.model.recommend([99, 3]))
    assert json.loads(json.dumps(result.to_dict())) == loaded.summary_["updated"]
    again = autorec.update(loaded, pd.DataFrame({"user": [100], "item": [77], "rating": [3.0]}), epochs=1)
    assert again.new_users == 1 and len(again.model.recommend(100)) == 10


@pytest.mark.parametrize("orientation", ["item", "user"])
def test_a_few_epochs_are_as_good_as_a_fresh_fit(orientation: str) -> None:
    """Sample: the later tenth of its training part is added; both models are judged on ratings that neither has."""
    part = autorec.random_split(autorec.load_sample(), 0.1, 0)
    day = autorec.time_split(part.train, 0.1)
    settings = {"inputs": "ratings", "penalty": "l2:16"} if orientation == "item" else {"penalty": "l2:60"}
    model = autorec.AutoRec(orientation, **FIXED, **settings)
    model.set_params(inputs=settings.get("inputs", "residuals"))
    old, fresh = (autorec.AutoRec(**model.get_params()).fit(one) for one in (day.train, part.train))
    result = autorec.update(old, day.test)
    assert rmse(result.model, part.test) < rmse(fresh, part.test) + 0.002 < rmse(old, part.test)
    assert 5 * len(result.model.learning_curve()) <= len(fresh.learning_curve()) * 2  # it is validated every second
    assert result.validation_ratings == len(day.test) // 10
    assert result.rmse_after < result.rmse_before and 0.5 < result.overlap < 1


@pytest.mark.parametrize("name", ["i-autorec", "u-autorec"])
def test_a_new_item_like_an_old_one_is_rated_like_it(name: str) -> None:
    """Checkerboard of 40: item 40 is even, as five users of each colour say; all others are then known."""
    frame = checkerboard(40)
    model = autorec.create(name, hidden=20, penalty="l2:10", validation=0, inputs="residuals").fit(frame)
    raters = np.arange(10)
    new = pd.DataFrame({"user": raters, "item": 40, "rating": np.where(raters % 2 == 0, 5.0, 1.0)})
    others = np.arange(10, 40)
    predicted = autorec.update(model, new).model.predict(others, np.full(30, 40))
    assert predicted[others % 2 == 0].min() > 4 and predicted[others % 2 == 1].max() < 2


@pytest.mark.parametrize("name", ["ease", "biased-mf", "popularity", "mult-vae"])
def test_other_models_are_fitted_again_and_say_so(name: str) -> None:
    frame = random_frame(seed=2)
    settings = {"mult-vae": {"hidden": 8, "epochs": 2}}.get(name, {})
    result = autorec.update(autorec.create(name, **settings).fit(frame), new_part(frame))
    assert result.how == "fitted again"
    fresh = autorec.create(name, **settings).fit(result.model.ratings_)
    pd.testing.assert_frame_equal(result.model.recommend(), fresh.recommend())


def test_the_parts_of_the_joint_model_each_in_their_way() -> None:
    frame = random_frame(seed=2)
    model = autorec.create("autorec").fit(frame)
    result = autorec.update(model, new_part(frame), epochs=2)
    assert result.how == "i-autorec trained on from the earlier weights, 2 epochs; ease fitted again"
    alone = autorec.update(model.rating_, new_part(frame), epochs=2).model
    users, items = frame["user"], frame["item"]
    np.testing.assert_array_equal(result.model.predict(users, items), alone.predict(users, items))
    assert result.model.choice_.ratings_.n_items == 21 and result.model.spread_ == model.spread_


def test_biases_alone_are_fitted_again() -> None:
    rng = np.random.default_rng(0)
    frame = random_frame(users=80, items=30, seed=3).assign(rating=lambda f: rng.integers(1, 6, len(f)).astype(float))
    with pytest.warns(UserWarning, match="worse|validation RMSE"):
        model = autorec.AutoRec(hidden=30, penalty="l2:0.01", learning_rate=0.05, inputs="ratings").fit(frame)
    assert model.summary_["fell_back"]
    with pytest.warns(UserWarning, match="validation RMSE"):
        assert autorec.update(model, new_part(frame)).how == "fitted again"


def test_what_it_refuses(ratings: autorec.Ratings, tmp_path: Path) -> None:
    model = autorec.Bias().fit(ratings)
    with pytest.raises(InputError, match="there are no new ratings: the model stays as it is"):
        autorec.update(model, pd.DataFrame({"user": [], "item": [], "rating": []}).astype({"user": int, "item": int}))
    folded = model.fold_in(pd.DataFrame({"user": [1], "item": [1], "rating": [5.0]}))
    with pytest.raises(ParameterError, match="users were folded into this model; update the model as it was fitted"):
        autorec.update(folded, random_frame())
    with pytest.raises(ParameterError, match="epochs is -1"):
        autorec.update(model, random_frame(), epochs=-1)


def test_train_from_a_model(tmp_path: Path) -> None:
    frame = random_frame(seed=2)
    autorec.create("i-autorec", **SMALL).fit(frame).save(tmp_path / "model")
    new_part(frame).to_csv(tmp_path / "new.csv", index=False)
    words = ("train", tmp_path / "new.csv", "--from", tmp_path / "model")
    answer = told(*words, "--set", "epochs=1", "-o", tmp_path / "other")
    assert answer["update"]["new_items"] == 1 and answer["update"]["how"].endswith("1 epochs")
    loaded = autorec.load(tmp_path / "other")
    assert loaded.summary_["updated"] == answer["update"]
    told(*words, "-o", tmp_path / "model")  # in its place
    assert autorec.load(tmp_path / "model").ratings_.n_users == 31
