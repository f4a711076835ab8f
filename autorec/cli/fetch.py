"""autorec fetch: download a public data set."""

from pathlib import Path

import click

import autorec
from autorec.cli.output import write_json
from autorec.cli.paths import DataSetName, OutputFolder
from autorec.cli.verb import say, verb


@verb
@click.argument("name", type=DataSetName())
@click.option(
    "-o",
    "--output",
    type=OutputFolder(),
    metavar="DIR",
    help="Folder to unpack into; default: NAME in the current folder.",
)
def fetch(name: str, output: Path | None, as_json: bool) -> None:
    """Download the data set NAME, verify it and unpack it. An interrupted download is continued."""
    folder = autorec.fetch(name, output or Path(name))
    if as_json:
        write_json({"name": name, "folder": str(folder)})
    else:
        click.echo(folder)
        say(f"Next: autorec inspect {folder}")
