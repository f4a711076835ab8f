"""Trainings side by side, each in a process of its own.

Processes, not threads: the number of threads of torch and Numba is a setting of a whole process.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import Any

import numba

from autorec.errors import AutoRecError
from autorec.models.preflight import readable
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

    `work` is pickled once a process. On Ctrl-C and on an error those under way see stopped() become True, and none
    begins anew.
    """
    context = multiprocessing.get_context("spawn")  # a fork would copy locks that threads hold
    stop = context.Event()
    threads = max(1, int(numba.get_num_threads()) // jobs)
    workers = min(jobs, max(len(places), 1))
    pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(work, threads, stop))
    try:
        for future in as_completed([pool.submit(_work, place) for place in places]):
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


# --- in the new process -------------------------------------------------------------------------------------

_here: dict[str, Any] = {}


def _begin(work: Work, threads: int, stop: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to stop
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    set_threads(threads)
    _here.update(work=work, stop=stop)


def _leave_with_parent() -> None:
    """A parent that is killed cannot say stop."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _work(place: int) -> None:
    if not _here["stop"].is_set():
        _here["work"](place, _here["stop"].is_set)
