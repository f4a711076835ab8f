"""Trainings side by side, each in its own process.

Processes, not threads: the number of threads of torch and Numba is a setting of a whole process. joblib's loky starts
them without importing the caller's script again, so that a script needs no `if __name__ == "__main__"`.
"""

import contextlib
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from joblib.externals.loky import ProcessPoolExecutor

from autorec.errors import AutoRecError
from autorec.folders import temporary_folder
from autorec.memory import readable
from autorec.threads import set_threads, thread_count

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


def side_by_side(work: Work, numbers: Sequence[int], jobs: int, report: Callable[[], None]) -> None:
    """Call work(number, stopped) for all numbers [n], `jobs` at a time, in new processes; `report()` here after each.

    On Ctrl-C and on an error stopped() becomes True in the running ones, and no other begins. AutoRecError: a process
    was killed from outside.
    """
    threads = max(1, thread_count() // jobs)
    with temporary_folder("autorec-work-") as folder:
        file, stop = folder / "work", folder / "stop"
        file.write_bytes(pickle.dumps(work))  # once, not with each number: it holds the ratings
        pool = ProcessPoolExecutor(
            min(jobs, max(len(numbers), 1)), initializer=_begin, initargs=(file, stop, threads, os.getpid())
        )
        futures: list[Future[None]] = []
        try:
            with _ignore_ctrl_c():
                futures = [pool.submit(_work, number) for number in numbers]
            for future in as_completed(futures):
                future.result()
                report()
        except BrokenProcessPool:
            raise AutoRecError(
                "a process with a training was killed, most likely for want of memory: use fewer jobs; with a storage "
                "the same command goes on with what is missing"
            ) from None
        finally:
            stop.touch()
            for future in futures:
                future.cancel()
            pool.shutdown()


@contextlib.contextmanager
def _ignore_ctrl_c() -> Iterator[None]:
    """Processes started within the block never get a Ctrl-C, which a terminal sends to all: one that is half started
    would fail with a traceback. This process gets it after the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    resource_tracker.ensure_running()  # before the signal is blocked, which its start would undo
    got: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: got.append(number))
    _mask(signal.SIG_BLOCK)  # which a new process inherits
    try:
        yield
    finally:
        _mask(signal.SIG_UNBLOCK)
        signal.signal(signal.SIGINT, before)
    if got:
        raise KeyboardInterrupt


def _mask(how: int) -> None:
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        signal.pthread_sigmask(how, [signal.SIGINT])


# --- in the new process -------------------------------------------------------------------------------------

_here: dict[str, Any] = {}


def _begin(file: Path, stop: Path, threads: int, parent: int) -> None:
    threading.Thread(target=_leave_with_parent, args=(parent,), daemon=True).start()
    set_threads(threads)
    _here.update(work=pickle.loads(file.read_bytes()), stopped=stop.exists)


def _leave_with_parent(parent: int) -> None:
    """End this process when its parent is gone, checked once a second: a killed parent cannot end its workers."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _work(number: int) -> None:
    if not _here["stopped"]():
        _here["work"](number, _here["stopped"])
