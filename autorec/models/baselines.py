"""Models to be beaten: the global mean, damped biases, popularity. Named beside every result."""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec.models import biases as bias_tools
from autorec.models.base import FloatArray, IntArray, OnValidation, Recommender
from autorec.models.biases import Biases
from autorec.ratings.matrix import Ratings


class GlobalMean(Recommender):
    """r̂ = the mean of all training ratings. Its ranking is the order of the items: a floor, not an advice."""

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        return {}

    def _score_rows(self, rows: IntArray) -> npt.NDArray[np.float32]:
        return np.full((len(rows), self.ratings_.n_items), self.fallback_.mean, dtype=np.float32)

    def _score_pairs(self, rows: IntArray, columns: IntArray) -> FloatArray:
        return np.full(len(rows), self.fallback_.mean)

    def _fold_in_items(self, csr: sparse.csr_array) -> None:
        """Nothing to do: the mean stays."""


class Bias(Recommender):
    """r̂(u, i) = mean + user bias + item bias, both damped; see `autorec.models.biases.fit_biases`.

    user_damping, item_damping: how many ratings at the mean each user and item is given beforehand. Defaults 15 and 10.
    """

    def __init__(
        self,
        user_damping: float = 15.0,
        item_damping: float = 10.0,
    ) -> None:
        self.user_damping = user_damping
        self.item_damping = item_damping

    biases_: Biases

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        self.biases_ = bias_tools.fit_biases(
            ratings.csr, user_damping=self.user_damping, item_damping=self.item_damping
        )
        return {}

    def _user_vectors(self, rows: IntArray) -> npt.NDArray[np.float32]:
        return _with_one(self.biases_.mean + self.biases_.user[rows], left=False)

    def _item_vectors(self) -> npt.NDArray[np.float32]:
        return _with_one(self.biases_.item, left=True)

    def _fold_in_users(self, csr: sparse.csr_array) -> None:
        self.biases_ = bias_tools.fold_in_users(self.biases_, csr, damping=self.user_damping)

    def _fold_in_items(self, csr: sparse.csr_array) -> None:
        self.biases_ = bias_tools.fold_in_items(self.biases_, csr, damping=self.item_damping)

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        biases = self.biases_
        return {"mean": np.array([biases.mean]), "user": biases.user, "item": biases.item}

    def _set_arrays(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.biases_ = Biases(float(arrays["mean"][0]), arrays["user"], arrays["item"])


class Popularity(Recommender):
    """score(u, i) = how many users rated i: the same list for everyone, less what each has seen. Predicts no
    ratings."""

    rates: ClassVar[bool] = False
    counts_: npt.NDArray[np.int64]

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        self.counts_ = ratings.item_counts
        return {}

    def _score_rows(self, rows: IntArray) -> npt.NDArray[np.float32]:
        return np.tile(self.counts_.astype(np.float32), (len(rows), 1))

    def _score_pairs(self, rows: IntArray, columns: IntArray) -> FloatArray:
        return self.counts_[columns].astype(np.float64)

    def _fold_in_items(self, csr: sparse.csr_array) -> None:
        self.counts_ = np.bincount(csr.indices, minlength=csr.shape[1])

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"counts": self.counts_}

    def _set_arrays(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.counts_ = arrays["counts"]


def _with_one(biases: FloatArray, *, left: bool) -> npt.NDArray[np.float32]:
    """[n] → [n × 2]: the bias beside the 1 that the other side's bias multiplies."""
    ones = np.ones_like(biases)
    return np.stack((ones, biases) if left else (biases, ones), axis=1).astype(np.float32)
