"""SVD-AE (Hong et al.: Simple Autoencoders for Collaborative Filtering, IJCAI 2024): a linear autoencoder of low rank,
in closed form.

X̃ = D_u^−½ · X · D_i^−½ are the choices divided by the roots of the degrees of user and item, X̃ ≈ U Σ Vᵀ its truncated
singular value decomposition. B = V Σ⁻¹ Uᵀ X is the least squares solution of X̃ B = X at that rank, and score(u, ·) =
x̃_u · B: the user's vector is x̃_u V, those of the items are the columns of Σ⁻¹ Uᵀ X. New users need no training.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec import checks, words
from autorec.models.base import FloatArray, OnValidation, RandomState, Recommender
from autorec.models.ease import products
from autorec.models.histories import each_alone
from autorec.models.puresvd import truncated_svd
from autorec.models.vectors import Vectors, vectors
from autorec.ranking.positives import positives
from autorec.ratings.matrix import Ratings
from autorec.storage.arrays import Expected, Shape


class SvdAE(Recommender):
    """A model of choice: x_ui is 1 where u rated i at `relevant` or above, else 0.

    score(u, ·) = x̃_u · V Σ⁻¹ Uᵀ X, of the truncated singular value decomposition U Σ Vᵀ, of rank f, of
    X̃ = D_u^−½ X D_i^−½, D the numbers of choices of users and of items; predicts no ratings.

    rank          f as a share, 0 … 1, of the users or the items, whichever are fewer; f is at least 1
    relevant      the lowest rating that counts as a choice; None: low + ¾·(high − low) of the scale, 4 on 1 … 5
    half_life     days after which a choice in a user's history counts half; "auto": chosen on the latest
                  ratings, none without dates; None: all count alike; see `autorec.models.recency`
    random_state  seed of the vector that ARPACK starts from

    Learned: `basis_` D_i^−½ V and `factors_` (Σ⁻¹ Uᵀ X)ᵀ, [items × f] float32 each.

    >>> ratings = autorec.load_sample()
    >>> autorec.SvdAE(rank=0.1).fit(ratings).recommend(1, n=1)["rank"].tolist()
    [1]
    """

    rates: ClassVar[bool] = False
    basis_: npt.NDArray[np.float32]  # D_i^−½ V [items × f], what a user's choices are multiplied by
    factors_: npt.NDArray[np.float32]  # (Σ⁻¹ Uᵀ X)ᵀ [items × f]

    def __init__(
        self,
        rank: float = 0.04,
        relevant: float | None = None,
        half_life: float | words.Auto | None = None,
        random_state: RandomState = 0,
    ) -> None:
        self.rank = rank
        self.relevant = relevant
        self.half_life = half_life
        self.random_state = random_state

    def _check_parameters(self) -> None:
        checks.share("rank", self.rank)
        checks.optional(checks.number, "relevant", self.relevant)
        checks.half_life(self.half_life)
        checks.random_state("random_state", self.random_state)

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        chosen = positives(ratings.csr, ratings.scale, self.relevant)
        seed = checks.seed("random_state", self.random_state)
        of_users, of_items = (_inverse_root(chosen.sum(axis=axis)) for axis in (1, 0))
        scaled = sparse.diags_array(of_users) @ chosen @ sparse.diags_array(of_items)
        U, singular, Vt = truncated_svd(sparse.csr_array(scaled), self._count_factors(*chosen.shape), seed)
        kept = singular > 1e-6 * singular.max(initial=0)  # what is 0 has no inverse
        left = np.ascontiguousarray((U[:, kept] / singular[kept]).astype(np.float32))
        self.factors_ = products(sparse.csr_array(chosen.T), left)
        self.basis_ = np.ascontiguousarray((of_items * Vt[kept]).T, dtype=np.float32)
        return {"positives": int(chosen.nnz), "factors": int(kept.sum())}

    def _count_factors(self, n_users: int, n_items: int) -> int:
        return max(1, round(self.rank * min(n_users, n_items)))

    def _memory(self, n_users: int, n_items: int, n_ratings: int) -> int:
        found = self._count_factors(n_users, n_items)
        vectors = 8 * ((2 * found + 1) * min(n_users, n_items) + 2 * found * (n_users + n_items))
        return super()._memory(n_users, n_items, n_ratings) + vectors

    def _seconds(self, n_users: int, n_items: int, n_ratings: int) -> float:
        found = self._count_factors(n_users, n_items)
        return 4e-8 * found * n_ratings + 8e-9 * found**2 * (n_users + n_items)

    def _encode_choices(self, chosen: sparse.csr_array) -> Vectors:
        found = products(chosen, self.basis_) * _inverse_root(np.diff(chosen.indptr))[:, None]
        return vectors(found, np.zeros(len(found)))

    def _items(self) -> Vectors:
        return vectors(self.factors_, np.zeros(len(self.factors_)))

    def _contributions(self, history: sparse.csr_array, column: int) -> FloatArray:
        alone = self._score(self._encode(each_alone(history)))[:, column]  # as of a user with one choice
        return alone * _inverse_root(positives(history, self.ratings_.scale, self.relevant).nnz)

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"basis": self.basis_, "factors": self.factors_}

    def _expected_arrays(self, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
        shape = (self.ratings_.n_items, self.summary_["factors"])
        return {"basis": Expected("float32", shape), "factors": Expected("float32", shape)}

    def _set_arrays(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.basis_, self.factors_ = arrays["basis"], arrays["factors"]


def _inverse_root(counts: npt.NDArray[Any] | int) -> npt.NDArray[np.float64]:
    """1 / √count, 0 where nothing was chosen."""
    return np.where(counts > 0, 1 / np.sqrt(np.maximum(counts, 1)), 0.0)
