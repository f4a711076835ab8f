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
_MOST = 512  # items a list; longer ones are kept in order one by one

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


@numba.njit(parallel=True, cache=True, nogil=True)
def _select(scores: Any, items: Any, best: Any) -> None:
    """The n largest of each row of scores, descending, ties to the lower item; −1 and −inf where fewer are finite.

    Two passes that a processor does many numbers at a time. The first keeps the largest of each of a few hundred lanes
    (lane j: items j, j + lanes, …). At least n items reach any bound that n lanes reach, so only the lanes that reach
    it are looked through again, and what is found there is ordered.
    """
    n_items, n = scores.shape[1], items.shape[1]
    lanes = min(max(256, -(-n * 10 // 64) * 64), n_items // 128 * 64)  # about ten a wanted item
    for row in numba.prange(len(scores)):
        worth = n <= _MOST and lanes >= 2 * n
        if not (worth and _select_by_lanes(scores[row], lanes, items[row], best[row])):
            _select_by_insertion(scores[row], items[row], best[row])


@numba.njit(cache=True, nogil=True)
def _select_by_lanes(row: Any, lanes: int, items: Any, best: Any) -> bool:
    """Whether the best were found: not where too many are alike, or too few finite, for this to pay."""
    n, rounds = len(items), len(row) // lanes
    highest = np.full(lanes, -np.inf, dtype=np.float32)
    reaching = np.empty(lanes + 1, dtype=np.int32)
    for start in range(0, rounds * lanes, lanes):
        part = row[start : start + lanes]
        for lane in range(lanes):
            highest[lane] = part[lane] if part[lane] > highest[lane] else highest[lane]
    for item in range(rounds * lanes, len(row)):
        lane = item - rounds * lanes
        highest[lane] = row[item] if row[item] > highest[lane] else highest[lane]
    bound, count = _bound(highest, n)
    if count > 2 * n + 16:
        return False
    most = 4 * n + 64  # candidates that are worth ordering by comparing all with all
    candidates = np.empty(most + rounds + 2, dtype=np.int32)
    found = 0
    for place in range(_places(highest, bound, reaching)):
        lane = reaching[place]
        # Written always, kept where it reaches: no branch to guess.
        for item in range(lane, lane + rounds * lanes, lanes):
            candidates[found] = item
            found += row[item] >= bound
        last = lane + rounds * lanes
        candidates[found] = last
        found += last < len(row) and row[min(last, len(row) - 1)] >= bound
        if found > most:
            return False
    keys = np.empty(found, dtype=np.uint64)
    for place in range(found):
        keys[place] = _key(row[candidates[place]], candidates[place])
    for place in range(found):
        rank = 0
        for other in range(found):
            rank += keys[other] < keys[place]
        if rank < n:
            items[rank] = candidates[place]
            best[rank] = row[candidates[place]]
    return True


@numba.njit(cache=True, nogil=True)
def _bound(highest: Any, n: int) -> Any:
    """A number that n of `highest` reach and not many more, and how many do; infinitely many where n are not finite.

    A few steps down from the highest, each four times as wide as the last, then halving.
    """
    top = np.float32(-np.inf)
    for lane in range(len(highest)):
        top = highest[lane] if highest[lane] > top else top
    high = low = top
    width = max(abs(top), np.float32(1e-30)) / np.float32(32)
    reached = np.float32(0)
    while reached < n:
        high, low = low, np.float32(top - width)
        width *= np.float32(4)
        if not low > -np.inf:
            return low, np.inf
        reached = _reaching(highest, low)
    for _ in range(16):
        if reached <= n + n // 8:
            break
        middle = np.float32(low + (high - low) / 2)
        count = _reaching(highest, middle)
        if count >= n:
            low, reached = middle, count
        else:
            high = middle
    return low, reached


@numba.njit(fastmath={"reassoc"}, cache=True, nogil=True)
def _reaching(values: Any, bound: float) -> Any:
    """How many values are at or above the bound; counted in a float, as wide as what is compared."""
    count = np.float32(0)
    for place in range(len(values)):
        count += np.float32(1) if values[place] >= bound else np.float32(0)
    return count


@numba.njit(cache=True, nogil=True)
def _places(values: Any, bound: float, places: Any) -> int:
    """places[: result] = where values are at or above the bound, ascending."""
    found = 0
    for place in range(len(values)):
        places[found] = place
        found += values[place] >= bound
    return found


@numba.njit(cache=True, nogil=True)
def _key(score: Any, item: int) -> Any:
    """A whole number that is smaller for a higher score, among equal ones for a lower item."""
    bits = np.float32(score + np.float32(0)).view(np.uint32)  # −0 becomes 0
    ascending = ~bits if bits & np.uint32(0x80000000) else bits | np.uint32(0x80000000)
    return np.uint64(~np.uint32(ascending)) << np.uint64(32) | np.uint64(item)


@numba.njit(cache=True, nogil=True)
def _select_by_insertion(row: Any, items: Any, best: Any) -> None:
    n = len(items)
    found = 0
    threshold = np.float32(-np.inf)
    for item in range(len(row)):
        score = row[item]
        if not score > threshold:
            continue
        place = min(found, n - 1)
        while place > 0 and best[place - 1] < score:
            best[place] = best[place - 1]
            items[place] = items[place - 1]
            place -= 1
        best[place] = score
        items[place] = item
        found = min(found + 1, n)
        if found == n:
            threshold = best[n - 1]
    for place in range(found, n):
        best[place] = -np.inf
        items[place] = -1
