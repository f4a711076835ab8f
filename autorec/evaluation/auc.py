"""The area under the ROC curve of each user: the one ranking metric that looks at the whole order, not at its top."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt


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
        candidates = 0
        for item in range(len(row)):
            candidates += row[item] > -np.inf
        n = 0
        for item in mine:
            n += row[item] > -np.inf
        total = 0.0
        for item in mine:
            score = row[item]
            if not score > -np.inf:
                continue
            above = 0
            equal = 0
            for other in range(len(row)):
                above += row[other] > score
                equal += row[other] == score
            for other in mine:
                above -= row[other] > score
                equal -= row[other] == score
            others = candidates - n
            total += others - above - 0.5 * equal
        pairs = n * (candidates - n)
        areas[user] = total / pairs if pairs > 0 else np.nan
