"""What a person sees while waiting, and what is kept back."""

import contextvars
import functools

import pytest

import autorec
from autorec import progress
from autorec.cli import demo


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


def test_the_title_of_a_step_is_not_written_over(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    steps = demo.Steps(show=True)
    with steps("Train"):
        assert capsys.readouterr().out == "1. Train\n"
    assert capsys.readouterr().out.startswith(" (")


def test_a_notebook_sees_one_line_that_is_written_over(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_EVERY", 0)
    model = autorec.AutoRec(hidden=2, epochs=2, penalty="l2:50", inputs="ratings")
    train = functools.partial(contextvars.Context().run, model.fit, autorec.load_sample())
    progress.show_progress()
    try:
        train()
    finally:
        progress.show_progress(False)
    told = capsys.readouterr().err
    states = [state for state in told.split("\r") if state.strip() and not state.endswith("\n")]  # without notes
    assert len(states) >= 2 and all("%" in state for state in states)
    assert told.endswith("\r") and not told.split("\r")[-2].strip()  # blank at the end
    train()
    assert capsys.readouterr().err == ""


def test_nothing_is_shown_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    progress.note("unseen")
    with progress.bar("work", 3) as update:
        update(1, "unseen")
    assert capsys.readouterr().err == ""
