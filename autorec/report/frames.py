"""Results as DataFrames, and these as LaTeX and as HTML for a notebook."""

from collections.abc import Mapping
from html import escape
from math import isnan
from typing import Any, get_args

import pandas as pd

from autorec import checks, words
from autorec.extras import require
from autorec.report.comparison_report import ComparisonReport
from autorec.report.evaluation_report import EvaluationReport
from autorec.report.tables import arrow, better, metric_label, seconds

_VALUES = ("value", "low", "high")  # columns of an evaluation


def evaluation_frame(report: EvaluationReport) -> pd.DataFrame:
    """DataFrame, index metric; columns value, low, high: the 95 % interval over users, NaN where there is none."""
    missing = (float("nan"), float("nan"))
    rows = {name: (value, *report.intervals.get(name, missing)) for name, value in report.metrics.items()}
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high"], dtype=float)
    return frame.rename_axis("metric")


def comparison_frame(report: ComparisonReport, of: words.Statistic = "mean") -> pd.DataFrame:
    """DataFrame, index model; a column a metric, then fit_seconds. of: "mean" or "sd" over the splits; NaN where
    undefined, fit_seconds is always the mean."""
    checks.one_of("of", of, get_args(words.Statistic))
    rows = {
        model.name: {
            **{name: getattr(model.metrics.get(name), of, None) for name in report.metrics},
            "fit_seconds": model.fit_seconds,
        }
        for model in report.models
    }
    return pd.DataFrame.from_dict(rows, orient="index", dtype=float).rename_axis("model")


def to_latex(frame: pd.DataFrame, caption: str = "") -> str:
    """A frame as a `tabular` with four digits, for the package booktabs; of the columns that are metrics the best value
    is bold. AutoRecError: the extra `report` is missing.

    caption: makes it a `table` with that caption.
    """
    require("report", "a table in LaTeX")
    frame = frame.rename_axis(None)
    style = frame.style.format(precision=4, na_rep="–", escape="latex").format_index(escape="latex")
    if len(frame) > 1:
        for name in frame.columns:
            style = _mark_best(style, str(name))
    style = style.format_index(lambda name: _escape(metric_label(str(name))), axis="columns")
    return str(style.to_latex(hrules=True, caption=_escape(caption) or None))


def _mark_best(style: "pd.io.formats.style.Styler", name: str) -> "pd.io.formats.style.Styler":
    if name == "fit_seconds" or not better(name):
        return style
    mark = style.highlight_min if better(name) < 0 else style.highlight_max
    return mark(subset=[name], props="textbf:--rwrap;")


def _escape(text: str) -> str:
    for sign in "&%$#_{}":
        text = text.replace(sign, f"\\{sign}")
    return text


def to_notebook(frame: pd.DataFrame, title: str, facts: Mapping[str, str] | None = None) -> str:
    """A frame as HTML for a notebook: title, table with the best of each metric in bold, facts below."""
    texts = {
        escape(metric_label(name) + arrow(name)): [_format(value, name, frame[name]) for value in frame[name]]
        for name in map(str, frame.columns)
    }
    shown = pd.DataFrame(texts, index=[escape(str(name)) for name in frame.index])
    table = shown.to_html(escape=False, border=0)
    below = "".join(f"<div>{escape(name)}: {escape(value)}</div>" for name, value in (facts or {}).items())
    return f"<div><strong>{escape(title)}</strong>{table}{below}</div>"


def _format(value: object, name: str, column: "pd.Series[Any]") -> str:
    """A value of a column as HTML: metrics and their intervals with four decimals, other numbers with four digits."""
    if not isinstance(value, float):
        return escape(str(value))
    if isnan(value):
        return "–"
    if not better(name):
        return seconds(value) if name.endswith("seconds") else f"{value:.4f}" if name in _VALUES else f"{value:g}"
    best = column.min() if better(name) < 0 else column.max()
    return f"<b>{value:.4f}</b>" if value == best and len(column) > 1 else f"{value:.4f}"
