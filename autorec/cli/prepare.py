"""autorec prepare: ratings put in order once, as a store that is read without parsing."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from autorec.cli.options import ratings_file
from autorec.cli.output import write_json
from autorec.cli.paths import OutputStore
from autorec.cli.text import show_facts
from autorec.cli.verb import say, verb


@verb
@ratings_file(work="prepare")
@click.option("--memory", default="4GB", show_default=True, metavar="SIZE", help="What the process takes at most.")
@click.option("-o", "--output", type=OutputStore(), required=True, metavar="STORE")
def prepare(read: Callable[..., Any], memory: str, output: Path, as_json: bool) -> None:
    """Put RATINGS of any size in order once, as a folder that all verbs take in their place.

    Ids are parsed and sorted within --memory; what is larger spills to the disk of STORE, of up to twice the size of
    the file. A store reads as the file does, to the same bits, a row group at a time.
    """
    start = time.perf_counter()
    found = read(output=output, memory=memory)
    say(f"Wrote the store {output}.")
    seconds = time.perf_counter() - start
    if as_json:
        write_json({**found, "output": str(output), "seconds": seconds})
        return
    counts = ("users", "items", "ratings", "duplicates", "skipped", "missing")
    bytes_ = sum(file["bytes"] for file in found["files"].values())
    levels = "more than 255" if found["levels"] is None else len(found["levels"])
    facts = {name: f"{found[name]:,}" for name in counts} | {"levels": levels, "bytes": f"{bytes_:,}"}
    show_facts(facts | {"seconds": f"{seconds:.1f}"})
