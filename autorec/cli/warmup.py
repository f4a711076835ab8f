"""autorec warmup: compile ahead of the first use."""

import click

import autorec
from autorec.cli.output import write_json
from autorec.cli.verb import say, verb


@verb
def warmup(as_json: bool) -> None:
    """Compile what training, recommending and evaluating need, so that no later run does; as when building an image."""
    folder = autorec.warm_up()
    if as_json:
        write_json({"folder": str(folder)})
    else:
        click.echo(folder)
        say("The compiled functions are there, for processors of this kind.")
