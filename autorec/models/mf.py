"""Biased matrix factorisation by alternating least squares: what every rating model should be compared with.

    r̂(u, i) = mean + b_u + b_i + p_u · q_i                                  (Koren, Bell, Volinsky, IEEE Computer 2009)

    Σ_observed (r − r̂)²  +  λ (Σ_u n_u (‖p_u‖² + b_u²)  +  Σ_i n_i (‖q_i‖² + b_i²))     (ALS-WR: Zhou et al., AAIM 2008)

n_u, n_i: numbers of ratings. With the items fixed, each user's (p_u, b_u) is a ridge regression, and so is each
item's with the users fixed; a sweep solves both exactly, so that the objective never rises. Ratings are mapped to
1 … 5 as in AutoRec, so that λ means the same on every scale.

The regressions of rows of similar length are padded to one length and solved together: one batched product makes their
equations, one batched call solves them. There are as many equations as factors, or as entries where a row has fewer.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec import checks, progress
from autorec.fitting.scale import inside, outside
from autorec.models.base import FloatArray, IntArray, OnValidation, RandomState, Recommender
from autorec.models.columns import ridge
from autorec.models.vectors import Vectors, vectors
from autorec.ratings.matrix import Ratings
from autorec.storage.arrays import Expected, Shape
from autorec.threads import libraries_on_one_thread, run_in_threads, thread_count

Solutions = npt.NDArray[np.float64]  # [n × (f + 1)]: factors, bias

_ENTRIES = 2**12  # padded entries of a block: with 50 factors they take 1.7 MB and stay in a cache
_LONGER = 1.25  # the longest row of a block, in lengths of its shortest


class BiasedMF(Recommender):
    """Biased matrix factorisation; new users and items fold in by the same regression, exactly, without training.

    r̂(u, i) = mean + b_u + b_i + p_u · q_i lowers, on the scale 1 … 5 and with n_u and n_i ratings,
    Σ_observed (r − r̂)² + λ (Σ_u n_u (‖p_u‖² + b_u²) + Σ_i n_i (‖q_i‖² + b_i²)).

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


def solve_rows(csr: sparse.csr_array, others: Solutions, l2: float) -> Solutions:
    """Ridge regressions of all rows: csr [n × m] targets, others [m × (f + 1)] → [n × (f + 1)], zeros for a row without
    entries. l2 = λ > 0. Of a row with n entries t, whose columns have the vectors (q, b),

        x = argmin Σ (t − b − x · (q, 1))²  +  λ n ‖x‖²

    The same bits with any number of threads.
    """
    m, size = others.shape
    table = np.zeros((m + 1, size + 1))  # (factors, 1, bias); the last row is zeros, for padding
    table[:m, : size - 1], table[:m, size - 1], table[:m, size] = others[:, :-1], 1, others[:, -1]
    indices, targets = np.append(csr.indices, m), np.append(csr.data, csr.data.dtype.type(0))
    found = np.zeros((csr.shape[0], size))

    def solve(rows: IntArray) -> None:
        starts, lengths = csr.indptr[rows].astype(np.int64), csr.indptr[rows + 1] - csr.indptr[rows]
        penalties = l2 * lengths.astype(np.float64)
        if lengths.max() < size:
            z: Solutions = _gather_entries(starts, lengths, range(int(lengths.max())), indices, targets, table)
            found[rows] = _solve_by_entries(z[..., :size], z[..., size], penalties)
        else:
            found[rows] = _solve_by_factors(_sum_products(starts, lengths, indices, targets, table), penalties)

    blocks = list(_make_blocks(np.diff(csr.indptr)))
    with libraries_on_one_thread():
        run_in_threads(lambda i: solve(blocks[i]), len(blocks))
    return found


def work_bytes(size: int) -> int:
    """Bytes of the temporary arrays of all threads, at most, about; size: f + 1."""
    return thread_count() * 3 * 8 * max(_ENTRIES, size) * (size + 1)


def _make_blocks(lengths: IntArray) -> Iterator[IntArray]:
    """Rows in groups of similar length, the longest first; none of length 0."""
    order = np.argsort(-lengths, kind="stable")
    longest_first = lengths[order]
    start, end = 0, int(np.searchsorted(-longest_first, 0))
    while start < end:
        longest = longest_first[start]
        similar = int(np.searchsorted(-longest_first, -longest / _LONGER, side="right"))
        stop = min(similar, start + max(1, _ENTRIES // int(longest)))
        yield order[start:stop]
        start = stop


def _solve_by_factors(products: Solutions, penalties: Solutions) -> Solutions:
    """[rows × size] x = (ZᵀZ + penalty·I)⁻¹ Zᵀt; products [rows × (size + 1) × (size + 1)] of (Z, t)."""
    size = products.shape[1] - 1
    diagonal = np.arange(size)
    products[:, diagonal, diagonal] += penalties[:, None]
    return np.asarray(np.linalg.solve(products[:, :size, :size], products[:, :size, size:])[..., 0])


def _solve_by_entries(Z: Solutions, t: Solutions, penalties: Solutions) -> Solutions:
    """[rows × size] the same x = Zᵀ(ZZᵀ + penalty·I)⁻¹ t, by as many equations as a row has entries.

    Z [rows × entries × size], t [rows × entries]."""
    products = Z @ Z.transpose(0, 2, 1)
    diagonal = np.arange(Z.shape[1])
    products[:, diagonal, diagonal] += penalties[:, None]
    return np.asarray((np.linalg.solve(products, t[..., None]).transpose(0, 2, 1) @ Z)[:, 0])


def _sum_products(starts: IntArray, lengths: IntArray, indices: IntArray, targets: Any, table: Any) -> Solutions:
    """[rows × (size + 1) × (size + 1)] Σ zᵀz over the entries of each row, z = (factors, 1, target − bias)."""
    products = np.zeros((len(starts), table.shape[1], table.shape[1]))
    longest = int(lengths.max())
    for first in range(0, longest, _ENTRIES):  # a row longer than a block is taken in pieces
        z = _gather_entries(starts, lengths, range(first, min(first + _ENTRIES, longest)), indices, targets, table)
        products += np.matmul(z.transpose(0, 2, 1), z)
    return products


def _gather_entries(
    starts: IntArray, lengths: IntArray, positions: range, indices: IntArray, targets: Any, table: Any
) -> Solutions:
    """[rows × positions × (size + 1)] z of the entries at these positions of each row; zeros beyond its end."""
    position = np.asarray(positions)
    entries = np.where(position < lengths[:, None], starts[:, None] + position, len(indices) - 1)
    z: Solutions = table.take(indices[entries], axis=0)
    np.subtract(targets[entries], z[..., -1], out=z[..., -1])
    return z
