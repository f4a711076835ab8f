"""The result of an evaluation as plain data: `autorec.evaluation` makes it, this folder prints it.

Each class has `to_dict`, which gives its part of the JSON of `autorec evaluate --json`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isnan
from typing import Any

Json = dict[str, Any]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Settings:
    """How lists and ratings were judged. k: lengths of the lists, ascending; relevant: the rating from which a test
    item is relevant; cold: the prediction for pairs unknown to the model, None for the model's own fallback."""

    k: tuple[int, ...]
    relevant: float
    cold: float | None

    def to_dict(self) -> Json:
        return asdict(self) | {"k": list(self.k)}


@dataclass(frozen=True)
class Counts:
    """What was tested, and what the model itself could not answer.

    cold_ratings           test ratings whose user or item is unknown to the model
    ranked_users           test users whose lists are judged
    users_without_relevant test users who have no relevant test item
    unknown_users          test users with relevant items whom the model does not know
    """

    test_ratings: int
    test_users: int
    cold_ratings: int
    ranked_users: int
    users_without_relevant: int
    unknown_users: int

    def to_dict(self) -> Json:
        return asdict(self)


@dataclass(frozen=True)
class CalibrationBin:
    """Test ratings predicted within one tenth of the scale: their mean prediction, their mean, how many they are."""

    predicted: float
    true: float
    ratings: int

    def to_dict(self) -> Json:
        return asdict(self)


@dataclass(frozen=True)
class ErrorGroup:
    """Test ratings whose user (or item) has `at_least` training ratings, and fewer than the next group."""

    at_least: int
    rmse: float
    ratings: int

    def to_dict(self) -> Json:
        return {"from": self.at_least, "rmse": self.rmse, "ratings": self.ratings}


@dataclass(frozen=True)
class Slices:
    """Where a rating model errs. Groups without test ratings are left out."""

    calibration: tuple[CalibrationBin, ...]
    error_by_user_ratings: tuple[ErrorGroup, ...]
    error_by_item_ratings: tuple[ErrorGroup, ...]

    def to_dict(self) -> Json:
        return {name: [part.to_dict() for part in parts] for name, parts in vars(self).items()}


@dataclass(frozen=True)
class CoverageGroup:
    """Test ratings of one group: the share within their intervals, and the mean width of these."""

    group: str
    ratings: int
    coverage: float
    width: float

    def to_dict(self) -> Json:
        return asdict(self)


@dataclass(frozen=True)
class Coverage:
    """How many test ratings lie within intervals that are to hold the share `interval`.

    at_random  a random half of the test ratings calibrates, the other half is counted: all, then thirds by how many
               training ratings the user has, and the item
    by_time    the earlier half calibrates, the later one is counted; None without timestamps
    """

    interval: float
    at_random: tuple[CoverageGroup, ...]
    by_time: tuple[CoverageGroup, ...] | None

    def to_dict(self) -> Json:
        by_time = None if self.by_time is None else [group.to_dict() for group in self.by_time]
        return {
            "interval": self.interval,
            "at_random": [group.to_dict() for group in self.at_random],
            "by_time": by_time,
        }


@dataclass(frozen=True)
class EvaluationReport:
    """One model. metrics: name → value, NaN where undefined; intervals: 95 % over the test users, not for all metrics;
    slices: None for a model that predicts no ratings; formulas: of each metric, by its name without @k. model: its
    class and settings; date: when it was evaluated; caution: a sentence that is to be read first, None without one;
    coverage: of intervals, None where none was asked for; name: of the test ratings, "" where they have none."""

    model: str
    date: str
    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval]
    counts: Counts
    settings: Settings
    slices: Slices | None
    formulas: Mapping[str, str]
    caution: str | None = None
    coverage: Coverage | None = None
    name: str = ""

    def to_dict(self) -> Json:
        """An undefined metric is None."""
        return {
            "metrics": {name: None if isnan(value) else value for name, value in self.metrics.items()},
            "intervals": dict(self.intervals),
            "counts": self.counts.to_dict(),
            "settings": self.settings.to_dict(),
            "slices": {} if self.slices is None else self.slices.to_dict(),
            "formulas": dict(self.formulas),
            "caution": self.caution,
            "coverage": None if self.coverage is None else self.coverage.to_dict(),
        }
