"""Intervals that hold a rating with a stated probability, for any model that rates: split-conformal prediction.

Vovk, Gammerman and Shafer (Algorithmic Learning in a Random World, 2005); with a spread for each pair, Lei et al.
(Distribution-Free Predictive Inference for Regression, JASA 2018, §5.2). Nothing is assumed of the model or of its
errors, only that the ratings asked about are like the calibration ratings: drawn from the same source, in any order.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autorec import checks
from autorec.array_types import FloatArray, IntArray
from autorec.errors import InputError, ParameterError
from autorec.models.base import Recommender
from autorec.models.histories import as_ratings_of
from autorec.models.hooks import fitted
from autorec.ratings.matrix import Ratings
from autorec.ratings.split import Split, random_split, time_split
from autorec.report.evaluation_report import Coverage, CoverageGroup

DAMPING = 10.0  # ratings of average error that each user and item counts more where its spread is estimated
_ROUNDING = 1e-5  # of a rating in float32, of 0.9 · 10 in float64
LEAST = 20  # test ratings whose halves are counted; of fewer a coverage is chance
GROUPS = 3  # of users by activity and of items by popularity, each with as many of the ratings


@dataclass(frozen=True, eq=False)
class Intervals:
    """A model whose errors on calibration ratings are known; see `calibrate`.

    errors          [calibration ratings] |r − r̂| / spread, ascending
    user_variance, item_variance
                    [users + 1], [items + 1] damped mean of the squared training errors of damped biases, that of all
                    ratings at the end, for the unknown; the spread of a pair is √(that of the user · that of the item /
                    that of all)

    >>> ratings = autorec.load_sample()
    >>> (one,) = autorec.split(ratings, "random:0.1")
    >>> intervals = autorec.calibrate(autorec.Bias().fit(one.train), one.test)
    >>> intervals.coverage(one.test).columns.tolist()
    ['group', 'ratings', 'coverage', 'width']
    """

    model: Recommender
    errors: FloatArray
    user_variance: FloatArray
    item_variance: FloatArray

    def predict(self, users: Any, items: Any, interval: float = 0.9) -> pd.DataFrame:
        """Pairs of raw ids [pairs] → DataFrame rating, low, high, a row a pair; rating as in `Recommender.predict`.

        low … high is r̂ ± q · spread within the scale, q the ⌈(n + 1) · interval⌉-th smallest of the n errors. It holds
        the rating with a probability from `interval` to `interval` + 1/(n + 1), over all pairs that are drawn like the
        calibration ratings. That is so for all pairs together, not for each user, and not for ratings of a later time.
        ParameterError: an interval that is no share, or one that takes more calibration ratings.
        """
        share, n = checks.share("interval", interval), len(self.errors)
        rank = math.ceil((n + 1) * share - _ROUNDING)
        if rank > n:
            least = math.ceil(share / (1 - share) - _ROUNDING)
            raise ParameterError(f"interval is {share:g}, which takes {least:,} calibration ratings or more; got {n:,}")
        half = (self.errors[rank - 1] if rank else 0.0) * self._spread(*self.model._find(users, items))
        rating = self.model.predict(users, items)
        low, high = self.model.ratings_.scale
        return pd.DataFrame(
            {"rating": rating, "low": np.maximum(rating - half, low), "high": np.minimum(rating + half, high)}
        )

    def coverage(self, ratings: Any, interval: float = 0.9) -> pd.DataFrame:
        """How many of other ratings lie within their intervals → DataFrame group, ratings, coverage, width.

        group: "all", then thirds of the ratings by how many training ratings the user has, and the item. ratings: as
        for `fit`, none of which the model, or the calibration, has seen; of a later time the coverage may be off.
        """
        asked = _require_unseen(self.model, as_ratings_of(ratings, self.model.ratings_))
        users, items = asked.user_ids[asked.rows()], asked.item_ids[asked.csr.indices]
        table = self.predict(users, items, interval)
        inside = (asked.csr.data >= table["low"] - _ROUNDING) & (asked.csr.data <= table["high"] + _ROUNDING)
        known = self.model.ratings_
        rows, columns = self.model._find(users, items)
        activity = np.append(np.diff(known.csr.indptr), 0)[rows]
        popularity = np.append(known.item_counts, 0)[columns]
        groups = {"all": np.ones(len(asked), dtype=bool)}
        groups |= _make_groups("users", activity) | _make_groups("items", popularity)
        width = table["high"] - table["low"]
        lines = [(name, int(of.sum()), inside[of].mean(), width[of].mean()) for name, of in groups.items() if of.any()]
        return pd.DataFrame(lines, columns=["group", "ratings", "coverage", "width"])

    def _spread(self, rows: IntArray, columns: IntArray) -> FloatArray:
        """[pairs] of rows and columns [pairs], −1 for the unknown."""
        return np.asarray(np.sqrt(self.user_variance[rows] * self.item_variance[columns] / self.user_variance[-1]))


def calibrate(model: Recommender, ratings: Any) -> Intervals:
    """A fitted model that rates, and ratings kept aside, as for `fit`, → `Intervals`, which predicts with intervals.

    The model must not have learned from these ratings: on its own its errors are smaller than on others. Some hundred
    are enough; with n the coverage varies by √(interval · (1 − interval) / n), 0.01 for 1,000 and 0.9. InputError: no
    ratings, or some that the model has. ParameterError: the model predicts no ratings.

    >>> ratings = autorec.load_sample()
    >>> (one,) = autorec.split(ratings, "random:0.1")
    >>> intervals = autorec.calibrate(autorec.Bias().fit(one.train), one.test)
    >>> intervals.predict([1], [2], interval=0.9).columns.tolist()
    ['rating', 'low', 'high']
    """
    learned = fitted(model)
    model._require_ratings()
    kept = _require_unseen(model, as_ratings_of(ratings, learned))
    variances = _estimate_variances(model, learned)
    made = Intervals(model, np.empty(0), *variances)
    users, items = kept.user_ids[kept.rows()], kept.item_ids[kept.csr.indices]
    spread = made._spread(*model._find(users, items))
    return Intervals(model, np.sort(np.abs(kept.csr.data - model.predict(users, items)) / spread), *variances)


def _estimate_variances(model: Recommender, fitted: Ratings) -> tuple[FloatArray, FloatArray]:
    """([users + 1], [items + 1]) see `Intervals`."""
    rows, columns = fitted.rows(), fitted.csr.indices
    squared = (fitted.csr.data - model.fallback_.predict(rows, columns)) ** 2
    mean = max(float(squared.mean()), np.finfo(np.float64).tiny)

    def damped(of: IntArray, size: int) -> FloatArray:
        sums, counts = np.bincount(of, squared, size), np.bincount(of, minlength=size)
        return np.append((sums + DAMPING * mean) / (counts + DAMPING), mean)

    return damped(rows, fitted.n_users), damped(columns, fitted.n_items)


def _require_unseen(model: Recommender, asked: Ratings) -> Ratings:
    if not len(asked):
        raise InputError("there are no ratings to calibrate with, or to count")
    seen = np.count_nonzero(model.ratings_.find_ratings(asked) >= 0)
    if seen:
        raise InputError(
            f"{seen:,} of {len(asked):,} ratings are those that the model learned from, where its errors are smaller; "
            "give ratings that were kept aside"
        )
    return asked


def _make_groups(of: str, counts: IntArray) -> dict[str, npt.NDArray[np.bool_]]:
    """Names → [ratings] which belong to it, by counts [ratings] of training ratings."""
    bounds = np.quantile(counts, np.arange(1, GROUPS) / GROUPS, method="lower")
    group = np.searchsorted(bounds, counts, side="left")
    edges = [(int(counts[group == one].min()), int(counts[group == one].max())) for one in np.unique(group)]
    return {
        f"{of} with {low:,} to {high:,}": group == one for one, (low, high) in zip(np.unique(group), edges, strict=True)
    }


def measure_coverage(model: Recommender, test: Ratings, interval: float) -> Coverage:
    """Coverage and width of split-conformal intervals, see `calibrate`, of test ratings [users × items].

    InputError: the model learned from some of them, or they are fewer than 20. ParameterError: too few for this
    interval, or the model predicts no ratings.
    """
    if len(test) < LEAST:
        raise InputError(
            f"the coverage of intervals takes {LEAST} test ratings or more, of which one half makes the intervals and "
            f"the other is counted; got {len(test)}: give more, or leave interval out"
        )

    def count(halves: Split) -> tuple[CoverageGroup, ...]:
        table = calibrate(model, halves.train).coverage(halves.test, interval)
        return tuple(CoverageGroup(*line) for line in table.itertuples(index=False, name=None))

    by_time = None if test.timestamps is None else count(time_split(test, 0.5))
    return Coverage(interval, count(random_split(test, 0.5)), by_time)
