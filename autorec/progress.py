"""What a person sees while waiting: one line on stderr, only when someone looks at it.

Nothing is shown until `show()` is called, as the command line does unless told to be quiet. Where stderr is not a
terminal nothing is shown at all, so that logs stay clean.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar

_telling = False  # of the whole process
_shown: ContextVar[bool] = ContextVar("shown", default=False)
_within: ContextVar[bool] = ContextVar("within", default=False)  # a bar


def show(shown: bool = True) -> None:
    """Turn progress lines on or off for this thread of work, and what is told for the process."""
    global _telling
    _telling = shown
    _shown.set(shown and sys.stderr.isatty())


def tell(sentence: str) -> None:
    """A line on stderr, terminal or not, from any thread."""
    if _telling:
        print(sentence, file=sys.stderr, flush=True)


def note(sentence: str) -> None:
    """A line on stderr for whoever watches; not while a bar tells of the work as a whole."""
    if _shown.get() and not _within.get():
        print(sentence, file=sys.stderr)


@contextlib.contextmanager
def bar(title: str, total: float | None) -> Iterator[Callable[[float, str], None]]:
    """Yield `update(done, text)`; `text` is shown beside the bar with the time gone and the time left."""
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
    """The update of a bar that is not shown."""
