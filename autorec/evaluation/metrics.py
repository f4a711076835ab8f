"""Metrics as formulas. Rating metrics take predicted and true ratings; ranking metrics take the ranks of hits.

For ranking a user's list is the K best of all items that the user has not rated in training (full ranking, never
sampled candidates), ties to the lower item. A hit is a relevant item in it: one with a test rating at the threshold or
above. relevant [users] counts the relevant test items, those unknown to the model included: they are missed. Values are
[users × lengths], for each length k at which the list is cut; a user without relevant items has none (NaN) and is left
out of means.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec.compiled import kernel
from autorec.ranking.dcg import discounts, ideal_dcg

Float = npt.NDArray[np.float64]
Counts = npt.NDArray[np.integer[Any]]
Lengths = Sequence[int]

LISTS = 100  # lists measured, evenly spaced over the users; the standard error of their mean is below 0.01


@dataclass(frozen=True, eq=False)
class Hits:
    """The ranks of some items, such as relevant ones, in the lists of users.

    users  [hits] 0 … n_users − 1, ascending
    ranks  [hits] from 1, ascending for each user; those beyond the last of ks count nowhere
    ks     lengths at which the lists are cut, ascending
    """

    n_users: int
    ks: Lengths
    users: Counts
    ranks: Counts

    def sums(self, values: Float | None = None) -> Float:
        """[users × ks] Σ values [hits] over the hits within the first k ranks; without values, their number."""
        columns = len(self.ks) + 1  # the last one takes what is beyond
        parts = np.bincount(self._cells, values, self.n_users * columns).reshape(self.n_users, columns)
        return np.cumsum(parts[:, :-1], axis=1, dtype=np.float64)

    @cached_property
    def _cells(self) -> Counts:
        """[hits] user × the shortest list that holds it."""
        column = np.searchsorted(np.asarray(self.ks), np.arange(self.ks[-1] + 2))  # of each rank
        return self.users * (len(self.ks) + 1) + column[np.minimum(self.ranks, self.ks[-1] + 1)]

    @cached_property
    def counts(self) -> Float:
        """[users × ks] hits within the first k ranks."""
        return self.sums()

    @cached_property
    def ordinals(self) -> Counts:
        """[hits] 1 for a user's first hit, 2 for the second, …"""
        before = np.searchsorted(self.users, np.arange(self.n_users))
        return np.arange(1, len(self.users) + 1) - before[self.users]

    @property
    def discounts(self) -> Float:
        """[hits] 1 / log₂(1 + rank)."""
        return discounts(int(self.ranks.max(initial=0)))[self.ranks - 1]


def rmse(predicted: Float, true: Float) -> float:
    """predicted r̂, true r [pairs] → √(Σ (r̂ − r)² / n), a scalar; NaN without pairs."""
    return float(np.sqrt(np.mean((predicted - true) ** 2))) if len(true) else float("nan")


def mae(predicted: Float, true: Float) -> float:
    """predicted r̂, true r [pairs] → Σ |r̂ − r| / n, a scalar; NaN without pairs."""
    return float(np.mean(np.abs(predicted - true))) if len(true) else float("nan")


def rmse_by_user(squared_error: Float) -> float:
    """Mean squared errors [users] → the mean of their roots, a scalar; NaN without users."""
    return float(np.sqrt(squared_error).mean()) if len(squared_error) else float("nan")


def precision(hits: Hits, relevant: Counts) -> Float:
    """[users × ks] hits / k, also where fewer than k items could be recommended."""
    return _mask_undefined(hits.counts / hits.ks, relevant)


def recall(hits: Hits, relevant: Counts) -> Float:
    """[users × ks] hits / n, n the relevant items of the user."""
    return _mask_undefined(hits.counts / np.maximum(relevant, 1)[:, None], relevant)


def recall_truncated(hits: Hits, relevant: Counts) -> Float:
    """[users × ks] hits / min(k, n), so that 1 is possible; the recall of the Mult-VAE papers."""
    return _mask_undefined(hits.counts / _count_reachable(relevant, hits.ks), relevant)


def hit(hits: Hits, relevant: Counts) -> Float:
    """[users × ks] 1 with at least one hit, else 0."""
    return _mask_undefined((hits.counts > 0).astype(np.float64), relevant)


def mrr(hits: Hits, relevant: Counts) -> Float:
    """[users × ks] 1 / rank of the first hit, 0 without a hit."""
    return _mask_undefined(hits.sums((hits.ordinals == 1) / hits.ranks), relevant)


