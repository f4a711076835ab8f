"""autorec what-if: the list of a user with other ratings, and the ratings that hold its first place."""

from pathlib import Path
from typing import Any

import click

import autorec
from autorec import words
from autorec.cli.options import settings, table_output
from autorec.cli.output import write_table
from autorec.cli.paths import Input
from autorec.cli.verb import say, verb


@verb
@click.argument("model", type=Input())
@click.option("--user", metavar="ID", required=True, help="A user of the model.")
@click.option("--remove", metavar="ID", multiple=True, help="An item whose rating is taken away; repeatable.")
@click.option("--change", metavar="ID=RATING", multiple=True, callback=settings, help="A rated item; repeatable.")
@click.option("--add", metavar="ID=RATING", multiple=True, callback=settings, help="An item not rated; repeatable.")
@click.option("--overturn", type=click.IntRange(min=1), metavar="MOST", help="Find what holds the first place.")
@click.option("-n", type=click.IntRange(min=1), default=10, show_default=True, help="How many items.")
@click.option("--by", type=click.Choice(["both", "choice", "rating"]), help="As for recommend.")
@table_output
def what_if(
    model: str,
    user: str,
    remove: tuple[str, ...],
    change: dict[str, Any],
    add: dict[str, Any],
    overturn: int | None,
    n: int,
    by: words.RankedBy | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """The n best items of USER with some ratings removed, changed or added.

    Columns item, score, rank, rank_before, title. With --overturn instead the smallest set of at most MOST ratings
    whose removal gives another item the first place: columns item, rating, title.
    """
    fitted = autorec.load(model)
    if overturn is None:
        table = autorec.what_if(fitted, user, n, remove=list(remove), change=change, add=add, by=by)
        write_table([table], output, as_json, model=model, user=user, n=n)
        return
    if remove or change or add:
        raise click.UsageError("give --overturn, or --remove, --change and --add")
    found = autorec.overturn(fitted, user, most=overturn, by=by)
    if not len(found.removed):
        proven = "There is" if found.smallest else "A search that tried only some found"
        say(f"{proven} no set of at most {overturn} ratings whose removal takes the first place from {found.first}.")
    else:
        small = "no smaller set does it" if found.smallest else "a smaller set may do it too"
        say(f"Without these ratings {found.then} is first, where {found.first} was; {small}.")
    facts = {"first": found.first, "then": found.then, "smallest": found.smallest}
    write_table([found.removed], output, as_json, model=model, user=user, **facts)
