"""Line charts as SVG text, for a page that needs nothing from elsewhere. Colours come from the page's style."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

Place = Callable[[float, float], tuple[float, float]]

WIDTH, HEIGHT = 460, 280
COLOURS = 10
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 20, 12, 44


@dataclass(frozen=True)
class Line:
    """One line of a chart: its name, its points, x ascending, and its colour, 0 … COLOURS − 1."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0


def line_chart(
    title: str, x_label: str, y_label: str, lines: Sequence[Line], labels: Sequence[str] | None = None
) -> str:
    """A figure with a legend. labels: text of the x values 0, 1, …, where these are groups."""
    lines = [known for line in lines if (known := _known(line)).x]
    if not lines:
        return ""
    xs, ys = (np.concatenate([np.asarray(getattr(line, axis), dtype=float) for line in lines]) for axis in "xy")
    (x0, x1), (y0, y1) = _range(xs, 0.0), _range(ys, 0.08)

    def place(x: float, y: float) -> tuple[float, float]:
        across = _LEFT + (x - x0) / (x1 - x0) * (WIDTH - _LEFT - _RIGHT)
        return round(across, 1), round(HEIGHT - _BOTTOM - (y - y0) / (y1 - y0) * (HEIGHT - _TOP - _BOTTOM), 1)

    parts = [*_grid(place, (x0, x1), (y0, y1), labels), *_names_of_axes(x_label, y_label)]
    for line in lines:
        points = [place(x, y) for x, y in zip(line.x, line.y, strict=True)]
        parts.append(
            f'<polyline class="line c{line.colour % COLOURS}" points="{" ".join(f"{x},{y}" for x, y in points)}"/>'
        )
        for (x, y), value in zip(points, line.y, strict=True):
            told = f"<title>{escape(line.name)}: {value:.4g}</title>"
            parts.append(f'<circle class="dot c{line.colour % COLOURS}" cx="{x}" cy="{y}" r="3">{told}</circle>')
    legend = "".join(f'<span class="key c{line.colour % COLOURS}">{escape(line.name)}</span>' for line in lines)
    drawing = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    return f"<figure><figcaption>{escape(title)}</figcaption>{drawing}<div class=legend>{legend}</div></figure>"


def _known(line: Line) -> Line:
    """Without the points that have no value."""
    points = [(x, y) for x, y in zip(line.x, line.y, strict=True) if math.isfinite(x) and math.isfinite(y)]
    return Line(line.name, [x for x, _ in points], [y for _, y in points], line.colour)


def _range(values: "np.ndarray[tuple[int], np.dtype[np.float64]]", margin: float) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    wide = (high - low) or abs(high) or 1.0
    bottom = low - margin * wide
    # Where nothing is negative, no axis says so.
    return (max(bottom, 0.0) if low >= 0 else bottom), high + (margin if high > low else 1.0) * wide


def _grid(put: Place, x: tuple[float, float], y: tuple[float, float], labels: Sequence[str] | None) -> list[str]:
    parts = []
    for value in _ticks(*y):
        _, height = put(x[0], value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{height}" y2="{height}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{height + 4}" text-anchor="end">{value:.4g}</text>')
    ticks = [n for n in range(len(labels)) if x[0] <= n <= x[1]] if labels else _ticks(*x)
    for value in ticks:
        across, _ = put(float(value), y[0])
        text = labels[int(value)] if labels else f"{value:.4g}"
        parts.append(f'<text x="{across}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="middle">{escape(text)}</text>')
    return parts


def _ticks(low: float, high: float) -> list[float]:
    """Three to seven round numbers from low to high: multiples of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(round_ * power for round_ in (1, 2, 5, 10) if (high - low) / (round_ * power) <= 6)
    return [n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _names_of_axes(x_label: str, y_label: str) -> list[str]:
    middle = (HEIGHT - _BOTTOM + _TOP) / 2
    return [
        f'<text x="{(WIDTH + _LEFT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>',
        f'<text transform="rotate(-90 12 {middle})" x="12" y="{middle}" text-anchor="middle">{escape(y_label)}</text>',
    ]
