"""The model that rates and ranks: its formula, its two parts, and what is gained by having both."""

import copy

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import norm

import autorec
from autorec.models import joint
from autorec.models.joint import CHOICES, Joint
from autorec.ranking.held_out_users import hold_out_users
from autorec.ranking.positives import positives
from autorec.ratings.convert import as_ratings


def two_tastes(users=300, items=120, seed=0):
    """What is rated depends on one taste, how it is liked on another that is independent of it."""
    rng = np.random.default_rng(seed)
    taken_up, liked = (rng.integers(0, 2, users)[:, None] == rng.integers(0, 2, items) for _ in range(2))
    observed = rng.random((users, items)) < np.where(taken_up, 0.25, 0.05)
    stars = np.where(liked, 5, 2) - (rng.random((users, items)) < 0.2)
    user, item = np.nonzero(observed)
    return pd.DataFrame({"user": user, "item": item, "rating": stars[observed].astype(float)})


@pytest.fixture(scope="module")
def split():
    return autorec.random_split(two_tastes(), 0.2, seed=0)


@pytest.fixture(scope="module")
def fitted(split):
    return Joint().fit(split.train)


def all_scores(model, part=slice(None)):
    return np.asarray(model.score_users(model.encode_users(model.ratings_.csr[part])), dtype=np.float64)


def test_the_score_is_the_probability_of_both(fitted):
    choice, rating = (all_scores(fitted.ranked_by(by)) for by in ("choice", "rating"))
    rating = fitted.rating_._to_ratings(rating)
    sd = fitted.rating_.summary_["validation_rmse"]
    choice += 0.35 * (fitted.ratings_.csr.toarray() > 0).mean(axis=0)
    expected = np.where(choice > 0, choice * norm.cdf(rating, loc=(4 + 2) / 2, scale=sd), choice)
    np.testing.assert_allclose(all_scores(fitted), expected, rtol=1e-4, atol=1e-6)
    assert fitted.summary_["spread"] == sd and fitted.summary_["liked_from"] == 3


def test_rows_of_a_matrix_without_ratings_are_no_users_of_its_shares():
    csr = as_ratings(two_tastes(60, 20)).csr
    known = as_ratings(sparse.vstack([csr, sparse.csr_array((90, 20), dtype=csr.dtype)], format="csr"))
    np.testing.assert_allclose(joint._find_shares(known.csr, known), (csr.toarray() > 0).mean(axis=0), rtol=1e-6)


def test_the_parts_are_models_of_their_own(split, fitted):
    settings = CHOICES["ease"] | {"l2": fitted.summary_["choice"]["l2"]}
    ease = autorec.Ease(relevant=1, **settings).fit(split.train)
    item = autorec.AutoRec().fit(split.train)
    pd.testing.assert_frame_equal(fitted.recommend(by="choice"), ease.recommend())
    pd.testing.assert_frame_equal(fitted.recommend(by="rating"), item.recommend())
    pairs = np.arange(50), np.arange(50)
    np.testing.assert_array_equal(fitted.predict(*pairs), item.predict(*pairs))
    same = ["epoch", "train_rmse", "validation_rmse"]
    pd.testing.assert_frame_equal(fitted.learning_curve()[same], item.learning_curve()[same])


def test_unknown_ids_are_answered_as_by_the_rating_model(fitted):
    model, rating = copy.copy(fitted), copy.copy(fitted.rating_)
    model.rating_, rating.user_damping_, rating.item_damping_ = rating, 3.0, 7.0
    for one in (model, rating):
        fallback = one._fit_fallback(fitted.ratings_)
        assert (fallback.user_damping, fallback.item_damping) == (3, 7)


def test_the_search_for_the_l2_of_choices_ends_where_its_neighbours_are_worse(split, fitted):
    """Against the same held-out users, one after the other, and a model fitted anew for each λ; the first λ stays where
    the best is better by no more than the error of the difference."""
    told = fitted.summary_["choice"]
    ratings = split.train
    liked = positives(ratings.csr, ratings.scale)
    learned, held_out = hold_out_users(liked, "auto", np.random.default_rng(0))
    aside = np.setdiff1d(np.flatnonzero(np.diff(liked.indptr)), learned)
    train = ratings.select(~np.isin(ratings.rows(), aside), compact=False)

    def score(l2):
        model = autorec.Ease(relevant=1, **(CHOICES["ease"] | {"l2": l2})).fit(train)
        found = []
        for row, wanted in zip(aside, held_out.wanted, strict=True):
            history = ratings.csr[[row]].toarray()[0]
            history[wanted.indices] = 0
            scores = model.score_users(sparse.csr_array(history[None] > 0, dtype=np.float32))[0]
            rated = fitted.rating_.encode_users(sparse.csr_array(history[None]))
            rated = fitted.rating_._to_ratings(fitted.rating_.score_users(rated))[0]
            liked = norm.cdf(rated, loc=fitted.threshold_, scale=fitted.spread_)
            scores = np.where(scores > 0, scores * liked, scores)
            order = np.argsort(-np.where(history > 0, -np.inf, scores), kind="stable")[:100]
            gains = np.isin(order, wanted.indices) / np.log2(np.arange(2, len(order) + 2))
            found.append(gains.sum() / (1 / np.log2(np.arange(2, wanted.nnz + 2))).sum())
        return np.array(found)

    best = float(max(told["tried"], key=told["tried"].get))
    first = CHOICES["ease"]["l2"]
    near = {l2: score(l2) for l2 in (best / 2**0.5, best, best * 2**0.5, first)}
    for l2, found in near.items():
        assert told["tried"][f"{l2:.4g}"] == pytest.approx(found.mean(), abs=1e-4)
    gain = near[best] - near[first]
    taken = gain.mean() > gain.std(ddof=1) / len(gain) ** 0.5
    assert f"{told['l2']:.4g}" == f"{best if taken else first:.4g}"


