"""The area under the ROC curve of each user: the one ranking metric that looks at the whole order, not at its top."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

_EXACT = 2**20  # ones that a float32 can count


def user_auc(
    scores: npt.NDArray[np.float32], ptr: npt.NDArray[np.int64], relevant: npt.NDArray[np.integer[Any]]
) -> npt.NDArray[np.float64]:
    """[users] share of pairs (relevant item, other candidate) where the relevant one has the higher score, ties ½.

    scores [users × items], −inf where an item is no candidate (seen in training); relevant[ptr[u]:ptr[u + 1]] are the
    columns of the user's relevant items. NaN where a user has no relevant candidate or no other one. Equal to
    scikit-learn's roc_auc_score over the candidates.
    """
    areas = np.empty(len(scores))
    _areas(scores, ptr, relevant, areas)
    return areas


@numba.njit(parallel=True, cache=True, nogil=True)
def _areas(scores: Any, ptr: Any, relevant: Any, areas: Any) -> None:
    for user in numba.prange(len(scores)):
        row = scores[user]
        mine = relevant[ptr[user] : ptr[user + 1]]
        candidates, _ = _counts(row, -np.inf)  # above −inf
        n, total = 0, 0.0
        for item in mine:
            if row[item] > -np.inf:
                n += 1
        others = candidates - n
        for item in mine:
            score = row[item]
            if not score > -np.inf:
                continue
            above, equal = _counts(row, score)
            for other in mine:  # the relevant ones are no others
                above -= row[other] > score
                equal -= row[other] == score
            total += others - above - 0.5 * equal
        pairs = n * others
        areas[user] = total / pairs if pairs > 0 else np.nan


@numba.njit(fastmath={"reassoc"}, cache=True, nogil=True)
def _counts(row: Any, score: float) -> tuple[int, int]:
    """(scores above this one, scores equal to it); counted in floats, as wide as what is compared, in exact parts."""
    above = at_least = 0
    for start in range(0, len(row), _EXACT):
        part = row[start : start + _EXACT]
        more = same = np.float32(0)
        for place in range(len(part)):
            more += np.float32(1) if part[place] > score else np.float32(0)
            same += np.float32(1) if part[place] >= score else np.float32(0)
        above += int(more)
        at_least += int(same)
    return above, at_least - above
