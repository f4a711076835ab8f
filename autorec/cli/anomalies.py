"""autorec anomalies: what a model cannot reconstruct."""

from pathlib import Path

import click

import autorec
from autorec import words
from autorec.cli.options import table_output
from autorec.cli.output import write_table
from autorec.cli.paths import Input
from autorec.cli.verb import verb


@verb
@click.argument("model", type=Input())
@click.option("--of", type=click.Choice(["users", "ratings"]), default="users", show_default=True)
@click.option("-n", type=click.IntRange(min=1), default=20, show_default=True, help="How many.")
@table_output
def anomalies(model: str, of: words.Worst, n: int, output: Path | None, as_json: bool) -> None:
    """The n users, or single ratings, that MODEL reconstructs worst: invented profiles, mistakes, rare tastes.

    Of users: z is by how many standard errors the mean squared error of the user is above that of all ratings, worst
    the item with the largest error; mean_deviation (from the items' means) and rdma (each divided by the item's number
    of ratings) need no model and stand beside it. Of ratings: what was given and what the model expects.
    I-AutoRec is the model to ask; one with many free numbers a user learns an invented profile by heart.
    """
    write_table([autorec.anomalies(autorec.load(model), of, n)], output, as_json, model=model, of=of, n=n)
