"""Recommender, the base of all models: it has the public methods; a model adds `_fit` and its vectors.

All scores are made the same way: `encode_users` turns histories into user vectors, `score` turns these into scores of
all items, `top_n` keeps the best. With `Vectors` on both sides score(u, i) = factors_u · factors_i + bias_u + bias_i.
A model of choices may use the choices themselves as user vectors, and define `score` itself.
"""

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, clone

from autorec import checks
from autorec.errors import InputError, NotFittedError, ParameterError
from autorec.models import biases as bias_tools
from autorec.models import recommending, similarity, store, vector_tables
from autorec.models.arrays import Expected, Shape
from autorec.models.biases import ITEM_DAMPING, USER_DAMPING, Biases
from autorec.models.histories import align, check_histories, each_alone
from autorec.models.kept_fit import kept
from autorec.models.registry import named
from autorec.models.topn import Result, map_blocks
from autorec.models.vectors import Vectors, as_left, as_right, score_pairs
from autorec.ratings.convert import as_ratings
from autorec.ratings.ids import as_collection, require_known
from autorec.ratings.matrix import Ratings
from autorec.training.checkpoint import Checkpoint
from autorec.training.loop import OnValidation as OnValidation

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
Scores = npt.NDArray[np.float32]
RandomState = int | np.random.RandomState | np.random.Generator | None  # as scikit-learn's random_state

_ENTRY_BYTES = 24  # a rating, of temporary copies
_PAIR_BLOCK = 2**17  # pairs whose users' vectors are held at once


