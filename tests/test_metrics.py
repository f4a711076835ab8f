"""Metrics against a second, naive implementation, scikit-learn, and hand-made cases."""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from conftest import random_frame
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import (
    average_precision_score,
    mean_absolute_error,
    ndcg_score,
    roc_auc_score,
    root_mean_squared_error,
)

from autorec import Bias, Ratings, evaluate
from autorec.evaluation import metrics
from autorec.evaluation.lists import shown
from autorec.evaluation.metrics import auc, diversity
from autorec.models.base import Recommender


def naive(hits: list[bool], n: int) -> dict[str, float]:
    """Each metric of one user by loops over ranks."""
    if n == 0:
        return dict.fromkeys(metrics.RANKING, math.nan)
    k = len(hits)
    found, dcg, precisions, first = 0, 0.0, 0.0, 0
    for rank, is_hit in enumerate(hits, 1):
        if is_hit:
            found += 1
            dcg += 1 / math.log2(1 + rank)
            precisions += found / rank
            first = first or rank
    ideal = sum(1 / math.log2(1 + rank) for rank in range(1, min(k, n) + 1))
    return {
        "precision": found / k,
        "recall": found / n,
        "recall_truncated": found / min(k, n),
        "ndcg": dcg / ideal,
        "map": precisions / min(k, n),
        "mrr": 1 / first if first else 0.0,
        "hit": float(found > 0),
    }


def hits_of(dense: np.ndarray, ks: Sequence[int]) -> metrics.Hits:
    """[users × K] whether the item at each rank is a hit."""
    users, places = np.nonzero(dense)
    return metrics.Hits(len(dense), ks, users, places + 1)


lists = st.lists(st.booleans(), min_size=1, max_size=12).flatmap(
    lambda hits: st.tuples(st.just(hits), st.integers(sum(hits), sum(hits) + 8))
)


@settings(max_examples=200, deadline=None)
@given(lists)
def test_ranking_metrics_are_the_loops(case: tuple[list[bool], int]) -> None:
    hits, n = case
    expected = naive(hits, n)
    for name, metric in metrics.RANKING.items():
        ((value,),) = metric(hits_of(np.array([hits]), [len(hits)]), np.array([n]))
        np.testing.assert_allclose(value, expected[name], rtol=1e-12, err_msg=name)
        assert math.isnan(value) or 0 <= value <= 1


@pytest.mark.parametrize("seed", range(20))
def test_ndcg_and_average_precision_are_scikit_learns(seed: int) -> None:
    """Over the whole ranking, where there is one definition."""
    rng = np.random.default_rng(seed)
    scores = rng.permutation(15).astype(float)
    relevant = rng.random(15) < 0.4
    relevant[3] = True
    hits = relevant[np.argsort(-scores)][None]
    n = np.array([relevant.sum()])
    theirs = [ndcg_score([relevant], [scores], k=k) for k in (1, 5, 15)]
    np.testing.assert_allclose(metrics.ndcg(hits_of(hits, (1, 5, 15)), n)[0], theirs, rtol=1e-12)
    whole = metrics.average_precision(hits_of(hits, (15,)), n)[0, 0]
    np.testing.assert_allclose(whole, average_precision_score(relevant, scores), rtol=1e-12)


def test_one_hit_at_rank_one_is_a_perfect_ndcg() -> None:
    hits = metrics.Hits(1, [10], np.array([0]), np.array([1]))
    assert metrics.ndcg(hits, np.array([1])) == 1.0
    assert metrics.recall(hits, np.array([20])) == 0.05
    assert metrics.recall_truncated(hits, np.array([20])) == 0.1


def test_all_lengths_at_once_are_each_alone() -> None:
    rng = np.random.default_rng(0)
    hits, relevant = rng.random((30, 20)) < 0.2, rng.integers(0, 25, 30)
    for metric in metrics.RANKING.values():
        together = metric(hits_of(hits, (1, 5, 20)), relevant)
        for place, k in enumerate((1, 5, 20)):
            alone = metric(hits_of(hits[:, :k], [k]), relevant)
            np.testing.assert_allclose(together[:, place], alone[:, 0], rtol=1e-12)


def test_rating_metrics_are_global() -> None:
    """One root over all pairs, not a mean of roots; equal to scikit-learn's."""
    rng = np.random.default_rng(0)
    predicted, true = rng.normal(size=101), rng.normal(size=101)
    assert metrics.rmse(predicted, true) == pytest.approx(root_mean_squared_error(true, predicted), rel=1e-12)
    assert metrics.mae(predicted, true) == pytest.approx(mean_absolute_error(true, predicted), rel=1e-12)
    assert metrics.rmse(np.array([0.0, 0, 0]), np.array([3.0, 0, 0])) == pytest.approx(math.sqrt(3))
    assert math.isnan(metrics.rmse(np.zeros(0), np.zeros(0)))


