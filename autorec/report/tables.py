"""Numbers and tables as text, for reports."""

import math
from collections.abc import Iterable, Sequence

from autorec.report.results import Spread


def number(value: float | None) -> str:
    """Four decimals; a dash where undefined."""
    return "–" if value is None or math.isnan(value) else f"{value:.4f}"


def with_interval(spread: Spread | None) -> tuple[str, str]:
    """(mean, "± half the 95 % interval"); the second "" for a single value."""
    if spread is None or spread.mean is None:
        return "–", ""
    half = "" if spread.interval is None else f"± {spread.interval[1] - spread.mean:.4f}"
    return number(spread.mean), half


def size(value: int | None) -> str:
    """Bytes as MiB; a dash where unknown."""
    return "–" if value is None else f"{value / 2**20:.0f}"


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """First column left, the others right."""
    marks = ["---", *("---:" for _ in columns[1:])]
    lines = [columns, marks, *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
