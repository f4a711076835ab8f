"""autorec recommend: the best items of each user."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click

import autorec
from autorec import words
from autorec.cli.options import filtering, new_ratings, table_output
from autorec.cli.output import write_table
from autorec.cli.paths import Input
from autorec.cli.verb import say, verb


@verb
@click.argument("model", type=Input())
@click.option("-n", type=click.IntRange(min=1), default=10, show_default=True, help="How many items a user.")
@click.option("--user", "users", metavar="ID", multiple=True, help="A user; repeatable.")
@click.option("--users-file", type=Input(), metavar="FILE", help="Users, one id a line.")
@click.option("--all", "everyone", is_flag=True, help="Every user of the model.")
@new_ratings
@click.option(
    "--by",
    type=click.Choice(["both", "choice", "rating"]),
    help="Rank by whether an item is taken up (choice), how it is rated, or both; by default what the model does best.",
)
@click.option("--include-seen", is_flag=True, help="Also items that the user has rated.")
@filtering
@table_output
def recommend(
    model: str,
    n: int,
    users: tuple[str, ...],
    users_file: str | None,
    everyone: bool,
    fold: Callable[[Any], Any],
    folded: bool,
    by: words.RankedBy | None,
    include_seen: bool,
    wishes: dict[str, Any],
    output: Path | None,
    as_json: bool,
) -> None:
    """The n best items of each user, best first.

    Columns user, item, score, rank, title (when the model knows titles), source. Source is `model`, or
    `fallback` for a user that the model does not know: the items by their damped mean rating. Attributes, for --where,
    are the further columns of the file that `train --items` was given.
    """
    if [bool(users), users_file is not None, everyone, folded].count(True) != 1:
        raise click.UsageError("give one of --user, --users-file, --all, --new-user")
    fitted = fold(autorec.load(model, mapped=everyone))
    asked = autorec.read_ids(users_file) if users_file is not None else list(users) or None
    if by is None and fitted.ranks_by == ("rating",):
        say("Note: this model ranks by how an item would be rated, and never learned which items are taken up at all.")
        say("A model that did ranks better: autorec train RATINGS -m autorec.")
    blocks = autorec.recommend_anyone(fitted, asked, n, by=by, exclude_seen=not include_seen, **wishes)
    told = _tell_of_users(blocks, fitted.ratings_.n_users if asked is None else len(asked))
    write_table(told, output, as_json, model=model, n=n)


def _tell_of_users(blocks: Iterable[Any], asked: int) -> Iterator[Any]:
    """The same blocks of lists of so many users; notes count those whom the model does not know, and those without a
    list."""
    lists = 0
    for block in blocks:
        count = int((block["rank"] == 1).sum())
        if (block["source"] == "fallback").any():
            say(f"Users not known to the model, answered by the fallback: {count:,}.")
        lists += count
        yield block
    if lists < asked:
        warnings.warn(
            f"{asked - lists:,} of {asked:,} users have no list: no item is left that may be listed and that they have "
            "not rated",
            stacklevel=2,
        )
