"""The area under the ROC curve of each user: the one ranking metric that looks at the whole order, not at its top."""

from typing import Any

import numba
import numpy as np

from autorec import masks

_KEYS = 32_000


@numba.njit(cache=True, nogil=True)
def user_auc(row: Any, columns: Any, liked: Any, best: Any) -> float:
    """Share of pairs (relevant item, other candidate) where the relevant one has the higher score, ties ½; of one user.

    row [items]: scores, −inf where an item is no candidate (seen in training). columns [n]: test items, −1: unknown;
    liked [n]: whether it is a relevant one. best [k]: the k highest scores of the row, descending. NaN without a
    relevant candidate or without another one. Equal to scikit-learn's roc_auc_score over the candidates.

    With above(r) and equal(r) the candidates of higher and of the same score, the relevant ones and itself included:
    1 − (Σ_r (above(r) + ½ equal(r)) − n²/2) / (n · others), as the pairs of two relevant ones make up n²/2.
    """
    candidates, _ = _counts(row, -np.inf)  # above −inf
    lowest = np.float32(np.inf)
    for place in range(len(columns)):
        if liked[place] and columns[place] >= 0 and -np.inf < row[columns[place]] < lowest:
            lowest = row[columns[place]]
    keys = _keys(row, lowest, best[-1])
    n, total = 0, 0.0
    for place in range(len(columns)):
        if not (liked[place] and columns[place] >= 0):
            continue
        score = row[columns[place]]
        if not score > -np.inf:
            continue
        n += 1
        if score > best[-1]:  # all from here up are among the best
            above = higher(best, score)
            equal = 1
            while best[above + equal] == score:
                equal += 1
        else:
            above, equal = _counts(keys, keys[columns[place]]) if len(keys) else (0, 0)
            if equal != 1:  # others have the same key, be it with the same score or not
                above, equal = _counts(row, score)
        total += above + 0.5 * equal
    pairs = n * (candidates - n)
    return 1 - (total - 0.5 * n * n) / pairs if pairs else np.nan


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _keys(row: Any, low: Any, high: Any) -> Any:
    """[items, and −1 up to whole looks] whole numbers in the order of the scores from low to high, close ones equal; −1
    for lower scores, one more than the highest for higher ones. Empty where there is no such range.

    Twice as many of 16 bits as of float32 are compared at a time.
    """
    scale = np.float32(_KEYS) / (high - low)
    if not 0 < scale < np.inf:
        return np.empty(0, dtype=np.int16)
    keys = np.empty(-(-len(row) // masks.WIDTH) * masks.WIDTH, dtype=np.int16)
    for item in range(len(row)):
        key = (row[item] - low) * scale
        key = key if key > np.float32(-1) else np.float32(-1)
        keys[item] = np.int32(key if key < np.float32(_KEYS + 1) else np.float32(_KEYS + 1))
    keys[len(row) :] = -1
    return keys


@numba.njit(cache=True, nogil=True)
def higher(best: Any, score: float) -> int:
    """How many of the descending scores are higher, by halving."""
    low, high = 0, len(best)
    while low < high:
        middle = (low + high) // 2
        if best[middle] > score:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(cache=True, nogil=True)
def _counts(row: Any, score: Any) -> Any:
    """(scores above this one, scores equal to it); or keys."""
    above = at_least = np.uint64(0)
    whole = len(row) // masks.WIDTH * masks.WIDTH
    for start in range(0, whole, masks.WIDTH):
        above += masks.count(masks.above(row, start, score))
        at_least += masks.count(masks.reaching(row, start, score))
    for place in range(whole, len(row)):
        above += np.uint64(row[place] > score)
        at_least += np.uint64(row[place] >= score)
    return np.int64(above), np.int64(at_least - above)
