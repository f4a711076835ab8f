"""The n best items of each row, in blocks: never all scores at once.

A block of scores is a matrix product; what was seen is struck out in place, then one pass keeps the n largest of each
row. Ties go to the lower item index.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from scipy import sparse

BLOCK_BYTES = 16 * 2**20  # of float32 scores; about half of an L3 cache

IntArray = npt.NDArray[np.integer[Any]]
ScoreRows = Callable[[IntArray], npt.NDArray[np.float32]]  # rows [B] → scores [B × items], a fresh array


def block_rows(n_items: int) -> int:
    """Rows of scores in one block."""
    return max(1, BLOCK_BYTES // (4 * max(n_items, 1)))


def top_n(
    score_rows: ScoreRows,
    rows: IntArray,
    n_items: int,
    n: int,
    seen: sparse.csr_array | None,
    look: Callable[[IntArray, npt.NDArray[np.float32]], None] | None = None,
) -> Iterator[tuple[IntArray, npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
    """Yield (rows [B], items [B × n], scores [B × n]) block by block, best first.

    seen [users × items]: stored entries of a row are left out; None leaves nothing out. Where fewer than n items are
    left the row ends in item −1 with score −inf. NaN scores are never chosen. look(rows, scores) sees each block of
    scores, the seen struck out as −inf, before the best are taken.
    """
    size = block_rows(n_items)
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        scores = score_rows(block)  # [B × items]
        if seen is not None:
            _strike_out(scores, block, seen.indptr, seen.indices)
        if look is not None:
            look(block, scores)
        items = np.empty((len(block), n), dtype=np.int64)
        best = np.empty((len(block), n), dtype=np.float32)
        _select(scores, items, best)
        yield block, items, best


@numba.njit(parallel=True, cache=True)
def _strike_out(scores: Any, rows: Any, indptr: Any, indices: Any) -> None:
    for row in numba.prange(len(rows)):
        for entry in range(indptr[rows[row]], indptr[rows[row] + 1]):
            scores[row, indices[entry]] = -np.inf


@numba.njit(parallel=True, cache=True)
def _select(scores: Any, items: Any, best: Any) -> None:
    n = items.shape[1]
    for row in numba.prange(scores.shape[0]):
        found = 0
        threshold = np.float32(-np.inf)
        for item in range(scores.shape[1]):
            score = scores[row, item]
            if not score > threshold:
                continue
            place = min(found, n - 1)
            while place > 0 and best[row, place - 1] < score:
                best[row, place] = best[row, place - 1]
                items[row, place] = items[row, place - 1]
                place -= 1
            best[row, place] = score
            items[row, place] = item
            found = min(found + 1, n)
            if found == n:
                threshold = best[row, n - 1]
        for place in range(found, n):
            best[row, place] = -np.inf
            items[row, place] = -1
