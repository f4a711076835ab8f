"""Locks on folders and files, so that processes take turns and what a killed one left is known by its missing lock.

The locks are the system's own (flock): they end with the process that holds them, however it ends, and leave no file
behind. Where the system has none (Windows, some network file systems) nothing is locked and nothing is cleared.
"""

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PATIENCE = 30.0  # seconds to wait for another process
_PAUSE = 0.01  # seconds between two tries
_BUSY = (errno.EWOULDBLOCK, errno.EACCES)


class Busy(TimeoutError):
    """Another process has held the lock for longer than `PATIENCE`."""


@contextlib.contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold the lock of an existing file or folder, waiting for it; yields False where there are no locks.

    Busy: another process did not let go within `PATIENCE` seconds.
    """
    handle = _open(path)
    try:
        yield handle is not None and _wait_for_lock(handle, path)
    finally:
        if handle is not None:
            os.close(handle)


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock of a file or folder that this process has just made, as a sign that it is at work on it."""
    with contextlib.ExitStack() as stack:
        handle = _open(path)
        if handle is not None:
            stack.callback(os.close, handle)
            with contextlib.suppress(OSError):
                _try_lock(handle)
        yield


def is_abandoned(path: Path) -> bool:
    """Whether no process holds the lock of this file or folder; False where that cannot be known."""
    handle = _open(path)
    if handle is None:
        return False
    try:
        _try_lock(handle)
        return True
    except OSError:
        return False
    finally:
        os.close(handle)


def _open(path: Path) -> int | None:
    if fcntl is None:
        return None
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None


def _try_lock(handle: int) -> None:
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _wait_for_lock(handle: int, path: Path) -> bool:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            _try_lock(handle)
            return True
        except OSError as error:
            if error.errno not in _BUSY:
                return False  # the file system has no locks
            if time.monotonic() > end:
                what = f"another process has been writing there for {PATIENCE:.0f} s; try again"
                raise Busy(errno.ETIMEDOUT, what, str(path)) from None
            time.sleep(_PAUSE)
