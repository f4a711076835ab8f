"""Progress on stderr.

Nothing is shown until it is asked for: the command line calls `show()` without `--quiet`, a person in Python
`show_progress()`. Bars and notes of the command line are shown on a terminal only, so that logs stay clean;
announcements everywhere.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar

_announcing = False  # in the whole process
_asked = False  # by a person in Python, in the whole process: cells of a notebook share no context
_shown: ContextVar[bool | None] = ContextVar("shown", default=None)
_within: ContextVar[bool] = ContextVar("within", default=False)  # a bar

_EVERY = 0.2  # seconds between two states of a line


def show_progress(shown: bool = True) -> None:
    """Show on stderr how far trainings, comparisons and searches are, from now on in this process, or no longer.

    A bar on a terminal, else, as in a notebook, a line that is written over. `fit(on_validation=)` and
    `Recommender.learning_curve` have the numbers.

    >>> autorec.show_progress()
    >>> model = autorec.AutoRec(hidden=4, epochs=2, penalty="l2:50").fit(autorec.load_sample())
    >>> autorec.show_progress(False)
    """
    global _asked, _announcing
    _asked = _announcing = shown


def show(shown: bool = True) -> None:
    """Turn bars and notes on or off in this context, and announcements in the process."""
    global _announcing
    _announcing = shown
    _shown.set(shown and sys.stderr.isatty())


def announce(sentence: str) -> None:
    """A line on stderr, terminal or not, from any thread."""
    if _announcing:
        print(sentence, file=sys.stderr, flush=True)


def _is_shown() -> bool:
    shown = _shown.get()
    return _asked if shown is None else shown


def note(sentence: str) -> None:
    """A line where bars are shown; nothing while there is one."""
    if _is_shown() and not _within.get():
        print(sentence, file=sys.stderr)


@contextlib.contextmanager
def bar(title: str, total: float | None) -> Iterator[Callable[[float, str], None]]:
    """Yield `update(done, text)`; `text` is shown beside the bar, with the time passed and the time left."""
    if not _is_shown():
        yield _ignore
        return
    token = _within.set(True)
    try:
        with _draw_bar(title, total) if sys.stderr.isatty() else _write_line(title, total) as update:
            yield update
    finally:
        _within.reset(token)


@contextlib.contextmanager
def _draw_bar(title: str, total: float | None) -> Iterator[Callable[[float, str], None]]:
    """A bar of rich."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[text]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=total, text="")

        def update(done: float, text: str = "") -> None:
            progress.update(task, completed=done, text=text)

        yield update


@contextlib.contextmanager
def _write_line(title: str, total: float | None) -> Iterator[Callable[[float, str], None]]:
    """A line that each state is written over and that is blank at the end."""
    width, last = 0, float("-inf")

    def update(done: float, text: str = "") -> None:
        nonlocal width, last
        if time.monotonic() < last + _EVERY:
            return
        line = f"{title} {done / total:4.0%} {text}" if total else f"{title} {text}"
        print("\r" + line.ljust(width), end="", file=sys.stderr, flush=True)
        width, last = max(width, len(line)), time.monotonic()

    try:
        yield update
    finally:
        print("\r" + " " * width + "\r", end="", file=sys.stderr, flush=True)


def _ignore(done: float, text: str = "") -> None:
    """The `update` of a bar that is not shown."""
