"""Biased matrix factorisation by alternating least squares: what every rating model should be compared with.

    r̂(u, i) = mean + b_u + b_i + p_u · q_i                                  (Koren, Bell, Volinsky, IEEE Computer 2009)

    Σ_observed (r − r̂)²  +  λ (Σ_u n_u (‖p_u‖² + b_u²)  +  Σ_i n_i (‖q_i‖² + b_i²))     (ALS-WR: Zhou et al., AAIM 2008)

n_u, n_i: numbers of ratings. With the items fixed, each user's (p_u, b_u) is a ridge regression, and so is each
item's with the users fixed; a sweep solves both exactly, so that the objective never rises. Ratings are mapped to
1 … 5 as in AutoRec, so that λ means the same on every scale.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec import checks, progress
from autorec.fitting.scale import inside, outside
from autorec.models.base import FloatArray, IntArray, OnValidation, RandomState, Recommender
from autorec.models.columns import ridge
from autorec.models.ridge import Solutions, solve_rows, work_bytes
from autorec.models.vectors import Vectors, vectors
from autorec.ratings.matrix import Ratings
from autorec.storage.arrays import Expected, Shape


class BiasedMF(Recommender):
    """Biased matrix factorisation; new users and items fold in by the same regression, exactly, without training.

    factors       f
    l2            λ
    sweeps        over users and items
    random_state  seed of the initial vectors, normal with sd 0.1

    Learned: `users_` [users × (f + 1)] and `items_` [items × (f + 1)], p or q and then the bias; `mean_`; all float64
    on the scale 1 … 5.

    >>> ratings = autorec.load_sample()
    >>> model = autorec.BiasedMF(factors=4, sweeps=3).fit(ratings)
    >>> model.item_vectors().shape
    (300, 4)
    """

    users_: Solutions
    items_: Solutions
    mean_: float

    def __init__(self, factors: int = 50, l2: float = 0.07, sweeps: int = 15, random_state: RandomState = 0) -> None:
        self.factors = factors
        self.l2 = l2
        self.sweeps = sweeps
        self.random_state = random_state

    def _check_parameters(self) -> None:
        checks.whole("factors", self.factors)
        checks.number("l2", self.l2, above=0)
        checks.whole("sweeps", self.sweeps)
        checks.random_state("random_state", self.random_state)

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        factors, sweeps = int(self.factors), int(self.sweeps)
        rng = np.random.default_rng(checks.seed("random_state", self.random_state))
        csr = inside(ratings.csr, ratings.scale)
        self.mean_ = float(csr.data.mean(dtype=np.float64))
        by_item = csr.T.tocsr()
        self.users_ = np.zeros((ratings.n_users, factors + 1))
        self.items_ = rng.normal(0, 0.1, (ratings.n_items, factors + 1))
        self.items_[:, -1] = 0
        with progress.bar("alternating least squares", sweeps) as update:
            for sweep in range(sweeps):
                update(sweep, f"sweep {sweep + 1} of {sweeps}")
                self.users_ = self._solve(csr, self.items_)
                self.items_ = self._solve(by_item, self.users_)
        return {"sweeps": sweeps}

    def _solve(self, csr: sparse.csr_array, others: Solutions) -> Solutions:
        """Ratings [n × m] and the vectors [m × (f + 1)] of their columns → those of their rows [n × (f + 1)]; zeros for
        a row without ratings."""
        targets = sparse.csr_array((csr.data - self.mean_, csr.indices, csr.indptr), shape=csr.shape)
        return solve_rows(targets, others, self.l2)

    def _memory(self, n_users: int, n_items: int, n_ratings: int) -> int:
        vectors = 2 * 8 * (self.factors + 1) * (n_users + n_items)  # a sweep makes new ones
        return super()._memory(n_users, n_items, n_ratings) + vectors + work_bytes(self.factors + 1)

    def _seconds(self, n_users: int, n_items: int, n_ratings: int) -> float:
        size = self.factors + 1
        return self.sweeps * ((1e-10 * size**2 + 3e-8) * n_ratings + 1e-6 * (n_users + n_items))

    def _encode(self, histories: sparse.csr_array) -> Vectors:
        return self._vectors(self._with_users(histories)["users_"])

    def _users(self, rows: IntArray) -> Vectors:
        return self._vectors(self.users_[rows])

    def _vectors(self, users: Solutions) -> Vectors:
        return vectors(users[:, :-1], users[:, -1] + self.mean_)

    def _items(self) -> Vectors:
        return vectors(self.items_[:, :-1], self.items_[:, -1])

    def _contributions(self, history: sparse.csr_array, column: int) -> FloatArray:
        """The user's vector is a ridge regression, linear in what the mean and the items' biases leave of the
        ratings."""
        rated, items = history.indices, self.items_.copy()
        left = inside(history, self.ratings_.scale).data - self.mean_ - items[rated, -1]
        items[:, -1] = 1  # the user's own bias is the weight of this unit
        return np.asarray(left * ridge(items[rated].T, items[column], self.l2 * len(rated)))

    def _to_ratings(self, scores: FloatArray) -> FloatArray:
        return outside(scores, self.ratings_.scale)

    def _with_users(self, histories: sparse.csr_array) -> dict[str, Any]:
        return {"users_": self._solve(inside(histories, self.ratings_.scale), self.items_)}

    def _with_items(self, histories: sparse.csr_array) -> dict[str, Any]:
        return {"items_": self._solve(inside(histories, self.ratings_.scale).T.tocsr(), self.users_)}

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"users": self.users_, "items": self.items_, "mean": np.array([self.mean_])}

    def _expected_arrays(self, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
        ratings, width = self.ratings_, self.factors + 1
        return {
            "users": Expected("float64", (ratings.n_users, width)),
            "items": Expected("float64", (ratings.n_items, width)),
            "mean": Expected("float64", (1,)),
        }

    def _set_arrays(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.users_, self.items_, self.mean_ = arrays["users"], arrays["items"], float(arrays["mean"][0])
