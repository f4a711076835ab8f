"""The floors of the house, read from the imports: a file imports lower floors only, never in circles."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import autorec

ROOT = Path(autorec.__file__).parent
FLOORS = {
    "ground": 0,  # checks, errors, files, memory, progress, threads: known everywhere, knowing nothing
    "ratings": 1,
    "network": 1,  # beside ratings, not above: it knows arrays, nothing of files, ids or users
    "preparation": 2,
    "datasets": 2,
    "audits": 2,
    "training": 2,
    "storage": 2,
    "ranking": 2,
    "fitting": 3,
    "models": 4,
    "engines": 5,
    "report": 5,  # below evaluation: a result's own `to_html` asks it; it knows results, never a model
    "evaluation": 6,
    "insight": 6,
    "exports": 6,
    "tuning": 7,
    "reproduction": 7,
    "serve": 8,
    "cli": 9,
}


def modules() -> dict[str, Path]:
    named = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


MODULES = modules()


def imports(path: Path, *, of_types: bool = True) -> set[str]:
    """Modules of this library that a file imports anywhere in it."""
    found = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            base = node.module or ""
            found |= {f"{base}.{a.name}" if f"{base}.{a.name}" in MODULES else base for a in node.names}
    return {name for name in found if name == "autorec" or name.startswith("autorec.")}


def floor(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in FLOORS else "ground"


INSIDE = [name for name in MODULES if name not in ("autorec", "autorec.__main__")]


@pytest.mark.parametrize("module", INSIDE)
def test_a_file_imports_no_higher_floor(module):
    own = floor(module)
    for other in imports(MODULES[module]) - {"autorec"}:
        assert FLOORS[floor(other)] <= FLOORS[own], f"{module} imports {other}"
        if own == "network":
            assert floor(other) in ("network", "ground"), f"{module} imports {other}"


@pytest.mark.parametrize("module", [name for name in INSIDE if floor(name) == "cli"])
def test_the_command_line_stands_on_the_public_face(module):
    beside = (
        "autorec",
        "autorec.errors",
        "autorec.extras",
        "autorec.plain_json",
        "autorec.progress",
        "autorec.files",
        "autorec.group",
        "autorec.words",
    )
    for other in imports(MODULES[module]):
        assert other in beside or floor(other) == "cli", f"{module} imports {other}"


def test_only_the_command_line_and_the_version_use_the_face():
    """The face loads everything, so it is the roof: below the command line it gives its version alone."""
    for module in INSIDE:
        if floor(module) != "cli":
            for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    assert "autorec" not in [alias.name for alias in node.names], module
                if isinstance(node, ast.ImportFrom) and node.module == "autorec":
                    bad = [a.name for a in node.names if f"autorec.{a.name}" not in MODULES]
                    assert bad in ([], ["__version__"]), f"{module} imports {bad}"


def test_no_circles():
    graph = {}
    for module in INSIDE:
        graph[module] = {name for name in imports(MODULES[module]) if name in INSIDE} - {module}
    tuple(TopologicalSorter(graph).static_order())  # CycleError names the circle


@pytest.mark.parametrize("module", INSIDE)
def test_a_file_is_short_and_says_what_it_is(module):
    text = MODULES[module].read_text(encoding="utf-8")
    assert text.count("\n") <= 400
    tree = ast.parse(text)
    assert ast.get_docstring(tree), f"{module} has no docstring"
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            _, is_there, example = (ast.get_docstring(node, clean=False) or "").partition("\n\n    >>> ")
            length = node.end_lineno - node.lineno - (example.count("\n") + 2 if is_there else 0)
            assert length < 60, f"{module}.{node.name} is long"
