"""autorec classify: an attribute of users or items from a few labels."""

from pathlib import Path

import click

import autorec
from autorec import words
from autorec.cli.options import side, table_output
from autorec.cli.output import HEAD, write_file, write_json
from autorec.cli.paths import Input
from autorec.cli.text import show_frames
from autorec.cli.verb import say, verb


@verb
@click.argument("model", type=Input())
@click.option("--labels", type=Input(), required=True, metavar="FILE", help="Id first, labels in other columns.")
@click.option("--column", default="2", show_default=True, help="Of the labels: its name, or its number from 1.")
@side("users")
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Drawings of the test.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--joint", is_flag=True, help="Also train the network of MODEL itself on the labels; of users alone.")
@table_output
def classify(
    model: str,
    labels: str,
    column: str,
    of: words.Side,
    repeats: int,
    seed: int,
    joint: bool,
    output: Path | None,
    as_json: bool,
) -> None:
    """Tell a label of users, or items, such as gender or genre, from those of whom it is known.

    Shown is how accurate a logistic regression is on labels kept aside, by the number of labels that it learned from:
    on what MODEL learned, on the ratings themselves, and on both. -o writes the most probable label of everyone who has
    none, told by the best of these.
    """
    found = autorec.classify(autorec.load(model), autorec.read_labels(labels, column), of, repeats, seed, joint)
    if output is not None:
        rows = write_file([found.predicted], output)
        say(f"Wrote {rows:,} rows to {output}.")
    if as_json:
        facts = {"model": model, "of": of, "seed": seed, "classes": found.classes, "features": found.features}
        tables = {"curve": found.curve, "predicted": found.predicted}
        write_json({**facts, **{name: table.to_dict("records") for name, table in tables.items()}})
        return
    show_frames([found.curve])
    largest, number = max(found.classes.values()), sum(found.classes.values())
    click.echo(f"\n{len(found.classes)} classes of {number:,} labels; always the largest: {largest / number:.4f}")
    if len(found.predicted):
        click.echo(f"Of the {len(found.predicted):,} others, told by {found.features}:\n")
        show_frames([found.predicted.head(HEAD)])
