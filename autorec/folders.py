"""Writing folders so that a crash leaves the old or the new one, never half of one, and no other file is lost.

A folder is written under the name `.NAME.new-…` beside NAME, then the two are exchanged in one step where the system
can. Where it cannot, NAME becomes `.NAME.old-…` and the new folder NAME; a kill between these two renames is undone by
the next writer, and readers use `.NAME.old-…` as long as there is no NAME. Readers change nothing.
"""

import contextlib
import ctypes
import errno
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from autorec import files, locks
from autorec.errors import AutoRecError, InputError

_OLD = ".old-"
_UNLOCKED = 60  # seconds in which a new temporary folder may not yet be locked
_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2)
_HERE = -100  # AT_FDCWD

Owned = Callable[[Path], Collection[str]]


def require_absent(folder: Path) -> Collection[str]:
    """InputError unless the folder is missing or empty; the `owned` of folders that are never replaced."""
    if os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already; remove it or choose another folder")
    return ()


@contextlib.contextmanager
def atomic_folder(path: files.PathLike, owned: Owned = require_absent, names: Collection[str] = ()) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; it replaces `path` when the block ends without an error.

    owned: names of the files of an existing folder that may be replaced; it raises when the folder is not to be
    touched, and is asked before and after the block. Only files of these names are ever deleted; what comes into the
    folder meanwhile is moved into the new one. names: of the files that the block writes; those that killed processes
    left beside `path` are removed. Links are followed. File modes follow the umask.
    Writers of one folder take turns. OSError: no room, no permission, or another process is at it for too long.
    """
    target = files.resolved(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        with locks.locked(target.parent) as alone:
            require_replaceable(target, owned)  # in turn: beside another writer the folder is half of either
            if alone:
                _recover(target, owned)
                _remove_abandoned(target, names)
            temporary = files.temporary_name(target)
            temporary.mkdir()  # by the umask
            made = temporary.stat()
            stack.enter_context(locks.held(temporary))
        try:
            yield temporary
            _finish(temporary)
            with locks.locked(target.parent):
                replaced = require_replaceable(target, owned)
                old = _publish(temporary, target)
                if old is not None:
                    _discard(old, replaced, target)
        finally:
            if _is_still(temporary, made):  # after an exchange the name is that of the old folder
                shutil.rmtree(temporary, ignore_errors=True)


def require_replaceable(path: files.PathLike, owned: Owned = require_absent) -> Collection[str]:
    """Names of the files of the folder `path` that a new folder there would replace; raises where it must not.

    InputError: the current folder, the home folder, one around them, a mount point, or what `owned` refuses. OSError:
    its files may not be deleted, so that it would stay under another name.
    """
    target = files.resolved(path)
    names = owned(target) if os.path.lexists(target) else ()
    if target.is_dir():
        for what, folder in (("current", _current()), ("home", _home())):
            if folder is not None and folder.is_relative_to(target):
                raise InputError(f"{target} is the {what} folder or one around it; give the name of a folder in it")
        if not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))
        if target.is_mount():
            raise InputError(f"{target} is a mount point and cannot be replaced; give the name of a folder in it")
    return names


def old_folders(target: Path) -> list[Path]:
    """The paths to which a writer may have moved the folder `target` aside while it replaces it."""
    return files.temporaries(target, mark=_OLD)


@contextlib.contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """A folder among the temporary ones of the system, gone after the block; those of this prefix that killed processes
    left are removed. A process that is forked within the block keeps it from that as long as it lives."""
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < time.time() - _UNLOCKED and locks.is_abandoned(path):
                shutil.rmtree(path)
    with tempfile.TemporaryDirectory(prefix=prefix) as name, locks.held(Path(name)):
        yield Path(name)


def _publish(new: Path, target: Path) -> Path | None:
    """Replace `target` by `new`; returns where the old folder is now, None when there was none."""
    if target.is_dir() and not any(target.iterdir()):
        target.rmdir()
    if not os.path.lexists(target):
        new.rename(target)
        old = None
    elif _exchange(new, target):
        old = new
    else:
        old = files.temporary_name(target, mark=_OLD)
        target.rename(old)
        try:
            new.rename(target)
        except OSError:
            old.rename(target)
            raise
    files.sync(target.parent)
    return old


def _exchange(one: Path, other: Path) -> bool:
    """Each gets the name of the other in one step; False where the system cannot."""
    if sys.platform != "linux":
        return False
    try:
        rename: Callable[..., int] = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError):  # an old C library
        return False
    return rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0


def _discard(old: Path, names: Collection[str], target: Path) -> None:
    """Delete the files `names` of a folder that was replaced; move what else is in it into the new one."""
    with contextlib.suppress(OSError):  # the new folder is published: what cannot be deleted is no failure
        _remove_files(old, names)
        for left in list(old.iterdir()):
            if not os.path.lexists(target / left.name):
                left.rename(target / left.name)
        old.rmdir()


def _recover(target: Path, owned: Owned) -> None:
    """Undo a replacement that was killed between its two renames; a folder that is not to be touched stays."""
    if not os.path.lexists(target) and (olds := old_folders(target)):
        newest = max(olds, key=lambda path: path.stat().st_ctime)
        with contextlib.suppress(AutoRecError):
            owned(newest)
            newest.rename(target)


def _remove_abandoned(target: Path, names: Collection[str]) -> None:
    for path in [*files.temporaries(target), *old_folders(target)]:
        if path.is_dir() and not path.is_symlink() and locks.is_abandoned(path):
            with contextlib.suppress(OSError):
                _remove_files(path, names)
                path.rmdir()  # refuses while there is anything else in it


def _remove_files(folder: Path, names: Collection[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)


def _finish(folder: Path) -> None:
    """Modes by the umask, as the folder itself got them, and everything on the disk."""
    mode = stat.S_IMODE(folder.stat().st_mode) & 0o666
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(mode)
        files.sync(path)
    files.sync(folder)


def _is_still(path: Path, made: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.lstat(), made)
    except OSError:
        return False


def _current() -> Path | None:
    try:
        return files.resolved(Path.cwd())
    except FileNotFoundError:  # deleted under this process
        return None


def _home() -> Path | None:
    try:
        return files.resolved(Path.home())
    except RuntimeError:  # no such user
        return None
