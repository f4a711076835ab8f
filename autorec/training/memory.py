"""The memory that a training needs, reported before it begins; refused, with a remedy, when it cannot fit.

Batches are kept with their column order, or streamed: made and sorted again at each use, one in memory. Streaming takes
the same time a rating for any number of units: a few hundredths of an epoch at 512, a fifth at 128. So the more units,
the less memory kept batches may take.
"""

from collections.abc import Mapping
from itertools import pairwise

from autorec import progress
from autorec.errors import NotEnoughMemoryError
from autorec.memory import readable
from autorec.network.padding import padded

_ROWS = 6  # bytes a rating: column and level by row, and a level more while they are transposed
_KEPT = 20  # bytes a rating: column and value by row, row and value by column, slot in the column order
_OWN = 8  # bytes a rating of a batch more for each input with values of its own, by row and by column
_ERROR = 4  # bytes a rating of the batch at work: the derivative in its output
_FULLER = 1.25  # how much larger than the mean a batch may be
KEEP_MOST = 2**39  # bytes of kept batches × units: 1 GiB at 512 units
_FLOAT = 4
# Of every weight: itself, the best so far, and what the optimiser keeps. Adam: two means; RProp: gradient, the last,
# step sizes; L-BFGS: ten pairs of vectors, gradient, the last, direction, a copy.
_COPIES = {"adam": 4, "rprop": 5, "lbfgs": 26}

Needs = Mapping[str, int]


def training_memory(
    n_ratings: int,
    n_rows: int,
    n_columns: int,
    hidden: tuple[int, ...],
    batch_rows: int,
    optimizer: str = "adam",
    streams: bool = False,
    own_inputs: int = 0,
    shape: tuple[int, int] = (1, 1),
) -> dict[str, int]:
    """Bytes by purpose, with batches that are kept or, `streams`, made again at each use.

    shape: groups of processes, each with some of the rows of a batch, and processes of a group, each with some of the
    columns: the bytes are those of one process. own_inputs: inputs whose values are not those of the targets; with two,
    each has weights. Keys: "ratings", all batches or the rows that they are made from; "parameters and optimiser", with
    gradient and best copy; "one batch", temporary arrays of the current one.
    """
    hidden, (groups, shares) = tuple(map(padded, hidden)), shape
    n_ratings, n_columns, batch_rows = -(-n_ratings // (groups * shares)), -(-n_columns // shares), batch_rows // groups
    inner = sum(a * b for a, b in pairwise(hidden))
    parameters = n_columns * (hidden[0] * max(own_inputs, 1) + hidden[-1] + 1) + inner + sum(hidden)
    codes = batch_rows * sum(hidden) * 5  # sum, code, its gradient, that of the sum, one spare
    entries = min(int(n_ratings * groups * batch_rows / max(n_rows, 1) * _FULLER), n_ratings)
    copies = _COPIES[optimizer] + (groups > 1)  # the gradient, which the groups sum
    sums = n_rows * 16 + n_columns * 160  # biases and what they are summed in, where columns begin
    kept = _KEPT + _OWN * own_inputs
    return {
        "ratings": n_ratings * (_ROWS if streams else kept) + sums,
        "parameters and optimiser": parameters * _FLOAT * copies,
        "one batch": entries * (_ERROR + kept if streams else _ERROR) + codes * _FLOAT,
    }


def are_large(kept: Needs, hidden: tuple[int, ...]) -> bool:
    """Whether kept batches take so much that making them again costs little beside the units' work."""
    return kept["ratings"] * padded(max(hidden)) > KEEP_MOST


def should_stream(kept: Needs, again: Needs, hidden: tuple[int, ...], available: int | None) -> bool:
    """Whether to stream batches: where kept ones would take more than KEEP_MOST, or than is free. Notes the need.

    kept, again: of `training_memory`. NotEnoughMemoryError when neither fits `available` bytes; None: unknown, not
    checked.
    """
    fits = available is None or sum(kept.values()) <= available
    streams = are_large(kept, hidden) or not fits
    chosen = again if streams and sum(again.values()) < sum(kept.values()) else kept
    total = sum(chosen.values())
    parts = ", ".join(f"{name} {readable(size)}" for name, size in chosen.items())
    need = f"the training needs about {readable(total)} ({parts})"
    how = f"; batches are made again in each epoch; kept they would take {readable(kept['ratings'])}"
    progress.note(f"{need[0].upper()}{need[1:]}{how if chosen is again else ''}.")
    if available is None or total <= available:
        return chosen is again
    room = available - chosen["ratings"] - chosen["one batch"]
    share = room / max(chosen["parameters and optimiser"], 1)
    fitting = int(min(hidden[0], hidden[-1]) * share * 0.9)
    remedy = f"set hidden to {fitting} or less" if fitting >= 1 else "train on fewer ratings"
    raise NotEnoughMemoryError(f"{need} and {readable(available)} are free: {remedy}, or use a larger machine")
