"""The result of a comparison: for each model its evaluations on every split, and the reports made of them."""

from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from autorec import words
from autorec.audits.finding import many
from autorec.evaluation.evaluate import Evaluation, now
from autorec.evaluation.significance import verdicts
from autorec.models.base import Recommender
from autorec.report import frames
from autorec.report.comparison_report import (
    Choice,
    ComparisonReport,
    CurvePoint,
    DataAudit,
    DataFacts,
    Example,
    ModelResult,
    SplitFacts,
    Verdict,
)
from autorec.report.comparison_text import comparison_markdown, sorted_models, title, verdict
from autorec.report.page import comparison_page
from autorec.report.plots import plot_comparison
from autorec.report.save import save_result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
import math
from collections.abc import Sequence

from scipy import stats

from autorec.report.comparison_report import Spread


@dataclass(eq=False)
class Result:
    """One model on all splits.

    model        with the settings that were used; choice: how they were chosen, None where they were not
    refused      why there is no result, else None
    evaluations  [splits]; fit_seconds [splits]; fit_memory [splits] bytes at the peak of `fit`, None where unknown
    summaries    [splits] `summary_` of the fitted models
    """

    name: str
    model: Recommender
    baseline: bool = False
    choice: Choice | None = None
    refused: str | None = None
    evaluations: list[Evaluation] = field(default_factory=list)
    fit_seconds: list[float] = field(default_factory=list)
    fit_memory: list[int | None] = field(default_factory=list)
    summaries: list[dict[str, Any]] = field(default_factory=list)

    @property
    def params(self) -> dict[str, Any]:
        """JSON-ready."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in self.model.get_params().items()}

    def add(self, evaluation: Evaluation, seconds: float, memory: int | None, summary: dict[str, Any]) -> None:
        """Append the results of a split."""
        self.evaluations.append(evaluation)
        self.fit_seconds.append(seconds)
        self.fit_memory.append(memory)
        self.summaries.append(summary)

    def refuse(self, reason: str) -> None:
        """A model that refuses one split has no result: its means would be those of other splits."""
        self.refused = reason
        for of_splits in (self.evaluations, self.fit_seconds, self.fit_memory, self.summaries):
            of_splits.clear()

    def values(self, metric: str) -> list[float]:
        """[splits] of a metric, NaN where undefined."""
        return [evaluation.metrics.get(metric, float("nan")) for evaluation in self.evaluations]


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """The result of `compare`.

    results      [models] in the order asked for, then baselines
    data, split  sizes of the ratings [users × items] and of the parts
    environment  versions, processor, threads
    audit        what is suspicious in the ratings and the splits
    examples     a few users of the first split: what they rated, and what each model lists
    left_out     baseline → why it did not run
    command      the command line, None in Python; date: when it was made

    >>> ratings = autorec.load_sample()
    >>> comparison = autorec.compare(ratings, ["bias", "popularity"], baselines="none")
    >>> comparison
    <Comparison of 2 models on 24,000 ratings, one split by random:0.1: bias, popularity>
    >>> comparison.to_frame().columns.tolist()[:2]
    ['rmse', 'mae']
    >>> comparison.save("comparison.json")  # also .html, .md, .csv, .tex
    """

    results: list[Result]
    data: DataFacts
    split: SplitFacts
    environment: dict[str, str | int | None]
    audit: DataAudit
    examples: list[Example] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    command: str | None = None
    date: str = field(default_factory=now)

    def to_dict(self) -> dict[str, Any]:
        """{"models": [{"name", "params", "fit_seconds", "metrics": {name: {"mean", "sd", "values", …}}}], "split", …}.

        sd is that of the sample (n − 1), interval the 95 % t-interval of the mean; both None for a single split, which
        has 95 % intervals over its users instead, see `Evaluation.intervals`. A model that refused the ratings has
        "refused", the reason, no metrics, and None as fit_seconds.
        """
        return self.report().to_dict()

    def report(self) -> ComparisonReport:
        """What pages and files print."""
        return ComparisonReport(
            data=self.data,
            date=self.date,
            models=tuple(self._summarize(result) for result in self.results),
            split=self.split,
            significance=tuple(self.significance),
            main_metrics=self._choose_main_metrics(),
            formulas=self._formulas(),
            environment=self.environment,
            audit=self.audit,
            examples=tuple(self.examples),
            left_out=self.left_out,
            command=self.command,
        )

    @cached_property
    def significance(self) -> list[Verdict]:
        """What can be told apart; see `autorec.evaluation.significance`."""
        found = [result for result in self.results if not result.refused]
        return verdicts({result.name: [one.per_user for one in result.evaluations] for result in found})

    def per_user(self) -> pd.DataFrame:
        """DataFrame model, split (from 0), then the columns of `Evaluation.per_user`: one row a model, split and test
        user."""
        tables = [
            evaluation.per_user.assign(model=result.name, split=split)
            for result in self.results
            for split, evaluation in enumerate(result.evaluations)
        ]
        table = pd.concat(tables, ignore_index=True)
        return table[["model", "split", *table.columns.drop(["model", "split"])]]

    def to_markdown(self) -> str:
        """The report as Markdown; see `autorec.report.comparison_text`."""
        return comparison_markdown(self.report())

    def to_html(self) -> str:
        """One HTML page with tables, figures and settings, which loads nothing. AutoRecError: the extra `report` is
        missing."""
        return comparison_page(self.report())

    def to_frame(self, of: words.Statistic = "mean") -> pd.DataFrame:
        """DataFrame, index model; a column a metric, then fit_seconds. of: "mean" or "sd" over the splits."""
        return frames.comparison_frame(self.report(), of)

    def to_latex(self) -> str:
        """The main metrics as a table for the package booktabs, the best in bold. AutoRecError: the extra `report` is
        missing."""
        report = self.report()
        return frames.to_latex(frames.comparison_frame(report)[[*report.main_metrics, "fit_seconds"]], title(report))

    def save(self, path: str | PathLike[str]) -> None:
        """Write the report by the suffix: .json, .md, .html, .csv or .tex. ParameterError: another suffix."""
        save_result(self, path)

    def plot(self, metric: str | None = None, ax: "Axes | None" = None) -> "Axes":
        """Draw a metric of all models, the best on top, on matplotlib axes, the current ones by default; returns the
        axes. metric: None for the first of the main ones."""
        return plot_comparison(self.report(), metric, ax)

    def __repr__(self) -> str:
        names = ", ".join(result.name for result in self.results)
        return f"<{self._title()}: {names}>"

    def _repr_html_(self) -> str:
        report = self.report()
        ordered = [model.name for model in sorted_models(report)]
        frame = frames.comparison_frame(report).loc[ordered, [*report.main_metrics, "fit_seconds"]]
        facts = {"caution": report.audit.caution} if report.audit.caution else {}
        return frames.to_notebook(frame, self._title(), {**facts, "verdict": verdict(report)})

    def _title(self) -> str:
        splits = "one split" if self.split.splits == 1 else f"{self.split.splits} splits"
        on = self.data.name or f"{self.data.ratings:,} ratings"
        return f"Comparison of {many(len(self.results), 'model')} on {on}, {splits} by {self.split.by}"

    def metrics(self) -> list[str]:
        """Names of all metrics that a model has."""
        return list(dict.fromkeys(name for r in self.results for e in r.evaluations for name in e.metrics))

    def _formulas(self) -> dict[str, str]:
        return {name: formula for r in self.results for e in r.evaluations for name, formula in e.formulas.items()}

    def _choose_main_metrics(self) -> list[str]:
        """The few for a terminal: RMSE, NDCG at each k, recall and coverage at the first."""
        ks = next(result.evaluations[0].settings.k for result in self.results if not result.refused)
        wanted = ["rmse", *(f"ndcg@{k}" for k in ks), f"recall@{ks[0]}", f"coverage@{ks[0]}"]
        known = self.metrics()
        return [name for name in wanted if name in known]

    def _summarize(self, result: Result) -> ModelResult:
        if result.refused:
            return ModelResult(result.name, result.baseline, result.params, refused=result.refused)
        measured = {name: spread(result.values(name)) for name in self.metrics()}
        alone = result.evaluations[0].intervals if len(result.evaluations) == 1 else None
        memory = [size for size in result.fit_memory if size is not None]
        return ModelResult(
            name=result.name,
            baseline=result.baseline,
            params=result.params,
            fit_seconds=float(np.mean(result.fit_seconds)),
            fit_memory=max(memory, default=None),
            metrics={name: found for name, found in measured.items() if found.mean is not None},
            intervals=alone,
            counts=tuple(evaluation.counts for evaluation in result.evaluations),
            settings=result.evaluations[0].settings,
            summaries=tuple(result.summaries),
            choice=result.choice,
            slices=result.evaluations[0].slices,
            curve=_make_curve(result.summaries[0]),
        )


def _make_curve(summary: dict[str, Any]) -> tuple[CurvePoint, ...]:
    """Validation RMSE by epoch, of a model that learns to rate in epochs."""
    points = [(point["epoch"], point.get("validation_rmse")) for point in summary.get("curve", [])]
    return tuple(CurvePoint(epoch, rmse) for epoch, rmse in points if rmse is not None)


def spread(values: Sequence[float]) -> Spread:
    """Values [splits] → mean, sd (n − 1) and 95 % t-interval of the mean of those not NaN; None where undefined."""
    known = np.array(values)[~np.isnan(values)]
    mean = float(known.mean()) if len(known) else None
    sd = float(known.std(ddof=1)) if len(known) > 1 else None
    interval = None
    if mean is not None and sd is not None:
        half = float(stats.t.ppf(0.975, len(known) - 1)) * sd / math.sqrt(len(known))
        interval = (mean - half, mean + half)
    return Spread(mean, sd, interval, tuple(None if np.isnan(value) else float(value) for value in values))
