"""What memory a training will need, told before it begins; refused with the remedy when it cannot fit.

Batches are kept with their order by column, or streamed: cut from the ratings and ordered anew each time, one in
memory. Streaming takes the same time a rating whatever the number of units: a few hundredths of an epoch at 512, a
fifth at 128. So the more units, the less kept batches may take.
"""

import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from autorec import progress
from autorec.errors import NotEnoughMemoryError
from autorec.network.autoencoder import padded

_ROWS = 6  # bytes a rating: column and level by row, and a level more while they are transposed
_KEPT = 20  # bytes a rating: column and value by row, row and value by column, the way between the two
_ERROR = 4  # bytes a rating of the batch at work: the derivative in its output
_FULLER = 1.25  # how much larger than the mean a batch may be
KEEP_MOST = 2**39  # bytes of kept batches × units: 1 GiB at 512 units
_FLOAT = 4
# Of every weight: itself, the best so far, and what the optimiser keeps. Adam: two means; RProp: gradient, the last,
# step sizes; L-BFGS: ten pairs of vectors, gradient, the last, direction, a copy.
_COPIES = {"adam": 4, "rprop": 5, "lbfgs": 26}
_GIB = 2**30

Needs = Mapping[str, int]


def training_memory(
    n_ratings: int,
    n_rows: int,
    n_columns: int,
    hidden: tuple[int, ...],
    batch_rows: int,
    optimizer: str = "adam",
    streams: bool = False,
) -> dict[str, int]:
    """Bytes by what they are for, with batches that are kept or, `streams`, made anew each time.

    ratings: all batches, or the rows that they are cut from; parameters with gradient, optimiser and best copy; one
    batch: what is there of the one at work only.
    """
    hidden = tuple(map(padded, hidden))
    inner = sum(a * b for a, b in pairwise(hidden))
    parameters = n_columns * (hidden[0] + hidden[-1] + 1) + inner + sum(hidden)
    codes = batch_rows * sum(hidden) * 5  # sum, code, its gradient, that of the sum, one spare
    entries = min(int(n_ratings * batch_rows / max(n_rows, 1) * _FULLER), n_ratings)
    sums = n_rows * 16 + n_columns * 160  # biases and what they are summed in, where columns begin
    return {
        "ratings": n_ratings * (_ROWS if streams else _KEPT) + sums,
        "parameters and optimiser": parameters * _FLOAT * _COPIES[optimizer],
        "one batch": entries * (_ERROR + _KEPT if streams else _ERROR) + codes * _FLOAT,
    }


def streamed(kept: Needs, anew: Needs, hidden: tuple[int, ...], available: int | None) -> bool:
    """Whether batches are to be streamed: where kept ones would take more than KEEP_MOST, or than is left. Tells what
    is needed.

    kept, anew: of `training_memory`. NotEnoughMemoryError when neither fits `available` bytes (None: unknown, let it
    try).
    """
    fits = available is None or sum(kept.values()) <= available
    streams = kept["ratings"] * padded(max(hidden)) > KEEP_MOST or not fits
    chosen = anew if streams and sum(anew.values()) < sum(kept.values()) else kept
    total = sum(chosen.values())
    parts = ", ".join(f"{name} {readable(size)}" for name, size in chosen.items())
    told = f"the training needs about {readable(total)} ({parts})"
    how = f"; batches are made anew in each epoch, kept they would take {readable(kept['ratings'])}"
    progress.note(f"{told[0].upper()}{told[1:]}{how if chosen is anew else ''}.")
    if available is None or total <= available:
        return chosen is anew
    room = available - chosen["ratings"] - chosen["one batch"]
    share = room / max(chosen["parameters and optimiser"], 1)
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
