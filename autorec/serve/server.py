"""`run_server`: the app behind uvicorn, in one process or several; `make_app`: the app for a server of one's own.

Several processes are forked from one that has loaded libraries and model: they are ready as soon as one is, and share
the memory of both. Until then it computes with one thread, for a fork copies no others.
"""

import contextlib
import functools
import gc
import importlib.machinery
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import types
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait
from os import PathLike
from typing import Any

from autorec import checks, threads
from autorec.errors import AutoRecError
from autorec.extras import require
from autorec.folders import temporary_folder
from autorec.storage.manifest import describe

_FORKS = sys.platform == "linux"
_BACKLOG = 2048
_SWITCH = 0.0005  # seconds that a thread beside it, as one that loads a model, may keep the event loop waiting
_THRESHOLDS = (10_000, 20, 100)  # of the garbage collector; by Python's own it looks at waiting requests all the time
_GRACE = 10  # seconds for requests that are being answered when the service is told to end
_OPTIONS: Any = {
    "log_level": "warning",
    "access_log": False,  # a path may hold what is searched for
    "backlog": _BACKLOG,
    "timeout_keep_alive": 75,  # seconds, longer than proxies keep a connection that they would use again: mostly 60
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

    return build_from(str(checks.path("path", path)))


def run_server(
    path: str | PathLike[str],
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    on_start: Callable[[str], None] | None = None,
) -> None:
    """Serve the model in the folder `path` until SIGTERM or Ctrl-C; a folder that is replaced is swapped in.

    port: 0 for any that is free. workers: processes; on Linux they share the memory of the model. From now on this one
    computes with one thread, and so does each of them.
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
    describe(path)  # a model that is not there, or an address that is taken, is told before the libraries are loaded
    with _listen(host, port) as listening, _numbers_of_workers(workers), _end_by_signal():
        with _not_collected():
            import_later("numpy.f2py")
            import_later("scipy.stats")
            import uvicorn

            from autorec.serve.app import build
            from autorec.serve.served import Live

            threads.use_one_thread()  # a fork copies no others
            sys.setswitchinterval(_SWITCH)
            live = Live(os.fspath(path))
            live.load()
            threads.use_one_thread()  # of what the model has loaded too
            config = uvicorn.Config(functools.partial(build, live), factory=True, **_OPTIONS)
            if workers == 1 or _FORKS:
                config.load()  # once for all; spawned processes load the model and build the app themselves
        if on_start is not None:
            on_start(_url(listening))
        if workers == 1:
            _answer(uvicorn.Server(config), listening)
        else:
            _answer_by_several(config, listening, workers)


@contextlib.contextmanager
def _not_collected() -> Iterator[None]:
    """What is loaded in the block stays: the garbage collector does not look at it, neither time and again while it is
    loaded, a sixth of the start, nor later, when requests would wait 0.1 s for it; and memory that it writes to is no
    longer shared with other processes."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


class _Later(types.ModuleType):
    """Stands for a module until something of it is used."""

    def __getattr__(self, attribute: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), attribute)


def import_later(name: str) -> None:
    """Have the module `name` of a package, unless it is there, loaded when something of it is first used. SciPy imports
    `numpy.f2py`, because it copies the names of NumPy, and scikit-learn `scipy.stats`, which takes a quarter of the
    time of a start, for one function; no answer needs them. (LazyLoader of the standard library loads a module as soon
    as a second one imports it.)"""
    if name not in sys.modules:
        module = sys.modules[name] = _Later(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        package, _, attribute = name.rpartition(".")
        setattr(importlib.import_module(package), attribute, module)


def _answer(server: Any, listening: socket.socket) -> None:
    """This process answers until it is told to end. server: of uvicorn."""
    told = logging.getLogger("uvicorn.error")  # a second Ctrl-C cuts answers short, which is no error
    told.addFilter(lambda record: "CancelledError" not in f"{record.exc_info} {record.getMessage()}")
    if not server.config.loaded:
        with _not_collected():
            server.config.load()
    gc.set_threshold(*_THRESHOLDS)
    server.run(sockets=[listening])


def _answer_by_several(config: Any, listening: socket.socket, workers: int) -> None:
    """So many processes answer until this one is told to end; where one is killed, another takes its place."""
    from autorec.serve.accept import share_counts

    ways: Any = multiprocessing.get_context("fork" if _FORKS else "spawn")
    counts = share_counts(workers) if _FORKS else None
    processes: dict[int, Any] = {}
    told: list[int] = []
    parent = os.getpid()

    def end(by: int, _: object) -> None:
        if os.getpid() != parent:
            os._exit(0)  # a worker that has not begun, or is done
        told.append(by)
        for process in processes.values():
            process.terminate()

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, end)
    while processes or not told:
        for number in range(workers):
            if number not in processes and not told:
                process = ways.Process(target=_work, args=(config, listening, counts, number))
                process.start()
                processes[number] = process
        if told:
            end(told[0], None)  # one that was starting meanwhile
        wait([process.sentinel for process in processes.values()])
        if any((process.exitcode or 0) > 0 for process in processes.values()):
            end(signal.SIGABRT, None)
        processes = {number: process for number, process in processes.items() if process.exitcode is None}
    if signal.SIGABRT in told:
        raise AutoRecError("a worker failed; what it said stands above")
    if signal.SIGINT in told:
        raise KeyboardInterrupt


def _work(config: Any, listening: socket.socket, counts: Any, number: int) -> None:
    import uvicorn

    from autorec.serve.accept import Worker

    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):  # which a terminal sends to every process
        _answer(uvicorn.Server(config) if counts is None else Worker(config, listening, counts, number), listening)


def _end_with_parent() -> None:
    """A worker whose parent was killed ends: else it would keep the port, and nobody could end it by the service."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens there. AutoRecError: the address cannot be had."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        created = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except (OSError, OverflowError, ValueError) as error:
        number = getattr(error, "errno", None) or 0  # below 0: of a name that is looked up
        told = getattr(error, "strerror", None) or error
        reason = os.strerror(number) if number > 0 else told  # of itself, without what `create_server` adds
        sentence = f"cannot listen on {host} port {port}: {reason}; give another --host or --port"
        raise AutoRecError(sentence) from None
    with created:
        yield created


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def _numbers_of_workers(workers: int) -> Iterator[None]:
    """Where several workers keep their metrics, for any of them to tell those of all."""
    if workers == 1:
        yield
        return
    with temporary_folder("autorec-numbers-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
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
