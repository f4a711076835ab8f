"""autorec export: a model for programs without this library."""

from pathlib import Path
from typing import get_args

import click

import autorec
from autorec import words
from autorec.cli.output import write_json
from autorec.cli.paths import Input, OutputEither
from autorec.cli.verb import say, verb


@verb
@click.argument("model", type=Input())
@click.option("-o", "--output", type=OutputEither(), required=True, help="FILE.onnx, FILE.html, or a folder.")
@click.option("--as", "form", type=click.Choice(get_args(words.Exported)), help="The form; else that of the suffix.")
def export(model: str, output: Path, form: words.Exported | None, as_json: bool) -> None:
    """Write MODEL for a program without this library: it scores the history of anyone.

    FILE.onnx: inputs items (int64) and ratings (float) of one person, output the scores of all items, for runtimes of
    ONNX. FILE.html: a page that recommends in a browser, without a server. A folder: .npy files, the formula as JSON,
    and a script that needs NumPy alone. Each is compared with the model on histories of its training before it is
    written.
    """
    found = autorec.export(autorec.load(model), output, form)
    if "parity" in found:
        kept = f"{found['parity']:.2%} of its ten best items are the model's"
    else:
        kept = f"its scores differ by {found['difference']:.1g} at most"
    say(f"Wrote {output} ({found['bytes'] / 1e6:.1f} MB); on {found['histories']} histories {kept}.")
    if as_json:
        write_json({"model": model, "output": str(output), **found})
