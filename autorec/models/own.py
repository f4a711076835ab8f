"""A model of one's own, from outside this library, that is evaluated and compared as any other."""

import copy
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec.errors import InputError, ParameterError
from autorec.models.base import FloatArray, IntArray, OnValidation, Recommender, Scores
from autorec.ratings.matrix import Ratings


def wrap(model: Any) -> Recommender:
    """A model of one's own as a Recommender: `fit`, `recommend`, `evaluate` and `compare` take it. A Recommender is
    returned as it is.

    model  an object, not fitted, that copies by `copy.deepcopy` and has
           fit(ratings)                 Ratings: `csr` [users × items], raw ids `user_ids` and `item_ids`
           score_rows(rows)             rows [B] of `csr` → scores [B × items], the higher the better; or, instead, the
                                        arrays user_vectors [users × d] and item_vectors [items × d] after `fit`, of
                                        which the scores are the products
           predict_pairs(rows, columns) for models that rate: [pairs] ratings of the entries (rows[p], columns[p])
           score_histories(csr)         for users who are not in training, [B × items] → scores [B × items]

    It is fitted as a copy, `wrapped_`. It cannot be saved. ParameterError: it lacks what it needs.

    >>> ratings = autorec.load_sample()
    >>> class Newest:
    ...     def fit(self, ratings):
    ...         self.n = ratings.n_items
    ...     def score_rows(self, rows):
    ...         return [range(self.n)] * len(rows)
    >>> autorec.wrap(Newest()).fit(ratings).recommend(1, n=2)["item"].tolist()
    [299, 298]
    """
    if isinstance(model, Recommender):
        return model
    if not callable(getattr(model, "fit", None)) or isinstance(model, type):
        raise ParameterError(
            f"a model of type {getattr(model, '__name__', type(model).__name__)}; allowed: a name, a model of this "
            "library, or an object with fit and score_rows, see autorec.wrap"
        )
    return OwnRatingModel(model) if hasattr(model, "predict_pairs") else OwnModel(model)


class OwnModel(Recommender):
    """What `wrap` makes of a model that ranks. Learned: `wrapped_`, the fitted copy."""

    rates: ClassVar[bool] = False
    wrapped_: Any

    def __init__(self, model: Any) -> None:
        self.model = model

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        wrapped = copy.deepcopy(self.model)
        wrapped.fit(ratings)
        if not hasattr(wrapped, "score_rows") and not _has_vectors(wrapped):
            raise ParameterError(f"{_name(wrapped)} has neither score_rows nor user_vectors and item_vectors after fit")
        self.wrapped_ = wrapped
        return {}

    def _score_rows(self, rows: IntArray) -> Scores:
        if hasattr(self.wrapped_, "score_rows"):
            scores = self.wrapped_.score_rows(rows)
        else:
            scores = np.asarray(self.wrapped_.user_vectors)[rows] @ np.asarray(self.wrapped_.item_vectors).T
        return self._checked(scores, len(rows))

    def _encode(self, histories: sparse.csr_array) -> sparse.csr_array:
        if not hasattr(self.wrapped_, "score_histories"):
            raise ParameterError(
                f"{_name(self.wrapped_)} has no score_histories, so it cannot score users who were not in training"
            )
        return histories

    def _users(self, rows: IntArray) -> sparse.csr_array:
        return self._encode(self.ratings_.csr[rows])

    def _score(self, users: Any) -> Scores:
        return self._checked(self.wrapped_.score_histories(users), users.shape[0])

    def _with_users(self, histories: sparse.csr_array) -> dict[str, Any]:
        self._encode(histories)
        return {"_score_rows": lambda rows: self._score(histories[rows])}

    def _checked(self, scores: Any, n: int) -> Scores:
        """A new array of these scores. InputError: they are not [n × items]."""
        found = np.array(scores, dtype=np.float32)
        if found.shape != (n, self.ratings_.n_items):
            raise InputError(
                f"{_name(self.wrapped_)} gave scores of shape {found.shape} for {n} users of {self.ratings_.n_items} "
                "items; give one row a user, one column an item"
            )
        return found


class OwnRatingModel(OwnModel):
    """What `wrap` makes of a model that has predict_pairs."""

    rates: ClassVar[bool] = True

    def _score_pairs(self, rows: IntArray, columns: IntArray) -> FloatArray:
        ratings: npt.NDArray[np.float64] = np.asarray(self.wrapped_.predict_pairs(rows, columns), dtype=np.float64)
        if ratings.shape != rows.shape or not np.isfinite(ratings).all():
            raise InputError(f"{_name(self.wrapped_)} predicted no finite rating for each of {len(rows)} pairs")
        return ratings


def _has_vectors(model: Any) -> bool:
    return hasattr(model, "user_vectors") and hasattr(model, "item_vectors")


def _name(model: Any) -> str:
    return type(model).__name__
