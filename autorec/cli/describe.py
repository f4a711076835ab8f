"""autorec describe: what a saved model is."""

from typing import Any

import click

import autorec
from autorec.cli.output import write_json
from autorec.cli.paths import Input
from autorec.cli.text import brief, show_facts
from autorec.cli.verb import verb


@verb
@click.argument("model", type=Input())
def describe(model: str, as_json: bool) -> None:
    """What the folder MODEL holds: class, parameters, ratings, training."""
    facts = autorec.describe(model)
    if as_json:
        write_json(facts)
        return
    low, high = facts["scale"]
    counts = {name: f"{facts[name]:,}" for name in ("users", "items", "ratings")}
    show_facts({"class": facts["class"], **counts, "scale": f"{low:g} to {high:g}"})
    _section("parameters", facts["parameters"])
    _section("training", brief(facts["summary"]))
    _section("files, SHA-256", facts["files"])
    click.echo(f"\nFormat version {facts['version']}, written by autorec {facts['library']}.")


def _section(title: str, facts: dict[str, Any]) -> None:
    if facts:
        show_facts(facts, f"\n{title}")
