"""Item k-nearest neighbours by cosine of choices (Deshpande and Karypis, ACM TOIS 2004): the classic baseline of
top-N."""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec import checks, words
from autorec.array_types import FloatArray
from autorec.models.base import IntArray, OnValidation, Recommender, Scores
from autorec.ranking.positives import positives
from autorec.ranking.topn import best_of_rows, top_n
from autorec.ratings.matrix import Ratings
from autorec.storage import csr_arrays
from autorec.storage.arrays import Expected, Shape
from autorec.threads import map_in_threads

_FEW = 0.05  # share of the pairs of items with a cosine above 0, at most, below which the others are not looked at
_PAIRS = 2**22  # of such pairs in a block
Nearest = tuple[IntArray, IntArray, npt.NDArray[np.float32]]  # items, as often one of its neighbours each, cosines


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
    _by_choice: sparse.csr_array  # its transpose

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
        self._keep(nearest_items(chosen, self.k))
        return {"positives": int(chosen.nnz)}

    def _memory(self, n_users: int, n_items: int, n_ratings: int) -> int:
        kept = 32 * n_items * min(self.k, n_items)  # columns and cosines, twice while they become CSR
        return super()._memory(n_users, n_items, n_ratings) + kept

    def _seconds(self, n_users: int, n_items: int, n_ratings: int) -> float:
        pairs = n_ratings**2 / max(n_users, 1)
        return min(1e-9 * n_items**2, 1e-6 * pairs) + 1e-8 * pairs

    def _score(self, users: sparse.csr_array) -> Scores:
        """Choices [B × items] → [B × items] float32 sums of the cosines to the items chosen."""
        return np.asarray((users @ self._by_choice).todense(), dtype=np.float32)

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
        self._keep(csr_arrays.unpack(arrays, (n, n)))

    def _keep(self, neighbours: sparse.csr_array) -> None:
        self.neighbours_, self._by_choice = neighbours, sparse.csr_array(neighbours.T)


def nearest_items(chosen: sparse.csr_array, k: int) -> sparse.csr_array:
    """[items × items] float32, row i holds the cosines of the at most k items nearest to i, all above 0; columns of
    `chosen` [users × items], ones, are compared. Columns ascend."""
    n_items = chosen.shape[1]
    by_column = chosen.tocsc()
    counts = np.diff(by_column.indptr)
    liked = np.flatnonzero(counts)  # items that somebody chose: the others have no neighbours
    unit = sparse.csr_array(by_column[:, liked] / np.sqrt(counts[liked]))  # [users × liked]
    by_item = sparse.csr_array(unit.T)
    pairs = (chosen.T @ np.diff(chosen.indptr))[liked]  # [liked] of it and another, by the users who chose both
    few = pairs.sum() < _FEW * len(liked) ** 2
    find = _among_few(by_item, unit, pairs, k) if few else _among_all(by_item, unit, min(k, max(n_items - 1, 1)))
    rows, columns, values = zip((liked[:0], liked[:0], np.empty(0, dtype=np.float32)), *find, strict=True)
    where = (liked[np.concatenate(rows)], liked[np.concatenate(columns)])
    nearest = sparse.csr_array((np.concatenate(values), where), shape=(n_items, n_items))
    nearest.sort_indices()
    return nearest


def _among_all(by_item: sparse.csr_array, unit: sparse.csr_array, k: int) -> Iterator[Nearest]:
    """Of blocks of items their k nearest, out of dense rows of cosines."""
    itself = sparse.csr_array(sparse.eye_array(unit.shape[1]))

    def cosines(rows: IntArray) -> npt.NDArray[np.float32]:
        return np.asarray((by_item[rows] @ unit).todense(), dtype=np.float32)

    for block, items, cosine in top_n(cosines, np.arange(unit.shape[1]), unit.shape[1], k, itself):
        near = (items >= 0) & (cosine > 0)
        yield np.repeat(block, near.sum(axis=1)), items[near], cosine[near]


def _among_few(by_item: sparse.csr_array, unit: sparse.csr_array, pairs: FloatArray, k: int) -> Iterator[Nearest]:
    """The same out of the cosines above 0 alone, which are few in a long tail; pairs [items] says at most how many."""
    ends = np.searchsorted(np.cumsum(pairs), np.arange(1, pairs.sum() // _PAIRS + 1) * _PAIRS)
    blocks = [slice(*block) for block in pairwise(np.unique([0, *ends, len(pairs)]))]

    def select(block: slice) -> Nearest:
        cosines = by_item[block] @ unit
        cosines.sort_indices()  # of equal ones the lower items, as in dense rows
        owners = block.start + np.repeat(np.arange(cosines.shape[0]), np.diff(cosines.indptr))
        values = cosines.data.astype(np.float32)
        values[cosines.indices == owners] = -np.inf
        near = values > 0
        for row in np.flatnonzero(np.diff(cosines.indptr) > k):
            own = slice(*cosines.indptr[row : row + 2])
            found, best = best_of_rows(values[None, own], k, owners[own], None)
            near[own] = False
            near[own.start + found[best > 0]] = True
        return owners[near], cosines.indices[near], values[near]

    return map_in_threads(select, blocks)
