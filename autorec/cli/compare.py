"""autorec compare: several models on the same splits of the same ratings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

import autorec
from autorec.cli.options import ratings_file, report_output
from autorec.cli.output import write_report
from autorec.cli.text import show_findings, show_table
from autorec.cli.verb import verb


@verb
@ratings_file()
@click.option("-m", "--model", "names", multiple=True, required=True, help="As in train; repeatable.")
@click.option("--by", default="random:0.1", show_default=True, help="As in split, or given:TRAIN,TEST.")
@click.option("--repeats", type=click.IntRange(min=1), default=1, show_default=True, help="Splits to average.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the first split; then one up each.")
@click.option("-k", type=click.IntRange(min=1), multiple=True, default=(10,), show_default=True)
@click.option("--relevant", type=float, metavar="RATING", help="Ratings from here up count as hits.")
@report_output
def compare(
    read: Callable[..., Any],
    names: tuple[str, ...],
    by: str,
    repeats: int,
    seed: int,
    k: tuple[int, ...],
    relevant: float | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Train and test models on the same splits of RATINGS, the baselines beside them.

    With --by given:TRAIN,TEST these two files are read, from the folder RATINGS when they are there.
    """
    ratings = None if by.startswith("given:") else read()
    result = autorec.compare(ratings, list(names), by=by, repeats=repeats, seed=seed, k=k, relevant=relevant, read=read)
    write_report(result, output, as_json, _show)


def _show(report: dict[str, Any]) -> None:
    """Metrics down, models across: so that many metrics fit on a terminal."""
    audited, models = report["audit"], report["models"]
    if audited["caution"]:
        click.secho(f"{audited['caution']}\n", bold=True)
    names = list(dict.fromkeys(name for model in models for name in model["metrics"]))
    rows = [[name, *(_cell(model["metrics"].get(name)) for model in models)] for name in names]
    rows.append(["fit seconds", *(f"{model['fit_seconds']:.1f}" for model in models)])
    show_table(["metric", *(model["name"] for model in models)], rows, figures=True)
    split = report["split"]
    click.echo(
        f"\nMeans over {split['splits']} splits by {split['by']}, seed {split['seed']}, ± half the 95 % interval."
    )
    for verdict in report["significance"]:
        click.echo(f"- {verdict['sentence']}")
    show_findings([*audited["splits"][0]["findings"], *audited["ratings"]], "\nData audit")
    click.echo("\nFormulas and counts are in the report: -o FILE.html, FILE.md, or --json.")


def _cell(spread: dict[str, Any] | None) -> str:
    if spread is None:
        return "-"
    half = spread["interval"] and spread["interval"][1] - spread["mean"]
    return f"{spread['mean']:.4f}" + ("" if half is None else f" ± {half:.4f}")
