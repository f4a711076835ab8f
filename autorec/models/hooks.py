"""What a model brings: the methods that `Recommender` calls, each with what holds for most models."""

import copy
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import clone

from autorec.array_types import FloatArray as FloatArray
from autorec.array_types import IntArray as IntArray
from autorec.errors import NotEnoughMemoryError, NotFittedError, ParameterError, shown
from autorec.fitting import biases as bias_tools
from autorec.fitting.biases import ITEM_DAMPING, USER_DAMPING, Biases
from autorec.memory import available_memory, readable
from autorec.models import recency, similarity
from autorec.models.histories import each_alone
from autorec.models.registry import named
from autorec.models.vectors import Vectors, as_left, as_right, score_all, score_pairs
from autorec.ranking.positives import positives
from autorec.ratings.matrix import Ratings
from autorec.ratings.stored import Stored
from autorec.storage.arrays import Expected, Shape
from autorec.training.loop import OnValidation

Scores = npt.NDArray[np.float32]

FITTED_AGAIN = "fitted again"  # without the earlier weights
_ENTRY_BYTES = 24  # a rating, of temporary copies
_FAR = 2  # times; `_memory` is no better an estimate
_PAIR_BLOCK = 2**17  # pairs whose users' vectors are held at once


def fitted(model: Any) -> Ratings:
    """What a model was fitted on; the first that a function asks which takes one. ParameterError: it is no model.
    NotFittedError: `fit` was not called."""
    if not isinstance(model, Hooks):
        raise ParameterError(
            f"model is {shown(model)}; allowed: a model, as create(name).fit(ratings) or load(path) gives it"
        )
    try:
        return model.ratings_
    except AttributeError:
        raise NotFittedError(f"this {type(model).__name__} is not fitted; call fit(ratings) first") from None


