"""One model on ratings it has not seen: the error of its ratings, the quality of its lists."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autorec.errors import InputError, ParameterError
from autorec.evaluation import metrics
from autorec.evaluation.auc import user_auc
from autorec.evaluation.bootstrap import bootstrap_intervals
from autorec.evaluation.page import evaluation_page
from autorec.evaluation.slices import calibration, error_by_count
from autorec.evaluation.tables import markdown_table, number
from autorec.models.base import Recommender
from autorec.models.topn import top_n
from autorec.ratings.matrix import Ratings, as_ratings, liked_from


@dataclass(frozen=True, eq=False)
class Evaluation:
    """metrics: name → value, NaN where undefined; models that do not rate have no rmse and mae.

    counts: what went in and what could not be answered by the model itself. per_user: one row a test user: raw id,
    number of test ratings, mean squared error, ranking metrics. settings: k, relevant. slices: the rating error by
    predicted level, by training ratings of the user and of the item.
    """

    metrics: dict[str, float]
    counts: dict[str, int]
    per_user: pd.DataFrame
    settings: dict[str, Any]
    slices: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    @cached_property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """Metric → 95 % interval over the test users; see `autorec.evaluation.bootstrap`. Not for all metrics."""
        return bootstrap_intervals(self.per_user)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; an undefined metric is None."""
        values = {name: None if np.isnan(value) else value for name, value in self.metrics.items()}
        return {
            "metrics": values,
            "intervals": self.intervals,
            "counts": self.counts,
            "settings": self.settings,
            "slices": self.slices,
            "formulas": formulas(self.metrics),
        }

    def to_html(self) -> str:
        """One page with metrics, figures and formulas; needs nothing from elsewhere."""
        return evaluation_page(self.to_dict(), self, counts_text(self.counts, self.settings))

    def to_markdown(self) -> str:
        """Table of metrics, counts and formulas."""
        rows = [[name, number(value), interval_text(self.intervals.get(name))] for name, value in self.metrics.items()]
        table = markdown_table(["metric", "value", INTERVAL], rows)
        parts = ["# Evaluation", table, counts_text(self.counts, self.settings)]
        return "\n\n".join([*parts, formulas_text(self.metrics)]) + "\n"


def evaluate(
    model: Recommender, test: Any, *, k: Sequence[int] | int = (10,), relevant: float | None = None, fold_in: Any = None
) -> Evaluation:
    """Evaluate a fitted model on test ratings (Ratings, DataFrame or SciPy matrix).

    k: lengths of the lists. relevant: a test rating from here up makes its item relevant; default low + ¾·(high −
    low) of the model's scale, which is 4 on 1 … 5. fold_in: ratings of users the model has not seen; they become its
    users first.

    Rating metrics take every test pair; pairs with an unknown user or item are answered by the model's fallback and
    counted. Ranking metrics take test users that the model knows and that have a relevant test item; the others are
    counted.
    """
    test = as_ratings(test)
    if not len(test):
        raise InputError("there are no test ratings")
    ks = tuple(sorted({int(one) for one in np.atleast_1d(np.asarray(k))}))
    if not ks or ks[0] < 1:
        raise ParameterError(f"k is {k!r}; allowed: whole numbers from 1 up")
    if fold_in is not None:
        model = model.fold_in(fold_in)
    threshold = liked_from(model.ratings_.scale) if relevant is None else float(relevant)
    rating, errors, cold, slices = _rating_part(model, test)
    ranking, per_user, counts = _ranking_part(model, test, ks, threshold)
    table = pd.DataFrame({"user": test.user_ids, "ratings": np.diff(test.csr.indptr)} | errors | per_user)
    counts = {"test_ratings": len(test), "test_users": test.n_users} | cold | counts
    return Evaluation(rating | ranking, counts, table, {"k": list(ks), "relevant": threshold}, slices)