def ndcg(hits: Hits, relevant: Counts) -> Float:
    """[users × ks] Σ_hits 1/log₂(1 + rank) ÷ Σ_{rank ≤ min(k, n)} 1/log₂(1 + rank): binary gain, ideal at min(k, n)."""
    ideal = ideal_dcg(_count_reachable(relevant, hits.ks), hits.ks[-1])
    return _mask_undefined(hits.sums(hits.discounts) / ideal, relevant)


def average_precision(hits: Hits, relevant: Counts) -> Float:
    """[users × ks] Σ_hits (hits up to this rank / rank) ÷ min(k, n). Its mean over users is MAP@k."""
    return _mask_undefined(hits.sums(hits.ordinals / hits.ranks) / _count_reachable(relevant, hits.ks), relevant)


def ndcg_graded(hits: Hits, gains: Float, best: Float) -> Float:
    """[users × ks] Σ gain/log₂(1 + rank) ÷ the same sum over the user's k best test items in the best order.

    hits: ranks of all test items, not of the relevant ones only; gains [hits]: test rating − lowest
    rating of the scale; best [users × ks]: the sums of the best order. Gains are linear, as in scikit-learn's
    ndcg_score (others take 2^gain − 1). NaN where the best is 0.
    """
    found = hits.sums(gains * hits.discounts)
    return np.asarray(np.divide(found, best, out=np.full(best.shape, np.nan), where=best > 0))


RANKING: dict[str, Callable[[Hits, Counts], Float]] = {
    "precision": precision,
    "recall": recall,
    "recall_truncated": recall_truncated,
    "ndcg": ndcg,
    "map": average_precision,
    "mrr": mrr,
    "hit": hit,
}


def coverage(counts: Counts) -> float:
    """counts [items], a row of `lists.shown` → items in at least one list ÷ all items of the model."""
    return float(np.count_nonzero(counts) / len(counts)) if len(counts) else float("nan")


def gini(counts: Counts) -> float:
    """Gini coefficient of counts [items], how often each is recommended: 0 equally often, near 1 the same few.

    Σ_j (2j − n − 1)·c_j ÷ (n·Σ c), c sorted ascending, j from 1, n items of the model; NaN when nothing is recommended.
    """
    n, total = len(counts), float(counts.sum())
    j = np.arange(1, n + 1)
    return float(((2 * j - n - 1) * np.sort(counts).astype(np.float64)).sum() / (n * total)) if total else float("nan")


def novelty(counts: Counts, popularity: Float) -> float:
    """Mean of −log₂(popularity) over all recommended items. counts [items]: how often each is recommended; popularity
    [items]: share of users who rated it, above 0."""
    return _mean(-np.log2(popularity), counts)


def popularity_lift(counts: Counts, ratings: Counts) -> float:
    """Mean number of ratings of a recommended item ÷ that of the item of a training rating; 1: as popular as what users
    rate. counts [items]: how often each is recommended; ratings [items]: number of training ratings. NaN when nothing
    is recommended."""
    return _mean(ratings, counts) / _mean(ratings, ratings)


def auc(
    scores: npt.NDArray[np.float32], rows: npt.NDArray[np.integer[Any]], columns: npt.NDArray[np.integer[Any]]
) -> npt.NDArray[np.float64]:
    """[users] the area under the ROC curve, of the whole order of the items: the share of pairs (relevant item, other
    candidate) where the relevant one has the higher score, ties ½.

    scores [users × items] float32, −inf where an item is no candidate (seen in training). The pairs (rows[p],
    columns[p]) are the relevant items, each once; those that are no candidates are left out. NaN without a relevant
    candidate or without another one. Equal to scikit-learn's roc_auc_score over the candidates.

    With above(r) and equal(r) the candidates of higher and of the same score, the relevant ones and r itself included:
    1 − (Σ_r (above(r) + ½ equal(r)) − n²/2) / (n · others), as the pairs of two relevant ones make up n²/2.
    """
    users, of_relevant = len(scores), scores[rows, columns]
    rows, of_relevant = rows[of_relevant > -np.inf], of_relevant[of_relevant > -np.inf]
    above, equal = _count_above(scores, rows, of_relevant)
    candidates, _ = _count_above(scores, np.arange(users), np.full(users, -np.inf, dtype=np.float32))
    n = np.bincount(rows, minlength=users)
    total = np.bincount(rows, above + 0.5 * equal, minlength=users)
    pairs = n * (candidates - n)
    return np.asarray(1 - np.divide(total - 0.5 * n**2, pairs, out=np.full(users, np.nan), where=pairs > 0))


