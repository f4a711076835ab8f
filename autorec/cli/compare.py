"""autorec compare: several models on the same splits of the same ratings."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

import autorec
from autorec.cli.options import (
    judging,
    model_settings,
    per_user_output,
    ratings_file,
    report_output,
    source_name,
    split_option,
)
from autorec.cli.output import require_form, write_file, write_report
from autorec.cli.paths import ModelName
from autorec.cli.text import show_findings, show_table
from autorec.cli.verb import say, verb


@verb
@ratings_file()
@click.option("-m", "--model", "names", type=ModelName(), multiple=True, required=True, help="As in train; repeatable.")
@split_option("As in split, or given:TRAIN,TEST[,TRAIN,TEST…].")
@click.option("--repeats", type=click.IntRange(min=1), default=1, show_default=True, help="Splits to average.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the first split; then one up each."
)
@judging
@click.option(
    "--baselines",
    type=click.Choice(["all", "simple", "none"]),
    default="all",
    show_default=True,
    help="What is compared with the models; all takes the most time.",
)
@click.option(
    "--set",
    "settings",
    callback=model_settings,
    multiple=True,
    metavar="[MODEL:]NAME=VALUE",
    help="A setting of one model, without MODEL: of all that are asked for; repeatable.",
)
@click.option("--user-ids", is_flag=True, help="Name the users of the report's examples.")
@per_user_output
@report_output
def compare(
    read: Callable[..., Any],
    names: tuple[str, ...],
    by: str,
    per_user: Path | None,
    output: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Train and test models on the same splits of RATINGS, with baselines.

    Baselines choose their settings on validation ratings; those that would take longer than all models asked for, and
    than a minute, are left out unless -m names them. With --by given:TRAIN,TEST these two files are read, from the
    folder RATINGS when they are there; more pairs are more splits.
    """
    require_form(output)
    ratings = None if by.startswith("given:") else read()
    command = shlex.join(["autorec", *sys.argv[1:]])
    options |= {"name": source_name("ratings"), "command": command, "announce": say}
    result = autorec.compare(ratings, list(names), by=by, read=read, **options)
    if per_user is not None:
        write_file([result.per_user()], per_user)
    write_report(result, output, as_json, _show)


def _show(report: dict[str, Any]) -> None:
    """The metrics that say most, so that they fit on a terminal."""
    audited, models = report["audit"], report["models"]
    if audited["caution"]:
        click.secho(f"{audited['caution']}\n", bold=True)
    names = report["main_metrics"]
    rows = [
        [model["name"], *(_cell(model["metrics"].get(name)) for name in names), _seconds(model)] for model in models
    ]
    show_table(["model", *names, "fit s"], rows, figures=True)
    split = report["split"]
    means = f"Means of {split['splits']} splits, ± half the 95 % interval," if split["splits"] > 1 else "One split"
    click.echo(f"\n{means} by {split['by']}, seed {split['seed']}.")
    for model in models:
        if "refused" in model:
            click.secho(f"- {model['name']} has no result: {model['refused'].rstrip('.')}.", bold=True)
    for name, why in report["left_out"].items():
        click.echo(f"- {name} is left out: {why}.")
    for verdict in report["significance"]:
        if verdict["of_best"]:
            click.echo(f"- {verdict['sentence']}")
    show_findings([*audited["splits"][0]["findings"], *audited["ratings"]])
    click.echo(
        "\nAll metrics and pairs, figures, examples, formulas, counts: in the report, -o FILE.html, FILE.md, or --json."
    )


def _seconds(model: dict[str, Any]) -> str:
    return "refused" if "refused" in model else f"{model['fit_seconds']:.1f}"


def _cell(spread: dict[str, Any] | None) -> str:
    if spread is None:
        return "-"
    half = spread["interval"] and spread["interval"][1] - spread["mean"]
    return f"{spread['mean']:.4f}" + ("" if half is None else f" ± {half:.4f}")
