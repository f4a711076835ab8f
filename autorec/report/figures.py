"""The charts of a report: where models differ, and where they fail."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from autorec.report.charts import (
    FAINT,
    INK,
    PAPER,
    Series,
    colour,
    draw,
    label_ends,
    label_points,
    label_width,
    plot_line,
    set_margins,
    short,
)
from autorec.report.comparison_report import ModelResult, Verdict
from autorec.report.evaluation_report import ErrorGroup, Slices
from autorec.report.tables import metric_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW = 50  # ratings; the mean of fewer is drawn faint
_ROW = 0.26  # inches of a model in the plot of differences
_TOLD = ("not told apart", "told apart")

Colours = Mapping[str, int]  # of each model, 0, 1, …


@dataclass(frozen=True)
class Figure:
    """A chart as SVG text, its title, and a sentence below it."""

    title: str
    svg: str
    note: str = ""


def model_colours(models: Sequence[ModelResult]) -> Colours:
    """Name → colour, its index among the models [n]."""
    return {model.name: number for number, model in enumerate(models)}


def model_figures(models: Sequence[ModelResult]) -> list[Figure]:
    """Figures of the models [n] on the first split: learning curves, calibration, error by training ratings of the user
    and of the item, recall by length of the list, accuracy against coverage. A figure without points is left out."""
    colours = model_colours(models)
    sliced = [(model.name, model.slices) for model in models if model.slices is not None]
    found = [
        _draw_learning_curves(models, colours),
        _draw_calibration(sliced, colours),
        _draw_errors("user", [(name, slices.error_by_user_ratings) for name, slices in sliced], colours),
        _draw_errors("item", [(name, slices.error_by_item_ratings) for name, slices in sliced], colours),
        _draw_recall(models, colours),
        _draw_accuracy_and_coverage(models, colours),
    ]
    return [figure for figure in found if figure is not None]


def difference_figures(models: Sequence[ModelResult], verdicts: Sequence[Verdict]) -> list[Figure]:
    """One figure for each metric tested: the best model against every other, differences with 95 % intervals."""
    colours = model_colours(models)
    figures = []
    for metric in dict.fromkeys(verdict.metric for verdict in verdicts):
        tested = [one for one in verdicts if one.metric == metric and one.of_best and one.interval is not None]
        best = best_of(tested, models)
        if best is not None:
            figures.append(_draw_differences(metric, best, tested, colours))
    return figures


def best_of(tested: Sequence[Verdict], models: Sequence[ModelResult]) -> str | None:
    """The model that all verdicts [n] of one metric are about; of two models the one with the better mean."""
    common = set.intersection(*(set(verdict.models) for verdict in tested)) if tested else set()
    if not common:
        return None
    metric = tested[0].metric
    sign = 1 if metric == "RMSE" else -1
    means = {model.name: sign * (model.mean(metric.lower()) or 0.0) for model in models if model.name in common}
    return min(means, key=means.__getitem__, default=None)


# --- one figure each ----------------------------------------------------------------------------------------


def _draw_differences(metric: str, best: str, tested: Sequence[Verdict], colours: Colours) -> Figure:
    worse = "above" if metric == "RMSE" else "below"
    rows = sorted((_measure_lag(verdict, best) for verdict in tested), key=lambda row: row[1])

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        for y, (name, size, half, apart) in enumerate(rows):
            shade, said = colour(colours[name]), _TOLD[apart]
            axes.plot([size - half, size + half], [y, y], color=shade, solid_capstyle="butt")
            tips = json.dumps([f"{name}: {size:.4f} ± {half:.4f}, {said}"])
            axes.plot([size], [y], "o", color=shade, mfc=shade if apart else PAPER, markersize=6, gid=f"tips {tips}")
            axes.annotate(
                said, (1, y), (6, 0), xycoords=("axes fraction", "data"), textcoords="offset points", va="center",
                color=INK if apart else FAINT, annotation_clip=False,
            )  # fmt: skip
        names = [short(name) for name, *_ in rows]
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_yticks(range(len(rows)), names)
        axes.tick_params(axis="y", labelcolor=INK, length=0)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"{metric} {worse} {short(best)}")
        set_margins(figure, label_width(names), label_width(_TOLD))

    title = f"{metric}: {best} against each other model"
    return Figure(title, draw(paint, title, 0.65 + _ROW * len(rows)))


def _measure_lag(verdict: Verdict, best: str) -> tuple[str, float, float, bool]:
    """(the other model, by how much it is worse than `best`, half the 95 % interval, whether it is told apart)."""
    first, second = verdict.models
    sign = -1 if (best == first) == (verdict.metric == "RMSE") else 1
    half = 0.0 if verdict.interval is None else (verdict.interval[1] - verdict.interval[0]) / 2
    return second if best == first else first, sign * verdict.difference, half, verdict.winner is not None


def _draw_lines(
    title: str, x: str, y: str, series: Sequence[Series], labels: Sequence[str] = (), note: str = ""
) -> Figure:
    """Lines with their names at their ends. labels: text of x = 0, 1, …, where these are groups."""

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        _paint_lines(axes, series)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        if labels:
            axes.set_xticks(range(len(labels)), labels)
        elif all(value == int(value) for one in series for value in one.x):
            axes.xaxis.get_major_locator().set_params(integer=True)
        _label_lines(figure, axes, series)

    return Figure(title, draw(paint, title), note)


def _paint_lines(axes: "Axes", series: Sequence[Series]) -> None:
    for one in series:
        plot_line(axes, one)
    axes.margins(y=0.08)


def _label_lines(figure: Any, axes: "Axes", series: Sequence[Series]) -> None:
    set_margins(figure, left=58, right=label_width([short(one.name) for one in series]))
    label_ends(axes, series)


def _drop_unknown(series: Sequence[Series]) -> list[Series]:
    return [known for one in series if (known := one.known()).x]


def _draw_learning_curves(models: Sequence[ModelResult], colours: Colours) -> Figure | None:
    series = _drop_unknown(
        [
            Series(model.name, [point.epoch for point in model.curve], [point.rmse for point in model.curve], n)
            for model in models
            for n in [colours[model.name]]
        ]
    )
    return _draw_lines("Learning curves", "epoch", "validation RMSE", series) if series else None


def _draw_calibration(sliced: Sequence[tuple[str, Slices]], colours: Colours) -> Figure | None:
    """Mean rating by predicted level, with the diagonal; below it how many ratings each level has."""
    series, counts = [], []
    for name, slices in sliced:
        bins = slices.calibration
        x = [one.predicted for one in bins]
        labels = [f"{name}: predicted {b.predicted:.2f}, true {b.true:.2f}, {b.ratings:,} ratings" for b in bins]
        series.append(Series(name, x, [b.true for b in bins], colours[name], _find_few(bins), labels).known())
        counts.append(Series(name, x, [b.ratings for b in bins], colours[name], _find_few(bins), labels).known())
    if not any(one.x for one in series):
        return None

    def paint(figure: Any) -> None:
        axes, below = figure.subplots(2, sharex=True, height_ratios=(3, 1))
        values = [value for one in series for value in (*one.x, *one.y)]
        ends = (min(values), max(values))
        axes.plot(ends, ends, color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
        _paint_lines(axes, series)
        for one in counts:
            plot_line(below, one)
        below.set_yscale("log")
        below.yaxis.set_major_formatter("{x:,.0f}")
        below.minorticks_off()
        below.set_ylabel("ratings")
        below.set_xlabel("predicted rating")
        axes.set_ylabel("mean true rating")
        figure.align_ylabels()
        _label_lines(figure, axes, series)

    title = "Calibration of ratings"
    note = f"Dashed: true = predicted. Faint: levels of fewer than {FEW} ratings."
    return Figure(title, draw(paint, title, 4.2), note)


def _find_few(parts: Sequence[Any]) -> list[bool]:
    return [part.ratings < FEW for part in parts]


def _draw_errors(side: str, groups: Sequence[tuple[str, Sequence[ErrorGroup]]], colours: Colours) -> Figure | None:
    starts = sorted({group.at_least for _, parts in groups for group in parts})
    series = []
    for name, parts in groups:
        x = [float(starts.index(group.at_least)) for group in parts]
        labels = [f"{name}: RMSE {g.rmse:.4f} of {g.ratings:,} ratings" for g in parts]
        series.append(Series(name, x, [g.rmse for g in parts], colours[name], _find_few(parts), labels))
    series = _drop_unknown(series)
    title = f"Error by {'activity of the user' if side == 'user' else 'popularity of the item'}"
    below = f"training ratings of the {side}, at least"
    note = f"Faint: fewer than {FEW} test ratings."
    return _draw_lines(title, below, "RMSE", series, [str(start) for start in starts], note) if series else None


def _draw_recall(models: Sequence[ModelResult], colours: Colours) -> Figure | None:
    ks = models[0].ks
    if len(ks) < 2:
        return None
    value = partial(_find_means, metrics=[f"recall@{k}" for k in ks])
    series = _drop_unknown([Series(model.name, ks, value(model), colours[model.name]) for model in models])
    return _draw_lines("Recall by length of the list", "k", "recall@k", series) if series else None


def _draw_accuracy_and_coverage(models: Sequence[ModelResult], colours: Colours) -> Figure | None:
    """NDCG against coverage, a point a model with its name."""
    k = models[0].ks[0]
    x, y = f"coverage@{k}", f"ndcg@{k}"
    points = [
        point
        for model in models
        if (
            point := Series(model.name, _find_means(model, [x]), _find_means(model, [y]), colours[model.name]).known()
        ).x
    ]
    if len(points) < 2:
        return None
    title = "Accuracy against coverage"
    return Figure(title, draw(partial(_paint_points, points=points, x=metric_label(x), y=metric_label(y)), title))


def _paint_points(figure: Any, points: Sequence[Series], x: str, y: str) -> None:
    axes = figure.subplots()
    for point in points:
        plot_line(axes, point)
    axes.margins(0.1)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    set_margins(figure)
    label_points(axes, points)


def _find_means(model: ModelResult, metrics: Sequence[str]) -> list[float]:
    """NaN where the model has none: such points are not drawn."""
    means = [model.mean(metric) for metric in metrics]
    return [float("nan") if mean is None else mean for mean in means]
