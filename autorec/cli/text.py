"""Tables and facts as text on stdout: ruled on a terminal, only aligned elsewhere, for programs."""

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import click

Row = Sequence[Any]


def show_table(columns: Sequence[str], rows: Iterable[Row], title: str | None = None, figures: bool = False) -> None:
    """columns [n], rows [m × n] as text: ruled on a terminal, only aligned elsewhere. Columns of numbers are aligned
    right, with `figures` all but the first."""
    rows = list(rows)
    numbers = [bool(rows) and all(_is_number(row[i]) or row[i] is None for row in rows) for i in range(len(columns))]
    right = [number > 0 for number in range(len(columns))] if figures else numbers
    texts = [[_text(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _show_ruled(columns, texts, right, title)
        return
    if title:
        click.echo(title)
    for line in _align([list(columns), *texts], right):
        click.echo(line)


def show_facts(facts: dict[str, Any], title: str | None = None) -> None:
    """Names and values, one a line."""
    if title:
        click.secho(title, bold=True)
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        click.echo(f"  {name:<{width}}  {_text(value)}")


def show_findings(findings: Sequence[dict[str, Any]]) -> None:
    """What an audit found, one a line."""
    click.secho("\nData audit", bold=True)
    for finding in findings:
        click.echo(f"- {finding['level'].capitalize()}: {_text(finding['sentence'])}")
    if not findings:
        click.echo("Nothing suspicious was found.")


def show_frames(frames: Iterable[Any]) -> None:
    """Blocks of one table: each ruled on a terminal; elsewhere aligned, with the first block's widths."""
    widths: list[int] = []
    for frame in frames:
        columns = list(frame.columns)
        cells = [frame[name].tolist() for name in columns]
        rows = list(zip(*cells, strict=True))
        if sys.stdout.isatty():
            show_table(columns, rows)
            continue
        right = [frame[name].dtype.kind in "iuf" for name in columns]
        texts = [[_text(cell) for cell in row] for row in rows]
        header = [] if widths else [columns]
        widths = widths or _widths([columns, *texts])
        for line in _align([*header, *texts], right, widths):
            click.echo(line)


def brief(facts: dict[str, Any]) -> dict[str, Any]:
    """Facts without tables, such as learning curves and what was tried, which --json has; of a part, itself a model,
    its name and what was chosen for it."""
    told = {name: _name_part(value) if isinstance(value, dict) else value for name, value in facts.items()}
    return {name: value for name, value in told.items() if value != "" and not isinstance(value, list)}


def _name_part(facts: dict[str, Any]) -> str:
    """ "i-autorec, l2 125, inputs ratings"; "" of facts that are not of a model."""
    chosen = [
        f"{name} {value:g}" if _is_number(value) else f"{name} {value}"
        for name, value in facts.items()
        if name in ("l2", "inputs", "half_life") and value is not None
    ]
    return ", ".join([facts["model"], *chosen]) if "model" in facts else ""


def _show_ruled(columns: Sequence[str], texts: list[list[str]], right: list[bool], title: str | None) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    for name, is_right in zip(columns, right, strict=True):
        table.add_column(name, justify="right" if is_right else "left")
    for row in texts:
        table.add_row(*map(Text, row))
    Console().print(table)


def _align(rows: list[list[str]], right: list[bool], widths: list[int] | None = None) -> Iterator[str]:
    widths = _widths(rows) if widths is None else widths
    length = _length()
    for row in rows:
        cells = []
        for cell, width, is_right in zip(row, widths, right, strict=True):
            blanks = " " * (width - length(cell))
            cells.append(blanks + cell if is_right else cell + blanks)
        yield "  ".join(cells).rstrip()


def _widths(rows: list[list[str]]) -> list[int]:
    length = _length()
    return [max(map(length, column)) for column in zip(*rows, strict=True)]


def _length() -> Callable[[str], int]:
    from rich.cells import cell_len  # counts wide characters as two columns

    return cell_len


def _is_number(value: Any) -> bool:
    return hasattr(value, "__float__") and not isinstance(value, (str, bool))


def _text(value: Any) -> str:
    """A cell: whole numbers and text as they are, others to 4 significant decimals, no control characters."""
    if value is None:
        return "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value))
    if _is_number(value) and not hasattr(value, "__index__"):
        return "-" if math.isnan(value) else f"{value:.4f}"
    text = str(value)
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
