"""One model on ratings that it has not seen: the error of its ratings, the quality of its lists."""

import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autorec import checks
from autorec.errors import InputError, ParameterError
from autorec.evaluation import metrics
from autorec.evaluation.bootstrap import bootstrap_intervals
from autorec.evaluation.cautions import caution, caution_of_strangers, relevant_from
from autorec.evaluation.lists import ranked_lists, shown
from autorec.evaluation.own_metrics import NONE, Metric, OwnMetrics, sort_metrics
from autorec.evaluation.slices import calibration, error_by_count
from autorec.insight.intervals import measure_coverage
from autorec.models import scoring
from autorec.models.base import Recommender
from autorec.models.histories import as_ratings_of
from autorec.ratings.matrix import Ratings, liked_from
from autorec.ratings.split import Split
from autorec.report import frames
from autorec.report.evaluation_report import Counts, Coverage, EvaluationReport, Settings, Slices
from autorec.report.evaluation_text import evaluation_markdown
from autorec.report.page import evaluation_page
from autorec.report.plots import plot_evaluation
from autorec.report.save import save_result
from autorec.report.tables import arrow, metric_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
from sklearn.base import clone

from autorec.models.own import wrap
from autorec.models.presets import create

_LONGEST = 1_000_000  # list


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """The result of `evaluate`.

    metrics   name → value, NaN where undefined; models that do not rate have no rmse and mae
    counts    how much was tested, and how much the model itself could not answer
    per_user  DataFrame user, ratings (number tested)[, squared_error (their mean)], ranking metrics; a row a user
    slices    the rating error by predicted level, by training ratings of the user and of the item; None without ratings
    model     its class and settings; date: when it was evaluated
    caution   a sentence where the model has test ratings, else None
    formulas  of each metric, by its name without @k; of one's own the first line of the docstring
    coverage  of intervals, None where none was asked for
    name      of the test ratings, in titles

    >>> ratings = autorec.load_sample()
    >>> (one,) = autorec.split(ratings, "random:0.1")
    >>> evaluation = autorec.evaluate(autorec.Bias().fit(one.train), one.test)
    >>> evaluation.to_frame().loc["rmse"].round(2).to_dict()
    {'value': 1.09, 'low': 1.06, 'high': 1.11}
    >>> evaluation.per_user.columns.tolist()[:2]
    ['user', 'ratings']
    """

    metrics: dict[str, float]
    counts: Counts
    per_user: pd.DataFrame
    settings: Settings
    slices: Slices | None = None
    model: str = ""
    date: str = field(default_factory=lambda: now())
    caution: str | None = None
    formulas: Mapping[str, str] = field(default_factory=dict)
    coverage: Coverage | None = None
    name: str = ""

    @cached_property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """Metric → 95 % interval over the test users; see `autorec.evaluation.bootstrap`. Not for all metrics."""
        return bootstrap_intervals(self.per_user)

    def report(self) -> EvaluationReport:
        """The content of pages and files."""
        return EvaluationReport(
            model=self.model,
            date=self.date,
            metrics=self.metrics,
            intervals=self.intervals,
            counts=self.counts,
            settings=self.settings,
            slices=self.slices,
            formulas=self.formulas,
            caution=self.caution,
            coverage=self.coverage,
            name=self.name,
        )

    def of_lists(self) -> "Evaluation":
        """The same without rating metrics, for a test part of liked items alone."""
        lists = {name: value for name, value in self.metrics.items() if "@" in name or name == "auc"}
        table = self.per_user.drop(columns="squared_error", errors="ignore")
        return replace(self, metrics=lists, per_user=table, slices=None)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; an undefined metric is None."""
        return self.report().to_dict()

    def to_html(self) -> str:
        """One HTML page with metrics, figures and formulas, which loads nothing. AutoRecError: the extra `report` is
        missing."""
        return evaluation_page(self.report())

    def to_markdown(self) -> str:
        """Table of metrics, counts and formulas."""
        return evaluation_markdown(self.report())

    def to_frame(self) -> pd.DataFrame:
        """DataFrame, index metric; value, low, high: the 95 % interval over users, NaN where there is none."""
        return frames.evaluation_frame(self.report())

    def to_latex(self) -> str:
        """`to_frame` as a table for the package booktabs. AutoRecError: the extra `report` is missing."""
        return frames.to_latex(self.to_frame().rename(index=metric_label), self.model)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the report by the suffix: .json, .md, .html, .csv or .tex. ParameterError: another suffix."""
        save_result(self, path)

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the metrics with their intervals on matplotlib axes, the current ones by default; returns the axes."""
        return plot_evaluation(self.report(), ax)

    def __repr__(self) -> str:
        first = [name for name in ("rmse", *(f"ndcg@{k}" for k in self.settings.k)) if name in self.metrics]
        values = ", ".join(f"{name} {self.metrics[name]:.4f}" for name in first)
        return f"<Evaluation of {self.model} on {self.counts.test_ratings:,} test ratings: {values}>"

    def _repr_html_(self) -> str:
        facts = {"caution": self.caution} if self.caution else {}
        title = f"{self.model}, {self.counts.test_ratings:,} test ratings of {self.counts.test_users:,} users"
        return frames.to_notebook(
            self.to_frame().rename(index=lambda name: metric_label(name) + arrow(name)), title, facts
        )


def now() -> str:
    """The date and time, for reports."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _find_formulas(names: Iterable[str], own: OwnMetrics) -> dict[str, str]:
    """The formula of each metric that occurs, by its name without @k."""
    used = dict.fromkeys(name.partition("@")[0] for name in names)
    known = {**metrics.FORMULAS, **own.formulas}
    return {name: known[name] for name in used}


