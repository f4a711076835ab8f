"""Numbers and tables as text: how metrics are named, which end of them is better, cells, Markdown."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autorec.report.comparison_report import Spread

_LOWER = ("rmse", "mae", "rmse_by_user")
_HIGHER = ("precision", "recall", "recall_truncated", "ndcg", "ndcg_graded", "map", "mrr", "hit", "auc", "coverage")
_INITIALS = ("rmse", "mae", "ndcg", "map", "mrr", "auc")


@dataclass(frozen=True)
class Cell:
    """small: small print below the text; best: the best of its kind; prose: words, which wrap."""

    text: str
    small: str = ""
    best: bool = False
    prose: bool = False


@dataclass(frozen=True)
class Head:
    """The name of a column; tip: what it means."""

    text: str
    tip: str = ""


@dataclass(frozen=True)
class Group:
    """Rows [rows × columns] of cells under one title, "" for none."""

    title: str
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Table:
    """head [columns]; groups of rows, each [rows × columns]."""

    head: Sequence[Head]
    groups: Sequence[Group]


def better(metric: str) -> int:
    """−1 where lower is better, 1 where higher is, 0 where neither end is, or it is not known."""
    name = metric.partition("@")[0]
    return -1 if name in _LOWER else 1 if name in _HIGHER else 0


def metric_label(metric: str) -> str:
    """As the field writes it: RMSE, NDCG@10, recall@10, graded NDCG@10."""
    name, at, k = metric.partition("@")
    name = {"ndcg_graded": "graded_ndcg", "recall_truncated": "truncated_recall"}.get(name, name)
    return " ".join(word.upper() if word in _INITIALS else word for word in name.split("_")) + at + k


def arrow(metric: str) -> str:
    """Towards the better end."""
    return {-1: " ↓", 0: "", 1: " ↑"}[better(metric)]


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
    return "–" if value is None else "< 1" if value < 2**20 else f"{value / 2**20:.0f}"


def seconds(value: float | None) -> str:
    """Two digits below a second, one decimal above; a dash where unknown."""
    return "–" if value is None else f"{value:.2f}" if value < 1 else f"{value:.1f}"


def printable(text: str) -> str:
    """Text with control characters replaced, which a page may not hold."""
    return (
        text
        if text.isprintable()
        else "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    )


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """columns [n], rows [m × n] → Markdown; the first column is aligned left, the others right."""
    marks = ["---", *("---:" for _ in columns[1:])]
    lines = [columns, marks, *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def as_markdown(table: Table) -> str:
    """The table [rows × columns] as Markdown; the best in bold, titles of groups left out."""
    rows = [[_format_cell(cell) for cell in row] for group in table.groups for row in group.rows]
    return markdown_table([head.text for head in table.head], rows)


def _format_cell(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.best else cell.text
    return f"{text} {cell.small}".strip()
