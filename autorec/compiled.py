"""How functions are compiled, and where what was compiled is kept.

Numba's own cache has one folder, which must be writable, misses changes in the files of the functions that a function
calls, and crashes on damaged files. So this module keeps each compiled version as one file, which begins with the
SHA-256 of the rest:

    NAME-SOURCES-VERSION.nbc    SOURCES: hash of all files with compiled functions
                                VERSION: hash of argument types, processor, Numba and Python

Folders are read in this order, and the first that can be written is written: the package's `__pycache__`, and the
user's cache; or NUMBA_CACHE_DIR alone where it is set. As with `.pyc` files, whoever can write there can run code here.
"""

import functools
import hashlib
import pickle
import sys
import warnings
from pathlib import Path
from typing import Any, NoReturn

import numba
from numba.core import compiler, serialize
from numba.core.runtime import rtsys
from numba.misc import appdirs

from autorec import __version__, files, progress
from autorec.errors import AutoRecError

_DIGEST = 32  # bytes of a SHA-256


def kernel(function: Any = None, *, fastmath: bool = False) -> Any:
    """Compile for the machine it runs on, on one thread, without the interpreter's lock; kept for later processes.

    fastmath: sums may be reordered, so that they are vectorised. Written `@kernel` or `@kernel(fastmath=True)`.
    AutoRecError at a call: NUMBA_DISABLE_JIT is set.
    """
    if function is None:
        return functools.partial(kernel, fastmath=fastmath)
    if numba.config.DISABLE_JIT:
        return _refuse
    compiled = numba.njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True, fastmath=fastmath)(function)
    compiled._cache = _Cache(f"{function.__module__.removeprefix('autorec.')}.{function.__qualname__}")
    return compiled


def cache_folders() -> list[Path]:
    """Where compiled functions are looked for, and kept in the first that can be written."""
    if numba.config.CACHE_DIR:
        return [Path(numba.config.CACHE_DIR)]
    user = Path(appdirs.user_cache_dir("autorec", False, __version__))
    return [Path(__file__).parent / "__pycache__", *([user] if user.is_absolute() else [])]  # "~/…" without a home


def find_kept() -> Path | None:
    """The folder in which functions of these sources are kept; None: in none."""
    found = (folder for folder in cache_folders() if any(folder.glob(f"*-{_sources()}-*.nbc")))
    return next(found, None)


def _refuse(*_: Any) -> NoReturn:
    raise AutoRecError(
        "NUMBA_DISABLE_JIT is set, but as plain Python the kernels round differently and take hundreds of times as "
        "long; unset it"
    )


class _Cache:
    """The kept versions of one function; stands in for Numba's own cache in its dispatcher."""

    def __init__(self, name: str) -> None:
        self.name = name

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        rtsys.initialize(target_context)  # all that loading needs; to be ready to compile takes 0.2 s more
        file = self._file(sig, target_context.codegen())
        for folder in cache_folders():
            if (data := _read(folder / file)) is not None:
                return compiler.CompileResult._rebuild(target_context, *pickle.loads(data))
        _announce_once()
        return None

    def save_overload(self, sig: Any, cres: Any) -> None:
        file, data = self._file(sig, cres.codegen), serialize.dumps(cres._reduce())
        for folder in cache_folders():
            try:
                _write(folder / file, data)
            except OSError:
                continue
            self._remove_outdated(folder)
            return
        _warn_once()

    def _file(self, sig: Any, codegen: Any) -> str:
        version = repr((str(sig), codegen.magic_tuple(), numba.__version__, sys.implementation.cache_tag))
        return f"{self.name}-{_sources()}-{hashlib.sha256(version.encode()).hexdigest()[:16]}.nbc"

    def _remove_outdated(self, folder: Path) -> None:
        for path in folder.glob(f"{self.name}-*.nbc"):
            if not path.name.startswith(f"{self.name}-{_sources()}-"):
                path.unlink(missing_ok=True)


def _read(path: Path) -> bytes | None:
    """The data that `_write` wrote; None where the file is missing or damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, data = content[:_DIGEST], content[_DIGEST:]
    return data if hashlib.sha256(data).digest() == digest else None


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = files.temporary_name(path)
    try:
        temporary.write_bytes(hashlib.sha256(data).digest() + data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@functools.cache
def _sources() -> str:
    """Hash of all files with compiled functions, since a function is compiled together with those that it calls."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        text = path.read_bytes()
        if b"autorec.compiled import" in text or path == Path(__file__):
            digest.update(text)
    return digest.hexdigest()[:16]


@functools.cache
def _announce_once() -> None:
    if find_kept() is None:
        progress.announce("Compiling for this machine: once, for about ten seconds.")


@functools.cache
def _warn_once() -> None:
    folders = " nor ".join(map(str, cache_folders()))
    warnings.warn(
        f"compiled functions are not kept, each process compiles them again: {folders} cannot be written; run `autorec "
        "warmup` as a user who can, or set NUMBA_CACHE_DIR to a folder for them",
        stacklevel=2,
    )
