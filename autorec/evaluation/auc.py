"""The area under the ROC curve of each user: the one ranking metric of the whole order, not of its top."""

from typing import Any

import numpy as np
import numpy.typing as npt

from autorec.compiled import kernel

Int = npt.NDArray[np.int64]


def auc(
    scores: npt.NDArray[np.float32], rows: npt.NDArray[np.integer[Any]], columns: npt.NDArray[np.integer[Any]]
) -> npt.NDArray[np.float64]:
    """[users] share of pairs (relevant item, other candidate) where the relevant one has the higher score, ties ½.

    scores [users × items] float32, −inf where an item is no candidate (seen in training). The pairs (rows[p],
    columns[p]) are the relevant items, each once; those that are no candidates are left out. NaN without a relevant
    candidate or without another one. Equal to scikit-learn's roc_auc_score over the candidates.

    With above(r) and equal(r) the candidates of higher and of the same score, the relevant ones and r itself included:
    1 − (Σ_r (above(r) + ½ equal(r)) − n²/2) / (n · others), as the pairs of two relevant ones make up n²/2.
    """
    users, of_relevant = len(scores), scores[rows, columns]
    rows, of_relevant = rows[of_relevant > -np.inf], of_relevant[of_relevant > -np.inf]
    above, equal = _count_above(scores, rows, of_relevant)
    candidates, _ = _count_above(scores, np.arange(users), np.full(users, -np.inf, dtype=np.float32))
    n = np.bincount(rows, minlength=users)
    total = np.bincount(rows, above + 0.5 * equal, minlength=users)
    pairs = n * (candidates - n)
    return np.asarray(1 - np.divide(total - 0.5 * n**2, pairs, out=np.full(users, np.nan), where=pairs > 0))


def _count_above(scores: Any, rows: Any, bounds: Any) -> tuple[Int, Int]:
    """([p] how many scores of the row rows[p] are above bounds[p], [p] how many are equal to it)."""
    above, equal = np.empty(len(rows), dtype=np.int64), np.empty(len(rows), dtype=np.int64)
    _count(scores, rows.astype(np.int64, copy=False), bounds, above, equal)
    return above, equal


@kernel
def _count(scores: Any, rows: Any, bounds: Any, above: Any, equal: Any) -> None:
    for p in range(len(rows)):
        row, bound = scores[rows[p]], bounds[p]
        higher = same = np.int32(0)
        for item in range(len(row)):  # vectorised
            higher += np.int32(row[item] > bound)
            same += np.int32(row[item] == bound)
        above[p], equal[p] = higher, same
