"""How many test ratings lie within their intervals, at random and by time."""

from autorec.insight.intervals import calibrate
from autorec.models.base import Recommender
from autorec.ratings.matrix import Ratings
from autorec.ratings.split import Split, random_split, time_split
from autorec.report.evaluation_report import Coverage, CoverageGroup


def measure_coverage(model: Recommender, test: Ratings, interval: float) -> Coverage:
    """Coverage and width of split-conformal intervals, see `calibrate`, of test ratings [users × items].

    InputError: the model learned from some of them, or they are too few to halve. ParameterError: too few for this
    interval, or the model predicts no ratings.
    """

    def count(halves: Split) -> tuple[CoverageGroup, ...]:
        table = calibrate(model, halves.train).coverage(halves.test, interval)
        return tuple(CoverageGroup(*line) for line in table.itertuples(index=False, name=None))

    by_time = None if test.timestamps is None else count(time_split(test, 0.5))
    return Coverage(interval, count(random_split(test, 0.5)), by_time)
