"""autorec interview: which items to ask a person about next."""

from pathlib import Path

import click

import autorec
from autorec.cli.options import read_new, table_output
from autorec.cli.output import write_table
from autorec.cli.paths import Input
from autorec.cli.verb import verb
from autorec.errors import InputError


@verb
@click.argument("model", type=Input())
@click.option("--user", metavar="ID", help="A user of the model.")
@click.option("--new-user", type=Input(), metavar="FILE", help="The answers of a new person so far, user,item,rating.")
@click.option("-n", type=click.IntRange(min=1), default=5, show_default=True, help="How many items.")
@table_output
def interview(model: str, user: str | None, new_user: str | None, n: int, output: Path | None, as_json: bool) -> None:
    """Which items to ask a person about next; without --user and --new-user one of whom nothing is known.

    Columns item, known, fall, gain, title: the chance that the person knows the item, the share by which a rating of it
    lowers the variance of all predictions, their product, the largest first. For autorec, i-autorec and biased-mf.
    """
    if user is not None and new_user is not None:
        raise click.UsageError("give --user or --new-user, not both")
    history = None
    if new_user is not None:
        answers = read_new(new_user).to_frame()
        people = answers["user"].nunique()
        if people != 1:
            raise InputError(f"{new_user} holds the ratings of {people} people; an interview is of one")
        history = dict(zip(answers["item"], answers["rating"], strict=True))
    table = autorec.interview(autorec.load(model), user, n, history=history)
    write_table([table], output, as_json, model=model, n=n)
