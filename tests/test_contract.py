"""What every model promises, asked of every model of the registry."""

import copy
import pickle
import random
import warnings
from dataclasses import replace

import joblib
import numpy as np
import pandas as pd
import pytest
from conftest import checkerboard, random_frame
from scipy import sparse
from sklearn.base import clone

import autorec
from autorec import recommend_unknown
from autorec.errors import InputError, NotFittedError, ParameterError
from autorec.ratings.convert import as_ratings

LEARNS_TASTE = ("autorec", "i-autorec", "u-autorec")  # the others answer the same for every user, up to a constant

FITTED = {}


# What is asked here holds for any weights, so nobody waits for good ones.
QUICK = {"epochs": 3, "samples": 5, "sweeps": 3, "members": "biased-mf+biased-mf", "rating": "biased-mf"}


def create(name, **params):
    """A model of a name whose training is cut short."""
    model = autorec.create(name, **params)
    return model.set_params(**{key: QUICK[key] for key in QUICK.keys() & (model.get_params().keys() - params)})


@pytest.fixture(params=list(autorec.MODELS))
def name(request):
    return request.param


@pytest.fixture
def model(name):
    return create(name)


@pytest.fixture
def fitted(name, ratings):
    """A copy, so that each model is fitted once for all tests."""
    if name not in FITTED:
        FITTED[name] = create(name).fit(ratings)
    return copy.deepcopy(FITTED[name])


def rate_all(model):
    """Predictions of all pairs, users × items."""
    users, items = model.ratings_.user_ids, model.ratings_.item_ids
    pairs = np.repeat(users, len(items)), np.tile(items, len(users))
    return model.predict(*pairs).reshape(len(users), len(items))


def test_fit_returns_self_and_tells_what_it_did(model, frame):
    assert model.fit(frame) is model
    assert isinstance(model.summary_, dict)


def test_frames_ratings_and_sparse_matrices_are_the_same(name, fitted, frame):
    for data in (frame, as_ratings(frame).csr):
        pd.testing.assert_frame_equal(fitted.recommend(), create(name).fit(data).recommend())


def test_parameters_go_out_and_in(model):
    params = model.get_params()
    assert type(model)(**params).get_params() == params
    assert model.set_params(**params).get_params() == params
    assert clone(model).get_params() == params
    with pytest.raises(ValueError, match="nonsense"):
        model.set_params(nonsense=1)


def test_unknown_names_and_settings_are_refused_with_the_allowed_ones(name):
    with pytest.raises(ParameterError, match="i-autorec"):
        autorec.create("no-such-model")
    with pytest.raises(ParameterError, match=r"nonsense.*allowed"):
        create(name, nonsense=1)


def test_nothing_is_answered_before_fit(model, tmp_path):
    for ask in (
        lambda: model.recommend(),
        lambda: model.predict([1], [1]),
        lambda: model.fold_in(random_frame()),
        lambda: model.encode_users(sparse.csr_array((1, 1))),
        lambda: model.similar([1]),
        lambda: model.save(tmp_path / "m"),
    ):
        with pytest.raises(NotFittedError, match="fit"):
            ask()


def test_empty_ratings_are_refused(model):
    with pytest.raises(InputError, match="no ratings"):
        model.fit(sparse.csr_array((3, 4)))


def test_constant_ratings_are_refused_by_models_that_rate(model, frame):
    constant = frame.assign(rating=3.0)
    if model.rates:
        with pytest.raises(InputError, match="popularity"):
            model.fit(constant)
    else:
        assert len(model.fit(constant).recommend())


def test_predictions_keep_to_the_scale(fitted):
    if not fitted.rates:
        with pytest.raises(ParameterError, match="recommend"):
            fitted.predict([0], [0])
        return
    predicted = rate_all(fitted)
    assert np.isfinite(predicted).all()
    assert predicted.min() >= 1 and predicted.max() <= 5


def test_recommendations_are_the_best_unseen(fitted, frame):
    table = fitted.recommend(n=4)
    assert list(table.columns) == ["user", "item", "score", "rank"]
    seen = set(zip(frame["user"], frame["item"], strict=True))
    assert not seen & set(zip(table["user"], table["item"], strict=True))
    for _, rows in table.groupby("user"):
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
        assert rows["score"].is_monotonic_decreasing
    everything = fitted.recommend(n=99, exclude_seen=False)
    assert len(everything) == fitted.ratings_.n_users * fitted.ratings_.n_items


