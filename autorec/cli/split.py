"""autorec split: ratings into a training and a test part."""

import contextlib
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import click

import autorec
from autorec import files
from autorec.cli.options import ratings_file
from autorec.cli.output import write_json
from autorec.cli.paths import OutputFolder, SplitName, require_free
from autorec.cli.text import show_table
from autorec.cli.verb import verb


@verb
@ratings_file()
@click.option(
    "--by",
    type=SplitName(),
    required=True,
    help="random:F, per-user:F, last:N, time:F, users:N, strong:N, folds:K, given:TRAIN,TEST.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("-o", "--output", type=OutputFolder(), required=True, metavar="DIR")
def split(read: Callable[..., Any], by: str, seed: int, output: Path, as_json: bool) -> None:
    """Split RATINGS into DIR/train.csv and DIR/test.csv.

    Held-out users (users:N) have the ratings to fold in beside them, in fold_in.csv; each of several
    folds gets its own folder. With given:TRAIN,TEST these two files are read, as compare does, with a
    warning of test ratings that are in training too.
    """
    given = by.startswith("given:")
    splits = autorec.split(None if given else read(), by, seed, read)
    if given:
        for finding in autorec.audit(splits[0]):
            if finding.level == "leak":
                click.echo(f"Warning: {finding.sentence}", err=True)
    parts = {}
    for one in splits:
        folder = output if len(splits) == 1 else output / one.name.replace(":", "-")
        for name in ("train", "test", "fold_in"):
            if getattr(one, name) is not None:
                parts[folder / f"{name}.csv"] = getattr(one, name)
    require_free(parts)  # before the first is written
    written = []
    for _, together in groupby(parts.items(), lambda part: part[0].parent):
        with contextlib.ExitStack() as whole:  # all of a folder or none: parts of two splits share ratings
            written += [_write(ratings, path, whole) for path, ratings in together]
    if as_json:
        write_json({"by": by, "seed": seed, "files": written})
    else:
        show_table(list(written[0]), [list(row.values()) for row in written])


def _write(ratings: Any, path: Path, whole: contextlib.ExitStack) -> dict[str, Any]:
    """Ratings as a file that is at `path` when `whole` ends; the row about it."""
    temporary = whole.enter_context(files.atomic_file(path))
    ratings.to_frame().to_csv(temporary, index=False, lineterminator="\n")
    return {"file": str(path), "users": ratings.n_users, "items": ratings.n_items, "ratings": len(ratings)}
