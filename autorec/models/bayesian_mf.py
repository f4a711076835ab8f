"""Bayesian matrix factorisation whose priors know who rated what: averaged over many models, it hardly overfits.

    r̂(u, i) = mean + average over samples of (p_u · q_i + b_u + b_i)      at a time t also + c(u, day of t)

p, q and b are drawn by Gibbs sampling (`autorec.models.gibbs`), so that nothing is tuned: noise and penalties are drawn
too. The prior mean of a user's vector is Σ y_j / √n over the n items j that the user rated, whatever the ratings, as in
SVD++ (Koren, KDD 2008), and that of an item's vector the same sum over its users; y has rank k = `features`, found by a
truncated SVD. c is what a user's ratings of one day have in common (`autorec.models.user_days`). Ratings are mapped to
1 … 5 as in AutoRec.
"""

from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from autorec import checks, progress, words
from autorec.array_types import Float32, FloatArray, IntArray
from autorec.errors import ParameterError
from autorec.fitting.scale import inside, outside
from autorec.models import gibbs
from autorec.models.base import OnValidation, RandomState, Recommender
from autorec.models.gibbs import Prior
from autorec.models.missing import CELL_BYTES, Completion, solve_rows
from autorec.models.user_days import NO_DAYS, Sampler, UserDays, expected_arrays, find_days, from_arrays
from autorec.models.vectors import Vectors, vectors
from autorec.ratings.matrix import Ratings
from autorec.storage.arrays import Expected, Shape
from autorec.threads import libraries_on_one_thread

CERTAINTY, MOST_CERTAIN = 1.5, 400.0  # α to start from, and at most: beyond, float32 equations lose their digits
SWEEPS = 2  # for each sample that is kept: the next one resembles it
_SVD_ROUNDS = 2  # power iterations of the randomised SVD


