"""The rating error by predicted level, by activity of the user, by popularity of the item."""

from typing import Any

import numpy as np
import numpy.typing as npt

from autorec.report.evaluation_report import CalibrationBin, ErrorGroup

Float = npt.NDArray[np.float64]
Counts = npt.NDArray[np.integer[Any]]

LEVELS = 10  # of the predicted rating, of equal width over the scale
GROUPS = (0, 1, 5, 10, 20, 50, 100, 200, 500, 1000)  # training ratings from … up


def calibration(predicted: Float, true: Float, scale: tuple[float, float]) -> tuple[CalibrationBin, ...]:
    """predicted, true [ratings] → for each level of the prediction its mean, the mean true rating, the number of
    ratings.

    Levels: tenths of `scale`; empty ones are left out.
    """
    low, high = scale
    level = np.clip(((predicted - low) / (high - low) * LEVELS).astype(np.int64), 0, LEVELS - 1)
    found = []
    for one in np.unique(level):
        inside = level == one
        found.append(CalibrationBin(float(predicted[inside].mean()), float(true[inside].mean()), int(inside.sum())))
    return tuple(found)


def error_by_count(predicted: Float, true: Float, counts: Counts) -> tuple[ErrorGroup, ...]:
    """predicted, true [ratings], counts [ratings] of training ratings of the user (or item) → RMSE by group of counts.

    Groups begin at GROUPS; empty ones are left out.
    """
    group = np.searchsorted(GROUPS, counts, side="right") - 1
    found = []
    for one in np.unique(group):
        inside = group == one
        error = float(np.sqrt(np.mean((predicted[inside] - true[inside]) ** 2)))
        found.append(ErrorGroup(GROUPS[one], error, int(inside.sum())))
    return tuple(found)
