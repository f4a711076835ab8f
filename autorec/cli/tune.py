"""autorec tune: search a model's settings for given ratings, and write them as a preset file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

import autorec
from autorec.cli.options import output as output_file
from autorec.cli.options import ratings_file, settings, source_name, split_option
from autorec.cli.output import require_form, write_json
from autorec.cli.paths import ModelName, Output
from autorec.cli.text import show_facts, show_table
from autorec.cli.verb import INTERRUPTED, say, verb
from autorec.extras import require

_SHOWN = 10  # trials


@verb
@ratings_file()
@click.option("-m", "--model", "name", type=ModelName(), required=True, help="A name of `autorec models`.")
@click.option("--trials", type=click.IntRange(min=1), default=20, show_default=True, help="The defaults are the first.")
@split_option("How the test part is set aside; as in split.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of splits, search and models.")
@click.option("--metric", help="rmse or ndcg@K on validation ratings; default: what the model is for.")
@click.option("--set", "fixed", callback=settings, multiple=True, metavar="NAME=VALUE", help="Fixed for every trial.")
@click.option("--storage", type=Output(dir_okay=False), metavar="FILE", help="Keeps the trials, to go on later.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Trials at a time.")
@click.option("--repeats", type=click.IntRange(min=1), default=3, show_default=True, help="Fresh splits at the end.")
@click.option("-o", "--output", type=Output(dir_okay=False), required=True, metavar="PRESET.json")
@output_file("report", ".html", ".md", ".csv", ".tex", names=("--report",))
def tune(read: Callable[..., Any], name: str, output: Path, report: Path | None, as_json: bool, **options: Any) -> None:
    """Search the settings of a model for RATINGS and write the best as a preset file, for -m of train and compare.

    No trial sees the test part that --by sets aside. At the end the best settings and the defaults are compared on it
    and on fresh splits. With --storage the same command goes on where it was ended.
    """
    if output.suffix != ".json":
        raise click.BadParameter(f"{str(output)!r} does not end in .json", param_hint="'-o'")
    require("tune", "tuning")
    require_form(report)
    autorec.create(name, **options["fixed"])  # refuses a wrong name before a large file is read
    ratings = None if options["by"].startswith("given:") else read()
    say(
        f"Tuning {name} on {ratings or options['by']}: the defaults and {options['trials'] - 1} other settings are "
        "tried, then the best is compared with the defaults on test ratings. Ctrl-C keeps the best so far."
    )
    options |= {"settings": options.pop("fixed"), "name": source_name("ratings")}
    found = autorec.tune(ratings, name, read=read, **options)
    found.save(output)
    if report is not None:
        found.save(report)
    if as_json:
        write_json({**found.to_dict(), "output": str(output)})
    else:
        _show(found)
    say(f"Wrote the preset to {output}; train and compare take it: -m {output}")
    if report is not None:
        say(f"Wrote {report}.")
    if found.interrupted:
        more = "the same command goes on" if options["storage"] else "with --storage FILE a search can go on"
        say(f"Interrupted: the best settings so far are the ones written; {more}.")
        raise SystemExit(INTERRUPTED)


def _show(found: Any) -> None:
    trials = found.trials.dropna(subset=[found.metric])
    trials = trials.sort_values(found.metric, ascending=found.metric == "rmse", kind="stable").head(_SHOWN)
    columns = ["trial", found.metric, *(name for name in trials.columns[3:-2]), "seconds"]
    forms = {found.metric: "{:.4f}", "seconds": "{:.1f}"}
    rows = [[forms.get(name, "{}").format(row[name]) for name in columns] for row in trials.to_dict("records")]
    show_table(columns, rows, "The best trials; trial 0 is the defaults", figures=True)
    show_facts({name: str(value) for name, value in found.settings.items()}, f"\n{found.model}: settings found")
    click.echo()
    for sentence in found.sentences():
        click.echo(f"- {sentence}")
