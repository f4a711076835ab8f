"""Ranges that cost about the same, of the rows or columns of a sparse matrix or of an array, and kernels run on them
side by side."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from autorec.threads import run_in_threads, thread_count

COLUMN_COST = 8  # cost of a column of a weight beside that of its entries, in entries
_WORTH_A_THREAD = 2**16  # numbers for which one thread takes some 50 µs; fewer are not split further


def run_in_ranges(
    kernel: Callable[..., Any], ptr: npt.NDArray[np.int64], *arrays: Any, row_cost: int = 1, per_thread: int = 1
) -> list[Any]:
    """[ranges] the results of kernel(*arrays, first, last) over all rows of `ptr` [n + 1], in order.

    row_cost: of a row beside its entries, in entries. per_thread: ranges for each thread; with several, a delayed
    thread does not delay the others.
    """
    bounds = cut(ptr, per_thread * thread_count(), row_cost)
    return run_in_threads(lambda part: kernel(*arrays, bounds[part], bounds[part + 1]), len(bounds) - 1)


def run_in_parts(kernel: Callable[..., Any], *arrays: npt.NDArray[Any], numbers: Sequence[Any] = ()) -> list[Any]:
    """[parts] the results of kernel(*parts of the arrays, *numbers), in order. All arrays [size] are cut at the same
    indices, into a part for each thread, fewer where they are small."""
    size = len(arrays[0])
    parts = max(1, min(thread_count(), size // _WORTH_A_THREAD))
    bounds = [size * part // parts for part in range(parts + 1)]
    return run_in_threads(
        lambda part: kernel(*(array[bounds[part] : bounds[part + 1]] for array in arrays), *numbers), parts
    )


def cut(ptr: npt.NDArray[np.int64], parts: int, row_cost: int = 1) -> list[int]:
    """[parts + 1] bounds that cut the rows of `ptr` [n + 1] into ranges of about equal cost: entries + row_cost · rows.

    No more parts than there are rows.
    """
    n = len(ptr) - 1
    parts = max(1, min(parts, n))
    if parts == 1:
        return [0, n]
    costs = ptr + row_cost * np.arange(n + 1)
    inner = np.searchsorted(costs, costs[-1] * np.arange(1, parts) // parts)
    return [0, *inner.tolist(), n]
