"""Columns and folders on disk for what does not fit in memory, gone when the work ends, however it ends."""

import contextlib
import shutil
from collections.abc import Iterator
from io import RawIOBase
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autorec import files, locks

_MARK = ".spill-"  # in the names of the folders


@contextlib.contextmanager
def spill_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder beside `target`, on its disk; it is removed at the end of the block.

    Those that killed processes left beside `target` are removed.
    """
    with contextlib.ExitStack() as stack:
        with locks.locked(target.parent):
            for path in files.temporaries(target, mark=_MARK):
                if path.is_dir() and not path.is_symlink() and locks.is_abandoned(path):
                    shutil.rmtree(path, ignore_errors=True)
            folder = files.temporary_name(target, mark=_MARK)
            folder.mkdir()
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            stack.enter_context(locks.held(folder))
        yield folder


class Column:
    """An array [n] of one type in a new file, written and read in parts."""

    def __init__(self, path: Path, dtype: Any) -> None:
        self._path, self.dtype = path, np.dtype(dtype)
        path.touch(exist_ok=False)

    def append(self, values: npt.NDArray[Any]) -> None:
        with self._path.open("ab", buffering=0) as file:
            self._write(file, values)

    def write(self, start: int, values: npt.NDArray[Any]) -> None:
        """The values [n] at start, start + 1, …"""
        with self._path.open("r+b", buffering=0) as file:
            file.seek(start * self.dtype.itemsize)
            self._write(file, values)

    def read(self, start: int, stop: int) -> npt.NDArray[Any]:
        return np.fromfile(self._path, self.dtype, stop - start, offset=start * self.dtype.itemsize)

    def remove(self) -> None:
        self._path.unlink()

    def _write(self, file: RawIOBase, values: npt.NDArray[Any]) -> None:
        left = np.ascontiguousarray(values, dtype=self.dtype).data.cast("B")
        while left:
            left = left[file.write(left) :]
