"""PureSVD (Cremonesi, Koren, Turrin, RecSys 2010): the truncated singular value decomposition of the choices.

score(u, ·) = x_u · Q · Qᵀ, Q [items × f] the right singular vectors of X, x_u the choices of u. A linear autoencoder of
rank f in closed form; new users need no training. SciPy's `svds` (ARPACK) takes X as it is, sparse.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse
from scipy.sparse.linalg import ArpackNoConvergence, svds
from sklearn.utils.extmath import randomized_svd

from autorec import checks, words
from autorec.models.base import OnValidation, RandomState, Recommender
from autorec.models.ease import products
from autorec.models.vectors import Vectors, vectors
from autorec.ranking.positives import positives
from autorec.ratings.matrix import Ratings
from autorec.storage.arrays import Expected, Shape

_RESTARTS = 300  # of ARPACK, which takes some ten where it converges at all
_ROUNDS = 30  # power iterations of the randomised SVD in its place


class PureSVD(Recommender):
    """A model of choice: x_ui is 1 where u rated i at `relevant` or above, else 0.

    score(u, ·) = x_u · Q · Qᵀ, Q [items × f] the right singular vectors of X with the f largest values; predicts no
    ratings.

    factors       f; at most the number of users or of items
    relevant      the lowest rating that counts as a choice; None: low + ¾·(high − low) of the scale, 4 on 1 … 5
    half_life     days after which a choice in a user's history counts half; "auto": chosen on the latest
                  ratings, none without dates; None: all count alike; see `autorec.models.recency`
    random_state  seed of the vector that ARPACK starts from

    Learned: `factors_` Q [items × f] float32.

    >>> ratings = autorec.load_sample()
    >>> autorec.PureSVD(factors=4).fit(ratings).user_vectors().shape
    (600, 4)
    """

    rates: ClassVar[bool] = False
    additive: ClassVar[bool] = True
    factors_: npt.NDArray[np.float32]  # Q

    def __init__(
        self,
        factors: int = 50,
        relevant: float | None = None,
        half_life: float | words.Auto | None = None,
        random_state: RandomState = 0,
    ) -> None:
        self.factors = factors
        self.relevant = relevant
        self.half_life = half_life
        self.random_state = random_state

    def _check_parameters(self) -> None:
        checks.whole("factors", self.factors)
        checks.random_state("random_state", self.random_state)
        checks.optional(checks.number, "relevant", self.relevant)
        checks.half_life(self.half_life)

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        seed = checks.seed("random_state", self.random_state)
        chosen = positives(ratings.csr, ratings.scale, self.relevant)
        right = truncated_svd(chosen, self.factors, seed)[2]
        self.factors_ = np.ascontiguousarray(right.T, dtype=np.float32)
        return {"positives": int(chosen.nnz), "factors": len(right)}

    def _memory(self, n_users: int, n_items: int, n_ratings: int) -> int:
        found = min(self.factors, n_users, n_items)
        basis = 2 * found + 1  # vectors that ARPACK keeps
        vectors = 8 * (basis * min(n_users, n_items) + 2 * found * (n_users + n_items))
        return super()._memory(n_users, n_items, n_ratings) + vectors

    def _seconds(self, n_users: int, n_items: int, n_ratings: int) -> float:
        products, vectors = 10 * self.factors, 2 * self.factors + 1  # of the ratings with a vector; what ARPACK keeps
        return products * 4e-9 * n_ratings + 2e-9 * vectors**2 * (n_users + n_items)

    def _encode_choices(self, chosen: sparse.csr_array) -> Vectors:
        return vectors(products(chosen, self.factors_), np.zeros(chosen.shape[0]))

    def _items(self) -> Vectors:
        return vectors(self.factors_, np.zeros(len(self.factors_)))

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"factors": self.factors_}

    def _expected_arrays(self, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
        return {"factors": Expected("float32", (self.ratings_.n_items, self.summary_["factors"]))}

    def _set_arrays(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.factors_ = arrays["factors"]


def truncated_svd(X: sparse.csr_array, factors: int, seed: int) -> tuple[Any, Any, Any]:
    """(U [n × f], singular values [f], Vᵀ [f × m]) of X [n × m], f = min(factors, n, m); float64."""
    X, smaller = X.astype(np.float64), min(X.shape)
    found: Any
    if not X.nnz:
        return np.zeros((X.shape[0], 1)), np.zeros(1), np.zeros((1, X.shape[1]))
    if factors >= smaller:  # ARPACK finds fewer than all; a matrix this narrow is small
        found = linalg.svd(X.toarray(), full_matrices=False)
    else:
        start = np.random.default_rng(seed).normal(size=smaller)
        try:
            found = svds(X, k=factors, v0=start, maxiter=_RESTARTS)
        except ArpackNoConvergence:  # where many singular values are alike; any of their vectors will do
            found = randomized_svd(X, factors, n_iter=_ROUNDS, random_state=seed)
    U, singular, Vt = found
    return U, singular, Vt
