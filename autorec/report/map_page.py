"""A map as one HTML page: dots with their names, groups in colours, what the groups are."""

from collections.abc import Sequence
from dataclasses import dataclass

from autorec.extras import require
from autorec.report.charts import COLOURS
from autorec.report.page import render

WIDTH, HEIGHT = 1000.0, 720.0  # of the drawing, in its own units
_MARGIN = 20.0
_SMALLEST, _LARGEST = 2.5, 11.0  # radius of a dot


@dataclass(frozen=True)
class Dot:
    """A point of the map: where, how many ratings, in which group from 0, what it says when pointed at."""

    x: float
    y: float
    ratings: int
    group: int
    text: str


def map_page(title: str, dots: Sequence[Dot], groups: Sequence[str], facts: Sequence[str], notes: Sequence[str]) -> str:
    """The page: dots whose area grows with their ratings, number and colour of each of `groups`, `notes` below."""
    require("report", "a map in HTML")
    x, y = _placed([dot.x for dot in dots], [-dot.y for dot in dots])  # y downwards
    most = max((dot.ratings for dot in dots), default=0) or 1
    drawn = []
    for number, about in enumerate(groups):
        own = [k for k, dot in enumerate(dots) if dot.group == number]
        circles = [(x[k], y[k], _radius(dots[k].ratings / most), dots[k].text) for k in own]
        middle = (_median([x[k] for k in own]), _median([y[k] for k in own])) if own else None
        drawn.append(
            {"number": number + 1, "colour": number % COLOURS, "about": about, "circles": circles, "at": middle}
        )
    return render("map.html", title=title, facts=facts, groups=drawn, notes=notes, width=WIDTH, height=HEIGHT)


def _placed(x: Sequence[float], y: Sequence[float]) -> tuple[list[float], list[float]]:
    """The points in the middle of the drawing, on the scale, one for both directions, that fills it up to a margin."""
    ranges = [(min(values, default=0.0), max(values, default=0.0)) for values in (x, y)]
    room = [length - 2 * _MARGIN for length in (WIDTH, HEIGHT)]
    scale = min((free / (high - low) for free, (low, high) in zip(room, ranges, strict=True) if high > low), default=1)
    (left, right), (top, bottom) = ranges
    return (
        [WIDTH / 2 + scale * (value - (left + right) / 2) for value in x],
        [HEIGHT / 2 + scale * (value - (top + bottom) / 2) for value in y],
    )


def _radius(share: float) -> float:
    """Of a dot with this share of the most ratings: its area grows with them."""
    return float((_SMALLEST**2 + (_LARGEST**2 - _SMALLEST**2) * share) ** 0.5)


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
