"""Charts by matplotlib as SVG text for a page: they load nothing and take the colours of the page, light and dark.

matplotlib draws with placeholder colours; `svg` replaces them by CSS variables (--ink, --c0 …) which the page defines.
Text stays text. matplotlib is imported when something is drawn, not before.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import StringIO
from math import isfinite
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from autorec.report.tables import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 5.0, 3.4  # inches; in the page a chart is as wide as its column
COLOURS = 10  # of models, in turn
INK, FAINT, RULE, PAPER = "#010100", "#010101", "#010102", "#010103"
_NAMES = ("ink", "faint", "rule", "paper", *(f"c{n}" for n in range(COLOURS)))
_POINT = 72  # points an inch
_LABEL_HEIGHT = 11  # points from one label to the next
_CHARACTER = 5.6  # points of a character, about
_LONGEST = 20  # characters of a name beside a chart
_STYLE: Any = {  # matplotlib types its keys one by one
    "svg.fonttype": "none",
    "svg.hashsalt": "autorec",
    "text.parse_math": False,  # a name is no formula
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": FAINT,
    "axes.edgecolor": RULE,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": FAINT,
    "ytick.labelcolor": FAINT,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
}


@dataclass(frozen=True)
class Series:
    """A line of a chart.

    x, y    [points] x ascending
    colour  0, 1, …
    faint   [points] whether a point is of few ratings; () for none
    labels  [points] the tooltip of each point; () for name and y
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int
    faint: Sequence[bool] = ()
    labels: Sequence[str] = ()

    def known(self) -> "Series":
        """The same without points whose x or y is not finite: [points left]."""
        keep = [k for k in range(len(self.x)) if isfinite(self.x[k]) and isfinite(self.y[k])]
        faint = self.faint or [False] * len(self.x)
        labels = self.labels or [f"{self.name}: {value:.4g}" for value in self.y]
        x, y = ([values[k] for k in keep] for values in (self.x, self.y))
        return Series(self.name, x, y, self.colour, [faint[k] for k in keep], [labels[k] for k in keep])


def colour(number: int) -> str:
    """The placeholder of the page's colour c0, c1, …."""
    return f"#0101{len(_NAMES) - COLOURS + number % COLOURS:02x}"


