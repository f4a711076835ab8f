"""autorec evaluate: how good a model is on ratings it has not seen."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

import autorec
from autorec.cli.options import judging, per_user_output, ratings_file, report_output, source_name
from autorec.cli.output import require_form, write_file, write_report
from autorec.cli.paths import Input
from autorec.cli.text import show_facts, show_table
from autorec.cli.verb import verb


@verb
@click.argument("model", type=Input())
@ratings_file("test")
@judging
@click.option("--fold-in", type=Input(), metavar="FILE", help="Ratings of test users whom the model has not seen.")
@click.option("--interval", type=float, metavar="SHARE", help="Count the ratings within intervals that hold it.")
@per_user_output
@report_output
def evaluate(
    model: str,
    read: Callable[..., Any],
    fold_in: str | None,
    per_user: Path | None,
    output: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Evaluate MODEL on the rating file TEST: error of the ratings, quality of the top k.

    With --interval 0.9 also how many ratings lie within intervals that are to hold nine of ten, for all, by activity of
    the user and by popularity of the item: a random half of TEST makes the intervals, the other half is counted; with
    dates also the earlier half and the later one, where the guarantee does not hold.
    """
    require_form(output)
    history = None if fold_in is None else read(fold_in)
    result = autorec.evaluate(autorec.load(model), read(), fold_in=history, name=source_name("test"), **options)
    if per_user is not None:
        write_file([result.per_user], per_user)
    write_report(result, output, as_json, _show)


_COVERED = ("training ratings", "ratings", "coverage", "mean width")
_COVERAGE = {
    "at_random": "Intervals made by a random half of TEST, counted on the other:",
    "by_time": "Made by the earlier half, counted on the later, where nothing is guaranteed:",
}


def _show(report: dict[str, Any]) -> None:
    if report["caution"]:
        click.secho(f"{report['caution']}\n", bold=True)
    show_table(["metric", "value", "95 % over users", "formula"], [_row(name, report) for name in report["metrics"]])
    click.echo()
    for name, groups in (report["coverage"] or {}).items():
        if name != "interval" and groups is not None:
            show_table(_COVERED, [list(group.values()) for group in groups], _COVERAGE[name])
            click.echo()
    show_facts({name.replace("_", " "): value for name, value in {**report["counts"], **report["settings"]}.items()})


def _row(name: str, report: dict[str, Any]) -> list[Any]:
    low, high = report["intervals"].get(name, (None, None))
    between = "" if low is None else f"{low:.4f} to {high:.4f}"
    return [name, report["metrics"][name], between, report["formulas"].get(name.partition("@")[0], "")]
