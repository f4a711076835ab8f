"""autorec similar: the nearest items of an item."""

from pathlib import Path

import click

import autorec
from autorec.cli.options import table_output
from autorec.cli.output import write_table
from autorec.cli.paths import Input
from autorec.cli.verb import verb


@verb
@click.argument("model", type=Input())
@click.option("--item", "asked", metavar="ID", multiple=True, required=True, help="An item; repeatable.")
@click.option("-n", type=click.IntRange(min=1), default=10, show_default=True, help="How many items each.")
@table_output
def similar(model: str, asked: tuple[str, ...], n: int, output: Path | None, as_json: bool) -> None:
    """The n items nearest to each ITEM, nearest first.

    Columns item, similar, cosine (of the items' vectors, or of what the model compares items by), rank, and title, of
    the similar item, when the model knows titles.
    """
    write_table([autorec.load(model).similar(list(asked), n)], output, as_json, model=model, n=n)
