"""Weights of choices by age: their formula, the same in every model of choices, and when they are chosen."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import autorec
from autorec.errors import InputError, ParameterError
from autorec.models.recency import DAY, HALF_LIVES

QUICK = {"epochs": 2, "hidden": "8", "factors": 8}
CHOICE = [name for name, row in autorec.MODELS.items() if "half_life" in row.parameters()]
OF_HISTORIES = ("item-knn", "pure-svd", "ease", "elsa", "sansa", "inf-ae", "svd-ae", "mult-dae", "cdae", "aae")


def create(name, **settings):
    model = autorec.create(name, **settings)
    return model.set_params(**{key: QUICK[key] for key in QUICK.keys() & model.get_params().keys()})


def changing(users=120, items=40, seed=0, order=True):
    """Users who want one half of the items for months and then, for days, the other half, and more of it later."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        first = rng.integers(0, 2)
        start = rng.integers(0, 30)
        for half, times in ((first, rng.uniform(0, 300, 9)), (1 - first, rng.uniform(400, 440, 7))):
            for item, day in zip(rng.permutation(items // 2), times + start, strict=False):
                rows.append((user, item + half * (items // 2), 5.0, int(day * DAY)))
    frame = pd.DataFrame(rows, columns=["user", "item", "rating", "timestamp"])
    if not order:
        frame["timestamp"] = rng.permutation(frame["timestamp"])
    return frame


@pytest.fixture(scope="module")
def ratings():
    return autorec.read_ratings(changing())


def test_every_model_of_lists_has_a_half_life():
    lists = {name for name, row in autorec.MODELS.items() if row.group in ("lists", "both")}
    assert set(CHOICE) == lists | {"popularity"}


def weights_by_hand(ratings, user, half_life):
    """item → weight of one user's ratings."""
    frame = ratings.to_frame()
    own = frame[frame["user"] == ratings.user_ids[user]]
    ages = (own["timestamp"].max() - own["timestamp"]) / 86_400
    return dict(zip(ratings.find_items(own["item"]), 0.5 ** (ages / half_life), strict=True))


@pytest.mark.parametrize("name", OF_HISTORIES)
def test_a_choice_of_a_history_counts_by_its_age(name, ratings):
    aged = create(name, half_life=50).fit(ratings)
    plain = aged._with_half_life(None)
    rows = np.array([7, 3])
    known = [rows] if name == "cdae" else []  # users with vectors of their own
    chosen = np.zeros((2, ratings.n_items), dtype=np.float32)
    for at, user in enumerate(rows):
        for item, weight in weights_by_hand(ratings, user, 50).items():
            chosen[at, item] = weight
    expected = aged.score_users(aged._encode_choices(sparse.csr_array(chosen), *known))
    np.testing.assert_allclose(aged._score_rows(rows), expected, rtol=1e-5, atol=1e-6)
    assert not np.allclose(aged._score_rows(rows), plain._score_rows(rows))
    never = create(name, half_life=None).fit(ratings)
    np.testing.assert_array_equal(plain._score_rows(rows), never._score_rows(rows))


def test_popularity_counts_ratings_by_their_age(ratings):
    model = autorec.Popularity(half_life=20).fit(ratings)
    frame = ratings.to_frame()
    weights = 0.5 ** ((frame["timestamp"].max() - frame["timestamp"]) / 86_400 / 20)
    expected = weights.groupby(frame["item"]).sum().reindex(ratings.item_ids)
    np.testing.assert_allclose(model.counts_, expected, rtol=1e-5)


def test_the_joint_model_weighs_the_histories_of_its_choices(ratings):
    stars = changing()
    stars["rating"] = np.random.default_rng(0).integers(1, 6, len(stars))
    model = autorec.Joint("biased-mf", "ease", half_life=15).fit(stars)
    rows = np.arange(5)
    ease = model.choice_
    assert ease.half_life == 15 and ease.summary_["half_life"] == model.summary_["half_life"] == 15
    np.testing.assert_array_equal(model.ranked_by("choice")._score_rows(rows), ease._score_rows(rows))
    assert not np.allclose(ease._score_rows(rows), ease._with_half_life(None)._score_rows(rows))


@pytest.mark.parametrize("name", ["ease", "item-knn", "inf-ae"])
def test_auto_takes_weights_where_tastes_change(name, ratings):
    model = create(name, half_life="auto").fit(ratings)
    tried = model.summary_["half_lives"]
    assert set(tried) == {"none", *(f"{days:g}" for days in HALF_LIVES)}
    assert model.summary_["half_life"] == float(max(tried, key=tried.get))


def test_auto_takes_none_where_dates_say_nothing():
    """Dates dealt out anew, and none at all."""
    model = autorec.Ease(half_life="auto").fit(changing(order=False))
    assert model.summary_["half_life"] is None and "half_lives" in model.summary_
    undated = autorec.Ease(half_life="auto").fit(changing().drop(columns="timestamp"))
    assert undated.summary_["half_life"] is None and "half_lives" not in undated.summary_


def test_a_half_life_without_dates_is_refused():
    with pytest.raises(InputError, match="half_life is 30 and the ratings have no timestamps"):
        autorec.Ease(half_life=30).fit(changing().drop(columns="timestamp"))
    with pytest.raises(ParameterError, match="half_life is -1; allowed: auto, or a finite number above 0"):
        autorec.Ease(half_life=-1).fit(changing())


def test_a_fit_that_ends_in_an_error_leaves_the_model_as_it_was(frame):
    dated = changing()
    model = autorec.Ease(half_life=30).fit(dated)
    before = model.recommend(n=3)
    with pytest.raises(InputError, match="no timestamps"):
        model.fit(frame)
    pd.testing.assert_frame_equal(model.recommend(n=3), before)
    new = autorec.Ease(half_life=30)
    with pytest.raises(InputError, match="no timestamps"):
        new.fit(frame)
    assert vars(new) == vars(autorec.Ease(half_life=30))


@pytest.mark.parametrize("name", ["ease", "popularity"])
def test_a_saved_model_and_folded_users_keep_their_dates(name, ratings, tmp_path):
    frame = ratings.to_frame()
    model = create(name, half_life=15).fit(frame[frame["user"] < 100])
    model.save(tmp_path / "model")
    again = autorec.load(tmp_path / "model")
    rows = np.arange(100)
    np.testing.assert_array_equal(again._score_rows(rows), model._score_rows(rows))
    other = frame[frame["user"] >= 100].sample(frac=1, random_state=0)  # in any order
    folded, everyone = model.fold_in(other), create(name, half_life=15).fit(frame)
    if name == "ease":
        everyone.weights_ = model.weights_
        same = everyone.ratings_.item_ids, folded.ratings_.item_ids
        np.testing.assert_array_equal(*same)
        theirs = everyone._score_rows(np.arange(100, 120))
        np.testing.assert_allclose(folded._score_rows(np.arange(20)), theirs, rtol=1e-5)


def test_forgotten_users_leave_the_model_of_those_who_remain(ratings, tmp_path):
    model = autorec.Ease(half_life="auto").fit(ratings)
    model.save(tmp_path / "model")
    kept = autorec.forget(autorec.load(tmp_path / "model"), users=[0, 1])
    frame = ratings.to_frame()
    alone = autorec.Ease(half_life="auto").fit(frame[~frame["user"].isin([0, 1])])
    assert kept.summary_ == alone.summary_
    np.testing.assert_array_equal(kept._score_rows(np.arange(10)), alone._score_rows(np.arange(10)))
