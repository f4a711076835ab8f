"""The example in the docstring of every public function and class runs as it is written."""

import doctest
import inspect
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import autorec
from autorec import threads

NAMES = [name for name in autorec.__all__ if callable(getattr(autorec, name))]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_a_name_runs_as_it_is_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    found = inspect.getdoc(getattr(autorec, name)) or ""
    given = {"autorec": autorec, "np": np, "pd": pd}
    test = doctest.DocTestParser().get_doctest(found, given, name, None, None)
    assert test.examples, f"{name} has no example"
    before = threads.thread_count()
    try:
        failed, _ = doctest.DocTestRunner(optionflags=OPTIONS).run(test)
    finally:
        threads.set_threads(before)
    assert not failed, capsys.readouterr().out
