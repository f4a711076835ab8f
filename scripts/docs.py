"""The API reference of `autorec` as HTML by pdoc: every name of the public face with its docstring.

scripts/docs [-o build/docs]
"""

import argparse
import inspect
import re
import warnings
from pathlib import Path
from typing import Any

import pdoc

import autorec

ROOT = Path(__file__).parents[1]
DEFINITION = re.compile(r"^(\S(?:.*?\S)?)  +(\S.*)$")  # "name   what it is"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "build" / "docs")
    options = parser.parse_args()
    for name in autorec.__all__:
        found = getattr(autorec, name)
        setattr(autorec, name, found)  # pdoc lists what a module holds, and these are loaded when asked for
        format_docstring(found)
        if inspect.isclass(found):
            format_members(found)
    pdoc.render.configure(
        docformat="markdown",
        show_source=False,
        include_undocumented=False,
        footer_text=f"autorec {autorec.__version__}",
    )
    warnings.filterwarnings("ignore", "Error parsing type annotation")  # pandas-stubs' Series[…]
    pdoc.pdoc("autorec", output_directory=options.output)
    print(options.output / "index.html")


def format_members(documented: type) -> None:
    """The same for the members of a class, without those that scikit-learn adds."""
    for name, member in list(vars(documented).items()):
        if re.fullmatch("set_.*_request", name):
            delattr(documented, name)
        elif not name.startswith("_"):
            format_docstring(member)


def format_docstring(documented: Any) -> None:
    """Write aligned definitions of the docstring, which Markdown would run together, as a list."""
    if not inspect.isroutine(documented) and not inspect.isclass(documented):
        return
    text, example, run = (inspect.getdoc(documented) or "").partition("\n>>> ")
    lines, indent = [], None
    for line in text.splitlines():
        found = DEFINITION.match(line)
        if found:
            lines += [*([""] if indent is None else []), f"- `{found[1]}`: {found[2]}"]
            indent = found.start(2)
        elif indent is not None and line[:indent].isspace():
            lines.append(f"  {line.strip()}")
        else:
            lines, indent = [*lines, *([""] if indent is not None else []), line], None
    documented.__doc__ = "\n".join([*lines, "", example.strip() + " " + run])


if __name__ == "__main__":
    main()
