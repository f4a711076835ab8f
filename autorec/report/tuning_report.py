"""A search for settings as a page, as Markdown and as LaTeX."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

import pandas as pd

from autorec.extras import require
from autorec.report import frames
from autorec.report.charts import Series, colour, draw, label_ends, label_width, plot_points, set_margins
from autorec.report.comparison_report import ComparisonReport
from autorec.report.comparison_text import main_table, spread_text
from autorec.report.figures import Figure
from autorec.report.page import render
from autorec.report.tables import Cell, Group, Head, Table, arrow, as_markdown, better, metric_label, number, seconds

_BEST, _DEFAULTS = "best so far", "defaults"


@dataclass(frozen=True)
class TuningReport:
    """What a page prints of a search.

    trials     DataFrame trial, state, the metric, settings, seconds, the best first
    sentences  what was measured; conclusion: what follows
    measured   title → the best settings and the defaults on test ratings
    """

    model: str
    metric: str
    settings: Mapping[str, Any]
    trials: pd.DataFrame
    sentences: Sequence[str]
    conclusion: str
    how: str
    measured: Mapping[str, ComparisonReport]

    @property
    def title(self) -> str:
        names = [report.data.name for report in self.measured.values() if report.data.name]
        return f"Settings of {self.model}" + (f" for {names[0]}" if names else "")

    @property
    def facts(self) -> list[str]:
        """What it was searched on, and when."""
        for report in self.measured.values():
            data = report.data
            return [f"{data.ratings:,} ratings of {data.users:,} users and {data.items:,} items", self.how, report.date]
        return [self.how]


def tuning_page(report: TuningReport) -> str:
    """The page of a search. AutoRecError: the extra `report` is missing."""
    require("report", "an HTML report")
    return render(
        "tuning.html",
        title=report.title,
        facts=report.facts,
        verdict=report.conclusion,
        settings={name: str(value) for name, value in report.settings.items()},
        sentences_of=report.sentences,
        measured=[(title, main_table(one), spread_text(one)) for title, one in report.measured.items()],
        figures=[_draw_trials(report)],
        trials=trials_table(report),
    )


def tuning_markdown(report: TuningReport) -> str:
    """Title, conclusion, settings found, what was measured, trials."""
    settings = ", ".join(f"{name}={value}" for name, value in report.settings.items()) or "no settings"
    parts = [f"# {report.title}", "; ".join(report.facts) + ".", f"**{report.conclusion}**", f"Found: {settings}."]
    parts.append("\n".join(f"- {sentence}" for sentence in report.sentences))
    for title, one in report.measured.items():
        parts += [f"## {title}", as_markdown(main_table(one)), spread_text(one)]
    return "\n\n".join([*parts, "## Trials", as_markdown(trials_table(report))]) + "\n"


def tuning_latex(report: TuningReport) -> str:
    """The trials, the best first, for the package booktabs. AutoRecError: the extra `report` is missing."""
    return frames.to_latex(report.trials.set_index("trial"), report.title)


def trials_table(report: TuningReport) -> Table:
    """A row a trial, the best first and marked."""
    names = [str(name) for name in report.trials.columns]
    heads = [metric_label(name) + arrow(name) if name == report.metric else name.replace("_", " ") for name in names]
    known = report.trials[report.metric].dropna()
    best = number(known.iloc[0]) if len(known) > 1 else ""
    rows = []
    for record in report.trials.to_dict("records"):
        cells = [Cell(_write(record[name], name)) for name in names]
        column = names.index(report.metric)
        cells[column] = Cell(cells[column].text, best=cells[column].text == best)
        rows.append(cells)
    return Table([Head(name) for name in heads], [Group("", rows)])


def _write(value: Any, name: str) -> str:
    if not isinstance(value, float) or isnan(value):
        return number(value) if isinstance(value, float) else str(value)
    return seconds(value) if name == "seconds" else number(value) if better(name) else f"{value:g}"


def _draw_trials(report: TuningReport) -> Figure:
    """The metric of each trial, the best so far as a line, and the defaults, which are trial 0."""
    known = report.trials.dropna(subset=[report.metric]).sort_values("trial")
    numbers, values = known["trial"].tolist(), known[report.metric].tolist()
    best = (known[report.metric].cummin() if better(report.metric) < 0 else known[report.metric].cummax()).tolist()
    skipped = ("trial", "state", "seconds", report.metric)
    tips = [
        f"trial {record['trial']}: {number(record[report.metric])}, "
        + ", ".join(f"{name}={_write(value, str(name))}" for name, value in record.items() if name not in skipped)
        for record in known.to_dict("records")
    ]
    ends = [Series(_BEST, numbers, best, 0), Series(_DEFAULTS, numbers, [values[0]] * len(numbers), 1)]

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        axes.axhline(values[0], color=colour(1), linewidth=1, linestyle=(0, (4, 3)))
        axes.step(numbers, best, where="post", color=colour(0))
        trials = Series("trial", numbers, values, 0, labels=tips).known()
        plot_points(axes, trials)
        axes.margins(y=0.08)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("trial, 0 is the defaults")
        axes.set_ylabel(metric_label(report.metric) + arrow(report.metric))
        set_margins(figure, left=52, right=label_width([_BEST, _DEFAULTS]))
        label_ends(axes, ends if best[-1] != values[0] else ends[1:])

    title = "Trials on the validation part"
    return Figure(title, draw(paint, title), "Pruned and failed trials have no point.")
