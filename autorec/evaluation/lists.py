"""The lists that users are tested on: the best of all items not rated in training, and which were rated in test."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from autorec.evaluation.auc import user_auc
from autorec.models.base import Recommender
from autorec.models.topn import top_n
from autorec.ratings.matrix import Ratings

Int = npt.NDArray[np.int64]
Float = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Lists:
    """Of each user who can be tested, those whom the model knows and who like something in the test part.

    liked     [test users] how many liked test items each has, those unknown to the model included
    users     [U] rows of the test ratings
    items     [U × k] the best items as columns of the model, −1 where too few are left
    hits      [U × k] 1.0 where the item is a liked test item, else 0.0
    gains     [U × k] test rating − lowest rating of the scale, 0 where there is no test rating
    ideal     [U × k] the gains of the user's test items, highest first, filled up with 0
    auc       [U] see `autorec.evaluation.auc`
    """

    liked: Int
    users: Int
    items: Int
    hits: Float
    gains: Float
    ideal: Float
    auc: Float

    @property
    def relevant(self) -> Int:
        """[U] liked test items of those who are tested."""
        return self.liked[self.users]


def ranked_lists(model: Recommender, test: Ratings, relevant: float, k: int) -> Lists:
    """The k best items of each user, all items ranked; a test rating of `relevant` or more is a liked one."""
    fitted, csr = model.ratings_, test.csr
    is_liked = csr.data >= relevant  # [test ratings]
    liked = np.bincount(test.rows()[is_liked], minlength=test.n_users)
    rows = fitted.find_users(test.user_ids)
    users = np.flatnonzero((liked > 0) & (rows >= 0))
    columns = fitted.find_items(test.item_ids)[csr.indices]  # [test ratings] −1 where unknown
    ptr, liked_columns = _known_likes(csr.indptr, columns, is_liked, users)
    items = np.full((len(users), k), -1, dtype=np.int64)
    auc = np.full(len(users), np.nan)
    look = _looking(auc, ptr, liked_columns)
    start = 0
    for block, found, _ in top_n(
        model._score_rows, rows[users], fitted.n_items, min(k, fitted.n_items), fitted.csr, look
    ):
        items[start : start + len(block), : found.shape[1]] = found
        start += len(block)
    hits, gains, ideal = (np.zeros(items.shape) for _ in range(3))
    gain = csr.data.astype(np.float64) - fitted.scale[0]
    parts = 4 * int(numba.get_num_threads())
    _mark(items, users, csr.indptr, columns, gain, is_liked, fitted.n_items, hits, gains, ideal, parts)
    return Lists(liked, users, items, hits, gains, ideal, auc)


def _known_likes(indptr: Any, columns: Int, liked: Any, users: Int) -> tuple[Int, Int]:
    """([U + 1], [entries]) the liked columns that the model knows, user by user."""
    kept = liked & (columns >= 0)
    before = np.concatenate(([0], np.cumsum(kept)))
    counts = before[indptr[users + 1]] - before[indptr[users]]
    chosen = np.zeros(len(indptr) - 1, dtype=bool)
    chosen[users] = True
    mine = kept & np.repeat(chosen, np.diff(indptr))
    return np.concatenate(([0], np.cumsum(counts))), columns[mine]


def _looking(auc: Float, ptr: Int, relevant: Int) -> Callable[[Any, Any], None]:
    """Fills `auc` from the blocks of scores, in their order."""
    done = 0

    def look(block: npt.NDArray[np.integer[Any]], scores: npt.NDArray[np.float32]) -> None:
        nonlocal done
        auc[done : done + len(block)] = user_auc(scores, ptr[done : done + len(block) + 1], relevant)
        done += len(block)

    return look


@numba.njit(parallel=True, cache=True, nogil=True)
def _mark(
    items: Any,
    users: Any,
    indptr: Any,
    columns: Any,
    gain: Any,
    liked: Any,
    n_items: int,
    hits: Any,
    gains: Any,
    ideal: Any,
    parts: int,
) -> None:
    """Look each item of the lists up among the user's test ratings; `parts` ranges of users side by side."""
    n, k = items.shape
    for part in numba.prange(parts):
        place = np.full(n_items, -1, dtype=np.int64)  # of each item among the test ratings of the user at hand
        for i in range(n * part // parts, n * (part + 1) // parts):
            first, end = indptr[users[i]], indptr[users[i] + 1]
            for entry in range(first, end):
                if columns[entry] >= 0:
                    place[columns[entry]] = entry
            for rank in range(k):
                item = items[i, rank]
                if item >= 0 and place[item] >= 0:
                    hits[i, rank] = liked[place[item]]
                    gains[i, rank] = gain[place[item]]
            for entry in range(first, end):
                if columns[entry] >= 0:
                    place[columns[entry]] = -1
            best = np.sort(gain[first:end])[::-1]
            ideal[i, : min(k, len(best))] = best[: min(k, len(best))]
