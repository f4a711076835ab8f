"""autorec cluster: taste segments of users or items."""

from pathlib import Path
from typing import Any

import click

import autorec
from autorec import words
from autorec.cli.options import side, table_output
from autorec.cli.output import write_file, write_json
from autorec.cli.paths import Input
from autorec.cli.text import show_table
from autorec.cli.verb import say, verb


@verb
@click.argument("model", type=Input())
@side("users")
@click.option("-k", type=click.IntRange(min=2), default=8, show_default=True, help="How many segments.")
@click.option("--joint", is_flag=True, help="Train an autoencoder of choices on, for the segments of its users.")
@click.option("--seed", type=int, default=0, show_default=True)
@table_output
def cluster(model: str, of: words.Side, k: int, joint: bool, seed: int, output: Path | None, as_json: bool) -> None:
    """Divide the users, or items, of MODEL into k segments that it scores alike.

    Each segment is told by its typical items: of users those liked more often inside it than elsewhere (lift), of items
    those nearest to its centre. -o writes the segment of each user or item.
    """
    found = autorec.cluster(autorec.load(model), of, k, seed, joint=joint)
    if output is not None:
        rows = write_file([found.to_frame()], output)
        say(f"Wrote {rows:,} rows to {output}.")
    if as_json:
        write_json({"model": model, "k": k, "joint": joint, "seed": seed, **found.to_dict()})
        return
    show_table(["segment", of, "share", "typical"], [_row(segment) for segment in found.segments])
    click.echo(f"\nSilhouette {found.silhouette:.3f}, of {found.sample:,} {of}.")


def _row(segment: Any) -> list[Any]:
    names = "; ".join(str(item.title or item.item) for item in segment.typical)
    return [segment.segment, segment.size, f"{segment.share:.1%}", names]
