"""autorec reproduce: the results of the README, measured again."""

import click

import autorec
from autorec.cli.output import write_json
from autorec.cli.paths import Input
from autorec.cli.verb import verb


@verb
@click.argument("datasets", type=Input())
@click.option("--only", metavar="JOB", multiple=True, help="This job alone, or several: --only table --only paper.")
def reproduce(datasets: str, only: tuple[str, ...], as_json: bool) -> None:
    """Measure published results again on DATASETS, a folder that holds ml-100k and ml-1m. All jobs take hours.

    Jobs that read one of the two need that one alone; attacks, on ml-100k, takes half a minute.
    """
    lines = []
    for line in autorec.reproduce(datasets, only):
        lines.append(line)
        if not as_json:
            click.echo(line)
    if as_json:
        write_json({"lines": lines})