def draw(paint: Callable[[Any], None], title: str, height: float = HEIGHT) -> str:
    """The SVG of a figure that `paint` draws on. title: for screen readers; height: inches."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH, height))
        figure.patch.set_alpha(0)
        FigureCanvasSVG(figure)
        paint(figure)
        written = StringIO()
        nothing = {"Creator": None, "Date": None, "Format": None, "Type": None}
        figure.savefig(written, format="svg", metadata=nothing)
    return _inline(written.getvalue(), title)


def set_margins(figure: Any, left: float = 46, right: float = 10) -> None:
    """Points around the axes for labels, below them 36, above 6; cheaper than to have matplotlib measure every text."""
    width, height = (_POINT * size for size in figure.get_size_inches())
    figure.subplots_adjust(left / width, 36 / height, 1 - right / width, 1 - 6 / height, hspace=0.12)


def label_width(labels: Sequence[str]) -> float:
    """Points (1/72 inch) that the longest of the labels [n] takes, about, with its distance from the axes."""
    return max(map(len, labels), default=0) * _CHARACTER + 10


def short(name: str) -> str:
    """A name that fits beside a chart and holds no control characters."""
    return printable(name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…")


def plot_line(axes: "Axes", series: Series) -> None:
    """Draw one series [points] as a line with its points; faint points and the segments at them are pale."""
    plot_points(axes, series)
    shade = colour(series.colour)
    x, y, faint = np.asarray(series.x, dtype=float), np.asarray(series.y, dtype=float), np.asarray(series.faint)
    segments = faint[:-1] | faint[1:]  # [points − 1] whether a part touches a faint point
    for pale in np.unique(segments):
        broken = np.insert(y, np.arange(1, len(y)), np.where(segments == pale, (y[:-1] + y[1:]) / 2, np.nan))
        middles = np.insert(x, np.arange(1, len(x)), (x[:-1] + x[1:]) / 2)
        axes.plot(middles, broken, color=shade, alpha=0.25 if pale else 1)


def plot_points(axes: "Axes", series: Series) -> None:
    """Draw the points [points] of a series alone, faint ones pale."""
    shade = colour(series.colour)
    x, y, faint = np.asarray(series.x, dtype=float), np.asarray(series.y, dtype=float), np.asarray(series.faint)
    for pale in np.unique(faint):
        here = faint == pale
        tips = json.dumps([label for label, inside in zip(series.labels, here, strict=True) if inside])
        alpha = 0.35 if pale else 1
        axes.plot(x[here], y[here], "o", color=shade, alpha=alpha, mec=PAPER, mew=0.6, zorder=2.1, gid=f"tips {tips}")


def label_ends(axes: "Axes", series: Sequence[Series]) -> None:
    """Write the name of each of the series [n] beside its last point, in its colour; names do not overlap."""
    for y, one in zip(_move_labels_apart(axes, series), series, strict=True):
        axes.annotate(
            short(one.name), (1, y), (6, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
            color=colour(one.colour), va="center", annotation_clip=False,
        )  # fmt: skip


def label_points(axes: "Axes", points: Sequence[Series]) -> None:
    """Write the name of each of the single points [n] on the side with more room; names do not overlap."""
    low, high = axes.get_xlim()
    for y, one in zip(_move_labels_apart(axes, points), points, strict=True):
        left = one.x[-1] > (low + high) / 2
        axes.annotate(
            short(one.name), (one.x[-1], y), (-7 if left else 7, 0), textcoords="offset points",
            color=colour(one.colour), ha="right" if left else "left", va="center", annotation_clip=False,
        )  # fmt: skip


def _move_labels_apart(axes: "Axes", series: Sequence[Series]) -> list[float]:
    """The last y of each line, moved apart by the height of a label."""
    low, high = axes.get_ylim()
    height = axes.get_window_extent().height / axes.figure.dpi * _POINT
    gap = (high - low) * _LABEL_HEIGHT / height
    return keep_between(move_apart([one.y[-1] for one in series], gap), gap, low + gap / 4, high - gap / 4)


def move_apart(values: Sequence[float], gap: float) -> list[float]:
    """Values [n] → [n] the values moved as little as needed to be at least `gap` apart, in the same order: groups that
    overlap are spread around their mean."""
    order = sorted(range(len(values)), key=lambda k: values[k])
    groups: list[list[int]] = []
    for k in order:
        groups.append([k])
        while len(groups) > 1 and _overlap(groups[-2], groups[-1], values, gap):
            groups[-2:] = [groups[-2] + groups[-1]]
    moved = list(values)
    for group in groups:
        start = _start(group, values, gap)
        for rank, k in enumerate(group):
            moved[k] = start + rank * gap
    return moved


def keep_between(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Values [n] at least `gap` apart → [n] within low … high, still apart and in order; above it where there is too
    little room."""
    order, moved = sorted(range(len(values)), key=lambda k: values[k]), list(values)
    for rank, k in enumerate(reversed(order)):
        moved[k] = min(moved[k], high - rank * gap)
    for rank, k in enumerate(order):
        moved[k] = max(moved[k], low + rank * gap)
    return moved


def _start(group: Sequence[int], values: Sequence[float], gap: float) -> float:
    """Of the lowest label of a group whose labels stand `gap` apart around the mean of their values."""
    return sum(values[k] for k in group) / len(group) - (len(group) - 1) * gap / 2


def _overlap(below: Sequence[int], above: Sequence[int], values: Sequence[float], gap: float) -> bool:
    return _start(below, values, gap) + (len(below) - 0.5) * gap > _start(above, values, gap) - gap / 2


# --- from matplotlib's file to a part of a page -------------------------------------------------------------


def _inline(text: str, title: str) -> str:
    """Only the <svg>, without its size, style sheet, fonts and unused ids; points with their tooltips."""
    root = ElementTree.fromstring(re.sub(r"<!DOCTYPE[^>]*>", "", text))
    used = set(re.findall(r"#(\w+)", " ".join(value for element in root.iter() for value in element.attrib.values())))
    for element in list(root.iter()):
        element.tag = element.tag.rpartition("}")[2]  # HTML knows no namespaces
        element.attrib = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
        element.tail = None
        element.text = element.text and element.text.strip()
        own = element.get("id", "")
        if own.startswith("tips "):
            points = [child for child in element.iter() if child.tag.endswith("use")]
            for point, tip in zip(points, json.loads(own.removeprefix("tips ")), strict=False):
                ElementTree.SubElement(point, "title").text = printable(tip)
        if own not in used:
            element.attrib.pop("id", None)
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": title}
    root.remove(root[0])  # the style sheet, which would be the page's
    written = ElementTree.tostring(root, encoding="unicode")
    written = re.sub(r"font-family: [^;\"]*;? ?", "", written)
    return re.sub(r"#0101([0-9a-f]{2})", lambda found: f"var(--{_NAMES[int(found[1], 16)]})", written)
