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

from autorec import masks

BLOCK_BYTES = 16 * 2**20  # of float32 scores; about half of an L3 cache
_MOST = 512  # items a list; longer ones are kept in order one by one
_KEYS = 32_000  # different keys, nearly as many as an int16 can tell

IntArray = npt.NDArray[np.integer[Any]]
ScoreRows = Callable[[IntArray], npt.NDArray[np.float32]]  # rows [B] → scores [B × items], a fresh array


def block_rows(n_items: int) -> int:
    """Rows of scores in one block."""
    return max(1, BLOCK_BYTES // (4 * max(n_items, 1)))


def score_blocks(
    score_rows: ScoreRows, rows: IntArray, n_items: int
) -> Iterator[tuple[IntArray, npt.NDArray[np.float32]]]:
    """Yield (rows [B], scores [B × items]) block by block: float32, each row in one piece, as the kernels want them."""
    size = block_rows(n_items)
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        yield block, np.ascontiguousarray(score_rows(block), dtype=np.float32)


def top_n(
    score_rows: ScoreRows,
    rows: IntArray,
    n_items: int,
    n: int,
    seen: sparse.csr_array | None,
) -> Iterator[tuple[IntArray, npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
    """Yield (rows [B], items [B × n], scores [B × n]) block by block, best first.

    seen [users × items]: stored entries of a row are left out; None leaves nothing out. Where fewer than n items are
    left the row ends in item −1 with score −inf. NaN scores are never chosen.
    """
    seen_ptr, seen_items = (seen.indptr, seen.indices) if seen is not None else _nothing(rows)
    for block, scores in score_blocks(score_rows, rows, n_items):
        items = np.empty((len(block), n), dtype=np.int64)
        best = np.empty((len(block), n), dtype=np.float32)
        _select(scores, block, seen_ptr, seen_items, items, best)
        yield block, items, best


def _nothing(rows: IntArray) -> tuple[IntArray, IntArray]:
    """The index of a matrix with a row for each of `rows`, without entries."""
    return np.zeros(int(rows.max(initial=-1)) + 2, dtype=np.int32), np.zeros(0, dtype=np.int32)


@numba.njit(parallel=True, cache=True, nogil=True)
def _select(scores: Any, rows: Any, seen_ptr: Any, seen_items: Any, items: Any, best: Any) -> None:
    for i in numba.prange(len(scores)):
        strike_out(scores[i], seen_items[seen_ptr[rows[i]] : seen_ptr[rows[i] + 1]])
        select(scores[i], items[i], best[i])


@numba.njit(cache=True, nogil=True)
def strike_out(row: Any, seen: Any) -> None:
    """row[seen] = −inf."""
    for place in range(len(seen)):
        row[seen[place]] = -np.inf


@numba.njit(cache=True, nogil=True)
def select(row: Any, items: Any, best: Any) -> None:
    """The n largest of a row of scores, descending, ties to the lower item; −1 and −inf where fewer are finite."""
    n, n_items = len(items), len(row)
    lanes = min(max(4 * masks.WIDTH, 2 * n + masks.WIDTH - 1), n_items) // masks.WIDTH * masks.WIDTH
    worth = n <= _MOST and lanes >= 2 * n
    if not (worth and _select_by_lanes(row, lanes, items, best)):
        _select_by_insertion(row, items, best)


@numba.njit(cache=True, nogil=True)
def _select_by_lanes(row: Any, lanes: int, items: Any, best: Any) -> bool:
    """Whether the best were found: not where too many are alike, or too few finite, for this to pay.

    Two passes of many numbers at a time. The first keeps the largest of each of a few hundred lanes (lane j: items j,
    j + lanes, …). At least n items reach any bound that n lanes reach; the second finds them, and they are ordered.
    """
    n, whole = len(items), len(row) // masks.WIDTH * masks.WIDTH
    highest = np.full(lanes, -np.inf, dtype=np.float32)
    lane = 0
    for start in range(0, whole, masks.WIDTH):
        part, mine = row[start : start + masks.WIDTH], highest[lane : lane + masks.WIDTH]
        for j in range(masks.WIDTH):
            mine[j] = part[j] if part[j] > mine[j] else mine[j]
        lane = lane + masks.WIDTH if lane + masks.WIDTH < lanes else 0
    bound, count = _bound(highest, n)
    if count > 2 * n + 16:
        return False
    most = 4 * n + 64  # candidates that are worth ordering by comparing all with all
    candidates = np.empty(most + masks.WIDTH, dtype=np.int32)
    found: Any = 0
    for start in range(0, whole, masks.WIDTH):
        reaching = masks.reaching(row, start, bound)
        places = candidates[found : found + masks.WIDTH]
        found += np.int64(masks.count(reaching))
        if found > most:
            return False
        for j in range(4):  # written always, and over again where there are fewer: no branch to guess
            places[j] = start + np.int64(masks.lowest(reaching))
            reaching &= reaching - np.uint64(1)
        j = 4
        while reaching:
            places[j] = start + np.int64(masks.lowest(reaching))
            reaching &= reaching - np.uint64(1)
            j += 1
    for item in range(whole, len(row)):
        candidates[found] = item
        found += row[item] >= bound
    return bool(found <= most and _order(row, candidates[:found], bound, items, best))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def keys_of(scores: Any, low: Any, high: Any) -> Any:
    """[scores, and −1 up to whole looks of `masks`] int16 in the order of the scores, close ones having the same: 0 for
    `low` and up for higher ones, −1 for lower ones, all above `high` alike. Empty where there is no such range.

    They narrow down what is left to the scores: twice as many are compared at a time.
    """
    scale = np.float32(_KEYS) / (high - low)
    if not 0 < scale < np.inf:
        return np.empty(0, dtype=np.int16)
    keys = np.empty(-(-len(scores) // masks.WIDTH) * masks.WIDTH, dtype=np.int16)
    for place in range(len(scores)):
        key = (scores[place] - low) * scale
        key = key if key > np.float32(-1) else np.float32(-1)
        keys[place] = np.int32(key if key < np.float32(_KEYS + 1) else np.float32(_KEYS + 1))
    keys[len(scores) :] = -1
    return keys


@numba.njit(cache=True, nogil=True)
def _order(row: Any, candidates: Any, low: Any, items: Any, best: Any) -> bool:
    """The n best of the candidates, n or more in the order of items, none below `low`; whether this was done: not where
    scores are alike or infinitely far from one another.

    A rank is the number of larger keys; neighbours whose keys are equal are put right after.
    """
    found = len(candidates)
    scores, high = np.empty(found, dtype=np.float32), low
    for place in range(found):
        score = row[candidates[place]]
        scores[place] = score
        high = score if score > high else high
    keys = keys_of(scores, low, high)
    width = len(keys)
    if not width:
        return False
    ranks = np.zeros(width, dtype=np.int16)
    for place in range(0, found, 4):
        a, b, c, d = keys[place], keys[place + 1], keys[place + 2], keys[place + 3]
        for other in range(width):
            key = keys[other]
            ranks[other] += np.int16(key < a) + np.int16(key < b) + np.int16(key < c) + np.int16(key < d)
    order, alike = np.full(width, -1, dtype=np.int32), False
    for place in range(found):
        rank: Any = ranks[place]
        while order[rank] >= 0:  # an equal one of a lower item stands there
            rank, alike = rank + 1, True
        order[rank] = place
    for rank in range(1, found if alike else 0):
        place, score = order[rank], scores[order[rank]]
        while rank > 0 and scores[order[rank - 1]] < score:
            order[rank] = order[rank - 1]
            rank -= 1
        order[rank] = place
    for rank in range(len(items)):
        items[rank], best[rank] = candidates[order[rank]], scores[order[rank]]
    return True


@numba.njit(cache=True, nogil=True)
def _bound(highest: Any, n: int) -> Any:
    """A number that n of `highest` reach and not many more, and how many do; infinitely many where n are not finite.

    A few steps down from the highest, each four times as wide as the last, then halving.
    """
    upper = highest[: masks.WIDTH].copy()
    for start in range(masks.WIDTH, len(highest), masks.WIDTH):
        for j in range(masks.WIDTH):
            upper[j] = highest[start + j] if highest[start + j] > upper[j] else upper[j]
    top = upper.max()
    high = low = top
    width = max(abs(top), np.float32(1e-30)) / np.float32(32)
    reached = 0
    while reached < n:
        high, low = low, np.float32(top - width)
        width *= np.float32(4)
        if not low > -np.inf:
            return low, np.inf
        reached = _reaching(highest, low)
    for _ in range(16):
        if reached <= n + n // 12:
            break
        middle = np.float32(low + (high - low) / 2)
        count = _reaching(highest, middle)
        if count >= n:
            low, reached = middle, count
        else:
            high = middle
    return low, reached


@numba.njit(cache=True, nogil=True)
def _reaching(values: Any, bound: float) -> Any:
    """How many values are at or above the bound; whole 64 of them."""
    count: Any = 0
    for start in range(0, len(values), masks.WIDTH):
        count += np.int64(masks.count(masks.reaching(values, start, bound)))
    return count


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
