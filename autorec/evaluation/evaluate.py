"""One model on ratings it has not seen: the error of its ratings, the quality of its lists."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autorec.errors import InputError, ParameterError
from autorec.evaluation import metrics
from autorec.evaluation.page import evaluation_page
from autorec.evaluation.slices import calibration, error_by_count
from autorec.evaluation.tables import markdown_table, number
from autorec.models.base import Recommender
from autorec.models.positives import threshold as threshold_of
from autorec.models.topn import top_n
from autorec.ratings.matrix import Ratings, as_ratings


@dataclass(frozen=True, eq=False)
class Evaluation:
    """metrics: name → value, NaN where undefined; models that do not rate have no rmse and mae.

    counts: what went in and what could not be answered by the model itself. per_user: one row a test user: raw id, mean
    squared error, ranking metrics. settings: k, relevant. slices: the rating error by predicted level, by training
    ratings of the user and of the item.
    """

    metrics: dict[str, float]
    counts: dict[str, int]
    per_user: pd.DataFrame
    settings: dict[str, Any]
    slices: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; an undefined metric is None."""
        values = {name: None if np.isnan(value) else value for name, value in self.metrics.items()}
        return {
            "metrics": values,
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
        rows = [[name, number(value)] for name, value in self.metrics.items()]
        parts = ["# Evaluation", markdown_table(["metric", "value"], rows), counts_text(self.counts, self.settings)]
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
    threshold = threshold_of(model.ratings_.scale) if relevant is None else float(relevant)
    rating, errors, cold, slices = _rating_part(model, test)
    ranking, per_user, counts = _ranking_part(model, test, ks, threshold)
    table = pd.DataFrame({"user": test.user_ids} | errors | per_user)
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
    values = {"rmse": metrics.rmse(predicted, true), "mae": metrics.mae(predicted, true)}
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
    items, hits = _lists(model, test, entries, ranked, rows[ranked], max(ks))
    values: dict[str, float] = {}
    per_user: dict[str, npt.NDArray[np.float64]] = {}
    popularity = np.bincount(model.ratings_.csr.indices, minlength=model.ratings_.n_items) / model.ratings_.n_users
    for k in ks:
        for name, metric in metrics.RANKING.items():
            column = np.full(test.n_users, np.nan)
            column[ranked] = metric(hits[:, :k], relevant[ranked])
            per_user[f"{name}@{k}"] = column
            values[f"{name}@{k}"] = float(np.nanmean(column)) if len(ranked) else float("nan")
        shown = items[:, :k]
        values[f"coverage@{k}"] = metrics.coverage(shown, model.ratings_.n_items)
        values[f"gini@{k}"] = metrics.gini(shown, model.ratings_.n_items)
        values[f"novelty@{k}"] = metrics.novelty(shown, np.maximum(popularity, 0.5 / model.ratings_.n_users))
    counts = {
        "ranked_users": len(ranked),
        "users_without_relevant": int((relevant == 0).sum()),
        "unknown_users": int(((relevant > 0) & (rows < 0)).sum()),
    }
    return values, per_user, counts


def _lists(
    model: Recommender,
    test: Ratings,
    entries: npt.NDArray[np.bool_],
    ranked: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    k: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Items [ranked users × k] as columns of the model, −1 for places left empty, and whether each is relevant."""
    n_items = model.ratings_.n_items
    column = model.ratings_.find_items(test.item_ids)[test.csr.indices]
    wanted = entries & (column >= 0)
    # A pair as one number; sorted, so that membership is a search.
    keys = np.sort(test.rows()[wanted].astype(np.int64) * n_items + column[wanted])
    items = np.full((len(ranked), k), -1, dtype=np.int64)
    start = 0
    for block, found, _ in top_n(model._score_rows, rows, n_items, min(k, n_items), model.ratings_.csr):
        items[start : start + len(block), : found.shape[1]] = found
        start += len(block)
    pairs = ranked[:, None] * n_items + items
    places = np.minimum(np.searchsorted(keys, pairs), max(len(keys) - 1, 0))
    hits = (keys[places] == pairs) & (items >= 0) if len(keys) else np.zeros(items.shape, dtype=bool)
    return items, hits


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
