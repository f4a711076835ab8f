"""The command `autorec`. A verb's file is imported when asked for, the library when the verb runs."""

import atexit
import contextlib
import importlib
import os
import signal
import sys

import click

from autorec import __version__
from autorec.errors import nearest

# In the order of the work; each is a file of this folder and a function of the same name in it, _ for -.
VERBS = (
    "demo",
    "fetch",
    "inspect",
    "split",
    "prepare",
    "plan",
    "train",
    "predict",
    "recommend",
    "evaluate",
    "compare",
    "tune",
    "models",
    "describe",
    "forget",
    "similar",
    "embed",
    "cluster",
    "map",
    "anomalies",
    "explain",
    "what-if",
    "interview",
    "generate",
    "classify",
    "export",
    "serve",
    "warmup",
    "reproduce",
)


class Verbs(click.Group):
    """Finds each verb in its own file."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Name and first sentence of each verb, whole, where click would cut it."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, _first_sentence(self.get_command(ctx, name))) for name in VERBS])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            ctx.fail(f"no verb {args[0]!r}; allowed: {', '.join(VERBS)}{nearest(args[0], VERBS)}")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"autorec.cli.{name}"), name)
        return command


def _first_sentence(command: click.Command | None) -> str:
    return command.get_short_help_str(limit=1000) if command is not None else ""


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="autorec %(version)s")
def autorec() -> None:
    """Train autoencoders on ratings; predict, recommend, evaluate.

    Results go to stdout, progress and notes to stderr. Exit status: 0 done, 1 failed, 2 wrong usage,
    130 interrupted.
    """


def main() -> None:
    """Entry point of the console script and of `python -m autorec`."""
    # Threads of torch that wait sleep: spinning beside the kernels' threads they double the time of a deep network.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Pages of 2 MiB for torch: tensors above 32 MiB go back to the system and are mapped anew, page by page, each time.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # half-written files get removed
    _prepare_streams()
    try:
        autorec(prog_name="autorec")
    except SystemExit as status:
        _leave(status)


def _prepare_streams() -> None:
    """stdout and stderr in UTF-8, where two ids never look alike; a stream that the caller closed leads to nowhere.

    Were the number of a closed stream left free, the next file opened would get it, and what is printed with it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, this one
        stream = getattr(sys, name)
        if stream is None and number:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        elif number and hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # surrogates, of file names


def _leave(status: SystemExit) -> None:
    """End the process with this status, with everything that Python does at its end, but not what C++ does.

    torch and pyarrow both end threads in destructors of static objects; where both are loaded, a process that ends soon
    after a read is now and then aborted there, and a failure with status 1 ends with status 134. And where Ctrl-C came
    within an import, `python -m` at its end sends itself the signal, whatever the status.
    """
    if status.code != 128 + signal.SIGINT and not {"torch", "pyarrow"} <= set(sys.modules):
        raise status
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # who read it has left, or it is closed
            stream.flush()
    os._exit(status.code if isinstance(status.code, int) else status.code is not None)
