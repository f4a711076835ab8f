"""Progress on stderr.

Nothing is shown until `show()` is called, which the command line does without `--quiet`. Bars and notes are shown on a
terminal only, so that logs stay clean; announcements everywhere.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar

_announcing = False  # in the whole process
_shown: ContextVar[bool] = ContextVar("shown", default=False)
_within: ContextVar[bool] = ContextVar("within", default=False)  # a bar


def show(shown: bool = True) -> None:
    """Turn bars and notes on or off in this context, and announcements in the process."""
    global _announcing
    _announcing = shown
    _shown.set(shown and sys.stderr.isatty())


def announce(sentence: str) -> None:
    """A line on stderr, terminal or not, from any thread."""
    if _announcing:
        print(sentence, file=sys.stderr, flush=True)


def note(sentence: str) -> None:
    """A line on a terminal; nothing while a bar is shown."""
    if _shown.get() and not _within.get():
        print(sentence, file=sys.stderr)


@contextlib.contextmanager
def bar(title: str, total: float | None) -> Iterator[Callable[[float, str], None]]:
    """Yield `update(done, text)`; `text` is shown beside the bar, with the time passed and the time left."""
    if not _shown.get():
        yield _ignore
        return
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
        token = _within.set(True)

        def update(done: float, text: str = "") -> None:
            progress.update(task, completed=done, text=text)

        try:
            yield update
        finally:
            _within.reset(token)


def _ignore(done: float, text: str = "") -> None:
    """The `update` of a bar that is not shown."""