def test_scores_on_the_rating_scale_are_the_predictions(fitted):
    if fitted.rates:
        table = fitted.recommend(n=99, by="rating", exclude_seen=False)
        predicted = fitted.predict(table["user"], table["item"])
        np.testing.assert_allclose(np.clip(table["score"], 1, 5), predicted, rtol=1e-4, atol=1e-4)


def test_a_model_ranks_in_the_ways_that_it_names_and_no_other(fitted):
    first = fitted.recommend(n=3)
    pd.testing.assert_frame_equal(fitted.recommend(n=3, by=fitted.ranks_by[0]), first)
    for by in fitted.ranks_by:
        assert fitted.ranked_by(by).recommend(n=3).equals(fitted.recommend(n=3, by=by))
    for by in {"choice", "rating", "both", "nonsense"} - set(fitted.ranks_by):
        with pytest.raises(ParameterError, match=f"by is '{by}'; .* ranks by .*: autorec"):
            fitted.recommend(by=by)


def test_unknown_ids_get_the_fallback_and_are_marked(fitted):
    assert fitted.known([0, 0, 99, 99], [0, 99, 0, 99]).tolist() == [True, False, False, False]
    if fitted.rates:
        predicted = fitted.predict([99, 99], [0, 99])
        biases = fitted.fallback_
        np.testing.assert_allclose(predicted, [biases.mean + biases.item[0], biases.mean])
    with pytest.raises(InputError, match="unknown user 99"):
        fitted.recommend([99])


def test_folding_in_the_training_users_leaves_the_model_as_it_was(fitted, frame):
    before = fitted.recommend(), {name: array.copy() for name, array in fitted._arrays().items()}
    new = frame.assign(user=frame["user"] + 1000)
    folded = fitted.fold_in(new)
    assert folded is not fitted
    assert folded.ratings_.user_ids.tolist() == [user + 1000 for user in fitted.ratings_.user_ids]
    assert set(folded.recommend()["item"]) <= set(fitted.ratings_.item_ids)
    pd.testing.assert_frame_equal(fitted.recommend(), before[0])
    for name, array in fitted._arrays().items():
        np.testing.assert_array_equal(array, before[1][name])


def test_scores_are_a_pure_function_of_histories(fitted):
    """`fold_in` and `encode_users` → `score_users` give the same, and each history its own scores."""
    new = as_ratings(random_frame(12, 20, seed=5))
    scores = fitted.score_users(fitted.encode_users(new.csr))
    assert scores.shape == (12, 20) and scores.dtype == np.float32
    folded = fitted.fold_in(new)
    (block,) = folded.map_scores(np.arange(12), lambda part, scores: scores)
    np.testing.assert_allclose(block, scores, rtol=1e-5, atol=1e-5)
    alone = fitted.score_users(fitted.encode_users(new.csr[[7]]))
    np.testing.assert_allclose(alone[0], scores[7], rtol=1e-4, atol=1e-4)
    best = folded.recommend([7], n=3, exclude_seen=False)
    np.testing.assert_allclose(scores[7][best["item"]], np.sort(scores[7])[::-1][:3], rtol=1e-5, atol=1e-5)


def test_a_folded_model_shares_the_weights_and_is_saved_and_folded_again(fitted, frame, tmp_path):
    new = frame.assign(user=frame["user"] + 1000)
    folded = fitted.fold_in(new[new["user"] < 1005])
    large = [name for name, array in fitted._arrays().items() if len(array) == 20]
    for name in large:
        assert np.shares_memory(fitted._arrays()[name], folded._arrays()[name]), name
    folded.save(tmp_path / "m")
    loaded = autorec.load(tmp_path / "m")
    every = {"n": 99, "exclude_seen": False}
    pd.testing.assert_frame_equal(loaded.recommend(**every), folded.recommend(**every), check_exact=True)
    again = folded.fold_in(new)
    pd.testing.assert_frame_equal(again.recommend(), fitted.fold_in(new).recommend(), check_exact=True)


def test_histories_that_do_not_fit_are_refused(fitted):
    with pytest.raises(InputError, match=r"shape \(2, 7\); give users × 20 items"):
        fitted.encode_users(sparse.csr_array((2, 7)))
    with pytest.raises(InputError, match="histories of type DataFrame"):
        fitted.encode_users(random_frame())
    for part, value in (("indices", [4000]), ("indices", [-1]), ("indptr", [2, 1]), ("indptr", [0, 9]), ("data", [])):
        damaged = sparse.csr_array((np.ones(1, np.float32), np.array([3]), np.array([0, 1])), shape=(1, 20))
        setattr(damaged, part, np.array(value, getattr(damaged, part).dtype))
        with pytest.raises(InputError, match="damaged CSR matrix"):
            fitted.encode_users(damaged)
    with pytest.raises(InputError, match="finite"):
        fitted.encode_users(sparse.csr_array(np.full((1, 20), np.nan)))