def diversity(
    items: npt.NDArray[np.integer[Any]], ks: Sequence[int], ratings: sparse.csr_array, counts: npt.NDArray[np.int64]
) -> Float:
    """[ks] mean over lists of the mean of 1 − cos(i, j) over the pairs of items in the first k ranks (Ziegler et al.,
    WWW 2005).

    items [users × K], −1 for an empty rank; at most 100 of the lists are taken. cos is that of who rated the items in
    training, ratings [users × items], each rating as 1: users who rated both ÷ √(who rated i · who rated j); 0 where
    nobody rated one of them. counts [items]: ratings of each item. Lists of fewer than two items have no value; NaN
    where no list has one.
    """
    lists = items[np.linspace(0, len(items) - 1, min(len(items), LISTS)).astype(np.int64)]
    recommended = np.unique(lists[lists >= 0])
    raters = sparse.csc_array(ratings[:, recommended])  # [users × recommended items]
    n_raters = counts[recommended]
    weights = (n_raters > 0) / np.sqrt(np.maximum(n_raters, 1))
    values = [_measure_list(np.searchsorted(recommended, one[one >= 0]), ks, raters, weights) for one in lists]
    return means(np.array(values).reshape(len(lists), len(ks)))


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
    "diversity": "mean of 1 − cos(i, j) over the pairs of a list, cos of who rated the items in training; 100 lists",
    "novelty": "mean −log₂(share of training users who rated the recommended item)",
}


def means(values: Float) -> Float:
    """[users × ks] → [ks] over the users who have a value; NaN without any."""
    values = np.ascontiguousarray(values.T)  # each is then summed in the same order, however many there are
    known = ~np.isnan(values)
    n = known.sum(axis=1)
    return np.where(n > 0, np.where(known, values, 0).sum(axis=1) / np.maximum(n, 1), np.nan)


def _count_reachable(relevant: Counts, ks: Lengths) -> Counts:
    """[users × ks] min(k, n), 1 where n is 0."""
    return np.asarray(np.minimum(np.maximum(relevant, 1)[:, None], np.asarray(ks)))


def _mean(values: npt.NDArray[Any], weights: Counts) -> float:
    total = float(weights.sum())
    return float(values @ weights.astype(np.float64)) / total if total else float("nan")


def _mask_undefined(values: Float, relevant: Counts) -> Float:
    return np.where(relevant[:, None] > 0, values, np.nan)


def _count_above(scores: Any, rows: Any, bounds: Any) -> tuple[Counts, Counts]:
    """([p] how many scores of the row rows[p] are above bounds[p], [p] how many are equal to it)."""
    above, equal = np.empty(len(rows), dtype=np.int64), np.empty(len(rows), dtype=np.int64)
    _count(scores, rows.astype(np.int64, copy=False), bounds, above, equal)
    return above, equal


@kernel
def _count(scores: Any, rows: Any, bounds: Any, above: Any, equal: Any) -> None:
    for p in range(len(rows)):
        row, bound = scores[rows[p]], bounds[p]
        higher = same = np.int32(0)
        for item in range(len(row)):  # vectorised; a sum of two int32 would be an int64, of which fewer fit a register
            higher = np.int32(higher + (row[item] > bound))
            same = np.int32(same + (row[item] == bound))
        above[p], equal[p] = higher, same


def _measure_list(
    columns: npt.NDArray[np.integer[Any]], ks: Sequence[int], raters: sparse.csc_array, weights: Float
) -> Float:
    """[ks] mean of 1 − cos over the pairs of the first k items, which are these columns of `raters` [users × items].

    With x_i [users] 1/√(who rated i) for those who rated it, else 0, Σ_{i ≠ j} cos(i, j) = ‖Σ_i x_i‖² − Σ_i ‖x_i‖²: no
    loop over pairs. weights [items]: the 1/√, 0 of an item that nobody rated.
    """
    values = np.full(len(ks), np.nan)
    total, rated = np.zeros(raters.shape[0]), 0  # Σ x_i, and Σ ‖x_i‖²: the items that somebody rated
    for at, (first, last) in enumerate(pairwise((0, *ks))):
        new = columns[first:last]
        _add_columns(raters.indptr, raters.indices, new, weights, total)
        rated += int(np.count_nonzero(weights[new]))
        n = min(last, len(columns))
        if n > 1:
            values[at] = 1 - (total @ total - rated) / (n * (n - 1))
    return values


@kernel
def _add_columns(ptr: Any, rows: Any, columns: Any, weights: Any, total: Any) -> None:
    """Add weights[i] to total[row] for the rows of each of the columns i."""
    for i in columns:
        for k in range(ptr[i], ptr[i + 1]):
            total[rows[k]] += weights[i]
