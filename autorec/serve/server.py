"""`run_server`: the app behind uvicorn, in one process or several; `make_app`: the app for a server of one's own."""

import contextlib
import functools
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from os import PathLike
from typing import Any

from autorec import checks
from autorec.errors import AutoRecError
from autorec.extras import require
from autorec.storage.manifest import describe

Serve = Callable[[socket.socket], None]  # answers until the process is told to end

_BACKLOG = 2048
_GRACE = 10  # seconds for requests that are being answered when the service is told to end
_OPTIONS: Any = {
    "log_level": "warning",
    "access_log": False,  # a path may hold what is searched for
    "backlog": _BACKLOG,
    "timeout_graceful_shutdown": _GRACE,
}


def make_app(path: str | PathLike[str]) -> Any:
    """An ASGI app (FastAPI) that answers by the model in the folder `path`, loaded when the app starts. From then on
    the process computes with one thread.

    AutoRecError: an extra is missing.

    >>> app = autorec.make_app("my-model")  # uvicorn.run(app) serves it
    >>> sorted(route.path for route in app.routes if route.path.startswith("/recommend"))
    ['/recommend']
    """
    require("serve", "the service")
    from autorec.serve.app import build_from

    return build_from(os.fspath(path))


def run_server(
    path: str | PathLike[str],
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    on_start: Callable[[str], None] | None = None,
) -> None:
    """Serve the model in the folder `path` until SIGTERM or Ctrl-C; a folder that is replaced is swapped in.

    port: 0 for any that is free. workers: processes, each with a model of its own; each computes with one thread.
    on_start(url) is called before requests are answered: those that come meanwhile wait. AUTOREC_API_KEY in the
    environment: the key that requests have to bring.
    ModelFileError: see `load`. AutoRecError: the address cannot be had, or an extra is missing.

    >>> autorec.run_server("my-model", workers=2)  # doctest: +SKIP
    >>> autorec.run_server("nowhere")
    Traceback (most recent call last):
        ...
    autorec.errors.ModelFileError: ...
    """
    require("serve", "the service")
    checks.whole("workers", workers)
    prepare = _prepare_one if workers == 1 else functools.partial(_prepare_several, workers)
    serve = prepare(os.fspath(path))  # here, where a model that cannot be read is one sentence
    with _listen(host, port) as listening, _numbers_of_workers(workers), _end_by_signal():
        if on_start is not None:
            on_start(_url(listening))
        serve(listening)


def _prepare_one(path: str) -> Serve:
    """This process answers."""
    import uvicorn

    from autorec.serve.app import build
    from autorec.serve.served import Live

    live = Live(path)
    live.load()
    return lambda listening: uvicorn.Server(uvicorn.Config(build(live), **_OPTIONS)).run(sockets=[listening])


def _prepare_several(workers: int, path: str) -> Serve:
    """Processes that this one starts answer; it loads no model itself, so that they are ready sooner."""
    import uvicorn
    from uvicorn.config import STARTUP_FAILURE
    from uvicorn.supervisors import Multiprocess

    describe(path)
    config = uvicorn.Config(functools.partial(make_app, path), factory=True, workers=workers, **_OPTIONS)

    def serve(listening: socket.socket) -> None:
        supervisor = Multiprocess(config, sockets=[listening])
        supervisor.run()
        if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
            raise AutoRecError("a worker could not start; what it said stands above")

    return serve


@contextlib.contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None) or 0
        reason = os.strerror(number) if number > 0 else error  # of itself, without what `create_server` adds
        raise AutoRecError(f"cannot listen on {host} port {port}: {reason}; give another --host or --port") from None
    with listening:
        yield listening


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def _numbers_of_workers(workers: int) -> Iterator[None]:
    """Where several workers keep their metrics, for any of them to tell those of all."""
    if workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="autorec-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        try:
            yield
        finally:
            del os.environ["PROMETHEUS_MULTIPROC_DIR"]


@contextlib.contextmanager
def _end_by_signal() -> Iterator[None]:
    """SIGTERM is how a service is ended: uvicorn raises it again once it is done, and it then means nothing."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
