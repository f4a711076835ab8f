"""Jobs that measure published results again: refused by a sentence, and their lines in order."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import autorec
from autorec.errors import InputError, ParameterError
from autorec.reproduction import reproduce as reproduction


def test_an_unknown_job_lists_those_that_are(tmp_path):
    with pytest.raises(ParameterError, match=r"no job 'tabel'; allowed: table, .*did you mean table"):
        autorec.reproduce(tmp_path, ["tabel"])


def test_a_missing_data_set_says_how_to_get_it(tmp_path):
    (tmp_path / "ml-100k").mkdir()
    with pytest.raises(InputError, match=r"holds no folder ml-1m; autorec fetch ml-1m -o"):
        autorec.reproduce(tmp_path)


def test_lines_come_job_by_job(tmp_path, monkeypatch):
    def first(folder: Path) -> Iterator[str]:
        yield f"first {folder.name}"

    def second(folder: Path) -> Iterator[str]:
        yield from ("second", "done")

    for name in ("ml-100k", "ml-1m"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(reproduction, "JOBS", {"first": first, "second": second})
    assert list(autorec.reproduce(tmp_path)) == [f"first {tmp_path.name}", "second", "done"]
    assert list(autorec.reproduce(tmp_path, ["second"])) == ["second", "done"]