def evaluate(
    model: Any,
    test: Any,
    *,
    k: Sequence[int] | int = (10,),
    relevant: float | None = None,
    fold_in: Any = None,
    cold: float | None = None,
    metrics: Sequence[Metric] = (),
    interval: float | None = None,
    name: str = "",
) -> Evaluation:
    """Evaluate a model on test ratings.

    model     a fitted one; of a Split also a name, an estimator or a model of one's own, which is fitted first
    test      Ratings, DataFrame user, item, rating, a sparse matrix of the model's users × items, or a Split
    k         length of the lists, or several
    relevant  the lowest test rating of a relevant item; None: low + ¾·(high − low) of the model's scale, 4 on 1 … 5
    fold_in   ratings, as `test`, of users whom the model has not seen; they become its users first
    cold      the prediction for pairs whose user or item is unknown, as 3.0 in the AutoRec paper; None: the model's
              fallback, damped biases, which is better
    metrics   of one's own: functions (predicted, true), arrays [pairs], or (recommended, relevant), the list of the
              first k item ids and the set of the relevant ones, of which the mean over the users is taken; named as
              the function is, told by its docstring
    interval  a share: how many test ratings lie within intervals that are to hold it, see `measure_coverage`
    name      of the test ratings, for titles

    Rating metrics take every test pair, also with an unknown user or item. Ranking metrics take test users whom the
    model knows and who have a relevant test item. `Evaluation.counts` counts the others, `Evaluation.caution` names
    test ratings that the model has, and a warning those outside its scale. InputError: no test ratings. ParameterError:
    k.

    >>> ratings = autorec.load_sample()
    >>> (one,) = autorec.split(ratings, "per-user:0.2")
    >>> evaluation = autorec.evaluate(autorec.Ease().fit(one.train), one.test, k=(5, 10))
    >>> [name for name in evaluation.metrics if name.startswith("ndcg")]
    ['ndcg@5', 'ndcg_graded@5', 'ndcg@10', 'ndcg_graded@10']
    """
    chosen, ks = sort_metrics(metrics), check_measures(k, relevant, cold)
    of_choices = isinstance(test, Split) and test.rated is not None
    model, test, fold_in = take_fitted(model, test, fold_in)
    trained = model.ratings_
    if fold_in is not None:
        model = model.fold_in(fold_in)
    test = as_ratings_of(test, model.ratings_).compact()  # a matrix has rows of users who are not tested
    if not len(test):
        raise InputError("there are no test ratings")
    threshold = relevant_from(test, model.ratings_.scale, relevant)
    known = model.known(test.user_ids[test.rows()], test.item_ids[test.csr.indices])
    rating, errors, slices = _measure_ratings(model, test, known, cold, chosen) if model.rates else ({}, {}, None)
    ranking, per_user, ranked = measure_ranking(model, test, ks, threshold, chosen)
    table = pd.DataFrame({"user": test.user_ids, "ratings": np.diff(test.csr.indptr)} | errors | per_user)
    counts = Counts(len(test), test.n_users, int((~known).sum()), **ranked)
    found = Evaluation(
        rating | ranking,
        counts,
        table,
        Settings(ks, threshold, cold),
        slices,
        model=" ".join(repr(model).split()),
        caution=caution_of_strangers(test, trained, known) or caution(test, *{trained, model.ratings_}),
        formulas=_find_formulas(rating | ranking, chosen),
        coverage=None if interval is None else measure_coverage(model, test, interval),
        name=name,
    )
    return found.of_lists() if of_choices else found


