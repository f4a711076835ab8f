"""How many threads the library computes with: its own, those of torch, and of BLAS below NumPy.

The library's own are Python threads, each in a compiled kernel or a BLAS call that gives up the interpreter's lock:
they need no threading library beside torch's, and they may be asked from any thread and after a fork.
"""

import contextlib
import functools
import numbers
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from autorec.errors import ParameterError, shown

Part = TypeVar("Part")
Result = TypeVar("Result")


def set_threads(threads: int) -> None:
    """Compute with this many threads (a whole number) from now on, in the whole process. The default is one a core.

    Another number of threads rounds sums differently, so results repeat bit for bit at the same number only. In a
    process forked from one that computed with several, torch keeps to one thread, whose others a fork does not copy:
    a network of several hidden layers trains there on one core; `spawn` gives it all. ParameterError: fewer than 1, or
    more than there are cores.

    >>> autorec.set_threads(1)
    """
    most = _cores()
    if not isinstance(threads, numbers.Integral) or isinstance(threads, bool) or not 1 <= threads <= most:
        raise ParameterError(f"{shown(threads)} threads; this machine allows 1 to {most}")
    import torch  # noqa: F401

    _set_loaded(int(threads))


def use_one_thread() -> None:
    """`set_threads(1)` without loading torch, which takes longer than most models do; again after it may have been."""
    _set_loaded(1)


def _set_loaded(threads: int) -> None:
    from threadpoolctl import ThreadpoolController

    _state.threads = threads
    openmp = 1 if _state.forked else threads
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(openmp)
    for library in ThreadpoolController().lib_controllers:
        _limit(library, openmp if library.user_api == "openmp" else threads)


def _limit(library: Any, threads: int) -> None:
    """Have a library, by its controller of threadpoolctl, compute with so many threads, and ask nothing of one that
    does: OpenBLAS that is asked in a forked process starts all its threads, which spin for 0.05 s."""
    if library.num_threads != threads:
        library.set_num_threads(threads)


def thread_count() -> int:
    """Threads that the calling thread may compute with: those of `set_threads`, by default OMP_NUM_THREADS or one a
    core; 1 within `map_in_threads`."""
    if getattr(_worker, "alone", False):
        return 1
    if _state.threads is None:
        wanted = os.environ.get("OMP_NUM_THREADS", "")
        _state.threads = min(int(wanted), _cores()) if wanted.isdecimal() and int(wanted) else _cores()
    return _state.threads


def run_in_threads(work: Callable[[int], Result], n: int) -> list[Result]:
    """[work(0), …, work(n − 1)], computed by `thread_count()` threads side by side, one of them the calling thread.

    For kernels of a millisecond and more: a pool waits for the next call, which wakes it in some 20 µs. Returns or
    raises only when all threads are done.
    """
    threads = min(thread_count(), n)
    if threads <= 1:
        return [work(i) for i in range(n)]
    results: list[Any] = [None] * n
    numbers = iter(range(n))

    def take() -> None:
        for i in numbers:
            results[i] = work(i)

    helpers = [_state.pool().submit(take) for _ in range(threads - 1)]
    try:
        take()
    finally:  # after an error or Ctrl-C nothing is begun, and nobody writes to an array that its owner goes on to use
        for _ in numbers:
            pass
        for helper in helpers:
            if not helper.cancel():
                helper.exception()
    for helper in helpers:
        if not helper.cancelled():
            helper.result()
    return results


def map_in_threads(work: Callable[[Part], Result], parts: Sequence[Part]) -> Iterator[Result]:
    """Yield work(part) of each of the parts [k], in order; several are computed at a time, each on one thread.

    Meanwhile BLAS and torch have one thread in the whole process. At most two results a thread wait to be taken. A
    single part is computed by the calling thread, with all threads of BLAS.
    """
    threads = min(thread_count(), len(parts))
    if threads <= 1:
        yield from map(work, parts)
        return
    waiting: deque[Future[Result]] = deque()
    with (
        _libraries_on_one_thread,
        ThreadPoolExecutor(threads, initializer=setattr, initargs=(_worker, "alone", True)) as pool,
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
    """Within the block torch computes with one thread, for work whose time goes to the kernels.

    Threads of torch that wait spin, beside the kernels' threads: on two cores an epoch takes half as long again.
    """
    return _torch_on_one_thread


def libraries_on_one_thread() -> AbstractContextManager[None]:
    """Within the block BLAS and torch compute with one thread: with the same bits on any machine, and beside others."""
    return _libraries_on_one_thread


def _cores() -> int:
    """Cores that this process may use, by affinity and by a container's quota."""
    from joblib import cpu_count

    return int(cpu_count())


class _State:
    """threads: None until first asked for. forked: whether this process was forked from one that had used the pool."""

    def __init__(self) -> None:
        self.threads: int | None = None
        self.forked = False
        self._forget_pool()

    def begin_after_fork(self) -> None:
        """A fork copies no threads, so the pool is made again. OpenMP would wait for torch's threads for ever, so torch
        gets one thread where the parent has used the pool."""
        torch: Any = sys.modules.get("torch")
        if self._pool is not None and torch is not None:
            self.forked = True
            torch.set_num_threads(1)
        self._forget_pool()

    def _forget_pool(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def pool(self) -> ThreadPoolExecutor:
        """The pool, made on first use; its threads start when they are needed."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_cores(), thread_name_prefix="autorec")
            return self._pool


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
    libraries = _find_blas(len(sys.modules))
    before = [library.num_threads for library in libraries]
    for library in libraries:
        _limit(library, 1)
    try:
        with _torch_on_one_thread:
            yield
    finally:
        for library, threads in zip(libraries, before, strict=True):
            _limit(library, threads)


@functools.lru_cache(maxsize=1)
def _find_blas(n_modules: int) -> list[Any]:
    """threadpoolctl's controller of each BLAS library in the process. They are looked for again once a module has been
    loaded, which may have brought one: that takes 1.5 ms, a thirtieth of the top 10 of 6,000 users."""
    from threadpoolctl import ThreadpoolController

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


_torch_on_one_thread = _Shared(_limit_torch)
_libraries_on_one_thread = _Shared(_limit_libraries)
_state = _State()
_worker = threading.local()  # alone: in a thread of `map_in_threads`, where all cores are taken
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_state.begin_after_fork)
