"""EASE and item neighbours against their definitions; the protocol in which they are compared."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from conftest import random_frame
from test_read import data

from autorec import Ease, ItemKNN, Popularity, evaluate, read_ratings, strong_generalisation
from autorec.errors import InputError, NotEnoughMemoryError, ParameterError
from autorec.models import ease, knn
from autorec.ranking.positives import positives
from autorec.ratings.convert import as_ratings


def choices(frame: pd.DataFrame) -> np.ndarray:
    """Dense 0/1: rated 4 or more."""
    return positives(as_ratings(frame).csr, (1, 5)).toarray()


def test_ease_is_the_minimum_with_an_empty_diagonal() -> None:
    """∂/∂B of ‖X − XB‖² + λ‖B‖² is 0 off the diagonal, and the diagonal is 0."""
    frame = random_frame(40, 15)
    X = choices(frame)
    B = Ease(l2=7).fit(frame).weights_
    gradient = -X.T @ (X - X @ B) + 7 * B
    assert (np.diag(B) == 0).all()
    np.fill_diagonal(gradient, 0)
    np.testing.assert_allclose(gradient, 0, atol=1e-4)


@pytest.mark.parametrize("few", [0.0, 1.0])
def test_scores_are_the_definitions(monkeypatch: pytest.MonkeyPatch, few: float) -> None:
    """Neighbours among all cosines, and among those above 0 alone, in blocks of a few items."""
    monkeypatch.setattr(knn, "_FEW", few)
    monkeypatch.setattr(knn, "_PAIRS", 100)
    frame = random_frame(25, 12)
    X = choices(frame)
    model = Ease(l2=3).fit(frame)
    np.testing.assert_allclose(model._score_rows(np.array([4, 7])), (X @ model.weights_)[[4, 7]], atol=1e-5)
    norms = np.linalg.norm(X, axis=0)
    cosine = X.T @ X / np.outer(norms, norms)
    np.fill_diagonal(cosine, 0)
    for k in (3, 11):
        near = np.zeros_like(cosine)
        for item, row in enumerate(cosine):
            best = np.argsort(-row, kind="stable")[:k]
            near[item, best] = row[best]
        scores = ItemKNN(k=k).fit(frame)._score_rows(np.arange(25))
        np.testing.assert_allclose(scores, X @ near.T, atol=1e-5)


@pytest.mark.parametrize("l2", [0.5, 7.0, 200.0])
def test_the_way_by_few_users_gives_the_same_weights(monkeypatch: pytest.MonkeyPatch, l2: float) -> None:
    frame = random_frame(12, 60, 0.5)
    monkeypatch.setattr(ease, "_FEW_USERS", 0)
    by_items = Ease(l2=l2).fit(frame).weights_
    monkeypatch.setattr(ease, "_FEW_USERS", 0.25)
    assert Ease()._has_few_users(12, 60)
    np.testing.assert_allclose(Ease(l2=l2).fit(frame).weights_, by_items, atol=2e-5)


@pytest.mark.parametrize("users", [12, 200])
def test_a_search_of_ease_makes_one_gram_matrix(monkeypatch: pytest.MonkeyPatch, users: int) -> None:
    ratings = as_ratings(random_frame(users, 60, 0.5))
    made = []
    gram = ease._multiply_by_itself
    monkeypatch.setattr(ease, "_multiply_by_itself", lambda X: made.append(X.shape) or gram(X))
    fitted = Ease()._fitter(ratings)
    found = [fitted(l2=l2) for l2 in (3.0, 30.0, 3.0)]
    assert made == [(60, 12) if users == 12 else (200, 60)]
    for model in found:
        np.testing.assert_array_equal(model.weights_, Ease(l2=model.l2).fit(ratings).weights_)
        assert model._gram is None
    made.clear()
    monkeypatch.setattr(ease, "available_memory", lambda: int(1.5 * Ease()._memory(users, 60, len(ratings))))
    Ease()._fitter(ratings)(l2=3.0)  # no room for a second matrix
    assert len(made) == 1


@pytest.mark.parametrize("rows", [1, 4, 256])
def test_the_inverse_in_place_is_the_inverse(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(ease, "_ROWS", rows)
    X = choices(random_frame(40, 15))
    gram = ease._multiply_by_itself(positives(as_ratings(random_frame(40, 15)).csr, (1, 5)))
    np.testing.assert_array_equal(gram, X.T @ X)
    A = (gram + 7 * np.eye(15)).astype(np.float32)
    expected = np.linalg.inv(A.astype(np.float64))
    ease.invert(A)
    np.testing.assert_allclose(A, expected, atol=1e-6)


def test_ease_needs_one_matrix_and_says_so_where_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    ratings = as_ratings(random_frame(900, 600, density=0.05))
    tracemalloc.start()
    Ease().fit(ratings)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken < 2 * 4 * 600**2 + 24 * len(ratings)
    assert 5 < Ease()._memory(1000, 38_048, 10**6) / 2**30 < 6
    monkeypatch.setattr(ease, "available_memory", lambda: 2**20)
    with pytest.raises(NotEnoughMemoryError, match=r"Ease on 600 items needs about .* GiB .*use pure-svd"):
        Ease().fit(ratings)


def test_similar_items_of_ease_are_partial_correlations() -> None:
    """−P_ij / √(P_ii P_jj) of the inverse of XᵀX + λI."""
    frame = random_frame(40, 15)
    X = choices(frame).astype(np.float64)
    P = np.linalg.inv(X.T @ X + 7 * np.eye(15))
    partial = -P / np.sqrt(np.outer(np.diag(P), np.diag(P)))
    table = Ease(l2=7).fit(frame).similar([3, 8], n=14)
    for item in (3, 8):
        found = table[table["item"] == item]
        np.testing.assert_allclose(found["cosine"], partial[item, found["similar"]], atol=1e-5)
        assert found["similar"].tolist() == [i for i in np.argsort(-partial[item]) if i != item]


def test_similar_items_of_item_neighbours_are_those_kept() -> None:
    frame = random_frame(40, 15)
    X = choices(frame)
    norms = np.linalg.norm(X, axis=0)
    cosine = X.T @ X / np.outer(norms, norms)
    np.fill_diagonal(cosine, 0)
    found = ItemKNN(k=4).fit(frame).similar(3)
    assert found["similar"].tolist() == np.argsort(-cosine[3], kind="stable")[:4].tolist()
    np.testing.assert_allclose(found["cosine"], np.sort(cosine[3])[::-1][:4], atol=1e-6)


def test_bad_parameters() -> None:
    with pytest.raises(ParameterError, match="l2 is 0"):
        Ease(l2=0).fit(random_frame())
    with pytest.raises(ParameterError, match="k is 0"):
        ItemKNN(k=0).fit(random_frame())


def test_strong_generalisation_holds_users_out() -> None:
    frame = random_frame(60, 25, 0.8)
    split = strong_generalisation(frame, held_out=10)
    assert split.fold_in is not None
    assert set(split.fold_in.user_ids) == set(split.test.user_ids)
    assert not set(split.train.user_ids) & set(split.test.user_ids)
    assert set(split.test.item_ids) <= set(split.train.item_ids)
    liked = frame[frame["rating"] >= 4].groupby("user").size()
    counts = pd.Series(np.diff(split.test.csr.indptr), index=split.test.user_ids)
    assert (counts == (0.2 * liked.loc[counts.index]).astype(int)).all()
    assert split.train.scale == (1, 1)
    with pytest.raises(InputError, match="too few to hold out"):
        strong_generalisation(frame, held_out=1000)


@pytest.mark.data
@pytest.mark.slow
def test_the_evaluator_agrees_with_independent_figures_on_movielens_1m() -> None:
    """NDCG@100 of the same protocol in plain NumPy, with other draws of the 500 users: .214, .359, .416. The standard
    error over the users is .0075, of the difference of two draws .011."""
    split = strong_generalisation(read_ratings(data("ml-1m")))
    assert (split.train.n_items, split.test.n_users) == (3512, 500)
    for model, expected in ((Popularity(), 0.214), (ItemKNN(), 0.359), (Ease(), 0.416)):
        found = evaluate(model.fit(split.train), split.test, k=100, fold_in=split.fold_in)
        assert found.metrics["ndcg@100"] == pytest.approx(expected, abs=0.015)