def test_catalogue_metrics() -> None:
    short, long = shown(np.array([[0, 1], [0, 1], [0, -1]]), (1, 2), 4)
    assert (short.tolist(), long.tolist()) == ([3, 0, 0, 0], [3, 2, 0, 0])
    assert metrics.coverage(long) == 0.5
    naive_gini = sum(abs(a - b) for a in long for b in long) / (2 * len(long) * sum(long))
    assert metrics.gini(long) == pytest.approx(naive_gini)
    assert metrics.gini(np.array([1, 1])) == 0
    assert metrics.novelty(np.array([1, 1]), np.array([0.5, 0.25])) == pytest.approx(1.5)
    assert math.isnan(metrics.novelty(np.array([0]), np.array([0.5]))) and math.isnan(metrics.gini(np.array([0])))
    assert metrics.popularity_lift(np.array([1, 2, 0]), np.array([3, 1, 0])) == pytest.approx((5 / 3) / (10 / 4))
    assert math.isnan(metrics.popularity_lift(np.array([0, 0]), np.array([3, 1])))


@pytest.mark.parametrize("seed", range(5))
def test_diversity_is_the_mean_over_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rated = rng.random((25, 12)) < 0.3
    rated[:, 3] = False  # an item that nobody rated
    items = rng.permuted(np.tile(np.arange(12), (9, 1)), axis=1)[:, :5]
    items[0, 3:], items[1, 1:] = -1, -1
    found = diversity(items, (2, 4, 5), sparse.csr_array(rated.astype(np.float32)), rated.sum(axis=0))
    for k, value in zip((2, 4, 5), found, strict=True):
        of_lists = []
        for row in items:
            pairs = list(combinations([item for item in row[:k] if item >= 0], 2))
            both = [(rated[:, i] & rated[:, j]).sum() for i, j in pairs]
            lengths = [math.sqrt(rated[:, i].sum() * rated[:, j].sum()) for i, j in pairs]
            if pairs:
                of_lists.append(np.mean([1 - (b / n if n else 0) for b, n in zip(both, lengths, strict=True)]))
        assert value == pytest.approx(np.mean(of_lists), rel=1e-12)
    assert np.isnan(diversity(items[:0], (2,), sparse.csr_array(rated), rated.sum(axis=0))).all()


def test_every_metric_has_its_formula() -> None:
    frame = random_frame()
    found = evaluate(Bias().fit(frame), frame).metrics
    assert {name.partition("@")[0] for name in found} == set(metrics.FORMULAS)


@pytest.mark.parametrize("seed", range(10))
def test_graded_ndcg_and_auc_are_scikit_learns_with_ties(seed: int) -> None:
    """Through `evaluate`: few different scores, so that ties abound; scikit-learn gets what the user has not seen."""
    rng = np.random.default_rng(seed)
    n_users, n_items = 12, 15
    scores = rng.permuted(np.tile(np.arange(n_items, dtype=np.float32), (n_users, 1)), axis=1)
    tied = np.floor(scores / 4)
    seen = rng.random((n_users, n_items)) < 0.3
    tested = ~seen & (rng.random((n_users, n_items)) < 0.5)
    seen[:, 0], tested[:, 0] = True, False  # so that every user is known to the model,
    seen[0], tested[0] = True, False  # every item,
    stars = rng.integers(1, 6, (n_users, n_items)).astype(float)
    stars[:2, 0] = 1, 5  # and the scale
    train, test = frame_of(stars, seen), frame_of(stars, tested)
    for scored, name in ((scores, "ndcg_graded@5"), (tied, "auc")):
        result = evaluate(Scripted(scored).fit(train), test, k=5)
        for user, mine in result.per_user.set_index("user").iterrows():
            if np.isnan(mine["ndcg@5"]):
                continue
            candidates = ~seen[user]
            gains = np.where(tested[user], stars[user] - 1, 0)[candidates]
            relevant = (tested[user] & (stars[user] >= 4))[candidates]
            if name == "auc":
                expected = math.nan if relevant.all() else roc_auc_score(relevant, scored[user][candidates])
            else:
                expected = ndcg_score([gains], [scored[user][candidates]], k=5)
            np.testing.assert_allclose(mine[name], expected, rtol=1e-12)


