"""Reading a model folder: ordinary files of one save, also while another process saves there."""

import contextlib
import mmap
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from autorec import files, folders
from autorec.errors import ModelFileError
from autorec.memory import available_memory, readable

MANIFEST = "model.json"
Content = bytearray | mmap.mmap  # the bytes of a file

_LARGE_PAGE = 2**21  # bytes
_TRIES = 20  # in each a whole save of another process would have to fall between two system calls
_BY_HANDLE = os.open in os.supports_dir_fd  # not on Windows
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_FILE = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class _Replaced(Exception):
    """The folder that was opened no longer has its name."""


def read_files(
    path: Path, names: Sequence[str], most: Mapping[str, int] | None = None, *, mapped: bool = False
) -> dict[str, Content]:
    """Name → bytes of these files of the folder `path`, all of the same save. most: name → bytes that it may have;
    other files are, if `mapped`, not read: the system reads what of them is used, and may give their memory to others.

    The folder is opened once, and its open files stay readable when a process replaces the folder.
    ModelFileError: there is no such folder or file, one that is no ordinary file, or one larger than `most` says.
    """
    with contextlib.ExitStack() as stack:
        handles = _open_all(path, names, stack)
        for name, handle in handles.items():
            _require_ordinary(path / name, os.fstat(handle), (most or {}).get(name))
        size, free = sum(os.fstat(handle).st_size for handle in handles.values()), available_memory()
        if free is not None and size > free and not mapped:
            raise ModelFileError(f"{path} takes {readable(size)} and {readable(free)} are free: read it where more is")
        is_mapped = {name: mapped and name not in (most or {}) for name in names}
        return {name: (_map_content if is_mapped[name] else _read_content)(handles[name]) for name in names}


def is_ordinary(path: Path) -> bool:
    """Whether this is a file, not a link, a folder, a pipe or a device."""
    return stat.S_ISREG(path.lstat().st_mode)


def _open_all(path: Path, names: Sequence[str], stack: contextlib.ExitStack) -> dict[str, int]:
    target = files.resolved(path)
    for _ in range(_TRIES):
        for candidate in (target, *folders.old_folders(target)):
            with contextlib.ExitStack() as attempt, contextlib.suppress(_Replaced):
                handles = _open_in(candidate, path, names, attempt)
                stack.push(attempt.pop_all())
                return handles
    is_what = "is a file" if target.exists() else "is not there"
    raise ModelFileError(f"no model at {path}: it {is_what}; give a folder that `save` or `autorec train -o` wrote")


def _open_in(candidate: Path, path: Path, names: Sequence[str], stack: contextlib.ExitStack) -> dict[str, int]:
    """Handles of the files of `candidate`, called `path` in errors; `stack` closes them."""
    folder: int | None = None
    try:
        if _BY_HANDLE:
            folder = os.open(candidate, _FOLDER)
            stack.callback(os.close, folder)
        elif not candidate.is_dir():
            raise _Replaced
    except (FileNotFoundError, NotADirectoryError):
        raise _Replaced from None
    handles = {}
    for name in names:
        reached = name if _BY_HANDLE else candidate / name
        try:
            _require_ordinary(path / name, os.stat(reached, dir_fd=folder, follow_symlinks=False))  # opening may block
            handles[name] = os.open(reached, _FILE, dir_fd=folder)
        except FileNotFoundError:
            if not _is_at(folder, candidate):
                raise _Replaced from None
            if name == MANIFEST:
                raise ModelFileError(f"{path} is not a model: it has no {MANIFEST}") from None
            raise ModelFileError(f"{path} lacks {name}; restore the whole folder or train the model again") from None
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path / name)) from None
        stack.callback(os.close, handles[name])
    return handles


def _is_at(folder: int | None, candidate: Path) -> bool:
    try:
        return folder is None or os.path.samestat(os.fstat(folder), candidate.stat())
    except OSError:
        return False


def _require_ordinary(path: Path, found: os.stat_result, most: int | None = None) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ModelFileError(f"{path} is a link, a folder, a pipe or a device; put the file itself there")
    if most is not None and found.st_size > most:
        raise ModelFileError(f"{path} has {found.st_size:,} bytes, and at most {most:,} are read; restore a copy")


def _map_content(handle: int) -> Content:
    """All bytes of an open file, a private copy where they are changed."""
    return mmap.mmap(handle, 0, access=mmap.ACCESS_COPY) if os.fstat(handle).st_size else bytearray()


def _read_content(handle: int) -> Content:
    """All bytes of an open file; fewer where it is truncated meanwhile, which its hash then reveals."""
    size = os.fstat(handle).st_size
    content = _make_buffer(size)
    with open(handle, "rb", buffering=0, closefd=False) as file:
        done = 0
        while count := file.readinto(memoryview(content)[done:]):
            done += count
    return content if done == size else bytearray(content[:done])


def _make_buffer(size: int) -> Content:
    """So many bytes, on large pages where there are such: of arrays that a request reads here and there, as rows of
    items × items, looking up the pages takes a good part of the time."""
    if size < _LARGE_PAGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        return bytearray(size)
    content = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a kernel without them
        content.madvise(mmap.MADV_HUGEPAGE)
    return content
