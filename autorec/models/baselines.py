"""Baselines: the global mean, damped biases, popularity."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec import checks, words
from autorec.fitting import biases as bias_tools
from autorec.fitting.biases import Biases
from autorec.fitting.dampings import dampings_of
from autorec.models import recency
from autorec.models.base import FloatArray, IntArray, OnValidation, Recommender
from autorec.models.vectors import Vectors, vectors
from autorec.ratings.matrix import Ratings
from autorec.storage.arrays import Expected, Shape


class GlobalMean(Recommender):
    """r̂ [users × items] = the mean of all training ratings; it ranks items in the order of the training. A floor.

    >>> autorec.GlobalMean().fit(pd.DataFrame({"user": [1, 2], "item": [1, 1], "rating": [2, 4]})).predict([1], [1])
    array([3.])
    """

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        return {}

    def _encode(self, histories: sparse.csr_array) -> Vectors:
        return vectors(None, np.full(histories.shape[0], self.fallback_.mean))

    def _items(self) -> Vectors:
        return vectors(None, np.zeros(self.ratings_.n_items))

    def _with_items(self, histories: sparse.csr_array) -> dict[str, Any]:
        return {}  # the mean stays


class Bias(Recommender):
    """r̂(u, i) = mean + user bias + item bias, both damped; see `autorec.fitting.biases.fit_biases`.

    user_damping, item_damping  number of extra ratings at the mean that each user and each item counts, from 0 up, or
                                "auto": chosen on held-out ratings, see `choose_dampings`

    Learned: `biases_` with mean, user [users] and item [items] on the scale of the ratings; `user_damping_`,
    `item_damping_`.

    >>> model = autorec.Bias(user_damping=0, item_damping=0)
    >>> model.fit(pd.DataFrame({"user": [1, 1, 2], "item": ["a", "b", "a"], "rating": [5, 3, 4]})).predict([2], ["b"])
    array([3.])
    """

    def __init__(
        self,
        user_damping: float | words.Auto = "auto",
        item_damping: float | words.Auto = "auto",
    ) -> None:
        self.user_damping = user_damping
        self.item_damping = item_damping

    biases_: Biases
    user_damping_: float
    item_damping_: float

    def _check_parameters(self) -> None:
        checks.damping("user_damping", self.user_damping)
        checks.damping("item_damping", self.item_damping)

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        given = checks.damping("user_damping", self.user_damping), checks.damping("item_damping", self.item_damping)
        self.user_damping_, self.item_damping_ = dampings_of(ratings, given)
        self.biases_ = bias_tools.fit_biases(
            ratings.csr, user_damping=self.user_damping_, item_damping=self.item_damping_
        )
        return {"user_damping": self.user_damping_, "item_damping": self.item_damping_}

    def _chosen_dampings(self) -> tuple[float, float]:
        return self.user_damping_, self.item_damping_

    def _encode(self, histories: sparse.csr_array) -> Vectors:
        return self._vectors(self._with_users(histories)["biases_"].user)

    def _users(self, rows: IntArray) -> Vectors:
        return self._vectors(self.biases_.user[rows])

    def _vectors(self, biases: FloatArray) -> Vectors:
        return vectors(None, self.biases_.mean + biases)

    def _items(self) -> Vectors:
        return vectors(None, self.biases_.item)

    def _with_users(self, histories: sparse.csr_array) -> dict[str, Any]:
        return {"biases_": bias_tools.fold_in_users(self.biases_, histories)}

    def _with_items(self, histories: sparse.csr_array) -> dict[str, Any]:
        return {"biases_": bias_tools.fold_in_items(self.biases_, histories)}

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        biases = self.biases_
        dampings = np.array([self.user_damping_, self.item_damping_])
        return {"mean": np.array([biases.mean]), "user": biases.user, "item": biases.item, "dampings": dampings}

    def _expected_arrays(self, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
        sizes = {"mean": 1, "user": self.ratings_.n_users, "item": self.ratings_.n_items}
        expected = {name: Expected("float64", (size,)) for name, size in sizes.items()}
        return expected | {"dampings": Expected("float64", (2,), least=0)}

    def _set_arrays(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.user_damping_, self.item_damping_ = dampings = tuple(map(float, arrays["dampings"]))
        self.biases_ = Biases(float(arrays["mean"][0]), arrays["user"], arrays["item"], *dampings)


class Popularity(Recommender):
    """score(u, i) = how many users rated i: the same list for everyone, without what each has seen. Predicts no
    ratings.

    half_life  days after which a rating counts half, by its age before the last rating of all; "auto": chosen on the
               latest tenth of the ratings, see `autorec.models.recency`; None: all count alike

    Learned: `counts_` [items], whole numbers without a half-life.

    >>> ratings = autorec.load_sample()
    >>> autorec.Popularity().fit(ratings).recommend(1, n=2)[["item", "title"]]
       item                           title
    0   188  Farewell to the Orchard (1996)
    1   233  Farewell to the Station (1981)
    """

    rates: ClassVar[bool] = False
    counts_: npt.NDArray[np.int64] | npt.NDArray[np.float64]

    def __init__(self, half_life: float | words.Auto | None = None) -> None:
        self.half_life = half_life

    def _check_parameters(self) -> None:
        checks.half_life(self.half_life)

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        found = recency.choose_half_life(self, ratings)
        self.counts_ = _count(ratings, found["half_life"])
        return found

    def _with_half_life(self, days: float | None) -> "Popularity":
        model: Popularity = super()._with_half_life(days)
        model.counts_, model._right = _count(self.ratings_, days), None
        return model

    def _encode(self, histories: sparse.csr_array) -> Vectors:
        return vectors(None, np.zeros(histories.shape[0]))

    def _users(self, rows: IntArray) -> Vectors:
        return vectors(None, np.zeros(len(rows)))

    def _items(self) -> Vectors:
        return vectors(None, self.counts_.astype(np.float32))

    def _with_items(self, histories: sparse.csr_array) -> dict[str, Any]:
        return {"counts_": np.bincount(histories.indices, minlength=histories.shape[1])}

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"counts": self.counts_}

    def _expected_arrays(self, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
        kind = "int64" if self.summary_.get("half_life") is None else "float64"
        return {"counts": Expected(kind, (self.ratings_.n_items,), least=0)}

    def _set_arrays(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.counts_ = arrays["counts"]


def _count(ratings: Ratings, half_life: float | None) -> npt.NDArray[Any]:
    """[items] ratings of each, weighted by age where there is a half-life."""
    if half_life is None:
        return ratings.item_counts
    assert ratings.timestamps is not None
    weights = recency.weigh(ratings.timestamps, ratings.timestamps.max(), half_life)
    return np.bincount(ratings.csr.indices, weights=weights, minlength=ratings.n_items)