SCORES = {
    "spread": lambda rng, n: rng.normal(size=n),
    "close": lambda rng, n: 3 + rng.integers(0, 50, n) * 2.0**-21,  # float32 neighbours of 3 are 2⁻²² apart
    "close but for one": lambda rng, n: np.where(np.arange(n) == n // 2, -1e6, rng.normal(size=n)),
    "few": lambda rng, n: rng.integers(0, 4, n),
    "alike": lambda rng, n: np.zeros(n),
    "huge": lambda rng, n: rng.uniform(-3e38, 3e38, n),
    "tiny": lambda rng, n: rng.normal(size=n) * 1e-42,
}


@pytest.mark.parametrize("n_items", [2, 63, 64, 1000])
@pytest.mark.parametrize("how", SCORES)
def test_auc_of_many_items_is_scikit_learns(how: str, n_items: int) -> None:
    rng = np.random.default_rng(n_items)
    for _ in range(5):
        row = SCORES[how](rng, n_items).astype(np.float32)
        columns = rng.permutation(n_items)[: rng.integers(1, min(n_items, 60))]
        row[rng.permutation(n_items)[: n_items // 5]] = -np.inf  # seen in training
        liked = rng.random(len(columns)) < 0.7
        (found,) = auc(row[None], np.zeros(liked.sum(), dtype=np.int64), columns[liked])
        relevant = np.isin(np.arange(n_items), columns[liked])[row > -np.inf]
        proper = relevant.any() and not relevant.all()
        expected = roc_auc_score(relevant, row[row > -np.inf].astype(np.float64)) if proper else math.nan
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.slow  # ranx compiles for most of a minute
@pytest.mark.filterwarnings("ignore:unsafe cast")  # in what ranx compiles
def test_ranking_metrics_are_ranxs() -> None:
    """Where ranx defines the same thing. Its MAP divides by n, ours by min(k, n): equal where n ≤ k. Of equal scores
    the lower item comes first, which ranx leaves open: it is given that order."""
    ranx = pytest.importorskip("ranx")
    rng = np.random.default_rng(0)
    k, n_users, n_items = 10, 40, 60
    relevant = rng.random((n_users, n_items)) < 0.12
    relevant[:, 0] = True
    order = np.argsort(-rng.integers(0, 9, (n_users, n_items)), axis=1, kind="stable")
    wanted = {f"u{u:02}": {f"i{i}": 1 for i in np.flatnonzero(relevant[u])} for u in range(n_users)}
    given = {f"u{u:02}": {f"i{i}": float(n_items - rank) for rank, i in enumerate(order[u])} for u in range(n_users)}
    names = {
        "precision": "precision",
        "recall": "recall",
        "ndcg": "ndcg",
        "mrr": "mrr",
        "hit": "hit_rate",
        "map": "map",
    }
    hits, n = np.take_along_axis(relevant, order, axis=1)[:, :k], relevant.sum(axis=1)
    theirs = ranx.evaluate(
        ranx.Qrels(wanted), ranx.Run(given), [f"{name}@{k}" for name in names.values()], return_mean=False
    )
    for ours, name in names.items():
        same = n <= k if ours == "map" else np.ones(n_users, dtype=bool)
        assert same.any()
        found = metrics.RANKING[ours](hits_of(hits, [k]), n)[:, 0]
        np.testing.assert_allclose(found[same], theirs[f"{name}@{k}"][same], rtol=1e-12, err_msg=ours)


def test_rmse_by_user_counts_each_user_alike() -> None:
    assert metrics.rmse_by_user(np.array([4.0, 0.0])) == 1.0
    assert math.isnan(metrics.rmse_by_user(np.zeros(0)))


class Scripted(Recommender):
    """Scores as given."""

    rates: ClassVar[bool] = False

    def __init__(self, scores: object = None) -> None:
        self.scores = scores

    def _fit(self, ratings: Ratings, on_validation: object) -> dict[str, object]:
        return {}

    def _score_rows(self, rows: np.ndarray) -> np.ndarray:
        whole = np.full((len(rows), self.ratings_.n_items), -1e9, dtype=np.float32)
        whole[:] = self.scores[self.ratings_.user_ids[rows]][:, self.ratings_.item_ids]
        return whole


def frame_of(stars: np.ndarray, mask: np.ndarray) -> pd.DataFrame:
    users, items = np.nonzero(mask)
    return pd.DataFrame({"user": users, "item": items, "rating": stars[mask]})
