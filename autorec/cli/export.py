"""autorec export: a model for programs without this library."""

from pathlib import Path

import click

import autorec
from autorec.cli.output import write_json
from autorec.cli.paths import Input, OutputEither
from autorec.cli.verb import say, verb


@verb
@click.argument("model", type=Input())
@click.option("-o", "--output", type=OutputEither(), required=True, help="FILE.onnx, or a folder.")
@click.option("--as", "form", type=click.Choice(["onnx", "numpy"]), help="The form; by default that of the suffix.")
def export(model: str, output: Path, form: str | None, as_json: bool) -> None:
    """Write MODEL for a program without this library: it scores the history of anyone.

    FILE.onnx: inputs items (int64) and ratings (float) of one person, output the scores of all items, for runtimes of
    ONNX. A folder: .npy files, the formula as JSON, and a script that needs NumPy alone. Either is compared with the
    model on histories of its training before it is written.
    """
    found = autorec.export(autorec.load(model), output, form)
    say(
        f"Wrote {output} ({found['bytes'] / 1e6:.1f} MB); on {found['histories']} histories its scores differ by "
        f"{found['difference']:.1g} at most."
    )
    if as_json:
        write_json({"model": model, "output": str(output), **found})
