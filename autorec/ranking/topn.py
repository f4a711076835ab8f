"""The n best items of each row, in blocks: never all scores at once.

Each thread takes a block of rows at a time: a matrix product gives its scores, what was seen in training becomes −inf,
and the n largest of each row are selected while the scores are in the cache. Ties go to the lower item.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec.array_types import IntArray
from autorec.compiled import kernel
from autorec.threads import map_in_threads, thread_count

BLOCK_BYTES = 16 * 2**20  # of float32 scores in one block, at most: half of an L3 cache; in less, products are slower
_LANES = 256  # of a row, at least: with more, fewer items are checked twice; with fewer, the bound is found sooner
_LARGEST = np.finfo(np.float32).max  # a kernel that asks for it is loaded with much of what compiles NumPy, in 40 ms

Scores = npt.NDArray[np.float32]
ScoreRows = Callable[[IntArray], Scores]  # rows [B] → scores [B × items], a fresh array; called by several threads
Result = TypeVar("Result")


def map_blocks(
    score_rows: ScoreRows, rows: IntArray, n_items: int, work: Callable[[slice, Scores], Result]
) -> Iterator[Result]:
    """Yield work(part, scores) in order, `part` a slice of `rows` [n] and scores [B × n_items] of these B rows, float32
    and contiguous, which `work` may overwrite. Several threads call `score_rows` and `work` at once."""
    per_block = max(1, BLOCK_BYTES // (4 * max(n_items, 1)))
    count = -(-len(rows) // per_block)
    if count > 1:  # as many for each thread
        count = min(-(-count // thread_count()) * thread_count(), len(rows))
    bounds = [len(rows) * part // max(count, 1) for part in range(count + 1)]
    parts = [slice(*bound) for bound in pairwise(bounds)]

    def score(part: slice) -> Result:
        return work(part, np.ascontiguousarray(score_rows(rows[part]), dtype=np.float32))

    return map_in_threads(score, parts)


def top_n(
    score_rows: ScoreRows, rows: IntArray, n_items: int, n: int, seen: sparse.csr_array | None
) -> Iterator[tuple[IntArray, IntArray, Scores]]:
    """Yield (rows [B], items [B × n], scores [B × n]) block by block, best first.

    seen [users × items]: stored entries of a row are left out; None leaves nothing out. Where fewer than n items are
    left the row ends in item −1 with score −inf. NaN scores are never chosen.
    """

    def select(part: slice, scores: Scores) -> tuple[IntArray, IntArray, Scores]:
        return rows[part], *best_of_rows(scores, n, rows[part], seen)

    return map_blocks(score_rows, rows, n_items, select)


def best_of_rows(
    scores: Scores, n: int, rows: IntArray, seen: sparse.csr_array | None
) -> tuple[npt.NDArray[np.int32], Scores]:
    """(items [B × n], scores [B × n]) of one block; see `top_n`. scores [B × items] become −inf where seen."""
    if seen is not None:
        _exclude(scores, seen.indptr[rows], seen.indptr[rows + 1], seen.indices)
    items = np.empty((len(scores), n), dtype=np.int32)
    best = np.empty((len(scores), n), dtype=np.float32)
    lanes = max(_LANES, 4 * n)
    _select(scores, items, best, np.empty(lanes, dtype=np.float32), np.empty(lanes + 1, dtype=np.int32))
    return items, best


@kernel
def _exclude(scores: Any, starts: Any, ends: Any, seen: Any) -> None:
    """scores[i, seen[starts[i] : ends[i]]] = −inf."""
    for i in range(len(scores)):
        for k in range(starts[i], ends[i]):
            scores[i, seen[k]] = -np.inf


@kernel
def _select(scores: Any, items: Any, best: Any, maxima: Any, reaching: Any) -> None:
    """The n largest of each row of scores [B × items] into items and best [B × n], descending.

    Lane j holds the items j, j + lanes, … At least n items reach a bound that the maxima of n lanes reach, and all of
    them are in lanes whose maximum reaches it: the other lanes are skipped. maxima [lanes], reaching [lanes + 1]:
    buffers.
    """
    lanes, n = len(maxima), items.shape[1]
    for i in range(len(scores)):
        row = scores[i]
        maxima[:] = -np.inf
        for start in range(0, len(row), lanes):
            part = row[start : start + lanes]
            for lane in range(len(part)):  # vectorised, as a comparison is not; fmax passes over NaN
                maxima[lane] = np.fmax(maxima[lane], part[lane])
        bound = _find_bound(maxima, n)
        count = 0
        for lane in range(lanes):
            reaching[count] = lane
            count += maxima[lane] >= bound
        items[i] = -1
        best[i] = -np.inf
        found = 0
        for start in range(0, len(row), lanes):  # in the order of items, so that ties go to the lower one
            part = row[start : start + lanes]
            for lane in reaching[:count]:
                if lane < len(part) and part[lane] >= bound and part[lane] > best[i, n - 1]:
                    found = min(found + 1, n)
                    _insert(part[lane], start + lane, best[i, :found], items[i, :found])


@kernel
def _find_bound(maxima: Any, n: int) -> Any:
    """A number that at least n of the maxima reach, and not many more, by bisection; the lowest float32 where fewer
    than n are finite."""
    low, high = np.float32(np.inf), np.float32(-np.inf)
    for lane in range(len(maxima)):
        low = min(low, maxima[lane])
        high = max(high, maxima[lane])
    low, high = max(low, -_LARGEST), min(high, _LARGEST)
    for _ in range(12):
        middle = np.float32(low / 2 + high / 2)
        reached = np.int32(0)
        for lane in range(len(maxima)):  # vectorised
            reached += np.int32(maxima[lane] >= middle)
        if reached >= n:
            low = middle
        else:
            high = middle
        if n <= reached <= n + n // 8:
            break
    return low


@kernel
def _insert(score: Any, item: int, best: Any, items: Any) -> None:
    """Insert a score, higher than the last, into the descending best [n], after equal ones; the last one is dropped."""
    rank = len(best) - 1
    while rank > 0 and best[rank - 1] < score:
        best[rank], items[rank] = best[rank - 1], items[rank - 1]
        rank -= 1
    best[rank], items[rank] = score, item
