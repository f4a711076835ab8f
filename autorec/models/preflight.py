"""What memory a training will need, told before it begins; refused with the remedy when it cannot fit."""

import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from autorec import progress
from autorec.errors import NotEnoughMemoryError
from autorec.network.autoencoder import padded

_ENTRY = 24  # bytes a rating: column and value by row, row and value by column, the way between the two, one spare
_FLOAT = 4
# Of every weight: itself, the best so far, and what the optimiser keeps. Adam: two means; RProp: gradient, the last,
# step sizes; L-BFGS: ten pairs of vectors, gradient, the last, direction, a copy.
_COPIES = {"adam": 4, "rprop": 5, "lbfgs": 26}
_GIB = 2**30


def training_memory(
    n_ratings: int, n_rows: int, n_columns: int, hidden: tuple[int, ...], batch_rows: int, optimizer: str = "adam"
) -> dict[str, int]:
    """Bytes by what they are for: ratings in batches, parameters with gradient, optimiser and best copy, one batch's
    codes."""
    hidden = tuple(map(padded, hidden))
    inner = sum(a * b for a, b in pairwise(hidden))
    parameters = n_columns * (hidden[0] + hidden[-1] + 1) + inner + sum(hidden)
    codes = batch_rows * sum(hidden) * 5  # sum, code, its gradient, that of the sum, one spare
    return {
        "ratings": n_ratings * _ENTRY + (n_rows + n_columns) * 16,
        "parameters and optimiser": parameters * _FLOAT * _COPIES[optimizer],
        "one batch": codes * _FLOAT,
    }


def require(needed: Mapping[str, int], hidden: tuple[int, ...], available: int | None) -> None:
    """Tell what is needed; NotEnoughMemoryError when it is more than `available` bytes (None: unknown, let it try)."""
    total = sum(needed.values())
    parts = ", ".join(f"{name} {readable(size)}" for name, size in needed.items())
    told = f"the training needs about {readable(total)} ({parts})"
    progress.note(f"{told[0].upper()}{told[1:]}.")
    if available is None or total <= available:
        return
    room = available - needed["ratings"] - needed["one batch"]
    share = room / max(needed["parameters and optimiser"], 1)
    fitting = int(min(hidden[0], hidden[-1]) * share * 0.9)
    remedy = f"set hidden to {fitting} or less" if fitting >= 1 else "train on fewer ratings"
    raise NotEnoughMemoryError(f"{told} and {readable(available)} are free: {remedy}, or use a larger machine")


def readable(size: int) -> str:
    """Bytes in words: 12 MiB, 3.4 GiB."""
    return f"{size / _GIB:.1f} GiB" if size >= _GIB else f"{size / 2**20:.0f} MiB"


def available_memory() -> int | None:
    """Bytes that this process may still take: what the system has free, within a container's limit; None when
    unknown."""
    found = [size for size in (_free_of_system(), _free_of_container()) if size is not None]
    return min(found, default=None)


def _free_of_system() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        pass
    try:  # elsewhere the whole memory is the best that is known
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _free_of_container() -> int | None:
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text(encoding="ascii").strip()
        current = (group / "memory.current").read_text(encoding="ascii").strip()
        return None if limit == "max" else max(int(limit) - int(current), 0)
    except (OSError, ValueError):
        return None
