"""Numbers and tables as text, for reports."""

import math
from collections.abc import Iterable, Sequence


def number(value: float | None) -> str:
    """Four decimals; a dash where undefined."""
    return "–" if value is None or math.isnan(value) else f"{value:.4f}"


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """First column left, the others right."""
    marks = ["---", *("---:" for _ in columns[1:])]
    lines = [columns, marks, *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
