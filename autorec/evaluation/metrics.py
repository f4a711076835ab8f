"""Metrics as formulas. Rating metrics take pairs; ranking metrics take who was hit where.

For ranking a user's list is the k best of all items that the user has not rated in training (full ranking, never
sampled candidates), ties to the lower item. hits [users × k] is True where the item at that rank is relevant: a test
rating at the threshold or above. relevant [users] counts the relevant test items, those unknown to the model included:
they are missed. A user without relevant items has no value (NaN) and is left out of means.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Hits = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.integer[Any]]


def rmse(predicted: Float, true: Float) -> float:
    """√(Σ (r̂ − r)² / n) over all pairs at once; NaN without pairs."""
    return float(np.sqrt(np.mean((predicted - true) ** 2))) if len(true) else float("nan")


def mae(predicted: Float, true: Float) -> float:
    """Σ |r̂ − r| / n over all pairs; NaN without pairs."""
    return float(np.mean(np.abs(predicted - true))) if len(true) else float("nan")


def rmse_by_user(squared_error: Float) -> float:
    """Mean over users of the root of their mean squared error, each user alike; NaN without users."""
    return float(np.sqrt(squared_error).mean()) if len(squared_error) else float("nan")


def precision(hits: Hits, relevant: Counts) -> Float:
    """[users] hits / k, also where fewer than k items could be recommended."""
    return _defined(hits.sum(axis=1) / hits.shape[1], relevant)


def recall(hits: Hits, relevant: Counts) -> Float:
    """[users] hits / n, n the relevant items of the user."""
    return _defined(hits.sum(axis=1) / np.maximum(relevant, 1), relevant)


def recall_truncated(hits: Hits, relevant: Counts) -> Float:
    """[users] hits / min(k, n): 1 is always in reach. The recall of the Mult-VAE papers."""
    return _defined(hits.sum(axis=1) / np.clip(relevant, 1, hits.shape[1]), relevant)


def hit(hits: Hits, relevant: Counts) -> Float:
    """[users] 1 with at least one hit, else 0."""
    return _defined(np.asarray(hits.any(axis=1), dtype=np.float64), relevant)


def mrr(hits: Hits, relevant: Counts) -> Float:
    """[users] 1 / rank of the first hit, 0 without a hit."""
    return _defined(np.where(hits.any(axis=1), 1.0 / (1 + hits.argmax(axis=1)), 0.0), relevant)


def ndcg(hits: Hits, relevant: Counts) -> Float:
    """[users] Σ_hits 1/log₂(1 + rank) ÷ Σ_{rank ≤ min(k, n)} 1/log₂(1 + rank): binary gain, ideal cut at min(k, n)."""
    discounts = 1 / np.log2(np.arange(2, hits.shape[1] + 2))
    ideal = np.concatenate(([1.0], np.cumsum(discounts)))  # [0] is never used but for users without a value
    return _defined(np.asarray(hits @ discounts) / ideal[np.minimum(relevant, hits.shape[1])], relevant)


def average_precision(hits: Hits, relevant: Counts) -> Float:
    """[users] Σ_hits (hits up to this rank / rank) ÷ min(k, n). Its mean over users is MAP@k."""
    ranks = np.arange(1, hits.shape[1] + 1)
    total = (hits * np.cumsum(hits, axis=1) / ranks).sum(axis=1)
    return _defined(total / np.clip(relevant, 1, hits.shape[1]), relevant)


def ndcg_graded(gains: Float, ideal: Float) -> Float:
    """[users] Σ gain/log₂(1 + rank) ÷ the same sum over the user's test items in the best order, at most k of them.

    gains [users × k]: test rating − lowest rating of the scale at each rank, 0 where there is no test rating; ideal
    [users × k]: the gains of the user's test items, descending, filled with 0. All test ratings count, not the relevant
    ones only; gains are linear, as in scikit-learn's ndcg_score (others take 2^gain − 1). NaN where the ideal is 0.
    """
    discounts = 1 / np.log2(np.arange(2, gains.shape[1] + 2))
    best = ideal @ discounts
    return np.asarray(np.divide(gains @ discounts, best, out=np.full(len(best), np.nan), where=best > 0))


RANKING: dict[str, Callable[[Hits, Counts], Float]] = {
    "precision": precision,
    "recall": recall,
    "recall_truncated": recall_truncated,
    "ndcg": ndcg,
    "map": average_precision,
    "mrr": mrr,
    "hit": hit,
}


def coverage(items: Counts, n_items: int) -> float:
    """Items in at least one list ÷ all items of the model. items [users × k], −1 for a place left empty."""
    shown = np.bincount(items[items >= 0], minlength=n_items)
    return float(np.count_nonzero(shown) / n_items) if n_items else float("nan")


def gini(items: Counts, n_items: int) -> float:
    """Gini coefficient of how often each item is recommended: 0 all alike, towards 1 the same few for everyone.

    Σ_j (2j − n − 1)·c_j ÷ (n·Σ c), c sorted ascending, j from 1, n items of the model; NaN when nothing is recommended.
    """
    counts = np.sort(np.bincount(items[items >= 0], minlength=n_items)).astype(np.float64)
    if not counts.sum():
        return float("nan")
    j = np.arange(1, n_items + 1)
    return float(((2 * j - n_items - 1) * counts).sum() / (n_items * counts.sum()))


def novelty(items: Counts, popularity: Float) -> float:
    """Mean of −log₂(share of users who rated the item) over all recommended places. popularity [items], above 0."""
    shown = items[items >= 0]
    return float(-np.log2(popularity[shown]).mean()) if len(shown) else float("nan")


def popularity_lift(items: Counts, counts: Counts) -> float:
    """Mean ratings of a recommended item ÷ mean ratings of the item of a training rating; 1: as popular as what users
    rate anyway, above: more. counts [items]: training ratings. NaN when nothing is recommended."""
    shown = items[items >= 0]
    weights = counts.astype(np.float64)
    return float(weights[shown].mean() / ((weights**2).sum() / weights.sum())) if len(shown) else float("nan")


CATALOGUE = ("coverage", "gini", "novelty", "popularity_lift")

FORMULAS = {
    "rmse": "√(Σ(r̂ − r)² / n), over all test ratings at once",
    "rmse_by_user": "mean over users of √(mean squared error of the user)",
    "mae": "Σ|r̂ − r| / n, over all test ratings",
    "precision": "hits / k",
    "recall": "hits / n, n the user's relevant test items",
    "recall_truncated": "hits / min(k, n)",
    "ndcg": "Σ_hits 1/log₂(1 + rank) ÷ the same sum over the first min(k, n) ranks",
    "map": "Σ_hits (hits so far / rank) ÷ min(k, n)",
    "mrr": "1 / rank of the first hit, 0 without",
    "hit": "1 with at least one hit, else 0",
    "ndcg_graded": "Σ gain/log₂(1 + rank) ÷ the same of the best order; gain: test rating − lowest rating of the scale",
    "auc": "share of (relevant, other unseen item) pairs ranked the right way round, ties one half; whole ranking",
    "coverage": "items in at least one list ÷ items of the model",
    "gini": "Gini coefficient of how often each item is recommended",
    "popularity_lift": "mean ratings of recommended items ÷ of the items of training ratings",
    "novelty": "mean −log₂(share of training users who rated the recommended item)",
}


def _defined(values: Float, relevant: Counts) -> Float:
    return np.where(relevant > 0, values, np.nan)
