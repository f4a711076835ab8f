"""The area under the ROC curve of each user: the one ranking metric that looks at the whole order, not at its top."""

from typing import Any

import numba
import numpy as np

from autorec import masks
from autorec.models.topn import keys_of


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
    keys = keys_of(row, lowest, best[-1])
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
