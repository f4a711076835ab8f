"""What a person sees while waiting, and what is kept back."""

import pytest

from autorec import progress


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    progress.show()
    yield
    progress.show(False)


def test_notes_are_told_but_not_under_a_bar(watched: None, capsys: pytest.CaptureFixture[str]) -> None:
    progress.note("before")
    with progress.bar("work", 3) as update:
        update(1, "a third")
        progress.note("within")
        with progress.bar("a part of it", 2):
            progress.note("deeper")
        progress.note("still within")
    progress.note("after")
    told = capsys.readouterr().err
    assert "before" in told and "after" in told
    assert "within" not in told and "deeper" not in told


def test_nothing_is_shown_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    progress.note("unseen")
    with progress.bar("work", 3) as update:
        update(1, "unseen")
    assert capsys.readouterr().err == ""
