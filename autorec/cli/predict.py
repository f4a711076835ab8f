"""autorec predict: ratings of user, item pairs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

import autorec
from autorec.cli.options import new_ratings, read_beside, table_output
from autorec.cli.output import write_table
from autorec.cli.paths import Input
from autorec.cli.verb import say, verb

_BLOCK = 1_000_000  # pairs predicted and written at once


@verb
@click.argument("model", type=Input())
@click.argument("pairs", type=Input())
@click.option("--columns", metavar="user=…,item=…,timestamp=…", help="Of PAIRS: by name, or by number from 1.")
@click.option("--sep", help="Of PAIRS: text between two columns.")
@click.option("--interval", type=float, metavar="SHARE", help="Add low and high, which hold this share of ratings.")
@click.option("--calibrate", type=Input(), metavar="FILE", help="For --interval: ratings that MODEL has not seen.")
@new_ratings
@table_output
def predict(
    model: str,
    pairs: str,
    columns: str | None,
    sep: str | None,
    interval: float | None,
    calibrate: str | None,
    fold: Callable[[Any], Any],
    folded: bool,
    output: Path | None,
    as_json: bool,
) -> None:
    """Predict the rating of each user, item pair in the file PAIRS.

    Columns user, item, rating, source. Source is `model`, or `fallback` where the user or the item is not known to the
    model: then the rating is the damped bias of the known side, or the mean of all ratings. Where PAIRS has a column
    of dates, blend and bayesian-mf predict the rating of that day. With --interval 0.9 and ratings kept aside, also low
    and high, for any day: nine of ten ratings that are drawn like those lie between them.
    """
    if (interval is None) != (calibrate is None):
        raise click.UsageError("--interval and --calibrate go together: errors on ratings kept aside make the interval")
    known = fold(autorec.load(model))

    intervals = autorec.calibrate(known, read_beside(calibrate)) if calibrate is not None else None

    def answer(block: Any) -> dict[str, Any]:
        if intervals is None or interval is None:
            return {"rating": known.predict(block["user"], block["item"], block.get("timestamp"))}
        table = intervals.predict(block["user"], block["item"], interval)
        return {str(name): table[name].to_numpy() for name in table}

    asked = autorec.read_pairs(pairs, columns=columns, sep=sep)
    write_table(_blocks(known, answer, asked), output, as_json, model=model)


def _blocks(model: Any, answer: Callable[[Any], dict[str, Any]], pairs: Any) -> Iterator[Any]:
    unknown = 0
    for start in range(0, max(len(pairs), 1), _BLOCK):
        block = pairs.iloc[start : start + _BLOCK]
        known = model.known(block["user"], block["item"])
        unknown += int((~known).sum())
        source = known.astype(object)
        source[known], source[~known] = "model", "fallback"
        yield block[["user", "item"]].assign(**answer(block), source=source)
    if unknown:
        say(f"{unknown:,} of {len(pairs):,} pairs have an unknown user or item: answered by the fallback.")
