"""How many threads the library computes with: those of Numba, of torch, of BLAS below NumPy, and its own."""

import contextlib
import importlib
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from autorec.errors import ParameterError

Part = TypeVar("Part")
Result = TypeVar("Result")


def set_threads(threads: int) -> None:
    """Compute with this many threads from now on, in the whole process. The default is one a core.

    Sums over threads round differently, so results repeat bit for bit at the same number only.
    ParameterError: fewer than 1, or more than there are cores.
    """
    numba = importlib.import_module("numba")  # typed as Any: numba's set_num_threads carries no types
    most = numba.config.NUMBA_NUM_THREADS
    if not 1 <= threads <= most:
        raise ParameterError(f"{threads} threads; this machine allows 1 to {most}")
    import torch
    from threadpoolctl import threadpool_limits

    numba.set_num_threads(threads)
    torch.set_num_threads(threads)
    threadpool_limits(threads)


def thread_count() -> int:
    """Threads that the calling thread may compute with: those of `set_threads`; 1 within `map_in_threads`."""
    return int(importlib.import_module("numba").get_num_threads())


def map_in_threads(work: Callable[[Part], Result], parts: Sequence[Part]) -> Iterator[Result]:
    """Yield work(part) of each part, in order, several of them at a time and each on one thread.

    BLAS and torch have one thread in the whole process meanwhile. Results that nobody has asked for yet are few: two a
    thread. A single part is computed by the calling thread, with all threads of BLAS.
    """
    threads = min(thread_count(), len(parts))
    if threads <= 1:
        yield from map(work, parts)
        return
    numba = importlib.import_module("numba")
    waiting: deque[Future[Result]] = deque()
    with (
        _libraries_on_one_thread,
        ThreadPoolExecutor(threads, initializer=numba.set_num_threads, initargs=(1,)) as pool,
    ):
        try:
            for part in parts:
                waiting.append(pool.submit(work, part))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def torch_on_one_thread() -> AbstractContextManager[None]:
    """Within the block torch computes with one thread, for work whose time goes to the Numba kernels.

    The two keep a pool of threads each, and a pool that waits spins: on two cores an epoch takes half as long again.
    """
    return _torch_on_one_thread


class _Shared:
    """A context for several threads at once: entered by the first that asks for it and left by the last.

    For settings of the whole process. Were each thread to restore what it found, the last would leave the setting of
    another behind for good.
    """

    def __init__(self, context: Callable[[], AbstractContextManager[None]]) -> None:
        self._context, self._lock, self._users, self._exit = context, threading.Lock(), 0, contextlib.ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if not self._users:
                self._exit.enter_context(self._context())
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._exit.close()


@contextlib.contextmanager
def _limit_torch() -> Iterator[None]:
    torch: Any = sys.modules.get("torch")
    if torch is None:  # what is not loaded has no threads
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _limit_libraries() -> Iterator[None]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"), _torch_on_one_thread:
        yield


_torch_on_one_thread = _Shared(_limit_torch)
_libraries_on_one_thread = _Shared(_limit_libraries)
