"""EASE (Steck: Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019): a linear autoencoder in closed form.

No loop, no random numbers: B = −P / diag(P) with P = (XᵀX + λI)⁻¹ and diag(B) = 0, the minimum of ‖X − XB‖² + λ‖B‖²
under that constraint. score(u, ·) = x_u · B. Memory is one dense items × items matrix of float32, in which XᵀX becomes
P and P becomes B, so it is for catalogues of up to some tens of thousands of items. The time is that of an inverse,
items³, or with few users, users³: then P = (I − Xᵀ(XXᵀ + λI)⁻¹X) / λ (Woodbury's identity).

EDLAE (Steck: Autoencoders that don't overfit towards the identity, NeurIPS 2020) is the same with a dropout p of the
inputs: the minimum of the expected ‖X − X̂B‖² + λ‖B‖² with diag(B) = 0, each entry of X̂ being 0 with probability p, else
that of X divided by 1 − p, has P = (XᵀX + p/(1−p) · diag(XᵀX) + λI)⁻¹.

RLAE and RDLAE (Moon, Kim and Lee: It's enough, SIGIR 2023) ask for diag(B) ≤ ξ alone. With Λ the diagonal added to XᵀX
the minimum is B = I − P diag(m), m_j = max(Λ_jj, (1 − ξ) / P_jj): a column whose ridge regression has a larger diagonal
than ξ gets ξ (Karush, Kuhn and Tucker), any other is that regression. ξ = 0 is EASE, ξ ≥ 1 plain ridge regression.

The column of a new item, which is no input of others, is the ridge regression P Xᵀ x of its choices x on all items.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse
from sklearn.base import clone

from autorec import checks, words
from autorec.errors import NotEnoughMemoryError, ParameterError
from autorec.memory import available_memory
from autorec.models.base import FloatArray, IntArray, OnValidation, Recommender, Scores
from autorec.network import kernels
from autorec.network.ranges import run_in_ranges
from autorec.ranking.positives import positives
from autorec.ratings.matrix import Ratings
from autorec.storage import csr_arrays
from autorec.storage.arrays import Expected, Shape

_ROWS = 256  # of the matrix in a block
_FEW_USERS = 0.25  # users an item, below which inverting [users × users] is faster and takes no more memory


class Ease(Recommender):
    """A model of choice: x_ui is 1 where u rated i at `relevant` or above, else 0.

    score(u, ·) = x_u · B, B [items × items] the minimum of ‖X − XB‖² + λ‖B‖² with diag(B) = 0, in closed form; predicts
    no ratings.

    l2           λ; 500 suits MovieLens, more for sparser data; with dropout less
    dropout      p of EDLAE, 0 ≤ p < 1; 0 is EASE
    diagonal     ξ of RLAE, at least 0, the largest weight that an item may have for itself; 0 is EASE. What was chosen
                 is not ranked, but columns that lean on themselves come out smaller
    user_weight  q: the squared error of a user with n choices counts n^−q times, scaled to a mean of 1, so that those
                 who choose most do not decide alone; 0 is EASE
    relevant     the lowest rating that counts as a choice; None: low + ¾·(high − low) of the scale, 4 on 1 … 5
    half_life    days after which a choice in a user's history counts half; "auto": chosen on the latest
                 ratings, none without dates; None: all count alike; see `autorec.models.recency`

    Learned: `weights_` B [items × items] and `inverse_diagonal_` diag(P) [items], float32. NotEnoughMemoryError: B does
    not fit.

    >>> ratings = autorec.load_sample()
    >>> model = autorec.Ease(l2=100).fit(ratings)
    >>> model.similar(1, n=2)[["similar", "rank", "title"]]
       similar  rank                             title
    0      191     1  A Night at the Neighbours (1985)
    1       31     2      Trouble at the Bakery (1989)
    """

    rates: ClassVar[bool] = False
    additive: ClassVar[bool] = True
    weights_: Scores  # B, [items × items], or [items of the training × items] where new ones were folded in
    inverse_diagonal_: Scores  # diag(P), [items of the training]
    _known: sparse.csr_array | None = None  # [users × items of the training] choices, where new items were folded in
    _gram: Scores | None = None  # kept between fits of one search only

    def __init__(
        self,
        l2: float = 500.0,
        dropout: float = 0.0,
        diagonal: float = 0.0,
        user_weight: float = 0.0,
        relevant: float | None = None,
        half_life: float | words.Auto | None = None,
    ) -> None:
        self.l2 = l2
        self.dropout = dropout
        self.diagonal = diagonal
        self.user_weight = user_weight
        self.relevant = relevant
        self.half_life = half_life

    def _check_parameters(self) -> None:
        checks.number("l2", self.l2, above=0)
        checks.share("dropout", self.dropout)
        checks.number("diagonal", self.diagonal, least=0)
        checks.number("user_weight", self.user_weight, least=0)
        checks.optional(checks.number, "relevant", self.relevant)
        checks.half_life(self.half_life)

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        if self._gram is None:
            self._require_matrices(*ratings.csr.shape)
        chosen = self._choices(ratings)
        gram = self._make_gram(chosen) if self._gram is None else self._gram.copy()
        if self._has_few_users(*chosen.shape):
            self.weights_, self.inverse_diagonal_ = _solve_by_users(chosen, gram, self.l2, self.diagonal)
        else:
            added = gram.diagonal() * np.float32(self.dropout / (1 - self.dropout)) + np.float32(self.l2)
            self.weights_, self.inverse_diagonal_ = _solve_by_items(gram, added, self.diagonal)
        self._known = None
        return {"positives": int(chosen.nnz)}

    def _fitter(self, ratings: Ratings) -> "Callable[..., Ease]":
        """For any `l2`, or any `dropout` above 0, with one Gram matrix where a second matrix of its size fits."""
        self._require_matrices(*ratings.csr.shape)
        needed, free = 2 * self._memory(*ratings.csr.shape, len(ratings)), available_memory()
        if free is not None and needed > free:
            return super()._fitter(ratings)
        gram = self._make_gram(self._choices(ratings))

        def fit_with(**settings: float) -> Ease:
            model: Ease = clone(self).set_params(**settings)
            model._gram = gram
            model.fit(ratings)
            model._gram = None
            return model

        return fit_with

    def _choices(self, ratings: Ratings) -> sparse.csr_array:
        """X [users × items], the rows times the square root of the users' weights."""
        chosen = positives(ratings.csr, ratings.scale, self.relevant)
        return _scale_rows(chosen, self._root_weights(np.diff(chosen.indptr))) if self.user_weight else chosen

    def _root_weights(self, counts: IntArray) -> FloatArray:
        """[users] square roots of the weights of users with so many choices."""
        weights = np.maximum(counts, 1.0) ** -self.user_weight
        return np.asarray(np.sqrt(weights / weights.mean(where=counts > 0) if counts.any() else weights))

    def _has_few_users(self, n_users: int, n_items: int) -> bool:
        """Whether to invert [users × users]; not with dropout, for which the diagonal added to XᵀX is not constant."""
        return n_users < _FEW_USERS * n_items and not self.dropout

    def _make_gram(self, chosen: sparse.csr_array) -> Scores:
        """XᵀX [items × items], or XXᵀ [users × users] where users are few."""
        return _multiply_by_itself(sparse.csr_array(chosen.T) if self._has_few_users(*chosen.shape) else chosen)

    def _require_matrices(self, n_users: int, n_items: int) -> None:
        needed, free = self._memory(n_users, n_items, 0), available_memory()
        if free is not None and needed > free:
            raise NotEnoughMemoryError(
                f"Ease on {n_items:,} items needs about {needed / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free: "
                "leave rare items out, or use pure-svd, whose memory grows with the items and not with their square"
            )

    def _memory(self, n_users: int, n_items: int, n_ratings: int) -> int:
        of_users = 24 * n_users**2 if self._has_few_users(n_users, n_items) else 0  # XXᵀ, its inverse, a copy
        return 4 * n_items**2 + of_users + super()._memory(n_users, n_items, n_ratings)

    def _seconds(self, n_users: int, n_items: int, n_ratings: int) -> float:
        if self._has_few_users(n_users, n_items):
            return 4e-11 * n_users**3 + 2e-9 * n_ratings * (n_users + n_items)
        return 1.5e-11 * n_items**3 + 2e-9 * n_ratings**2 / max(n_users, 1)

    def _encode_choices(self, chosen: sparse.csr_array) -> sparse.csr_array:
        self._refuse_folded()
        return chosen

    def _users(self, rows: IntArray) -> sparse.csr_array:
        return super()._users(rows) if self._known is None else self._known[rows]

    def _with_users(self, histories: sparse.csr_array) -> dict[str, Any]:
        self._refuse_folded()
        return {}

    def _with_items(self, histories: sparse.csr_array) -> dict[str, Any]:
        """B = P XᵀWx of the columns x of `histories` [users × new items], W the users' weights, P = (I − B) / m."""
        self._refuse_folded()
        known = self._encode(self.ratings_.csr)
        new = positives(histories, self.ratings_.scale, self.relevant)
        root = self._root_weights(np.diff(known.indptr))
        together = (_scale_rows(known, root).T @ _scale_rows(new, root)).toarray()  # [items × new items]
        together *= (self.inverse_diagonal_ / (1 - self.weights_.diagonal()))[:, None]  # 1 / m_j = P_jj / (1 − B_jj)
        return {"weights_": together - self.weights_ @ together, "_known": self._users(np.arange(len(root)))}

    def _refuse_folded(self) -> None:
        if self._known is not None:
            raise ParameterError(
                "the items of this model were folded in, and users are known by those it was fitted on; fold the users "
                "into the model as it was fitted"
            )

    def _score(self, users: sparse.csr_array) -> Scores:
        """Choices [B × items] → [B × items] float32 sums of the weights of the items chosen."""
        return products(users, self.weights_)

    def _similarities(self) -> Callable[..., Scores]:
        """−P_ij / √(P_ii P_jj), the partial correlation of the columns of i and j given all other items: with the sign
        of B_ij √(B_ij B_ji / (1 − B_ii) (1 − B_jj)), as B_ij = −P_ij (1 − B_jj) / P_jj."""

        self._refuse_folded()
        root = np.sqrt(1 - self.weights_.diagonal())

        def partial_correlations(columns: IntArray, others: Any = slice(None)) -> Scores:
            out, back = self.weights_[columns][:, others], self.weights_.T[columns][:, others]
            found = np.sign(out) * np.sqrt(np.maximum(out * back, 0))
            return np.asarray(found / (root[columns][:, None] * root[others]))

        return partial_correlations

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        known = {} if self._known is None else csr_arrays.pack(self._known)
        return {"weights": self.weights_, "inverse_diagonal": self.inverse_diagonal_, **known}

    def _expected_arrays(self, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
        folded = "indptr" in shapes
        n_items = "known items" if folded else self.ratings_.n_items
        return {
            "weights": Expected("float32", (n_items, self.ratings_.n_items)),
            "inverse_diagonal": Expected("float32", (n_items,), least=0),
            **(csr_arrays.expected(self.ratings_.n_users) if folded else {}),
        }

    def _set_arrays(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.weights_, self.inverse_diagonal_ = arrays["weights"], arrays["inverse_diagonal"]
        shape = (self.ratings_.n_users, len(self.weights_))
        self._known = csr_arrays.unpack(arrays, shape) if "indptr" in arrays else None


def _scale_rows(X: sparse.csr_array, factors: FloatArray) -> sparse.csr_array:
    """X [n × m], its rows times factors [n], float32."""
    values = X.data * np.repeat(factors, np.diff(X.indptr)).astype(np.float32)
    return sparse.csr_array((values, X.indices, X.indptr), shape=X.shape)


def _multiply_by_itself(X: sparse.csr_array) -> Scores:
    """[n × n] XᵀX, float32, of X [m × n], made in blocks of rows so that no second matrix of that size is there."""
    n = X.shape[1]
    transposed = sparse.csr_array(X.T)
    gram = np.empty((n, n), dtype=np.float32)
    for start in range(0, n, _ROWS):
        gram[start : start + _ROWS] = (transposed[start : start + _ROWS] @ X).toarray()
    return gram


def _solve_by_items(gram: Scores, added: Scores, most: float) -> tuple[Scores, Scores]:
    """B [items × items], in the memory of gram = XᵀX, and diag(P) [items]; added: Λ [items]; most: ξ."""
    weights = gram
    np.fill_diagonal(weights, gram.diagonal() + added)
    invert(weights)
    of_inverse = weights.diagonal().copy()
    factors = np.maximum(added, np.float32(1 - most) / of_inverse)  # m
    weights *= -factors
    np.fill_diagonal(weights, _limit(1 - factors * of_inverse, most))
    return weights, of_inverse


def _solve_by_users(chosen: sparse.csr_array, gram: Scores, l2: float, most: float) -> tuple[Scores, Scores]:
    """The same B and diag(P) of gram = XXᵀ: with M = Xᵀ(XXᵀ + λI)⁻¹X it is P = (I − M) / λ, and so B_ij = M_ij m_j / λ
    for i ≠ j."""
    inverse = linalg.inv(gram + l2 * np.eye(len(gram)))  # [users × users] float64
    by_item = sparse.csr_array(chosen.T)
    n_items = len(by_item.indptr) - 1
    weights, rest = np.empty((n_items, n_items), dtype=np.float32), np.empty(n_items)
    for start in range(0, n_items, _ROWS):
        rows = slice(start, start + _ROWS)
        half = by_item[rows] @ inverse  # [rows × users]
        weights[rows] = products(by_item, half.T.astype(np.float32)).T
        rest[rows] = 1 - by_item[rows].multiply(half).sum(axis=1)
    factors = np.maximum(1, (1 - most) / rest)  # m / λ
    weights *= factors.astype(np.float32)
    np.fill_diagonal(weights, _limit(1 - factors * rest, most))
    return weights, (rest / l2).astype(np.float32)


def _limit(diagonal: FloatArray, most: float) -> FloatArray:
    """diag(B) [items] without what rounding adds; below 1."""
    return np.clip(diagonal, 0.0, min(most, 1 - float(np.finfo(np.float32).eps)))


def invert(A: Scores) -> None:
    """Invert a symmetric positive definite matrix A [n × n] in place, by Cholesky: n³ multiplications.

    LinAlgError: A is not positive definite.
    """
    factor, failed = linalg.lapack.spotrf(A.T, lower=True, overwrite_a=True)  # A.T: in the order of LAPACK, no copy
    if failed:
        raise linalg.LinAlgError(f"no Cholesky factor: LAPACK's spotrf gave up with {failed}")
    inverse, _ = linalg.lapack.spotri(factor, lower=True, overwrite_c=True)  # its lower triangle
    if not np.shares_memory(inverse, A):
        A[:] = inverse.T
    for start in range(0, len(A), _ROWS):  # A holds the upper triangle: the lower one is its mirror
        rows = slice(start, start + _ROWS)
        block = A[rows, rows]
        block += np.triu(block, 1).T - np.tril(block, -1)
        A[start + _ROWS :, rows] = A[rows, start + _ROWS :].T


def products(left: sparse.csr_array, right: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """left [n × m] sparse · right [m × k] dense → [n × k], on all threads."""
    out = np.empty((left.shape[0], right.shape[1]), dtype=np.float32)
    indptr, indices, values = left.indptr.astype(np.int64), left.indices.astype(np.int32), left.data.astype(np.float32)
    run_in_ranges(kernels.encode, indptr, indptr, indices, values, np.ascontiguousarray(right), out, per_thread=4)
    return out