class BayesianMF(Recommender):
    """Bayesian matrix factorisation with the pattern of what is rated as features; new users and items fold in by
    posterior means, without training.

    r̂(u, i) = mean + the average over S Gibbs samples of (p_u · q_i + b_u + b_i), at a time t also + c(u, day of t).

    factors       f of each sample
    features      k, at most the smaller number of users and items; 0: priors know nothing of who rated what
    burn_in       sweeps over users and items before the first sample is kept
    samples       kept, one in two sweeps; memory and the cost of a score grow with samples × factors
    days          whether, where ratings have timestamps, days of users have effects; they count where `predict` and
                  `evaluate` are given the time of a pair, of these users
    missing       "ignored": that a rating is missing says nothing of what it would be; "by-rating": P(rated) depends on
                  the rating (`autorec.models.missing`), for up to 10 million users × items, without features and days;
                  it wants a burn_in of about 100
    random_state  seed of all draws

    Learned, S samples, d = f + 1 (the bias last): `users_` [users × S × d] posterior means given the items of the same
    sample, `items_` [items × S × d] draws; `user_basis_` [users × k] and `item_basis_` [items × k], whose sums over a
    row's entries / √n are its features; `user_priors_` and `item_priors_`, S each; `certainties_` [S] α; `mean_`;
    `days_`; `propensities_` [S × 2] by which ratings are missing, `summary_["rated"]` their mean on the scale.

    >>> ratings = autorec.load_sample()
    >>> model = autorec.BayesianMF(factors=2, burn_in=1, samples=2).fit(ratings)
    >>> model.predict([1], [2]).shape
    (1,)
    """

    users_: Float32
    items_: Float32
    user_basis_: Float32 | None  # None where users were folded in
    item_basis_: Float32 | None
    user_priors_: list[Prior]
    item_priors_: list[Prior]
    certainties_: FloatArray
    mean_: float
    propensities_: FloatArray | None  # None where what is missing is ignored
    days_: UserDays  # none without dates, and where users were folded in

    def __init__(
        self,
        factors: int = 30,
        features: int = 100,
        burn_in: int = 20,
        samples: int = 50,
        days: bool = True,
        missing: words.Missing = "ignored",
        random_state: RandomState = 0,
    ) -> None:
        self.factors = factors
        self.features = features
        self.burn_in = burn_in
        self.samples = samples
        self.days = days
        self.missing = missing
        self.random_state = random_state

    def _check_parameters(self) -> None:
        checks.whole("factors", self.factors)
        checks.whole("features", self.features, least=0)
        checks.whole("burn_in", self.burn_in, least=0)
        checks.whole("samples", self.samples)
        checks.flag("days", self.days)
        checks.one_of("missing", self.missing, get_args(words.Missing))
        checks.random_state("random_state", self.random_state)

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        seed = checks.seed("random_state", self.random_state)
        csr = inside(ratings.csr, ratings.scale)
        self.mean_ = float(csr.data.mean(dtype=np.float64))
        by_user, by_item = self._targets(csr), self._targets(csr.T.tocsr())
        told: dict[str, Any] = {"sweeps": self.burn_in + SWEEPS * self.samples}
        if self.missing == "by-rating":
            filled = Completion(by_user, by_item)
            with libraries_on_one_thread():  # many small products
                self._sample(filled.by_user, filled.by_item, filled, 0, seed)
            self.propensities_, self.days_ = np.array(filled.propensities), NO_DAYS
            told["rated"] = self._describe_propensity(self.propensities_.mean(axis=0), ratings.scale)
        else:
            days = Sampler(find_days(ratings) if self.days else NO_DAYS, ratings, by_user, by_item)
            with libraries_on_one_thread():
                self._sample(by_user, by_item, days, self.features, seed)
            self.propensities_, (self.days_, levels) = None, days.average()
            self.users_[..., -1] += levels[:, None].astype(np.float32)
        return told | {"noise": float(np.mean(self.certainties_) ** -0.5)}

    def _describe_propensity(self, propensity: FloatArray, scale: tuple[float, float]) -> dict[str, float]:
        """(a, b) of targets on 1 … 5 → P(rated) = σ(intercept + slope · rating) on the scale of the ratings."""
        (a, b), (low, high) = propensity, scale
        step = 4 / (high - low)
        return {"intercept": float(a + b * (1 - low * step - self.mean_)), "slope": float(b * step)}

    def _sample(
        self, by_user: sparse.csr_array, by_item: sparse.csr_array, rest: Sampler | Completion, features: int, seed: int
    ) -> None:
        """Draw and keep all samples of vectors and of the rest of the model, which changes the targets by_user [users
        × items] and by_item [items × users]."""
        (n, m), size, count, rng = by_user.shape, self.factors + 1, int(self.samples), np.random.default_rng(seed)
        k = min(features, n, m)
        self.item_basis_, self.user_basis_ = find_basis(by_user, k, seed), find_basis(by_item, k, seed)
        of_users, of_items = project(by_user, self.item_basis_), project(by_item, self.user_basis_)
        user_prior = item_prior = gibbs.first_prior(size, k)
        items = rng.normal(0, 0.1, (m, size)).astype(np.float32)
        self.users_, self.items_ = np.empty((n, count, size), np.float32), np.empty((m, count, size), np.float32)
        self.user_priors_, self.item_priors_, self.certainties_ = [], [], np.empty(count)
        certainty, sweeps = CERTAINTY, self.burn_in + SWEEPS * count
        with progress.bar("Gibbs sampling", sweeps) as update:
            for sweep in range(sweeps):
                update(sweep, f"sweep {sweep + 1} of {sweeps}")
                means, users, _ = gibbs.draw_vectors(by_user, items, user_prior, of_users, certainty, rng)
                kept, more = divmod(sweep - self.burn_in, SWEEPS)
                if kept >= 0 and not more:
                    rest.keep()
                    self.users_[:, kept], self.items_[:, kept], self.certainties_[kept] = means, items, certainty
                    self.user_priors_.append(user_prior)
                    self.item_priors_.append(item_prior)
                user_prior = gibbs.draw_prior(users, of_users, user_prior, rng)
                _, items, residuals = gibbs.draw_vectors(by_item, users, item_prior, of_items, certainty, rng)
                item_prior = gibbs.draw_prior(items, of_items, item_prior, rng)
                error = float(np.square(residuals, dtype=np.float64).sum())
                certainty = min(rng.gamma(1 + by_user.nnz / 2, 1 / (1 + error / 2)), MOST_CERTAIN)
                rest.draw(residuals, certainty, rng)

    def _targets(self, csr: sparse.csr_array) -> sparse.csr_array:
        """Ratings [n × m] on 1 … 5 less their mean."""
        return sparse.csr_array((csr.data - np.float32(self.mean_), csr.indices, csr.indptr), shape=csr.shape)

    def _memory(self, n_users: int, n_items: int, n_ratings: int) -> int:
        numbers = (self.samples + 6) * (self.factors + 1) + 6 * self.features
        cells = CELL_BYTES * n_users * n_items if self.missing == "by-rating" else 0
        return super()._memory(n_users, n_items, n_ratings) + 4 * numbers * (n_users + n_items) + cells

    def _seconds(self, n_users: int, n_items: int, n_ratings: int) -> float:
        size, sweeps = self.factors + 1, self.burn_in + SWEEPS * self.samples
        entries = n_users * n_items if self.missing == "by-rating" else n_ratings
        sweep = (2.5e-10 * size**2 + 2e-8) * entries + 2e-10 * size**3 * (n_users + n_items)
        return 1e-8 * self.features * n_ratings + sweeps * sweep

    # --- vectors: those of all samples side by side ---------------------------------------------------------

    def _encode(self, histories: sparse.csr_array) -> Vectors:
        return self._vectors(self._with_users(histories)["users_"])

    def _users(self, rows: IntArray) -> Vectors:
        return self._vectors(self.users_[rows])

    def _vectors(self, users: Float32) -> Vectors:
        n, count, size = users.shape
        return vectors(users[..., :-1].reshape(n, count * (size - 1)) / count, users[..., -1].mean(axis=1) + self.mean_)

    def _items(self) -> Vectors:
        return vectors(self.items_[..., :-1].reshape(len(self.items_), -1), self.items_[..., -1].mean(axis=1))

    def _day_effects(self, rows: IntArray, timestamps: IntArray) -> FloatArray | None:
        return self.days_.at(rows, timestamps) if len(self.days_.keys) else None

    def _to_ratings(self, scores: FloatArray) -> FloatArray:
        return outside(scores, self.ratings_.scale)

    # --- fold-in: posterior means given the other side of each sample ---------------------------------------

    def _with_users(self, histories: sparse.csr_array) -> dict[str, Any]:
        if self.item_basis_ is None:
            raise _refusal("items", "users")
        rows = self._targets(inside(histories, self.ratings_.scale))
        found = self._posterior_means(rows, self.items_, self.user_priors_, self.item_basis_)
        return {"users_": found, "user_basis_": None, "item_priors_": [], "days_": NO_DAYS}

    def _with_items(self, histories: sparse.csr_array) -> dict[str, Any]:
        if self.user_basis_ is None:
            raise _refusal("users", "items")
        rows = self._targets(inside(histories, self.ratings_.scale).T.tocsr())
        found = self._posterior_means(rows, self.users_, self.item_priors_, self.user_basis_)
        return {"items_": found, "item_basis_": None, "user_priors_": []}

    def _posterior_means(self, rows: sparse.csr_array, others: Float32, priors: list[Prior], basis: Float32) -> Float32:
        """[n × S × d] of rows [n × m], given the vectors of their columns, others [m × S × d]."""
        features = project(rows, basis)
        found = np.empty((rows.shape[0], *others.shape[1:]), np.float32)
        for sample, prior in enumerate(priors):
            given = rows, others[:, sample], prior, features, float(self.certainties_[sample])
            if self.propensities_ is None:
                found[:, sample] = gibbs.draw_vectors(*given)[0]
            else:
                found[:, sample] = solve_rows(*given, self.propensities_[sample])
        return found

    # --- file -----------------------------------------------------------------------------------------------

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        arrays = {"users": self.users_, "items": self.items_, "certainties": self.certainties_}
        arrays |= {"mean": np.array([self.mean_])} | self.days_.arrays()
        arrays |= {} if self.propensities_ is None else {"propensities": self.propensities_}
        for side, other_basis, priors in self._folds():
            if other_basis is not None:
                arrays[f"{side}.other_basis"] = other_basis
                for name in ("mean", "precision", "link"):
                    arrays[f"{side}.{name}"] = np.stack([getattr(prior, name) for prior in priors])
        return arrays

    def _folds(self) -> tuple[tuple[str, Float32 | None, list[Prior]], ...]:
        """What new users and new items are solved by: the side, the basis of the other side, priors."""
        return ("user", self.item_basis_, self.user_priors_), ("item", self.user_basis_, self.item_priors_)

    def _expected_arrays(self, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
        n, m, count, size = self.ratings_.n_users, self.ratings_.n_items, self.samples, self.factors + 1
        expected = {
            "users": Expected("float32", (n, count, size)),
            "items": Expected("float32", (m, count, size)),
            "certainties": Expected("float64", (count,), least=0, most=MOST_CERTAIN),
            "mean": Expected("float64", (1,)),
            **expected_arrays(shapes, n),
        }
        if self.missing == "by-rating":
            expected["propensities"] = Expected("float64", (count, 2))
        for side, others in (("user", m), ("item", n)):
            if f"{side}.other_basis" in shapes:
                expected[f"{side}.other_basis"] = Expected("float32", (others, "k"))
                expected[f"{side}.mean"] = Expected("float64", (count, size))
                expected[f"{side}.precision"] = Expected("float64", (count, size, size))
                expected[f"{side}.link"] = Expected("float64", (count, "k", size))
        return expected

    def _set_arrays(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.users_, self.items_, self.certainties_ = arrays["users"], arrays["items"], arrays["certainties"]
        self.mean_, self.days_ = float(arrays["mean"][0]), from_arrays(arrays)
        self.propensities_ = arrays.get("propensities")
        self.item_basis_, self.user_basis_ = arrays.get("user.other_basis"), arrays.get("item.other_basis")
        self.user_priors_, self.item_priors_ = (_unstack(arrays, side) for side in ("user", "item"))


def _unstack(arrays: Mapping[str, npt.NDArray[Any]], side: str) -> list[Prior]:
    """The priors of one side, one a sample; none where the file holds none."""
    if f"{side}.link" not in arrays:
        return []
    parts = (arrays[f"{side}.{name}"] for name in ("mean", "precision", "link"))
    return [Prior(*one) for one in zip(*parts, strict=True)]


def find_basis(csr: sparse.csr_array, k: int, seed: int) -> Float32:
    """[m × k] the right singular vectors of the pattern of csr [n × m], each row divided by the root of its entries."""
    if not k:
        return np.zeros((csr.shape[1], 0), np.float32)
    found = randomized_svd(_pattern(csr), k, n_iter=_SVD_ROUNDS, random_state=seed % 2**32)[2]
    return np.ascontiguousarray(found.T, dtype=np.float32)


def project(csr: sparse.csr_array, basis: Float32) -> Float32:
    """[n × k] features of the rows of csr [n × m]: Σ basis / √n over the n entries of a row; basis [m × k]."""
    return np.asarray(_pattern(csr) @ basis, dtype=np.float32)


def _pattern(csr: sparse.csr_array) -> sparse.csr_array:
    counts = np.diff(csr.indptr)
    ones = np.repeat(1 / np.sqrt(np.maximum(counts, 1)), counts).astype(np.float32)
    return sparse.csr_array((ones, csr.indices, csr.indptr), shape=csr.shape)


def _refusal(folded: str, other: str) -> ParameterError:
    return ParameterError(
        f"the {folded} of this model were folded in, and {other} are solved by those it was fitted on; fold the "
        f"{other} into the model as it was fitted"
    )
