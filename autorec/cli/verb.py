"""What every verb has: --json, --quiet, --threads, --debug, warnings as sentences, failures as a status."""

import contextlib
import functools
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import click

import autorec
from autorec import group, progress
from autorec.cli import paths
from autorec.cli.examples import WithExamples
from autorec.errors import AutoRecError

FAILED = 1
INTERRUPTED = 130  # 128 + SIGINT, as shells count
PIPE_CLOSED = 141  # 128 + SIGPIPE

_QUIET = "autorec.quiet"
_TOGETHER = ("train",)  # what the processes of torchrun do as one
_MAPPED, _MAPPED_A_CORE = 2_500 * 2**20, 256 * 2**20  # bytes of addresses, most never used, of torch, Arrow, threads


def verb(function: Callable[..., None]) -> click.Command:
    """The click command of `function`, which gets `as_json` beside its own options."""

    @functools.wraps(function)
    def run(*, quiet: bool, threads: int | None, debug: bool, **options: Any) -> None:
        click.get_current_context().meta[_QUIET] = quiet
        progress.show(not quiet)
        if group.is_launched() and function.__name__ not in _TOGETHER:
            raise click.UsageError(
                "torchrun starts several processes, which can `train` together; give this verb alone"
            )
        with _status(debug), _plain_warnings():
            _require_address_space()
            paths.check(click.get_current_context())
            if threads is not None:
                autorec.set_threads(threads)
            function(**options)
            sys.stdout.flush()  # here, where a closed pipe is understood

    command = click.command(cls=WithExamples)(run)
    command.params += [
        click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object on stdout."),
        click.Option(["--quiet"], is_flag=True, help="No progress on stderr; warnings stay."),
        click.Option(["--threads"], type=click.IntRange(min=1), help="Threads to use; default: all cores."),
        click.Option(["--debug"], is_flag=True, help="Show the traceback of a failure."),
    ]
    return command


def say(sentence: str) -> None:
    """A line of progress on stderr, unless --quiet."""
    if not click.get_current_context().meta[_QUIET]:
        click.echo(sentence, err=True)


def be_quiet() -> None:
    """From here on this process says nothing but why it fails."""
    click.get_current_context().meta[_QUIET] = True
    progress.show(False)
    warnings.simplefilter("ignore")  # until `_plain_warnings` ends


def _require_address_space() -> None:
    """AutoRecError where `ulimit -v` leaves too little for the libraries, some of which would end the process."""
    try:
        import resource  # not on Windows
    except ImportError:
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    needed = _MAPPED + (os.cpu_count() or 1) * _MAPPED_A_CORE
    if limit != resource.RLIM_INFINITY and limit < needed:
        raise AutoRecError(
            f"a process may map {limit / 2**30:.1f} GiB here, and the libraries alone map about {needed / 2**30:.1f}; "
            "raise the limit (ulimit -v), or limit the memory itself by a control group"
        )


@contextlib.contextmanager
def _status(debug: bool) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:
        # The reader left, as `head` does: no error. The last flush must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(PIPE_CLOSED) from None
    except (AutoRecError, OSError, MemoryError) as error:
        if debug:
            raise
        _fail(_sentence(error))


def _fail(sentence: str) -> NoReturn:
    click.echo(f"Error: {sentence}", err=True)
    raise SystemExit(FAILED) from None


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror + (f": {error.filename}" if error.filename else "")
    elif isinstance(error, MemoryError):
        text = f"not enough memory ({error})" if str(error) else "not enough memory"
    else:
        text = str(error)
    return " ".join(text.split())


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """The library's warnings as a sentence each; other kinds of warnings as Python's settings say."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        click.echo(f"Note: {' '.join(str(message).split())}", err=True)

    with warnings.catch_warnings():
        warnings.filterwarnings("default", category=UserWarning)  # equal ones once
        warnings.showwarning = show
        yield
