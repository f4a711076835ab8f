"""Metrics against a second, naive implementation, scikit-learn, and hand-made cases."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, mean_absolute_error, ndcg_score, root_mean_squared_error

from autorec.evaluation import metrics


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


lists = st.lists(st.booleans(), min_size=1, max_size=12).flatmap(
    lambda hits: st.tuples(st.just(hits), st.integers(sum(hits), sum(hits) + 8))
)


@settings(max_examples=200, deadline=None)
@given(lists)
def test_ranking_metrics_are_the_loops(case: tuple[list[bool], int]) -> None:
    hits, n = case
    expected = naive(hits, n)
    for name, metric in metrics.RANKING.items():
        (value,) = metric(np.array([hits]), np.array([n]))
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
    np.testing.assert_allclose(metrics.ndcg(hits, n)[0], ndcg_score([relevant], [scores]), rtol=1e-12)
    np.testing.assert_allclose(metrics.ndcg(hits[:, :5], n)[0], ndcg_score([relevant], [scores], k=5), rtol=1e-12)
    np.testing.assert_allclose(
        metrics.average_precision(hits, n)[0], average_precision_score(relevant, scores), rtol=1e-12
    )


def test_one_hit_at_rank_one_is_a_perfect_ndcg() -> None:
    hits = np.zeros((1, 10), dtype=bool)
    hits[0, 0] = True
    assert metrics.ndcg(hits, np.array([1]))[0] == 1.0
    assert metrics.recall(hits, np.array([20]))[0] == 0.05
    assert metrics.recall_truncated(hits, np.array([20]))[0] == 0.1


def test_rating_metrics_are_global() -> None:
    """One root over all pairs, not a mean of roots; equal to scikit-learn's."""
    rng = np.random.default_rng(0)
    predicted, true = rng.normal(size=101), rng.normal(size=101)
    assert metrics.rmse(predicted, true) == pytest.approx(root_mean_squared_error(true, predicted), rel=1e-12)
    assert metrics.mae(predicted, true) == pytest.approx(mean_absolute_error(true, predicted), rel=1e-12)
    assert metrics.rmse(np.array([0.0, 0, 0]), np.array([3.0, 0, 0])) == pytest.approx(math.sqrt(3))
    assert math.isnan(metrics.rmse(np.zeros(0), np.zeros(0)))


def test_catalogue_metrics() -> None:
    lists = np.array([[0, 1], [0, 1], [0, -1]])
    assert metrics.coverage(lists, 4) == 0.5
    counts = [0, 0, 2, 3]
    naive_gini = sum(abs(a - b) for a in counts for b in counts) / (2 * len(counts) * sum(counts))
    assert metrics.gini(lists, 4) == pytest.approx(naive_gini)
    assert metrics.gini(np.array([[0], [1]]), 2) == 0
    assert metrics.novelty(np.array([[0, 1, -1]]), np.array([0.5, 0.25])) == pytest.approx(1.5)
    assert math.isnan(metrics.novelty(np.array([[-1]]), np.array([0.5])))


def test_every_metric_has_its_formula() -> None:
    assert set(metrics.FORMULAS) == {"rmse", "mae", *metrics.RANKING, *metrics.CATALOGUE}