def test_its_choices_may_be_the_liked_items_alone(split):
    model = Joint("biased-mf", "ease", learns="liked").fit(split.train)
    ease = autorec.Ease(**(CHOICES["ease"] | {"l2": model.choice_.l2})).fit(split.train)
    pd.testing.assert_frame_equal(model.recommend(by="choice"), ease.recommend())


def test_the_more_popularity_the_nearer_are_lists_to_what_everyone_rates(split):
    model = Joint("biased-mf", "ease", popularity=0).fit(split.train)
    share = np.log(np.bincount(split.train.csr.indices, minlength=split.train.n_items))

    def mean_share(popularity):
        lists = model.set_params(popularity=popularity).recommend()["item"]
        return share[split.train.find_items(lists)].mean()

    assert mean_share(0) < mean_share(0.35) < mean_share(10)
    assert model.set_params(popularity=0).recommend(by="choice").equals(model.choice_.recommend())


def test_too_few_users_leave_the_l2_of_choices_as_it_is(split):
    few = split.train.select(split.train.rows() < 30)
    assert Joint("biased-mf", "ease").fit(few).summary_["choice"]["l2"] == CHOICES["ease"]["l2"]


def test_both_rank_liked_items_better_than_either(split, fitted):
    def ndcg(by, relevant):
        return autorec.evaluate(fitted.ranked_by(by), split.test, k=10, relevant=relevant).metrics["ndcg@10"]

    assert ndcg("both", 4) > 1.2 * max(ndcg("choice", 4), ndcg("rating", 4))
    assert ndcg("choice", 1) > max(ndcg("both", 1), ndcg("rating", 1))


def test_new_users_are_folded_into_both_parts(fitted):
    new = two_tastes(users=9, seed=3).assign(user=lambda f: f["user"] + 1000)
    folded = fitted.fold_in(new)
    for by in fitted.ranks_by:
        alone = fitted.ranked_by(by).fold_in(new)
        pd.testing.assert_frame_equal(folded.recommend(by=by), alone.recommend(), check_exact=True)


def test_a_catalogue_too_large_for_a_dense_matrix_is_learned_sparsely_and_told(split, monkeypatch):
    monkeypatch.setattr(joint, "DENSE_ITEMS", 119)
    with pytest.warns(UserWarning, match="120 items are too many for a dense matrix: the choices are learned by sansa"):
        model = Joint().fit(split.train)
    assert model.summary_["choice"]["model"] == "sansa"
    assert model.recommend(n=3, by="choice").equals(autorec.create("sansa", relevant=1).fit(split.train).recommend(n=3))


def test_liked_is_above_the_middle_of_two_ratings_that_occur(frame):
    ratings = as_ratings(frame)
    assert joint._find_threshold(ratings, None) == 3.5
    assert joint._find_threshold(ratings, 5) == 4.5
    assert joint._find_threshold(ratings, 1) == 1  # all are liked


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rating": "ease"}, "rating is 'ease'; allowed: i-autorec, u-autorec"),
        ({"choice": "eas"}, "choice is 'eas'; allowed: auto, ease, sansa; did you mean ease"),
        ({"learns": "loved"}, "learns is 'loved'; allowed: rated, liked"),
        ({"popularity": -1}, "popularity is -1"),
        ({"relevant": "x"}, "relevant is 'x'; allowed: a finite number"),
    ],
)
def test_settings_that_cannot_be_are_refused(frame, settings, said):
    with pytest.raises(autorec.AutoRecError, match=said):
        Joint(**settings).fit(frame)


@pytest.mark.parametrize("settings", [{"rating": "u-autorec"}, {"rating": "biased-mf"}, {"choice": "sansa"}])
def test_parts_are_exchanged_saved_and_read(frame, settings, tmp_path):
    model = Joint(**settings).fit(frame)
    model.save(tmp_path / "m")
    loaded = autorec.load(tmp_path / "m")
    for by in model.ranks_by:
        pd.testing.assert_frame_equal(loaded.recommend(by=by), model.recommend(by=by), check_exact=True)


def test_its_vectors_are_those_of_the_rating_model(fitted):
    for of in ("items", "users"):
        pd.testing.assert_frame_equal(autorec.embed(fitted, of), autorec.embed(fitted.rating_, of))
