"""Trainings side by side, each in a process of its own.

Processes, not threads: the number of threads of torch and Numba is a setting of a whole process.
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from pathlib import Path
from typing import Any

import numba

from autorec.errors import AutoRecError
from autorec.memory import readable
from autorec.threads import set_threads

Work = Callable[[int, Callable[[], bool]], None]

PROCESS = 450 * 2**20  # bytes of a process that has loaded torch and Numba and compiled its kernels; measured


def fitting_jobs(jobs: int, each: int, free: int | None) -> tuple[int, str | None]:
    """(jobs that fit, a sentence when these are fewer). each: bytes of a training; free: bytes, None when unknown."""
    if jobs == 1 or free is None or jobs * (each + PROCESS) <= free:
        return jobs, None
    fitting = max(1, free // (each + PROCESS))
    return fitting, (
        f"{jobs} trainings at a time need about {readable(jobs * (each + PROCESS))} and {readable(free)} are free: "
        f"{fitting} at a time"
    )


def side_by_side(work: Work, places: Sequence[int], jobs: int, told: Callable[[], None]) -> None:
    """Call work(place, stopped) for all places, `jobs` at a time, in new processes; `told()` here after each.

    `work` is pickled into a file: through a pipe each process would have to be up before the next begins. On Ctrl-C and
    on an error those under way see stopped() become True, and none begins anew.
    """
    context = multiprocessing.get_context("spawn")  # a fork would copy locks that threads hold
    stop = context.Event()
    threads = max(1, int(numba.get_num_threads()) // jobs)
    workers = min(jobs, max(len(places), 1))
    with tempfile.TemporaryDirectory(prefix="autorec-work-") as folder:
        file = Path(folder) / "work"
        file.write_bytes(pickle.dumps(work))
        pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(file, threads, stop))
        _run(pool, places, stop, told)


def _run(pool: ProcessPoolExecutor, places: Sequence[int], stop: Any, told: Callable[[], None]) -> None:
    try:
        with _out_of_hearing():
            futures = [pool.submit(_work, place) for place in places]
        for future in as_completed(futures):
            future.result()
            told()
    except BrokenProcessPool:
        raise AutoRecError(
            "a process with a training was killed, most likely for want of memory: use fewer jobs; with a storage the "
            "same command goes on with what is missing"
        ) from None
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _out_of_hearing() -> Iterator[None]:
    """Processes begun within the block never hear a Ctrl-C, which a terminal sends to all; this one hears it after:
    a process that is half begun would fail in the open."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    _mask(signal.SIG_BLOCK)  # which a new process inherits
    try:
        yield
    finally:
        _mask(signal.SIG_UNBLOCK)
        signal.signal(signal.SIGINT, before)
    if heard:
        raise KeyboardInterrupt


def _mask(how: int) -> None:
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        signal.pthread_sigmask(how, [signal.SIGINT])


# --- in the new process -------------------------------------------------------------------------------------

_here: dict[str, Any] = {}


def _begin(file: Path, threads: int, stop: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to stop
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    set_threads(threads)
    _here.update(work=pickle.loads(file.read_bytes()), stop=stop)


def _leave_with_parent() -> None:
    """A parent that is killed cannot say stop."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _work(place: int) -> None:
    if not _here["stop"].is_set():
        _here["work"](place, _here["stop"].is_set)
