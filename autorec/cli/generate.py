"""autorec generate: synthetic users as a rating file."""

from pathlib import Path
from typing import Any

import click

import autorec
from autorec import words
from autorec.cli.options import output
from autorec.cli.output import write_file, write_json
from autorec.cli.paths import Input
from autorec.cli.text import show_frames
from autorec.cli.verb import say, verb

NEAREST = 5  # synthetic users that are shown


@verb
@click.argument("model", type=Input())
@click.option("-n", type=click.IntRange(min=1), help="How many users; default: as many as the model learned from.")
@click.option("--codes", type=click.Choice(["users", "prior"]), default="users", show_default=True)
@click.option(
    "--test", type=Input(), metavar="FILE", help="Ratings the model has not seen, to tell what can be learned."
)
@click.option("--seed", type=int, default=0, show_default=True)
@output("ratings", ".csv", ".jsonl", ".parquet", required=True)
def generate(
    model: str, n: int | None, codes: words.DrawnFrom, test: str | None, seed: int, output: Path, as_json: bool
) -> None:
    """Write the ratings of synthetic users that MODEL makes up, and say how like real ones they are.

    MODEL draws codes: mult-vae, beta-vae, wae, rec-vae, aae and their kin. --codes users draws from those of the real
    users, prior from the model's prior, which real codes seldom fill. The model knows what was liked, so all ratings
    are of liked items. Beside each figure stands that of real users; --test compares what popularity and EASE learn
    from either.
    """
    found = autorec.generate(autorec.load(model), n, codes, None if test is None else autorec.read_ratings(test), seed)
    rows = write_file([found.to_frame()], output)
    low, high = found.ratings.scale
    say(f"Wrote {rows:,} ratings to {output}; read them with --scale {low:g} {high:g}.")
    nearest = found.nearest.nsmallest(NEAREST, "distance")
    tables = {"measures": found.measures, "histogram": found.histogram, "nearest": nearest, "use": found.use}
    if as_json:
        facts = {"model": model, "codes": codes, "seed": seed, "output": str(output), "rows": rows}
        write_json({**facts, **{name: _records(table) for name, table in tables.items()}})
        return
    for table in tables.values():
        if table is not None:
            show_frames([table])
            click.echo()


def _records(table: Any) -> Any:
    return None if table is None else table.to_dict("records")
