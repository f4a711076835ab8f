"""EASE with a sparse weight matrix, for catalogues whose dense items × items matrix does not fit.

Column j of EASE's B is the ridge regression of the column x_j of the choices on all others. Here it is the regression
on the at most k items N(j) nearest to j by cosine, of those that were chosen together with j,

    b_j = (G_NN + λI)⁻¹ G_Nj,  G = XᵀX,

exact for that pattern, and EASE itself where it holds all items. A sparse approximate inverse is the idea of
SANSA (Spišák et al., RecSys 2023), which takes it from an incomplete Cholesky factor; the pattern of neighbours is that
of fsSLIM (Ning and Karypis, ICDM 2011). Memory and time grow with items · k², never with items².
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec import checks, words
from autorec.compiled import kernel
from autorec.models.base import IntArray, OnValidation, Recommender, Scores
from autorec.models.knn import nearest_items
from autorec.ranking.positives import positives
from autorec.ratings.matrix import Ratings
from autorec.storage import csr_arrays
from autorec.storage.arrays import Expected, Shape
from autorec.threads import map_in_threads

_BLOCK_BYTES = 2**22  # of the matrices G_NN that are solved together


class SparseEase(Recommender):
    """A model of choice: x_ui is 1 where u rated i at `relevant` or above, else 0.

    score(u, ·) = x_u · B, column j of B the regression (G_NN + λI)⁻¹ G_Nj of item j on the at most k items N nearest to
    it by cosine, G = XᵀX; predicts no ratings.

    k          neighbours of an item, the entries of a column of B
    l2         λ
    relevant   the lowest rating that counts as a choice; None: low + ¾·(high − low) of the scale, 4 on 1 … 5
    half_life  days after which a choice in a user's history counts half; "auto": chosen on the latest
               ratings, none without dates; None: all count alike; see `autorec.models.recency`

    Learned: `weights_` Bᵀ, CSR [items × items], row j with the at most k entries of b_j.

    >>> ratings = autorec.load_sample()
    >>> autorec.SparseEase(k=20).fit(ratings).recommend(1, n=1)["rank"].tolist()
    [1]
    """

    rates: ClassVar[bool] = False
    additive: ClassVar[bool] = True
    weights_: sparse.csr_array  # Bᵀ [items × items]: row j holds b_j

    def __init__(
        self,
        k: int = 100,
        l2: float = 100.0,
        relevant: float | None = None,
        half_life: float | words.Auto | None = None,
    ) -> None:
        self.k = k
        self.l2 = l2
        self.relevant = relevant
        self.half_life = half_life

    def _check_parameters(self) -> None:
        checks.whole("k", self.k)
        checks.number("l2", self.l2, above=0)
        checks.optional(checks.number, "relevant", self.relevant)
        checks.half_life(self.half_life)

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        chosen = positives(ratings.csr, ratings.scale, self.relevant)
        nearest = nearest_items(chosen, self.k)
        gram = sparse.csr_array(chosen.T) @ chosen  # [items × items], an entry for two items that a user chose
        self.weights_ = _solve(gram, nearest, self.l2)
        return {"positives": int(chosen.nnz)}

    def _memory(self, n_users: int, n_items: int, n_ratings: int) -> int:
        together = min(n_items**2, 4 * n_ratings**2 // max(n_users, 1))  # users differ: about four times the mean
        return 8 * together + 32 * n_items * min(self.k, n_items) + super()._memory(n_users, n_items, n_ratings)

    def _seconds(self, n_users: int, n_items: int, n_ratings: int) -> float:
        k = min(self.k, n_items)
        return 1e-9 * n_items**2 + 2e-8 * n_ratings**2 / max(n_users, 1) + 2e-11 * n_items * k**3

    def _score(self, users: sparse.csr_array) -> Scores:
        """Choices [B × items] → [B × items] float32 sums of the weights of the items chosen."""
        return np.asarray((users @ self.weights_.T).todense(), dtype=np.float32)

    def _similarities(self) -> Callable[..., Scores]:
        """√(B_ij · B_ji), with the sign of B_ij; −inf where one of them is missing."""
        back = sparse.csr_array(self.weights_.T)

        def partial_correlations(columns: IntArray, others: Any = slice(None)) -> Scores:
            one, other = (np.asarray(side[columns].todense())[:, others] for side in (self.weights_, back))
            return np.where(one * other > 0, np.sign(one) * np.sqrt(np.abs(one * other)), np.float32(-np.inf))

        return partial_correlations

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return csr_arrays.pack(self.weights_)

    def _expected_arrays(self, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
        return csr_arrays.expected(self.ratings_.n_items)

    def _set_arrays(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        n = self.ratings_.n_items
        self.weights_ = csr_arrays.unpack(arrays, (n, n))


def _solve(gram: sparse.csr_array, nearest: sparse.csr_array, l2: float) -> sparse.csr_array:
    """The weights b_j at the pattern of `nearest` [items × items], row j for item j. Rows of similar length are solved
    together, padded to the longest with rows of the identity."""
    lengths = np.diff(nearest.indptr)
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    weights = np.empty(nearest.nnz, dtype=np.float32)
    counts = gram.data.astype(np.float32, copy=False)

    def solve(items: IntArray) -> None:
        k = int(lengths[items].max())
        matrices, targets = np.zeros((len(items), k, k), np.float32), np.zeros((len(items), k), np.float32)
        _gather(gram.indptr, gram.indices, counts, nearest.indptr, nearest.indices, items, matrices, targets)
        diagonal = np.arange(k)
        matrices[:, diagonal, diagonal] += np.float32(l2)
        found = np.linalg.solve(matrices, targets[..., None])[..., 0]
        for item, row in zip(items, found, strict=True):
            weights[nearest.indptr[item] : nearest.indptr[item + 1]] = row[: lengths[item]]

    for _ in map_in_threads(solve, _make_blocks(order, lengths)):
        pass
    return sparse.csr_array((weights, nearest.indices, nearest.indptr), shape=nearest.shape)


def _make_blocks(order: IntArray, lengths: IntArray) -> list[IntArray]:
    """Items of ascending length in blocks whose matrices take a few megabytes."""
    blocks, start = [], 0
    while start < len(order):
        longest = lengths[order[min(start + 63, len(order) - 1)]]
        stop = start + max(1, int(_BLOCK_BYTES // (4 * longest**2)))
        blocks.append(order[start:stop])
        start = stop
    return blocks


@kernel
def _gather(
    indptr: Any, indices: Any, counts: Any, pattern_ptr: Any, pattern: Any, items: Any, matrices: Any, targets: Any
) -> None:
    """matrices [B × k × k] and targets [B × k] become G_NN and G_Nj of each item j, N its row of the pattern."""
    slot = np.full(len(indptr) - 1, -1, dtype=np.int32)  # index within N; −1: not in N
    for b in range(len(items)):
        j = items[b]
        first, end = pattern_ptr[j], pattern_ptr[j + 1]
        for p in range(first, end):
            slot[pattern[p]] = p - first
        for p in range(first, end):
            i = pattern[p]
            for q in range(indptr[i], indptr[i + 1]):
                if slot[indices[q]] >= 0:
                    matrices[b, p - first, slot[indices[q]]] = counts[q]
                elif indices[q] == j:
                    targets[b, p - first] = counts[q]
        for p in range(first, end):
            slot[pattern[p]] = -1
