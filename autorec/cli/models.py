"""autorec models: what can be trained."""

import autorec
from autorec.cli.output import write_json
from autorec.cli.text import show_facts, show_table
from autorec.cli.verb import verb


@verb
def models(as_json: bool) -> None:
    """The models that can be trained, and their parameters."""
    if as_json:
        known = {
            name: {"about": row.about, "class": row.kind, "parameters": row.parameters()}
            for name, row in autorec.MODELS.items()
        }
        write_json({"models": known})
        return
    show_table(["model", "class", "about"], [[row.name, row.kind, row.about] for row in autorec.MODELS.values()])
    for row in autorec.MODELS.values():
        if parameters := row.parameters():
            show_facts(parameters, f"\n{row.name}: --set")
