"""Numbers and tables as text, for reports."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy import stats


def spread(values: Sequence[float]) -> dict[str, Any]:
    """mean, sd (n − 1), 95 % t-interval of the mean, values; None for what is undefined."""
    known = np.array(values)[~np.isnan(values)]
    mean = float(known.mean()) if len(known) else None
    sd = float(known.std(ddof=1)) if len(known) > 1 else None
    interval = None
    if mean is not None and sd is not None:
        half = float(stats.t.ppf(0.975, len(known) - 1)) * sd / math.sqrt(len(known))
        interval = [mean - half, mean + half]
    told = [None if np.isnan(value) else float(value) for value in values]
    return {"mean": mean, "sd": sd, "interval": interval, "values": told}


def number(value: float | None) -> str:
    """Four decimals; a dash where undefined."""
    return "–" if value is None or math.isnan(value) else f"{value:.4f}"


def with_interval(found: dict[str, Any] | None) -> tuple[str, str]:
    """A `spread` as (mean, "± half its interval"); the second "" for a single value."""
    if found is None or found["mean"] is None:
        return "–", ""
    half = "" if found["interval"] is None else f"± {found['interval'][1] - found['mean']:.4f}"
    return number(found["mean"]), half


def size(value: int | None) -> str:
    """Bytes as MiB; a dash where unknown."""
    return "–" if value is None else f"{value / 2**20:.0f}"


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """First column left, the others right."""
    marks = ["---", *("---:" for _ in columns[1:])]
    lines = [columns, marks, *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