def test_a_history_of_unknown_items_alone_is_answered_by_the_fallback(fitted):
    new = pd.DataFrame({"user": [100, 101], "item": [99, 3], "rating": [5.0, 4.0]})
    with pytest.warns(UserWarning, match="1 of 2 new ratings left out"):
        folded = fitted.fold_in(new)
    assert folded.known_users([100, 101, 7]).tolist() == [False, True, False]
    assert folded.known([100, 101], [3, 3]).tolist() == [False, True]
    if fitted.rates:
        biases = fitted.fallback_
        assert folded.predict([100], [3])[0] == pytest.approx(biases.mean + biases.item[3])


def test_any_collection_of_ids_is_taken(fitted):
    table = fitted.recommend([3, 5])
    for users in ({3: 0, 5: 0}.keys(), (user for user in (3, 5)), np.array([3, 5]), pd.Series([3, 5]), (3, 5)):
        pd.testing.assert_frame_equal(fitted.recommend(users), table)
    assert set(fitted.recommend({3, 5})["user"]) == {3, 5}
    np.testing.assert_allclose(fitted.recommend(3)["score"], table.loc[table["user"] == 3, "score"], atol=1e-5)
    assert fitted.recommend([]).empty
    assert fitted.known({3: 0}.keys(), (item for item in (4,))).tolist() == [True]


@pytest.mark.parametrize("n", [0, -1, 1.5, None, True, "3"])
def test_n_is_a_whole_number_from_1_up_for_every_verb(fitted, n):
    for ask in (fitted.recommend, lambda n: fitted.similar([1], n), lambda n: recommend_unknown(fitted, ["new"], n)):
        with pytest.raises(ParameterError, match=r"n is .*; allowed: a whole number from 1 up"):
            ask(n=n)


def test_similar_items_are_ranked_or_the_model_says_why_not(name, fitted):
    if autorec.MODELS[name].group == "floor":
        with pytest.raises(ParameterError, match=r"one number.*models that can: autorec, i-autorec.*ease"):
            fitted.similar([1])
        return
    table = fitted.similar([4, 2, 4], n=5)
    assert list(table.columns) == ["item", "similar", "cosine", "rank"]
    assert table["item"].unique().tolist() == [4, 2]
    assert not (table["item"] == table["similar"]).any()
    assert table["cosine"].between(-1.001, 1.001).all()
    for _, rows in table.groupby("item"):
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
        assert rows["cosine"].is_monotonic_decreasing
    alone = fitted.similar(4, n=5)
    np.testing.assert_allclose(alone["cosine"], table.loc[table["item"] == 4, "cosine"], atol=1e-5)
    assert list(fitted.similar([]).columns) == list(table.columns) and fitted.similar([]).empty
    assert len(fitted.similar(2, n=10**9)) <= 19
    with pytest.raises(InputError, match="unknown item 99"):
        fitted.similar([1, 99])


def test_new_items_are_folded_in_too(name, fitted, frame):
    new = frame[frame["item"] < 3].assign(item=lambda f: f["item"] + 500)
    if autorec.MODELS[name].new_items == "none":
        with pytest.raises(ParameterError, match="cannot take new items; models that can: autorec"):
            fitted.fold_in(new, of="items")
        return
    folded = fitted.fold_in(new, of="items")
    assert folded.ratings_.item_ids.tolist() == [500, 501, 502]
    table = folded.recommend(n=3, exclude_seen=False)
    assert set(table["item"]) == {500, 501, 502}


def test_saved_and_loaded_scores_are_the_same_bits(fitted, frame, tmp_path):
    fitted.save(tmp_path / "m")
    loaded = autorec.load(tmp_path / "m")
    exact = {"check_exact": True}
    every = {"n": 99, "exclude_seen": False}
    pd.testing.assert_frame_equal(loaded.recommend(**every), fitted.recommend(**every), **exact)
    new = frame[frame["user"] < 5].assign(user=lambda f: f["user"] + 1000)
    pd.testing.assert_frame_equal(loaded.fold_in(new).recommend(), fitted.fold_in(new).recommend(), **exact)
    assert loaded.get_params() == fitted.get_params()
    assert loaded.summary_.keys() == fitted.summary_.keys()