def _rating_part(
    model: Recommender, test: Ratings
) -> tuple[dict[str, float], dict[str, npt.NDArray[np.float64]], dict[str, int], dict[str, list[dict[str, float]]]]:
    """Metrics; [test users] mean squared error; count of pairs that only the fallback could answer; slices."""
    rows = test.rows()
    users, items = test.user_ids[rows], test.item_ids[test.csr.indices]
    known = model.known(users, items)
    counts = {"cold_ratings": int((~known).sum())}
    if not model.rates:
        return {}, {}, counts, {}
    true = test.csr.data.astype(np.float64)
    predicted = model.predict(users, items)
    by_user = np.bincount(rows, (predicted - true) ** 2, test.n_users) / np.maximum(np.diff(test.csr.indptr), 1)
    values = {
        "rmse": metrics.rmse(predicted, true),
        "mae": metrics.mae(predicted, true),
        "rmse_by_user": metrics.rmse_by_user(by_user),
    }
    slices = {
        "calibration": calibration(predicted, true, model.ratings_.scale),
        "error_by_user_ratings": error_by_count(predicted, true, _known_ratings(model, test, "users")[rows]),
        "error_by_item_ratings": error_by_count(
            predicted, true, _known_ratings(model, test, "items")[test.csr.indices]
        ),
    }
    return values, {"squared_error": by_user}, counts, slices


def _known_ratings(model: Recommender, test: Ratings, of: str) -> npt.NDArray[np.int64]:
    """[test users or items] how many ratings the model was given of each; 0 where it is unknown."""
    fitted = model.ratings_
    if of == "users":
        counts, places = np.diff(fitted.csr.indptr), fitted.find_users(test.user_ids)
    else:
        counts, places = np.bincount(fitted.csr.indices, minlength=fitted.n_items), fitted.find_items(test.item_ids)
    return np.where(places >= 0, counts[places], 0).astype(np.int64)


def _ranking_part(
    model: Recommender, test: Ratings, ks: Sequence[int], threshold: float
) -> tuple[dict[str, float], dict[str, npt.NDArray[np.float64]], dict[str, int]]:
    entries = test.csr.data >= threshold
    relevant = np.bincount(test.rows()[entries], minlength=test.n_users)  # [test users]
    rows = model.ratings_.find_users(test.user_ids)
    ranked = np.flatnonzero((relevant > 0) & (rows >= 0))
    lists = _lists(model, test, entries, ranked, rows[ranked], max(ks))
    values: dict[str, float] = {}
    per_user: dict[str, npt.NDArray[np.float64]] = {}

    def keep(name: str, of_ranked: npt.NDArray[np.float64]) -> None:
        column = np.full(test.n_users, np.nan)
        column[ranked] = of_ranked
        per_user[name] = column
        values[name] = float(np.nanmean(column)) if not np.isnan(column).all() else float("nan")

    counts = np.bincount(model.ratings_.csr.indices, minlength=model.ratings_.n_items)
    popularity = np.maximum(counts, 0.5) / model.ratings_.n_users  # of an unrated item: as if half a user had rated it
    for k in ks:
        for name, metric in metrics.RANKING.items():
            keep(f"{name}@{k}", metric(lists.hits[:, :k], relevant[ranked]))
        keep(f"ndcg_graded@{k}", metrics.ndcg_graded(lists.gains[:, :k], lists.ideal[:, :k]))
        shown = lists.items[:, :k]
        values[f"coverage@{k}"] = metrics.coverage(shown, model.ratings_.n_items)
        values[f"gini@{k}"] = metrics.gini(shown, model.ratings_.n_items)
        values[f"novelty@{k}"] = metrics.novelty(shown, popularity)
        values[f"popularity_lift@{k}"] = metrics.popularity_lift(shown, counts)
    keep("auc", lists.auc)
    told = {
        "ranked_users": len(ranked),
        "users_without_relevant": int((relevant == 0).sum()),
        "unknown_users": int(((relevant > 0) & (rows < 0)).sum()),
    }
    return values, per_user, told


@dataclass(frozen=True, eq=False)
class _Lists:
    """Of each ranked user [users × k]: items as columns of the model (−1: left empty), whether each is relevant, its
    gain, the gains of the user's test items in the best order; [users] the area under the curve."""

    items: npt.NDArray[np.int64]
    hits: npt.NDArray[np.bool_]
    gains: npt.NDArray[np.float64]
    ideal: npt.NDArray[np.float64]
    auc: npt.NDArray[np.float64]


