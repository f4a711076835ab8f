"""autorec embed: the vectors of items or users as a file."""

from pathlib import Path
from typing import Any

import click

import autorec
from autorec import files, words
from autorec.cli.options import output, side
from autorec.cli.output import write_file, write_json
from autorec.cli.paths import Input, require_free
from autorec.cli.verb import say, verb


@verb
@click.argument("model", type=Input())
@side("items")
@output("vectors", ".parquet", ".csv", ".npy", required=True)
def embed(model: str, of: words.Side, output: Path, as_json: bool) -> None:
    """Write the vectors of the items, or users, of MODEL, biases left out.

    One row each: item or user, title (of an item, when the model knows titles), v0, v1, …. An .npy holds the numbers
    alone, float32 [rows × width]; its ids and titles stand in the same order in FILE.ids.csv beside it.
    """
    as_array = output.suffix.lower() == ".npy"
    ids_file = output.with_suffix(".ids.csv")
    if as_array:
        require_free([ids_file])
    fitted = autorec.load(model)
    vectors = autorec.embed(fitted, of)
    ids = vectors.index.to_frame(index=False)
    if of == "items" and fitted.ratings_.titles is not None:
        ids["title"] = fitted.ratings_.titles
    if as_array:
        write_file([ids], ids_file)
        _write_array(vectors.to_numpy(), output)
    else:
        write_file([ids.join(vectors.reset_index(drop=True))], output)
    rows, width = vectors.shape
    say(f"Wrote {rows:,} vectors of {width} numbers to {output}.")
    if as_json:
        write_json({"model": model, "of": of, "rows": rows, "width": width, "output": str(output)})


def _write_array(array: Any, output: Path) -> None:
    import numpy as np

    with files.atomic_file(output) as path:
        np.save(path, array)