def test_the_same_seed_gives_the_same_bits_and_no_global_generator_moves(name, fitted, frame):
    import torch

    before = random.getstate(), np.random.get_state(legacy=False), torch.get_rng_state()  # noqa: NPY002
    again = create(name).fit(frame).recommend()
    pd.testing.assert_frame_equal(again, fitted.recommend(), check_exact=True)
    after = random.getstate(), np.random.get_state(legacy=False), torch.get_rng_state()  # noqa: NPY002
    assert before[0] == after[0]
    assert np.array_equal(before[1]["state"]["key"], after[1]["state"]["key"])
    assert before[1]["state"]["pos"] == after[1]["state"]["pos"]
    assert torch.equal(before[2], after[2])


@pytest.mark.parametrize("write", [lambda n: f"{n:04}", lambda n: f"Ä-{n}"])
def test_ids_may_be_text(name, fitted, frame, write):
    """Text that sorts as the numbers do: the same matrix, so the same answers under other names."""
    table = fitted.recommend()
    texts = frame.assign(user=(frame["user"] + 1000).map(write), item=(frame["item"] + 1000).map(write))
    expected = table.assign(user=(table["user"] + 1000).map(write), item=(table["item"] + 1000).map(write))
    found = create(name).fit(texts).recommend()
    pd.testing.assert_frame_equal(found, expected.astype(found.dtypes))


def test_one_user_one_item_and_a_user_who_rated_all(name):
    model = autorec.create(name)  # its defaults, all of them
    one_user = pd.DataFrame({"user": "u", "item": [1, 2, 3], "rating": [1.0, 5.0, 3.0]})
    assert model.fit(one_user).recommend().empty
    assert len(model.recommend(exclude_seen=False)) == 3
    one_item = pd.DataFrame({"user": [1, 2, 3], "item": "i", "rating": [1.0, 5.0, 3.0]})
    assert model.fit(one_item).recommend("2", exclude_seen=False)["item"].tolist() == ["i"]


def test_checkerboard(name):
    board = as_ratings(checkerboard())
    if name in LEARNS_TASTE:
        model = autorec.create(name).fit(board)
    else:
        model = create(name)
        with warnings.catch_warnings(action="ignore"):  # that so short a training is worse than the biases
            model.fit(board)
    own = model.recommend(n=1)
    assert own["item"].tolist() == own["user"].tolist()  # all else is rated
    if name in LEARNS_TASTE:
        predicted = rate_all(model)
        even = np.add.outer(np.arange(50), np.arange(50)) % 2 == 0
        assert predicted[even].min() > 4 and predicted[~even].max() < 2


def test_the_recommended_are_listed_with_their_titles(model, ratings):
    titles = np.array([f"Title {item}" for item in ratings.item_ids], dtype=object)
    table = model.fit(replace(ratings, titles=titles)).recommend(n=2)
    assert table["title"].tolist() == [f"Title {item}" for item in table["item"]]


def test_models_are_pickled_and_copied(fitted):
    every = {"n": 99, "exclude_seen": False}
    for other in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted), copy.copy(fitted)):
        pd.testing.assert_frame_equal(other.recommend(**every), fitted.recommend(**every), check_exact=True)
        assert other._arrays().keys() == fitted._arrays().keys()


def test_a_fitted_model_works_in_another_process(fitted):
    found = joblib.Parallel(n_jobs=2)(joblib.delayed(_recommend)(model) for model in (fitted, fitted))
    for table in found:
        pd.testing.assert_frame_equal(table, fitted.recommend(), check_exact=False)


def _recommend(model):
    return model.recommend()


def test_random_state_is_what_scikit_learn_allows(name, frame):
    if "random_state" not in autorec.MODELS[name].parameters():
        return
    for make in (np.random.RandomState, np.random.default_rng):
        one, two = (create(name, random_state=make(3)).fit(frame)._arrays() for _ in range(2))
        for array in one:
            np.testing.assert_array_equal(one[array], two[array])
    create(name, random_state=None)._check_parameters()
    for wrong in (-1, 1.5, "0", True):
        with pytest.raises(ParameterError, match=r"random_state is .*from 0 up, a NumPy generator, or None"):
            autorec.create(name, random_state=wrong).fit(frame)
    with pytest.raises(ParameterError, match=r"random_state is .*below 2\*\*63"):
        autorec.create(name, random_state=2**63).fit(frame)


@pytest.mark.parametrize("mode", ["no_grad", "inference_mode"])
def test_fit_works_whatever_torch_is_set_to(name, fitted, frame, mode):
    import torch

    plain = fitted.recommend()
    with getattr(torch, mode)():
        pd.testing.assert_frame_equal(create(name).fit(frame).recommend(), plain, check_exact=True)
