"""∞-AE (Sachdeva et al.: Infinite Recommendation Networks, NeurIPS 2022): an autoencoder of infinitely many hidden
units, trained to its end, in closed form.

It is kernel ridge regression from users to users, with the neural tangent kernel of one hidden ReLU layer (Jacot et
al., NeurIPS 2018; the arc-cosine kernels of Cho and Saul, NeurIPS 2009) on choices of length 1. With c = cos(x, y) and
θ = arccos c

    k(x, y) = (c (π − θ) + √(1 − c²)) / π  +  c (π − θ) / π

score(u, ·) = k(x_u, X) · (K + λ·m·I)⁻¹ · D · X, with K = k(X, X), m = 2 its mean diagonal and D = diag(n_v^−q/2) of
users v with n_v choices; with q = 0 it is ∞-AE. Memory is one matrix users × users of the users that chose anything;
new users need no training.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec import checks, words
from autorec.errors import NotEnoughMemoryError
from autorec.memory import available_memory
from autorec.models.base import IntArray, OnValidation, Recommender, Scores
from autorec.models.ease import invert
from autorec.ranking.positives import positives
from autorec.ratings import validity
from autorec.ratings.matrix import Ratings
from autorec.storage.arrays import Expected, Shape

_ROWS = 256  # of the kernel matrix in a block


class InfAE(Recommender):
    """A model of choice: x_ui is 1 where u rated i at `relevant` or above, else 0.

    score(u, ·) = k(x_u, X) · (K + λ·m·I)⁻¹ · D · X, K = k(X, X) the neural tangent kernel of one hidden ReLU layer, m =
    2 its diagonal, D = diag(n^−q/2) for users with n choices; predicts no ratings.

    l2           λ, in units of the kernel's diagonal
    user_weight  q: the choices of a user with n of them are learned as n^−q/2, so that those who choose most do not
                 decide alone; 0 is ∞-AE
    relevant     the lowest rating that counts as a choice; None: low + ¾·(high − low) of the scale, 4 on 1 … 5
    half_life    days after which a choice in a user's history counts half; "auto": chosen on the latest
                 ratings, none without dates; None: all count alike; see `autorec.models.recency`

    Learned: `choices_` X [n × items], of the n users with a choice; `inverse_` (K + λ·m·I)⁻¹ · D [n × n] float32.
    NotEnoughMemoryError: it does not fit.

    >>> ratings = autorec.load_sample()
    >>> autorec.InfAE(l2=10).fit(ratings).recommend([1], n=1).columns.tolist()
    ['user', 'item', 'score', 'rank', 'title']
    """

    rates: ClassVar[bool] = False
    choices_: sparse.csr_array  # X [users × items], of the users of the training that chose anything
    inverse_: npt.NDArray[np.float32]  # (K + λ·m·I)⁻¹ · D [users × users]

    def __init__(
        self,
        l2: float = 7.0,
        user_weight: float = 0.5,
        relevant: float | None = None,
        half_life: float | words.Auto | None = None,
    ) -> None:
        self.l2 = l2
        self.user_weight = user_weight
        self.relevant = relevant
        self.half_life = half_life

    def _check_parameters(self) -> None:
        checks.number("l2", self.l2, above=0)
        checks.number("user_weight", self.user_weight, least=0)
        checks.optional(checks.number, "relevant", self.relevant)
        checks.half_life(self.half_life)

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        chosen = _drop_empty_rows(positives(ratings.csr, ratings.scale, self.relevant))
        n = chosen.shape[0]
        needed, free = 4 * n**2, available_memory()
        if free is not None and needed > free:
            raise NotEnoughMemoryError(
                f"InfAE on {n:,} users needs about {needed / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free: use "
                "svd-ae, whose memory grows with the users and not with their square"
            )
        matrix = kernel(chosen, chosen)
        np.fill_diagonal(matrix, matrix.diagonal() + np.float32(2 * self.l2))
        invert(matrix)
        matrix *= (np.diff(chosen.indptr) ** (-self.user_weight / 2)).astype(np.float32)
        self.choices_, self.inverse_ = chosen, matrix
        return {"positives": int(chosen.nnz), "kernel_users": n}

    def _memory(self, n_users: int, n_items: int, n_ratings: int) -> int:
        return 4 * n_users**2 + super()._memory(n_users, n_items, n_ratings)

    def _seconds(self, n_users: int, n_items: int, n_ratings: int) -> float:
        return 1.5e-11 * n_users**3 + 2e-9 * n_ratings * n_users

    def _score(self, users: sparse.csr_array) -> Scores:
        """Choices [B × items] → scores [B × items] float32; 0 for a user without a choice."""
        weights = kernel(users, self.choices_) @ self.inverse_  # [B × users]
        return np.ascontiguousarray((self.choices_.T @ weights.T).T)

    def _similarities(self) -> Callable[..., Scores]:
        """The scores of a user who chose one item alone."""
        alone = sparse.csr_array(sparse.eye_array(self.ratings_.n_items, dtype=np.float32))

        def alone_with(columns: IntArray, others: Any = slice(None)) -> Scores:
            return self._score(sparse.csr_array(alone[columns]))[:, others]

        return alone_with

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"inverse": self.inverse_, "indices": self.choices_.indices, "indptr": self.choices_.indptr}

    def _expected_arrays(self, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
        n = self.summary_["kernel_users"]
        return {
            "inverse": Expected("float32", (n, n)),
            "indices": Expected("index", (self.summary_["positives"],)),
            "indptr": Expected("index", (n + 1,)),
        }

    def _set_arrays(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        ones = np.ones(len(arrays["indices"]), dtype=np.float32)
        shape = (len(arrays["inverse"]), self.ratings_.n_items)
        self.choices_ = validity.adopt(sparse.csr_array((ones, arrays["indices"], arrays["indptr"]), shape=shape))
        self.inverse_ = arrays["inverse"]


def kernel(left: sparse.csr_array, right: sparse.csr_array) -> Scores:
    """[B × n] k of each row of `left` [B × m] with each of `right` [n × m]; 0 for a row without choices, whose angle to
    others is not defined."""
    transposed = _normalise(right).T.tocsr()
    scaled = _normalise(left)
    found = np.empty((left.shape[0], right.shape[0]), dtype=np.float32)
    for start in range(0, len(found), _ROWS):
        rows = slice(start, start + _ROWS)
        cosine = np.minimum((scaled[rows] @ transposed).toarray(), 1)  # [rows × n]
        angle = np.arccos(cosine)
        found[rows] = (2 * cosine * (np.pi - angle) + np.sqrt(1 - cosine**2)) / np.pi
    found[np.diff(left.indptr) == 0] = 0
    found[:, np.diff(right.indptr) == 0] = 0
    return found


def _normalise(chosen: sparse.csr_array) -> sparse.csr_array:
    """Rows of length 1."""
    rows = np.repeat(np.arange(chosen.shape[0]), np.diff(chosen.indptr))  # [choices]
    squares = np.bincount(rows, weights=np.square(chosen.data, dtype=np.float64), minlength=chosen.shape[0])
    values = (chosen.data / np.sqrt(squares)[rows]).astype(np.float32)
    return sparse.csr_array((values, chosen.indices, chosen.indptr), shape=chosen.shape)


def _drop_empty_rows(chosen: sparse.csr_array) -> sparse.csr_array:
    """The rows that hold a choice."""
    return chosen[np.flatnonzero(np.diff(chosen.indptr))]
