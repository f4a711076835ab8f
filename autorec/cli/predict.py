"""autorec predict: ratings of user, item pairs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

import autorec
from autorec.cli.options import new_ratings, table_output
from autorec.cli.output import write_table
from autorec.cli.paths import Input
from autorec.cli.verb import say, verb

_BLOCK = 1_000_000  # pairs predicted and written at once


@verb
@click.argument("model", type=Input())
@click.argument("pairs", type=Input())
@click.option("--columns", metavar="user=…,item=…", help="Of PAIRS: by name, or by number from 1.")
@click.option("--sep", help="Of PAIRS: text between two columns.")
@new_ratings
@table_output
def predict(
    model: str,
    pairs: str,
    columns: str | None,
    sep: str | None,
    fold: Callable[[Any], Any],
    folded: bool,
    output: Path | None,
    as_json: bool,
) -> None:
    """Predict the rating of each user, item pair in the file PAIRS.

    Columns user, item, rating, source. Source is `model`, or `fallback` where the user or the item is not
    known to the model: then the rating is the damped bias of the known side, or the mean of all ratings.
    """
    known = fold(autorec.load(model))
    write_table(_blocks(known, autorec.read_pairs(pairs, columns=columns, sep=sep)), output, as_json, model=model)


def _blocks(model: Any, pairs: Any) -> Iterator[Any]:
    unknown = 0
    for start in range(0, max(len(pairs), 1), _BLOCK):
        block = pairs.iloc[start : start + _BLOCK][["user", "item"]]
        known = model.known(block["user"], block["item"])
        unknown += int((~known).sum())
        source = known.astype(object)
        source[known], source[~known] = "model", "fallback"
        yield block.assign(rating=model.predict(block["user"], block["item"]), source=source)
    if unknown:
        say(f"{unknown:,} of {len(pairs):,} pairs have an unknown user or item: answered by the fallback.")
