"""Writing files so that a crash leaves the old or the new one, never half of one, and no input is overwritten."""

import contextlib
import errno
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from autorec import checks, locks
from autorec.errors import InputError

PathLike = str | os.PathLike[str]

_NEW = ".new-"  # in the names of what is being written
_PROBE = 4096  # bytes, one block


@contextlib.contextmanager
def atomic_file(path: PathLike) -> Iterator[Path]:
    """Yield an empty temporary file beside `path`; rename it to `path` when the block ends without an error.

    The parent folder is made when missing, a link is followed. On an error the temporary file is removed and `path`
    is as before. Temporary files that killed processes left beside `path` are removed.
    InputError: `path` is a folder, a pipe or a device.
    """
    target = resolved(path)
    _require_regular(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        with locks.locked(target.parent):
            _remove_abandoned(target)
            temporary = temporary_name(target, target.suffix)  # writers that go by the suffix see the right one
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # less the umask
            stack.callback(temporary.unlink, missing_ok=True)
            stack.enter_context(locks.held(temporary))
        yield temporary
        sync(temporary)
        temporary.replace(target)
        sync(target.parent)


def require_output(path: PathLike) -> None:
    """Raise what writing the file `path` would raise, so that it is known before the work.

    InputError: a folder, a pipe or a device. OSError: the folder cannot be written, or the disk is full.
    """
    target = resolved(path)
    _require_regular(target)
    require_room(target.parent)


def require_room(folder: Path) -> None:
    """OSError unless a file can be written in `folder`, or where `folder` would be made. Leaves nothing behind."""
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            file.write(bytes(_PROBE))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from None


def require_not_input(output: PathLike, inputs: Iterable[PathLike]) -> None:
    """InputError when writing the file `output` would write over one of the files, or into one of the folders,
    `inputs`, by whatever name or link.

    A new file in a folder that is an input is fine.
    """
    target = resolved(output)
    for given in inputs:
        source = resolved(given)
        inside = source in target.parents and source.is_dir() and target.exists()
        if target == source or inside or _is_same_file(target, source):
            raise InputError(f"the output {output} would be written over the input {given}; give another name")


def resolved(path: PathLike) -> Path:
    """The absolute path with all links followed, also of a file that does not exist."""
    return Path(os.path.realpath(checks.path("path", path)))


def temporary_name(target: Path, suffix: str = "", mark: str = _NEW) -> Path:
    """A path beside `target` with a random name."""
    return target.with_name(f".{target.name}{mark}{secrets.token_hex(4)}{suffix}")


def temporaries(target: Path, suffix: str = "", mark: str = _NEW) -> list[Path]:
    """Paths beside `target` whose names `temporary_name` made."""
    start, digits = f".{target.name}{mark}", 8
    try:
        entries = [Path(entry.path) for entry in os.scandir(target.parent) if entry.name.startswith(start)]
    except OSError:
        return []
    size = len(start) + digits + len(suffix)
    return [
        path
        for path in entries
        if len(path.name) == size
        and path.name.endswith(suffix)
        and set(path.name[len(start) :][:digits]) <= set("0123456789abcdef")
    ]


def sync(path: Path) -> None:
    """Have the system write a file, or the entries of a folder, to the disk."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _require_regular(target: Path) -> None:
    if target.is_dir():
        raise InputError(f"{target} is a folder; give the name of a file to write")
    if os.path.lexists(target) and not target.is_file():
        raise InputError(f"{target} is no ordinary file; give the name of a file to write")


def _remove_abandoned(target: Path) -> None:
    for path in temporaries(target, target.suffix):
        if path.is_file() and not path.is_symlink() and locks.is_abandoned(path):
            path.unlink(missing_ok=True)


def _is_same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write text, whole or not at all, with one line end at its end; bytes of a file name that are not UTF-8 as \\udc80
    to \\udcff."""
    with atomic_file(path) as temporary:
        temporary.write_text(text.rstrip() + "\n", encoding="utf-8", errors="backslashreplace")
