"""The lists of the test users, the best of all items not rated in training, and the ranks of test items in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from autorec.evaluation.metrics import Hits, auc
from autorec.models.base import Recommender
from autorec.ranking.topn import best_of_rows
from autorec.ratings.matrix import Ratings

Int = npt.NDArray[np.int64]
Float = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Lists:
    """The lists of the U users whom the model knows and who like something in the test part.

    liked        [test users] number of liked test items, those unknown to the model included
    users        [U] rows of the test ratings
    items        [U × K] the best items as columns of the model, −1 where too few are left
    hits         ranks of liked test items in the lists
    tested       ranks of any test items in the lists
    gains        [tested] test rating − lowest rating of the scale (of the test where that is lower); 1 where all
                 ratings are alike
    best_gains   [U × ks] Σ gain / log₂(1 + rank) over the first k of all test items, the highest rating first
    auc          [U] see `autorec.evaluation.metrics.auc`
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


def ranked_lists(model: Recommender, test: Ratings, relevant: float, ks: Sequence[int]) -> Lists:
    """The K best items of each user of test [users × items], all items ranked; ratings of `relevant` or more are liked.

    ks: lengths at which the lists are cut, ascending; K is the last of them, at most the number of items.
    """
    fitted = model.ratings_
    liked = np.bincount(test.rows()[test.csr.data >= relevant], minlength=test.n_users)
    model_rows = fitted.find_users(test.user_ids)
    users = np.flatnonzero((liked > 0) & model._has_history(model_rows))
    model_rows = model_rows[users]
    csr = test.csr[users]  # [U × test items]
    owners = np.repeat(np.arange(len(users)), np.diff(csr.indptr))  # [entries] 0 … U − 1
    columns = fitted.find_items(test.item_ids)[csr.indices]  # [entries] of the model, −1 where unknown
    likes, gains = csr.data >= relevant, _compute_gains(csr.data, fitted.scale)  # [entries]

    longest = min(ks[-1], fitted.n_items)
    items = np.full((len(users), longest), -1, dtype=np.int32)
    ranks = np.zeros(len(owners), dtype=np.int64)  # [entries] 0 where not in the list
    aucs = np.empty(len(users))

    def rank_block(part: slice, scores: npt.NDArray[np.float32]) -> None:
        """Fill in the rows `part` of items and aucs, and the ranks of their entries."""
        entries = slice(csr.indptr[part.start], csr.indptr[part.stop])
        rows, wanted = owners[entries] - part.start, columns[entries]
        found, best = best_of_rows(scores, longest, model_rows[part], fitted.csr)
        items[part] = found
        known = wanted >= 0
        near = known & (scores[rows, wanted] >= best[rows, -1])  # others are in no list
        ranks[entries][near] = _find_ranks(found[rows[near]], wanted[near])
        relevant = known & likes[entries]
        aucs[part] = auc(scores, rows[relevant], wanted[relevant])

    for _ in model.map_scores(model_rows, rank_block):
        pass
    in_list = np.flatnonzero(ranks)
    in_list = in_list[np.lexsort((ranks[in_list], owners[in_list]))]
    hit = in_list[likes[in_list]]
    hits, tested = (Hits(len(users), ks, owners[one], ranks[one]) for one in (hit, in_list))
    return Lists(
        liked, users, items, hits, tested, gains[in_list], _sum_best_gains(owners, gains, len(users), ks), aucs
    )


def shown(items: npt.NDArray[np.integer[Any]], ks: Sequence[int], n_items: int) -> Int:
    """[ks × items of the model] in how many lists of length k each is. items [users × K], −1 for an empty rank."""
    parts = [items[:, first:last] for first, last in pairwise((0, *ks))]
    return np.cumsum([np.bincount(part[part >= 0], minlength=n_items) for part in parts], axis=0)


def _find_ranks(lists: npt.NDArray[np.int32], items: Int) -> Int:
    """[pairs] rank, from 1, of items[p] in lists[p]; 0 where it is not in it. lists [pairs × k]."""
    found = lists == items[:, None]
    return np.where(found.any(axis=1), found.argmax(axis=1) + 1, 0)


def _compute_gains(values: npt.NDArray[np.float32], scale: tuple[float, float]) -> Float:
    """[ratings] what each is worth in a list; see `Lists`."""
    low, high = min(scale[0], values.min(initial=np.inf)), max(scale[1], values.max(initial=-np.inf))
    return values.astype(np.float64) - low if low < high else np.ones(len(values))


def _sum_best_gains(owners: Int, gains: Float, n_users: int, ks: Sequence[int]) -> Float:
    """[users × ks] Σ gain / log₂(1 + rank) over each user's k largest gains. owners [gains] ascending."""
    gains = gains[np.lexsort((-gains, owners))]
    ranks = np.arange(1, len(owners) + 1) - np.searchsorted(owners, np.arange(n_users))[owners]
    best = Hits(n_users, ks, owners, ranks)
    return best.sums(gains * best.discounts)