def check_measures(k: Any, relevant: Any, cold: Any) -> tuple[int, ...]:
    """The lengths of lists that are asked for, ascending. ParameterError: an argument of `evaluate` is not allowed."""
    asked = [k] if isinstance(k, numbers.Integral) else checks.listed("k", k, "whole numbers from 1 up")
    ks = tuple(sorted({checks.whole("k", one, most=_LONGEST) for one in asked}))
    if not ks:
        raise ParameterError("k is empty; allowed: whole numbers from 1 up")
    checks.optional(checks.number, "relevant", relevant)
    checks.optional(checks.number, "cold", cold)
    return ks


def value_of(metric: str, model: Recommender, test: Ratings, relevant: float | None = None) -> float:
    """rmse or ndcg@K on test ratings [users × items] alone, a scalar as `evaluate` gives it. NaN where undefined."""
    if metric == "rmse":
        return scoring.rmse(model, test)
    name, _, k = metric.partition("@")
    threshold = liked_from(model.ratings_.scale) if relevant is None else relevant
    lists = ranked_lists(model, test, threshold, [int(k)])
    return float(metrics.means(metrics.RANKING[name](lists.hits, lists.relevant))[0])


def _measure_ratings(
    model: Recommender, test: Ratings, known: npt.NDArray[np.bool_], cold: float | None, own: OwnMetrics
) -> tuple[dict[str, float], dict[str, npt.NDArray[np.float64]], Slices]:
    """(metrics, {"squared_error": [test users]}, slices). known [test ratings]: pairs that the model itself answers."""
    rows = test.rows()
    true = test.csr.data.astype(np.float64)
    predicted = model.predict(test.user_ids[rows], test.item_ids[test.csr.indices], test.timestamps)
    if cold is not None:
        predicted[~known] = cold
    by_user = np.bincount(rows, (predicted - true) ** 2, test.n_users) / np.maximum(np.diff(test.csr.indptr), 1)
    values = {
        "rmse": metrics.rmse(predicted, true),
        "mae": metrics.mae(predicted, true),
        "rmse_by_user": metrics.rmse_by_user(by_user),
        **own.rate(predicted, true),
    }
    slices = Slices(
        calibration(predicted, true, model.ratings_.scale),
        error_by_count(predicted, true, _count_known_ratings(model, test, "users")[rows]),
        error_by_count(predicted, true, _count_known_ratings(model, test, "items")[test.csr.indices]),
    )
    return values, {"squared_error": by_user}, slices


def _count_known_ratings(model: Recommender, test: Ratings, of: str) -> npt.NDArray[np.int64]:
    """[test users or items] how many ratings the model was given of each; 0 where it is unknown."""
    fitted = model.ratings_
    if of == "users":
        counts, rows = np.diff(fitted.csr.indptr), fitted.find_users(test.user_ids)
    else:
        counts, rows = fitted.item_counts, fitted.find_items(test.item_ids)
    return np.append(counts, 0)[rows].astype(np.int64)  # the last for −1


