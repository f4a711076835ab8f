"""Item k-nearest neighbours by cosine of choices (Deshpande and Karypis, ACM TOIS 2004): the classic baseline of
top-N."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec import checks, words
from autorec.models.base import IntArray, OnValidation, Recommender, Scores
from autorec.ranking.positives import positives
from autorec.ranking.topn import top_n
from autorec.ratings.matrix import Ratings
from autorec.storage import csr_arrays
from autorec.storage.arrays import Expected, Shape


class ItemKNN(Recommender):
    """score(u, i) = Σ_{j ∈ N(i), u chose j} cos(i, j), N(i) the k items nearest to i by cosine of choices [users].

    k          neighbours of an item
    relevant   the lowest rating that counts as a choice; None: low + ¾·(high − low) of the scale, 4 on 1 … 5
    half_life  days after which a choice in a user's history counts half; "auto": chosen on the latest
               ratings, none without dates; None: all count alike; see `autorec.models.recency`

    Learned: `neighbours_` CSR [items × items], row i with the cosines of N(i).

    >>> ratings = autorec.load_sample()
    >>> autorec.ItemKNN(k=20).fit(ratings).similar(1, n=2)["similar"].tolist()
    [71, 191]
    """

    rates: ClassVar[bool] = False
    additive: ClassVar[bool] = True
    neighbours_: sparse.csr_array  # [items × items]: row i holds the cosines of N(i)

    def __init__(
        self, k: int = 200, relevant: float | None = None, half_life: float | words.Auto | None = None
    ) -> None:
        self.k = k
        self.relevant = relevant
        self.half_life = half_life

    def _check_parameters(self) -> None:
        checks.whole("k", self.k)
        checks.optional(checks.number, "relevant", self.relevant)
        checks.half_life(self.half_life)

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        chosen = positives(ratings.csr, ratings.scale, self.relevant)
        self.neighbours_ = nearest_items(chosen, self.k)
        return {"positives": int(chosen.nnz)}

    def _memory(self, n_users: int, n_items: int, n_ratings: int) -> int:
        kept = 32 * n_items * min(self.k, n_items)  # columns and cosines, twice while they become CSR
        return super()._memory(n_users, n_items, n_ratings) + kept

    def _seconds(self, n_users: int, n_items: int, n_ratings: int) -> float:
        return 1e-9 * n_items**2 + 1e-8 * n_ratings**2 / max(n_users, 1)

    def _score(self, users: sparse.csr_array) -> Scores:
        """Choices [B × items] → [B × items] float32 sums of the cosines to the items chosen."""
        return np.asarray((users @ self.neighbours_.T).todense(), dtype=np.float32)

    def _similarities(self) -> Callable[..., Scores]:
        """The cosines that are kept, of the k nearest."""

        def cosines(columns: IntArray, others: Any = slice(None)) -> Scores:
            kept = np.asarray(self.neighbours_[columns].todense(), dtype=np.float32)[:, others]
            return np.where(kept > 0, kept, np.float32(-np.inf))

        return cosines

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return csr_arrays.pack(self.neighbours_)

    def _expected_arrays(self, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
        return csr_arrays.expected(self.ratings_.n_items)

    def _set_arrays(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        n = self.ratings_.n_items
        self.neighbours_ = csr_arrays.unpack(arrays, (n, n))


def nearest_items(chosen: sparse.csr_array, k: int) -> sparse.csr_array:
    """[items × items] float32, row i holds the cosines of the at most k items nearest to i, all above 0; columns of
    `chosen` [users × items], ones, are compared. Columns ascend."""
    n_items = chosen.shape[1]
    by_column = chosen.tocsc()
    counts = np.diff(by_column.indptr)
    liked = np.flatnonzero(counts)  # items that somebody chose: the others have no neighbours
    unit = sparse.csc_array(by_column[:, liked] / np.sqrt(counts[liked]))  # [users × liked]
    by_item = sparse.csr_array(unit.T)
    itself = sparse.csr_array(sparse.eye_array(len(liked)))

    def cosines(rows: IntArray) -> npt.NDArray[np.float32]:
        return np.asarray((by_item[rows] @ unit).todense(), dtype=np.float32)

    k = min(k, max(n_items - 1, 1))
    rows, columns, values = [liked[:0]], [liked[:0]], [np.empty(0, dtype=np.float32)]
    for block, items, cosine in top_n(cosines, np.arange(len(liked)), len(liked), k, itself):
        near = (items >= 0) & (cosine > 0)
        rows.append(np.repeat(liked[block], near.sum(axis=1)))
        columns.append(liked[items[near]])
        values.append(cosine[near])
    pairs = (np.concatenate(rows), np.concatenate(columns))
    nearest = sparse.csr_array((np.concatenate(values), pairs), shape=(n_items, n_items))
    nearest.sort_indices()
    return nearest
