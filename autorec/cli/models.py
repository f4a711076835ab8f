"""autorec models: what can be trained."""

from typing import Any

import click

import autorec
from autorec.cli.output import write_json
from autorec.cli.paths import ModelName
from autorec.cli.text import show_facts, show_table
from autorec.cli.verb import verb


@verb
@click.argument("names", type=ModelName(), metavar="[NAME]…", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All models, by what they are for.")
def models(names: tuple[str, ...], every: bool, as_json: bool) -> None:
    """The models to begin with, --all models, or the parameters of the NAMEd ones."""
    rows = [autorec.find_model(name) for name in names] or list(autorec.MODELS.values())
    if as_json:
        write_json({"models": {row.name: _facts(row) for row in rows}})
    elif names:
        for row in rows:
            click.echo(f"{row.name}: {row.about}" + (f" ({row.paper})" if row.paper else ""))
            show_facts(row.parameters(), "--set")
    elif every:
        for purpose in dict.fromkeys(row.purpose for row in rows):
            click.echo(f"\n{purpose[0].upper()}{purpose[1:]}")
            _show([row for row in rows if row.purpose == purpose])
    else:
        _show([row for row in rows if row.first])
        click.echo(f"\nautorec models --all shows all {len(rows)}, autorec models NAME the parameters of one.")


def _show(rows: list[autorec.Model]) -> None:
    show_table(["model", "what it is", "paper"], [[row.name, row.about, row.paper] for row in rows])


def _facts(row: autorec.Model) -> dict[str, Any]:
    return {
        "about": row.about,
        "paper": row.paper,
        "group": row.group,
        "class": row.kind,
        "parameters": row.parameters(),
    }