def measure_ranking(
    model: Recommender, test: Ratings, ks: Sequence[int], threshold: float, own: OwnMetrics = NONE
) -> tuple[dict[str, float], dict[str, npt.NDArray[np.float64]], dict[str, int]]:
    """(metrics, metric → [test users] those that are means over users, the counts of users in `Counts`)."""
    fitted = model.ratings_
    lists = ranked_lists(model, test, threshold, ks)
    found = {name: metric(lists.hits, lists.relevant) for name, metric in metrics.RANKING.items()}  # [users × ks]
    found |= own.rank(lists, ks, test, fitted.item_ids, threshold)
    found["ndcg_graded"] = metrics.ndcg_graded(lists.tested, lists.gains, lists.best_gains)
    per_user = {name: _scatter(of_users, lists.users, test.n_users) for name, of_users in found.items()}
    means = {name: metrics.means(of_users) for name, of_users in found.items()}
    in_lists, ratings = shown(lists.items, ks, fitted.n_items), fitted.item_counts
    diverse = metrics.diversity(lists.items, ks, fitted.csr, ratings)
    n_known = np.count_nonzero(model._has_history(np.arange(fitted.n_users)))  # a matrix may have rows without ratings
    popularity = np.maximum(ratings, 0.5) / max(n_known, 1)  # of an unrated item: as if half a user had rated it
    values: dict[str, float] = {}
    columns: dict[str, npt.NDArray[np.float64]] = {}
    for j, k in enumerate(ks):
        columns |= {f"{name}@{k}": of_users[:, j] for name, of_users in per_user.items()}
        values |= {f"{name}@{k}": float(mean[j]) for name, mean in means.items()}
        values[f"coverage@{k}"] = metrics.coverage(in_lists[j])
        values[f"gini@{k}"] = metrics.gini(in_lists[j])
        values[f"novelty@{k}"] = metrics.novelty(in_lists[j], popularity)
        values[f"popularity_lift@{k}"] = metrics.popularity_lift(in_lists[j], ratings)
        values[f"diversity@{k}"] = float(diverse[j])
    auc = lists.auc[:, None]
    columns["auc"], values["auc"] = _scatter(auc, lists.users, test.n_users)[:, 0], float(metrics.means(auc)[0])
    counts = {
        "ranked_users": len(lists.users),
        "users_without_relevant": int((lists.liked == 0).sum()),
        "unknown_users": int((lists.liked > 0).sum()) - len(lists.users),
    }
    return values, columns, counts


def _scatter(values: npt.NDArray[np.float64], users: npt.NDArray[np.int64], n_users: int) -> npt.NDArray[np.float64]:
    """[users × ks] → [test users × ks], NaN for those who have none."""
    spread = np.full((n_users, values.shape[1]), np.nan)
    spread[users] = values
    return spread


def take_fitted(model: Any, test: Any, fold_in: Any) -> tuple[Recommender, Any, Any]:
    """(fitted model, test ratings, ratings that fold in).

    Of a Split, a model that is not fitted is: a name, an estimator or a model of one's own, on the training part; of a
    split of choices, a rating model on its ratings. ParameterError: without a Split, a model that is not fitted.
    """
    if not isinstance(test, Split):
        if not isinstance(model, Recommender):
            raise ParameterError(
                f"a model of type {type(model).__name__}; allowed: a fitted model; with a Split in place of the test "
                "ratings also a name, an estimator or a model of one's own; compare takes several"
            )
        model._fitted()
        return model, test, fold_in
    if fold_in is not None:
        raise ParameterError("fold_in is given beside a Split, which has its own; leave it out")
    if isinstance(model, (list, tuple)):
        raise ParameterError("evaluate takes one model; compare takes several")
    taken = create(model) if isinstance(model, str) else wrap(model)
    parts = test.rated or test if taken.rates else test
    fitted = taken if hasattr(taken, "ratings_") else clone(taken).fit(parts.train)
    return fitted, parts.test, parts.fold_in
