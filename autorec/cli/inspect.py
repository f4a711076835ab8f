"""autorec inspect: what is in a rating file."""

from collections.abc import Callable
from typing import Any

import click

import autorec
from autorec.cli.options import ratings_file
from autorec.cli.output import write_json
from autorec.cli.text import show_facts, show_findings, show_table
from autorec.cli.verb import verb

_BAR = 40  # characters of the longest bar


@verb
@ratings_file()
def inspect(read: Callable[[], Any], as_json: bool) -> None:
    """What is in RATINGS: counts, scale, density, dates, problems, and what is suspicious.

    RATINGS is a file, a folder of a known data set, or - for stdin.
    """
    ratings = read()
    facts = autorec.summarize(ratings)
    findings = [finding.to_dict() for finding in autorec.audit(ratings)]
    if as_json:
        write_json({**facts, "audit": findings})
        return
    show_summary(facts, most_rated=len(facts["most_rated"]))
    show_findings(findings)


def show_summary(facts: dict[str, Any], most_rated: int) -> None:
    """What `autorec.summarize` found, as text, with this many of the most rated items."""
    show_facts(_readable(facts))
    click.echo()
    _show_histogram(facts["histogram"])
    if most_rated:
        columns = ["item", "title", "ratings", "mean"]
        if all(row["title"] is None for row in facts["most_rated"]):
            columns.remove("title")
        rows = [[row[name] for name in columns] for row in facts["most_rated"][:most_rated]]
        click.echo()
        show_table(columns, rows, "Most rated items")
    click.echo()
    for problem in facts["problems"] or ["No problems found."]:
        click.echo(problem)


def _readable(facts: dict[str, Any]) -> dict[str, Any]:
    low, high = facts["scale"]
    lines = {name: f"{facts[name]:,}" for name in ("users", "items", "ratings")}
    lines["density"] = f"{facts['density']:.4%}"
    lines["scale"] = f"{low:g} to {high:g} ({'stated' if facts['scale_stated'] else 'observed'})"
    lines["mean rating"] = facts["mean"]
    if facts["first_date"] or facts["last_date"]:
        lines["dates"] = f"{facts['first_date']} to {facts['last_date']}"
    for side in ("user", "item"):
        spread = facts[f"ratings_per_{side}"]
        if spread:
            lines[f"ratings per {side}"] = f"{spread['least']:,} to {spread['most']:,}, median {spread['median']:g}"
    lines["duplicates replaced"] = f"{facts['duplicates_replaced']:,}"
    lines["rows skipped"] = f"{facts['rows_skipped']:,}"
    return lines


def _show_histogram(bins: list[dict[str, float]]) -> None:
    most = max((row["count"] for row in bins), default=0)
    labels = [f"{b['from']:g}" if b["from"] == b["to"] else f"{b['from']:g} to {b['to']:g}" for b in bins]
    width = max(map(len, labels), default=0)
    for label, row in zip(labels, bins, strict=True):
        bar = "█" * round(_BAR * row["count"] / most)
        click.echo(f"  {label:>{width}}  {bar:<{_BAR}}  {row['count']:>{len(f'{most:,}')},}")