class Hooks:
    """Base of `Recommender`, which has the public methods; a model overrides what it does in its own way."""

    rates: ClassVar[bool] = True  # whether `predict` gives ratings; False for models of choice
    additive: ClassVar[bool] = False  # whether the score of a history is the sum of those of its ratings alone

    relevant: float | None  # of models of choices: the lowest rating that is one
    ratings_: Ratings
    fallback_: Biases
    summary_: dict[str, Any]
    _right: Scores | None = None  # [items × (d + 2)] see `as_right`; made when first asked for

    @property
    def reads_parts(self) -> bool:
        """Whether `_fit` takes `Stored` ratings, of which each of several processes reads what it needs."""
        return False

    @property
    def spreads(self) -> bool:
        """Whether several processes fit it together; then the first alone has what is learned, and a summary of it."""
        return False

    @property
    def scores_together(self) -> bool:
        """Whether `_score` takes `Vectors`, and gives each of a few users the bits that it has alone."""
        return type(self)._score is Hooks._score

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        """Learn; return the summary. on_validation: see `fit`; closed forms ignore it."""
        raise NotImplementedError

    def _learn(self, ratings: Ratings | Stored, on_validation: OnValidation | None) -> dict[str, Any]:
        """`_fit`, and for a model of choices the half-life of its histories; the summary of both. ParameterError: with
        so small a λ the equations have no solution in the precision of their numbers."""
        given: Any = ratings if self.reads_parts else ratings.whole
        try:
            summary = self._fit(given, on_validation)
        except np.linalg.LinAlgError as error:
            if not hasattr(self, "l2"):
                raise
            raise ParameterError(
                f"{type(self).__name__} with l2={self.l2!r} finds no solution: its equations are singular within "
                f"rounding ({error}); give a larger l2"
            ) from None
        if not summary or "half_life" in summary or not hasattr(self, "half_life"):
            return summary
        return summary | recency.choose_half_life(self, ratings.whole)

    def _fit_from(self, old: Any, ratings: Ratings, epochs: int) -> dict[str, Any] | None:
        """`_fit`, so many epochs from what `old` learned, a fitted model of the same parameters on the same scale; with
        "how" in the summary. None: this model only learns from the beginning."""
        return None

    def _learn_from(self, old: Any, ratings: Ratings, epochs: int) -> dict[str, Any]:
        """`_fit_from`, else `_learn`; "how" in the summary says which."""
        summary = self._fit_from(old, ratings, epochs)
        return {**self._learn(ratings, None), "how": FITTED_AGAIN} if summary is None else summary

    def _encode(self, histories: sparse.csr_array) -> Any:
        """Vectors [B] of the users whose ratings are the rows of `histories` [B × items]; nothing is learned or
        changed. A model of choices brings `_encode_choices` in its place."""
        return self._encode_choices(positives(histories, self.ratings_.scale, self.relevant))

    def _encode_choices(self, chosen: sparse.csr_array) -> Any:
        """Vectors [B] of users with these choices [B × items], each with its weight."""
        return chosen

    def _users(self, rows: IntArray) -> Any:
        """Vectors [B] of the users of the training in these rows [B]; overridden where they are learned."""
        if self.summary_.get("half_life") is None:
            return self._encode(self.ratings_.csr[rows])
        return self._encode_choices(self._choices_of(rows))

    def _choices_of(self, rows: IntArray) -> sparse.csr_array:
        """Choices [B × items] of the users in these rows [B], weighted by age where there is a half-life and dates."""
        ratings, half_life, weights = self.ratings_, self.summary_.get("half_life"), None
        if half_life is not None and ratings.timestamps is not None:
            weights = recency.weigh_histories(ratings, rows, half_life)
        return positives(ratings.csr[rows], ratings.scale, self.relevant, weights)

    def _with_half_life(self, days: float | None) -> Any:
        """This fitted model with another half-life."""
        model = copy.copy(self)
        model.summary_ = {**self.summary_, "half_life": days}
        return model

    def _items(self) -> Vectors:
        """Vectors [items] of all items."""
        raise NotImplementedError

    def _with_users(self, histories: sparse.csr_array) -> dict[str, Any]:
        """The attributes that differ in a model whose users are the rows of `histories` [new users × items]; `self` is
        not changed."""
        return {}

    def _with_items(self, histories: sparse.csr_array) -> dict[str, Any]:
        """The same for a model whose items are the columns of `histories` [users × new items]."""
        raise ParameterError(
            f"{type(self).__name__} cannot take new items; models that can: {', '.join(named(takes_new_items=True))}"
        )

    def _memory(self, n_users: int, n_items: int, n_ratings: int) -> int:
        """Bytes that `fit` takes at most, about, beside the ratings that it is given; parameters are checked."""
        return _ENTRY_BYTES * n_ratings

    def _require_memory(self, ratings: Ratings) -> None:
        """NotEnoughMemoryError where `fit` would take far more than is free; for models whose width is a parameter."""
        needed, free = self._memory(*ratings.csr.shape, len(ratings)), available_memory()
        if free is not None and needed > _FAR * free:
            raise NotEnoughMemoryError(
                f"{type(self).__name__} with hidden={shown(getattr(self, 'hidden', None))} takes about "
                f"{readable(needed)} for {ratings.n_users:,} users and {ratings.n_items:,} items, and {readable(free)} "
                "are free: give fewer hidden units"
            )

    def _seconds(self, n_users: int, n_items: int, n_ratings: int) -> float:
        """Seconds that `fit` takes, about, on two cores."""
        return 1e-6 * n_ratings

    def _fitter(self, ratings: Ratings) -> Callable[..., Any]:
        """A function settings → a copy of the model with them, fitted on `ratings`. For searches: what all settings
        have in common may be computed once."""
        return lambda **settings: clone(self).set_params(**settings).fit(ratings)

    def _check_parameters(self) -> None:
        """ParameterError names the parameter at fault and what is allowed. Called by `fit`."""

    def _check_read(self) -> None:
        """The same of a model that is read, for whose scores some parameters may not matter any more."""
        self._check_parameters()

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything learned, by name, for the file."""
        return {}

    def _expected_arrays(self, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
        """What the arrays of a file have to be; `_set_arrays` relies on it. The model has its parameters and
        `ratings_`. shapes: of the arrays in the file."""
        return {}

    def _set_arrays(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """The inverse of `_arrays`, on a model that has its parameters and `ratings_`."""

    def _chosen_dampings(self) -> tuple[float, float] | None:
        """(of users, of items) of the biases in this model; None where it has none of them."""
        return None

    def _fit_fallback(self, ratings: Ratings) -> Biases:
        """Damped biases, with the dampings of the model's own; else of a model that rates chosen on held-out
        ratings."""
        dampings = self._chosen_dampings()
        if dampings is None and self.rates:
            from autorec.fitting.dampings import dampings_of  # which imports torch; models of choices need none

            dampings = dampings_of(ratings)
        user, item = dampings or (USER_DAMPING, ITEM_DAMPING)
        return bias_tools.fit_biases(ratings.csr, user_damping=user, item_damping=item)

    def _score_rows(self, rows: IntArray) -> Scores:
        """[B × items] scores of the users of the training in these rows [B]."""
        return self._score(self._users(rows))

    def _score_pairs(self, rows: IntArray, columns: IntArray) -> FloatArray:
        """[pairs] scores of pairs of users and items of the training."""
        scores = np.empty(len(rows))
        for start in range(0, len(rows), _PAIR_BLOCK):
            part = slice(start, start + _PAIR_BLOCK)
            users, inverse = np.unique(rows[part], return_inverse=True)
            scores[part] = score_pairs(self._users(users), inverse, self._items(), columns[part])
        return scores

    def _day_effects(self, rows: IntArray, timestamps: IntArray) -> FloatArray | None:
        """[pairs] what these times, seconds since 1970, add to scores of users; None of a model that knows no time."""
        return None

    def _similarities(self) -> Callable[..., Scores]:
        """A function: columns [B], others [C] (default: all items) → similarities [B × C]; −inf for an item that is not
        to be shown."""
        return similarity.cosines(self._items().factors, type(self).__name__)

    def _contributions(self, history: sparse.csr_array, column: int) -> FloatArray | None:
        """[n] what each of the n ratings of one history [1 × items] adds to the score of an item, where the score is a
        constant and a sum over them, given which items are rated; None where it is not."""
        return self._score(self._encode(each_alone(history)))[:, column] if self.additive else None

    def _to_ratings(self, scores: FloatArray) -> FloatArray:
        """Scores, any shape → the scale of the ratings. Increasing, so that the ranking stays."""
        return scores

    def _score(self, users: Any) -> Scores:
        """[B × items] float32 scores of all items, a new array; users: vectors [B] from `encode_users`. Higher is
        better; scores of rating models are on the scale inside the model."""
        if self._right is None:
            self._right = as_right(self._items())
        return score_all(as_left(users), self._right)

    def _score_history(self, history: sparse.csr_array) -> Scores:
        """[1 × items] `_score` of the user whose ratings are `history` [1 × items]."""
        return self._score(self._encode(history))

    def _keep_products(self) -> None:
        """Keep what makes `_score_history` quicker, and its scores others by rounding alone; called by a service, which
        has the memory to spare and is asked again and again."""
