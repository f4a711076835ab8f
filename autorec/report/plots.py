"""Results drawn on matplotlib axes of one's own, for notebooks and papers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from autorec.errors import ParameterError, nearest
from autorec.extras import require
from autorec.report.comparison_report import ComparisonReport
from autorec.report.comparison_text import best_first
from autorec.report.evaluation_report import EvaluationReport
from autorec.report.tables import arrow, metric_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_evaluation(report: EvaluationReport, ax: "Axes | None" = None) -> "Axes":
    """The metrics that have a 95 % interval over users, each with it; returns the axes."""
    names = list(report.intervals)
    values = [report.metrics[name] for name in names]
    axes = _dots([metric_label(name) for name in names], values, [report.intervals[name] for name in names], ax)
    axes.set_xlabel("value, 95 % interval over users")
    return axes


def plot_comparison(report: ComparisonReport, metric: str | None = None, ax: "Axes | None" = None) -> "Axes":
    """One metric of each model, the best on top, with its 95 % interval where it has one; returns the axes.

    metric: None for the first of the main metrics. ParameterError: no model has it.
    """
    metric = metric or report.main_metrics[0]
    if metric not in report.metrics:
        raise ParameterError(
            f"no model has {metric}; allowed: {', '.join(report.metrics)}{nearest(metric, report.metrics)}"
        )
    models = best_first(report.models, metric)
    intervals = [(model.intervals or {}).get(metric) or model.metrics[metric].interval for model in models]
    axes = _dots([model.name for model in models], [model.mean(metric) for model in models], intervals, ax)
    axes.set_xlabel(metric_label(metric) + arrow(metric))
    return axes


def plot_trials(trials: pd.DataFrame, metric: str, ax: "Axes | None" = None) -> "Axes":
    """The metric of each trial, and the best so far as a line; returns the axes. trials: those of a `Tuning`."""
    axes = _axes(ax)
    from matplotlib.ticker import MaxNLocator

    known = trials.dropna(subset=[metric])
    best = known[metric].cummin() if metric == "rmse" else known[metric].cummax()
    axes.plot(known["trial"], known[metric], "o", alpha=0.6, label="trial")
    axes.step(known["trial"], best, where="post", label="best so far")
    axes.set_xlabel("trial, 0 is the defaults")
    axes.set_ylabel(metric_label(metric) + arrow(metric))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return axes


def _dots(names: Sequence[str], values: Sequence[Any], intervals: Sequence[Any], ax: "Axes | None") -> "Axes":
    """A dot a name, the first on top, with a line for its interval (low, high), None for none."""
    axes = _axes(ax)
    heights = np.arange(len(names))[::-1]
    for height, interval in zip(heights, intervals, strict=True):
        if interval is not None:
            axes.plot(interval, (height, height), color="0.6", zorder=1)
    axes.scatter(values, heights, zorder=2)
    axes.set_yticks(heights, names)
    return axes


def _axes(ax: "Axes | None") -> "Axes":
    """The given axes, or the current ones of pyplot. AutoRecError: the extra `report` is missing."""
    require("report", "a plot")
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.gca()