class Recommender(BaseEstimator):
    """Base of all models; see `fit`, `predict`, `recommend`, `fold_in`, `similar`, `save`.

    Learned: `ratings_` (what it was fitted on, for leaving out the seen), `fallback_` (damped biases, the answer for
    unknown ids), `summary_` (facts about the fit, JSON-ready).
    """

    rates: ClassVar[bool] = True  # whether `predict` gives ratings; False for models of choice
    additive: ClassVar[bool] = False  # whether the score of a history is the sum of those of its ratings alone

    ratings_: Ratings
    fallback_: Biases
    summary_: dict[str, Any]
    _right: Scores | None = None  # [items × (d + 2)] see `as_right`; made when first asked for

    # --- what a model brings --------------------------------------------------------------------------------

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        """Learn; return the summary. on_validation: see `fit`; closed forms ignore it."""
        raise NotImplementedError

    def _encode(self, histories: sparse.csr_array) -> Any:
        """Vectors [B] of the users whose ratings are the rows of `histories` [B × items]; nothing is learned or
        changed."""
        raise NotImplementedError

    def _users(self, rows: IntArray) -> Any:
        """Vectors [B] of the users of the training in these rows [B]; overridden where they are learned."""
        return self._encode(self.ratings_.csr[rows])

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

    def _seconds(self, n_users: int, n_items: int, n_ratings: int) -> float:
        """Seconds that `fit` takes, about, on two cores."""
        return 1e-6 * n_ratings

    def _fitter(self, ratings: Ratings) -> "Callable[..., Recommender]":
        """A function settings → a copy of the model with them, fitted on `ratings`. For searches: what all settings
        have in common may be computed once."""
        return lambda **settings: clone(self).set_params(**settings).fit(ratings)

    def _check_parameters(self) -> None:
        """ParameterError names the parameter at fault and what is allowed. Called by `fit`, and when a file is read."""

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
            from autorec.models.dampings import dampings_of  # which imports torch; models of choices need none

            dampings = dampings_of(ratings)
        user, item = dampings or (USER_DAMPING, ITEM_DAMPING)
        return bias_tools.fit_biases(ratings.csr, user_damping=user, item_damping=item)

    def _score_rows(self, rows: IntArray) -> Scores:
        """[B × items] scores of the users of the training in these rows [B]."""
        return self.score(self._users(rows))

    def _score_pairs(self, rows: IntArray, columns: IntArray) -> FloatArray:
        """[pairs] scores of pairs of users and items of the training."""
        scores = np.empty(len(rows))
        for start in range(0, len(rows), _PAIR_BLOCK):
            part = slice(start, start + _PAIR_BLOCK)
            users, inverse = np.unique(rows[part], return_inverse=True)
            scores[part] = score_pairs(self._users(users), inverse, self._items(), columns[part])
        return scores

    def _similarities(self) -> Callable[..., Scores]:
        """A function: columns [B], others [C] (default: all items) → similarities [B × C]; −inf for an item that is not
        to be shown."""
        return similarity.cosines(self._items().factors, type(self).__name__)

    def _contributions(self, history: sparse.csr_array, column: int) -> FloatArray | None:
        """[n] what each of the n ratings of one history [1 × items] adds to the score of an item, where the score is a
        constant and a sum over them, given which items are rated; None where it is not."""
        return self.score(self._encode(each_alone(history)))[:, column] if self.additive else None

    def _to_ratings(self, scores: FloatArray) -> FloatArray:
        """Scores, any shape → the scale of the ratings. Increasing, so that the ranking stays."""
        return scores

    # --- the verbs ------------------------------------------------------------------------------------------

    def fit(
        self,
        ratings: Any,
        y: None = None,
        *,
        on_validation: OnValidation | None = None,
        checkpoint: Checkpoint | PathLike[str] | str | None = None,
    ) -> Self:
        """Learn from Ratings, a DataFrame user, item, rating or a SciPy matrix [users × items]. Returns self.

        on_validation(epoch, score) is called after each validation of a model that trains in epochs, score on the
        scale of the ratings; what it raises ends `fit`. y is ignored, as in scikit-learn.
        checkpoint: a folder in which the trainings of such a model are kept meanwhile, so that after a kill
        `Checkpoint(folder, resume=True)` goes on to the bits of a fit without one; `on_validation` hears of none twice.
        Ctrl-C ends a training of several epochs with its best weights so far, a warning, and "interrupted" as
        `summary_["stopped"]`; before there are such weights, and in other models, it is a KeyboardInterrupt.
        InputError: no ratings, or, for models that rate, ratings that do not vary.
        """
        self._check_parameters()
        ratings = as_ratings(ratings)
        if not len(ratings):
            raise InputError("there are no ratings to learn from")
        low, high = ratings.scale
        if self.rates and not low < high:
            raise InputError(
                f"all ratings are {low:g}: nothing to learn for a rating model; "
                "use a model of choice (popularity), or state the scale"
            )
        with kept(self, ratings, checkpoint):
            summary = self._fit(ratings, on_validation)  # where this ends in an error, the model stays as it was
        if summary.get("stopped") == "interrupted":
            if not summary["best_epoch"]:
                raise KeyboardInterrupt
            warnings.warn("the training was interrupted: its best weights so far are kept", stacklevel=2)
        self._adopt(ratings, summary)
        return self

    def _adopt(self, ratings: Ratings, summary: dict[str, Any]) -> None:
        """What every fitted model has beside what `_fit` learned."""
        self.fallback_ = self._fit_fallback(ratings)
        self.ratings_, self.summary_ = ratings, summary
        self._right = None

    def predict(self, users: Any, items: Any) -> npt.NDArray[np.float64]:
        """[pairs] float64 ratings of the pairs (users[p], items[p]), raw ids [pairs], clipped to the training scale.

        A pair that is not `known` gets the mean and the damped bias of its known side. ParameterError: the model ranks
        and predicts no ratings. InputError: users and items of different number.
        """
        rows, columns = self._find(users, items)
        self._require_ratings()
        known = self._has_history(rows) & (columns >= 0)
        predicted = self.fallback_.predict(rows, columns)
        predicted[known] = self._to_ratings(self._score_pairs(rows[known], columns[known]))
        return np.clip(predicted, *self.ratings_.scale)

    def _require_ratings(self) -> None:
        if not self.rates:
            raise ParameterError(f"{type(self).__name__} ranks items and predicts no ratings; use recommend")

    def known(self, users: Any, items: Any) -> npt.NDArray[np.bool_]:
        """[pairs] whether the model knows user and item, raw ids [pairs]: `known_users`, and the item was in `fit` (or
        `fold_in`). Other pairs get the fallback from `predict`."""
        rows, columns = self._find(users, items)
        return self._has_history(rows) & (columns >= 0)

    def known_users(self, users: Any) -> npt.NDArray[np.bool_]:
        """[users] whether each raw id had at least one rating of a known item in `fit` (or `fold_in`)."""
        return self._has_history(self._fitted().find_users(as_collection(users)))

    @property
    def ranks_by(self) -> tuple[str, ...]:
        """What `recommend` can rank by, the default first."""
        return ("rating",) if self.rates else ("choice",)

    def ranked_by(self, by: str | None) -> "Recommender":
        """The model that scores by "rating", how an item would be rated, or "choice", whether it would be; None: this
        model. ParameterError: a way that it does not know."""
        if by is not None and by not in self.ranks_by:
            raise ParameterError(
                f"by is {by!r}; {type(self).__name__} ranks by {', '.join(self.ranks_by)}; a model that ranks by both, "
                "choice or rating: autorec"
            )
        return self

    def recommend(
        self,
        users: Any = None,
        n: int = 10,
        *,
        by: str | None = None,
        exclude_seen: bool = True,
        history: Any = None,
        allow: Any = None,
        deny: Any = None,
        where: Mapping[str, Any] | None = None,
        boost: Mapping[Any, float] | None = None,
        diversify: float = 0.0,
    ) -> pd.DataFrame:
        """The n best items of each user → DataFrame user, item, score, rank (1 = best) and, if known, title.

        users      a raw id or any collection of them, None for all
        by         what to rank by, one of `ranks_by`; None: its first
        history    ratings of one person who need not be known, raw item id → rating, or ids of items that they like;
                   with `users`, one id, these ratings and those of the training; without, there is no column user
        allow      raw ids of the only items that may be in a list; deny: of those that may not
        where      attribute → value, or values of which an item needs one: {"genre": ["Comedy", "Romance"]}
        boost      raw item id → number added to its score
        diversify  λ from 0 up to, not with, 1: the more, the less alike are the items of a list; see `rerank`

        Rated items are left out unless `exclude_seen=False`. Filters come before the choice of the n best.
        Scores by rating are on the rating scale, not clipped, which would make ties. A user with fewer than n
        items left gets fewer rows. InputError: an unknown user; fold the user in first, or give a history.
        ParameterError: an attribute or a value that no item has.
        """
        wishes = {"allow": allow, "deny": deny, "where": where, "boost": boost, "diversify": diversify}
        frames = list(self.recommend_blocks(users, n, by=by, exclude_seen=exclude_seen, history=history, **wishes))
        return pd.concat(frames, ignore_index=True)

    def recommend_blocks(
        self,
        users: Any = None,
        n: int = 10,
        *,
        by: str | None = None,
        exclude_seen: bool = True,
        history: Any = None,
        **wishes: Any,
    ) -> Iterator[pd.DataFrame]:
        """`recommend` as a stream of DataFrames user, item, score, rank[, title], one a block of users; at least
        one. wishes: the other arguments of `recommend`."""
        return recommending.recommend_blocks(self.ranked_by(by), users, n, exclude_seen, history, **wishes)

    def map_scores(self, rows: IntArray, work: Callable[[slice, Scores], Result]) -> Iterator[Result]:
        """Yield work(part of `rows`, scores [part × items]) in order, in blocks of bounded memory; see `map_blocks`."""
        return map_blocks(self._score_rows, rows, self._fitted().n_items, work)

    def encode_users(self, histories: Any) -> Any:
        """User vectors [B], for `score`, of the ratings in `histories` [B × items], a SciPy matrix with the columns and
        the scale of `ratings_`. Nothing is learned and the model does not change.

        InputError: another number of columns, or indices outside them.
        """
        return self._encode(check_histories(histories, self._fitted().n_items))

    def score(self, users: Any) -> Scores:
        """[B × items] float32 scores of all items, a new array; users: vectors [B] from `encode_users`. Higher is
        better; scores of rating models are on the scale inside the model."""
        if self._right is None:
            self._right = as_right(self._items())
        return np.asarray(as_left(users) @ self._right.T)

    def fold_in(self, new_ratings: Any, of: str = "users") -> Self:
        """A model whose users (or items, `of="items"`) are those of `new_ratings`; no training, `self` does not change.

        new_ratings: as for `fit`, DataFrame user, item, rating or [new users × items]. The other side is shared with
        `self`: ratings of items (users) that the model does not know are left out, with a warning that counts them.
        Ratings outside the training scale are clipped to it, with a warning.
        """
        checks.one_of("of", of, ("users", "items"))
        return self._folded(align(as_ratings(new_ratings), self._fitted(), of), of)

    def _folded(self, ratings: Ratings, of: str) -> Self:
        """`fold_in` of ratings that are aligned to this model."""
        if of == "users":
            changed = self._with_users(ratings.csr)
            fallback = bias_tools.fold_in_users(self.fallback_, ratings.csr)
        else:
            changed = self._with_items(ratings.csr) | {"_right": None}
            fallback = bias_tools.fold_in_items(self.fallback_, ratings.csr)
        model = copy.copy(self)
        for name, value in changed.items():
            setattr(model, name, value)
        model.fallback_, model.ratings_ = fallback, ratings
        model.summary_ = {**self.summary_, "folded_in": of}
        return model

    def similar(self, items: Any, n: int = 10) -> pd.DataFrame:
        """The n nearest items of each → DataFrame item, similar, cosine, rank (1 = nearest) and, if known, title of
        `similar`.

        items: a raw id or any collection of them. cosine: of the items' vectors without biases; of a model of choices
        without vectors, of the items' columns of choices. InputError: an unknown item. ParameterError: the model has
        nothing to compare items by.
        """
        return similarity.similar_items(self, items, n)

    def learning_curve(self) -> pd.DataFrame:
        """DataFrame epoch, seconds, and the training and validation scores of the last training, one row a validation;
        empty for a model that does not learn in epochs."""
        self._fitted()
        return pd.DataFrame(self.summary_.get("curve", []))

    def user_vectors(self) -> pd.DataFrame:
        """DataFrame, raw user ids as index; columns v0, v1, … in float32, see `autorec.embed`."""
        return vector_tables.make_vector_table(self, "users")

    def item_vectors(self) -> pd.DataFrame:
        """The same of the items."""
        return vector_tables.make_vector_table(self, "items")

    def save(self, path: str | PathLike[str]) -> None:
        """Write the model as a folder (see `autorec.models.store`); `autorec.load` reads it back."""
        store.save(self, path)

    # --- ids to rows ----------------------------------------------------------------------------------------

    def _fitted(self) -> Ratings:
        try:
            return self.ratings_
        except AttributeError:
            raise NotFittedError(f"this {type(self).__name__} is not fitted; call fit(ratings) first") from None

    def _find(self, users: Any, items: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        ratings = self._fitted()
        rows, columns = ratings.find_users(as_collection(users)), ratings.find_items(as_collection(items))
        if len(rows) != len(columns):
            raise InputError(f"got {len(rows)} users and {len(columns)} items; pairs need as many of both")
        return rows, columns

    def _has_history(self, rows: IntArray) -> npt.NDArray[np.bool_]:
        """[users] whether a row is there, not −1, and has a rating."""
        counts = np.append(np.diff(self.ratings_.csr.indptr), 0)
        return np.asarray(counts[rows] > 0)

    def _find_rows(self, users: Any) -> npt.NDArray[np.int64]:
        ratings = self._fitted()
        if users is None:
            return np.arange(ratings.n_users)
        users = as_collection(users)
        rows = ratings.find_users(users)
        require_known(users, rows, "user")
        return rows