def _lists(
    model: Recommender,
    test: Ratings,
    entries: npt.NDArray[np.bool_],
    ranked: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    k: int,
) -> _Lists:
    n_items = model.ratings_.n_items
    place = np.full(test.n_users, -1)
    place[ranked] = np.arange(len(ranked))
    owner = place[test.rows()]  # [test ratings] number of the user among the ranked
    column = model.ratings_.find_items(test.item_ids)[test.csr.indices]
    gain = test.csr.data.astype(np.float64) - model.ratings_.scale[0]
    known = (owner >= 0) & (column >= 0)
    # A pair as one number; sorted, so that membership is a search.
    keys = owner[known] * n_items + column[known]
    order = np.argsort(keys)
    keys, key_gain, key_hit = keys[order], gain[known][order], entries[known][order]
    relevant = keys[key_hit]
    ptr = np.searchsorted(relevant, np.arange(len(ranked) + 1) * n_items)
    items = np.full((len(ranked), k), -1, dtype=np.int64)
    auc = np.full(len(ranked), np.nan)
    start = 0

    def look(block: npt.NDArray[np.integer[Any]], scores: npt.NDArray[np.float32]) -> None:
        part = slice(start, start + len(block))
        auc[part] = user_auc(scores, ptr[start : start + len(block) + 1], relevant % n_items)

    for block, found, _ in top_n(model._score_rows, rows, n_items, min(k, n_items), model.ratings_.csr, look):
        items[start : start + len(block), : found.shape[1]] = found
        start += len(block)
    pairs = np.arange(len(ranked))[:, None] * n_items + items
    places = np.minimum(np.searchsorted(keys, pairs), max(len(keys) - 1, 0))
    rated = (keys[places] == pairs) & (items >= 0) if len(keys) else np.zeros(items.shape, dtype=bool)
    hits = rated & key_hit[places] if len(keys) else rated
    gains = np.where(rated, key_gain[places], 0.0) if len(keys) else np.zeros(items.shape)
    return _Lists(items, hits, gains, _ideal(owner, gain, len(ranked), k), auc)


def _ideal(
    owner: npt.NDArray[np.int64], gain: npt.NDArray[np.float64], n_users: int, k: int
) -> npt.NDArray[np.float64]:
    """[users × k] the gains of each user's test items, descending, items unknown to the model included."""
    mine = owner >= 0
    owner, gain = owner[mine], gain[mine]
    order = np.lexsort((-gain, owner))
    owner, gain = owner[order], gain[order]
    rank = np.arange(len(owner)) - np.searchsorted(owner, owner)
    ideal = np.zeros((n_users, k))
    top = rank < k
    ideal[owner[top], rank[top]] = gain[top]
    return ideal


INTERVAL = "95 % interval over users"


def interval_text(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"{number(interval[0])} to {number(interval[1])}"


def formulas(names: Any) -> dict[str, str]:
    """The formula of each metric that occurs."""
    used = dict.fromkeys(name.partition("@")[0] for name in names)
    return {name: metrics.FORMULAS[name] for name in used}


def formulas_text(names: Any) -> str:
    lines = [f"- {name}: {formula}" for name, formula in formulas(names).items()]
    return "Formulas, each ranking metric a mean over users:\n\n" + "\n".join(lines)


def counts_text(counts: dict[str, int], settings: dict[str, Any]) -> str:
    """What went in and what could not be answered, in sentences."""
    return (
        f"{counts['cold_ratings']:,} of {counts['test_ratings']:,} test ratings have a user or item unknown to "
        f"the model: answered by its fallback, and counted. Relevant: a test rating of {settings['relevant']:g} or "
        f"more. Lists are the best of all items not rated in training, for {counts['ranked_users']:,} of "
        f"{counts['test_users']:,} test users; "
        f"{counts['users_without_relevant']:,} have no relevant test item, "
        f"{counts['unknown_users']:,} are unknown to the model."
    )
