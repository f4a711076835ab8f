"""Parameters that name files: what a verb reads and what it writes, so that both are checked before the work.

A verb declares its files by the types below; `check` then holds for every verb that an output can be written and that
it is none of the inputs, by whatever name or link.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem
from click.types import StringParamType

import autorec
from autorec import files
from autorec.errors import InputError


class Input(StringParamType):
    """A file or folder that is read, - for stdin."""

    name = "path"

    def paths(self, value: str) -> list[str]:
        """The files that a value names."""
        return [] if value == "-" else [value]


class ReplaceableModel(StringParamType):
    """The folder of a model that is read whole before anything is written, so that the new model may take its place."""

    name = "path"


class ModelName(Input):
    """The name of a model, or a preset file."""

    name = "model"

    def paths(self, value: str) -> list[str]:
        return [value] if value.endswith(".json") else []

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The names that begin so."""
        return [CompletionItem(name) for name in autorec.MODELS if name.startswith(incomplete)]


class DataSetName(StringParamType):
    """The name of a public data set."""

    name = "data set"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The names that begin so."""
        return [CompletionItem(name) for name in autorec.DATA_SETS if name.startswith(incomplete)]


class SplitName(Input):
    """A way of splitting; `given:` is followed by files."""

    name = "text"

    def paths(self, value: str) -> list[str]:
        return value.removeprefix("given:").split(",") if value.startswith("given:") else []


class Output(click.Path):
    """A file that is written."""

    def __init__(self, *, file_okay: bool = True, dir_okay: bool = True) -> None:
        super().__init__(file_okay=file_okay, dir_okay=dir_okay, path_type=Path)

    def require(self, value: Path, inputs: list[str]) -> None:
        """Raise why nothing can be written there; see `autorec.files.require_output`."""
        files.require_not_input(value, inputs)
        files.require_output(value)


class OutputFolder(Output):
    """A folder in which files are written; which ones, the verb says to `require_free`."""

    def __init__(self) -> None:
        super().__init__(file_okay=False)

    def require(self, value: Path, inputs: list[str]) -> None:
        files.require_room(files.resolved(value))


class OutputEither(Output):
    """A file, or a folder that becomes whole; the verb says which may be replaced."""

    def require(self, value: Path, inputs: list[str]) -> None:
        files.require_not_input(value, inputs)
        files.require_room(files.resolved(value).parent)


class OutputModel(Output):
    """A folder that becomes a model."""

    def require(self, value: Path, inputs: list[str]) -> None:
        for given in inputs:
            if files.resolved(given).is_relative_to(files.resolved(value)):
                raise InputError(f"the model {value} would replace the input {given}; give another name")
        autorec.check_save_path(value)


class OutputStore(Output):
    """A folder that becomes a store of ratings."""

    def require(self, value: Path, inputs: list[str]) -> None:
        autorec.check_store_path(value)


def check(context: click.Context) -> None:
    """Raise why an output of this command cannot be written; nothing has been read or written yet."""
    inputs = _inputs(context)
    seen: set[Path] = set()
    for kind, value in _values(context):
        if isinstance(kind, Output):
            kind.require(value, inputs)
            if files.resolved(value) in seen:
                raise InputError(f"two outputs are to be written to {value}; give each its own name")
            seen.add(files.resolved(value))


def require_free(outputs: Iterable[Path]) -> None:
    """Raise why these files cannot be written: an input of this command, or no room."""
    inputs = _inputs(click.get_current_context())
    for path in outputs:
        Output().require(path, inputs)


def _inputs(context: click.Context) -> list[str]:
    return [path for kind, value in _values(context) if isinstance(kind, Input) for path in kind.paths(value)]


def _values(context: click.Context) -> Iterable[tuple[Any, Any]]:
    """The types of the parameters with their values, those of several values once for each."""
    for param in context.command.params:
        value = context.params.get(param.name or "")
        for one in value if isinstance(value, tuple) else (value,):
            if one is not None:
                yield param.type, one
