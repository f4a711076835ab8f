"""autorec models: what can be trained."""

import autorec
from autorec.cli.output import write_json
from autorec.cli.text import show_facts, show_table
from autorec.cli.verb import verb


@verb
def models(as_json: bool) -> None:
    """The models that can be trained, and their parameters."""
    known = {
        name: {"about": about, "class": kind.__name__, "parameters": kind(**preset).get_params()}
        for name, (kind, preset, about) in autorec.PRESETS.items()
    }
    if as_json:
        write_json({"models": known})
        return
    show_table(["model", "class", "about"], [[name, row["class"], row["about"]] for name, row in known.items()])
    for name, row in known.items():
        if row["parameters"]:
            show_facts(row["parameters"], f"\n{name}: --set")
