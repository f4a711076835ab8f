"""A result to a file, in the form that its suffix names."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from autorec import files
from autorec.errors import ParameterError
from autorec.plain_json import to_json


class Result(Protocol):
    """What `save_result` writes: an Evaluation, a Comparison or a Tuning."""

    def to_dict(self) -> dict[str, Any]: ...
    def to_frame(self) -> pd.DataFrame: ...
    def to_html(self) -> str: ...
    def to_latex(self) -> str: ...
    def to_markdown(self) -> str: ...


FORMS: dict[str, Callable[[Result], str]] = {
    ".json": lambda result: to_json(result.to_dict(), indent=2),
    ".md": lambda result: result.to_markdown(),
    ".html": lambda result: result.to_html(),
    ".csv": lambda result: result.to_frame().to_csv(lineterminator="\n"),
    ".tex": lambda result: result.to_latex(),
}


def save_result(result: Result, path: str | os.PathLike[str]) -> None:
    """Write a result, whole or not at all. ParameterError: the suffix of the path is none of FORMS."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMS:
        raise ParameterError(f"{path} ends in {suffix or 'no suffix'}; allowed: {', '.join(FORMS)}")
    files.write_text(path, FORMS[suffix](result))
