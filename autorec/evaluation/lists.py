"""The lists that users are tested on: the best of all items not rated in training, and where the test items stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from autorec.evaluation import metrics
from autorec.evaluation.auc import higher, user_auc
from autorec.evaluation.metrics import Hits
from autorec.models.base import Recommender
from autorec.models.topn import select, strike_out
from autorec.ratings.matrix import Ratings

_FEW = 32

Int = npt.NDArray[np.int64]
Float = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Lists:
    """Of each user who can be tested, those whom the model knows and who like something in the test part.

    liked        [test users] how many liked test items each has, those unknown to the model included
    users        [U] rows of the test ratings
    items        [U × k] the best items as columns of the model, −1 where too few are left
    hits         where liked test items stand in the lists
    tested       where any test items stand in the lists
    gains        [tested] test rating − lowest rating of the scale
    best_gains   [U × ks] Σ gain / log₂(1 + rank) over the first k of all test items, the highest rating first
    auc          [U] see `autorec.evaluation.auc`
    """

    liked: Int
    users: Int
    items: npt.NDArray[np.int32]
    hits: Hits
    tested: Hits
    gains: Float
    best_gains: Float
    auc: Float

    @property
    def relevant(self) -> Int:
        """[U] liked test items of those who are tested."""
        return self.liked[self.users]


def shown(items: npt.NDArray[np.integer[Any]], ks: Sequence[int], n_items: int) -> Int:
    """[ks × items of the model] in how many lists of length k each is. items [users × K], −1 for a place left empty."""
    parts = np.zeros((int(numba.get_num_threads()), len(ks), n_items), dtype=np.int64)
    _count(items, np.asarray(ks), parts)
    return np.cumsum(parts.sum(axis=0), axis=0)


def ranked_lists(model: Recommender, test: Ratings, relevant: float, ks: Sequence[int]) -> Lists:
    """The best items of each user, all items ranked; a test rating of `relevant` or more is a liked one. ks: lengths at
    which the lists are cut, ascending; the last one is that of `items`."""
    fitted, csr = model.ratings_, test.csr
    likes = csr.data >= relevant  # [test ratings]
    liked = np.diff(np.concatenate(([0], np.cumsum(likes)))[csr.indptr])
    rows = fitted.find_users(test.user_ids)
    users = np.flatnonzero((liked > 0) & (rows >= 0))
    columns = fitted.find_items(test.item_ids)[csr.indices]  # [test ratings] −1 where unknown
    gains = csr.data.astype(np.float64) - fitted.scale[0]
    items = np.full((len(users), ks[-1]), -1, dtype=np.int32)
    ranks = np.zeros(len(gains), dtype=np.int32)
    best_gains, auc = np.empty((len(users), len(ks))), np.empty(len(users))
    how = (np.asarray(ks), metrics.discounts(ks[-1]))
    found = items[:, : min(ks[-1], fitted.n_items)]
    start = 0
    for block, scores in model.score_blocks(rows[users]):
        part = slice(start, start + len(block))
        of_model = (scores, block, fitted.csr.indptr, fitted.csr.indices)
        of_test = (users[part], csr.indptr, columns, likes, gains)
        _look(*of_model, *of_test, *how, found[part], ranks, best_gains[part], auc[part])
        start += len(block)
    place = np.full(test.n_users, -1)
    place[users] = np.arange(len(users))
    in_list = np.flatnonzero(ranks)  # [test ratings in a list]
    place = place[np.searchsorted(csr.indptr, in_list, side="right") - 1]  # of the user among those tested
    in_order = np.argsort(place * (ks[-1] + 1) + ranks[in_list])
    in_list, place = in_list[in_order], place[in_order]
    hit = likes[in_list]
    hits, tested = (Hits(len(users), ks, place[which], ranks[in_list[which]]) for which in (hit, slice(None)))
    return Lists(liked, users, items, hits, tested, gains[in_list], best_gains, auc)


@numba.njit(parallel=True, cache=True, nogil=True)
def _look(
    scores: Any,
    rows: Any,
    seen_ptr: Any,
    seen: Any,
    users: Any,
    ptr: Any,
    columns: Any,
    likes: Any,
    gains: Any,
    ks: Any,
    discounts: Any,
    items: Any,
    ranks: Any,
    best_gains: Any,
    auc: Any,
) -> None:
    """All that is asked of each user's scores, while they are at hand; the scores are overwritten."""
    for i in numba.prange(len(scores)):
        row = scores[i]
        mine = slice(ptr[users[i]], ptr[users[i] + 1])
        best = np.empty(items.shape[1], dtype=np.float32)
        strike_out(row, seen[seen_ptr[rows[i]] : seen_ptr[rows[i] + 1]])
        select(row, items[i], best)
        _place(row, columns[mine], items[i], best, ranks[mine])
        _best_gains(gains[mine], ks, discounts, best_gains[i])
        auc[i] = user_auc(row, columns[mine], likes[mine], best)


@numba.njit(cache=True, nogil=True)
def _place(row: Any, columns: Any, items: Any, best: Any, ranks: Any) -> None:
    """ranks = of the columns among the best items, from 1, where they are among them."""
    for place in range(len(columns)):
        if columns[place] < 0:
            continue
        score = row[columns[place]]
        if score > -np.inf and score >= best[-1]:
            rank = higher(best, score)
            while rank < len(best) and best[rank] == score:
                if items[rank] == columns[place]:
                    ranks[place] = rank + 1
                rank += 1


@numba.njit(parallel=True, cache=True, nogil=True)
def _count(items: Any, ks: Any, parts: Any) -> None:
    """parts [parts × ks × items]: how often each item stands in the places of a list that the next shorter has not."""
    for part in numba.prange(len(parts)):
        counts = parts[part]
        for user in range(len(items) * part // len(parts), len(items) * (part + 1) // len(parts)):
            place = 0
            for at in range(len(ks)):
                while place < ks[at]:
                    if items[user, place] >= 0:
                        counts[at, items[user, place]] += 1
                    place += 1


@numba.njit(cache=True, nogil=True)
def _best_gains(gains: Any, ks: Any, discounts: Any, sums: Any) -> None:
    """sums [ks]: Σ gain · discount over the k largest gains."""
    if len(gains) > _FEW:
        best = -np.sort(-gains)
    else:  # most users have a few test items, which insertion orders sooner
        best = np.empty_like(gains)
        for k in range(len(gains)):
            place = k
            while place > 0 and best[place - 1] < gains[k]:
                best[place] = best[place - 1]
                place -= 1
            best[place] = gains[k]
    total, rank = 0.0, 0
    for cut in range(len(ks)):
        while rank < min(ks[cut], len(best)):
            total += best[rank] * discounts[rank]
            rank += 1
        sums[cut] = total
