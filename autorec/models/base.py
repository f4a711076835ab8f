"""Recommender: what every model can be asked. A model brings `_fit` and its vectors; the verbs are here, once.

The fact everything stands on: score(u, i) = user vector · item vector. Biases are two more columns of the vectors. A
model without vectors (a popularity list, a closed form) gives `_score_rows` and `_score_pairs` instead.
"""

import copy
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator

from autorec import progress
from autorec.errors import InputError, NotFittedError, ParameterError
from autorec.models import biases as bias_tools
from autorec.models.biases import Biases
from autorec.models.pairs import pair_products
from autorec.models.registry import named
from autorec.models.topn import score_blocks, top_n
from autorec.ratings.matrix import Ratings, as_ratings

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
OnValidation = Callable[[int, float], None]  # gets the epoch, from 1, and the score of the validation

_ENTRY_BYTES = 24  # of copies of a rating on the way
_PAIR_BLOCK = 2**17  # pairs whose users' vectors are held at once


class Recommender(BaseEstimator):
    """Base of all models; see `fit`, `predict`, `recommend`, `fold_in`, `similar`, `save`.

    Learned: `ratings_` (what it was fitted on, for leaving out the seen), `fallback_` (damped biases, the answer for
    unknown ids), `summary_` (what there is to tell about the fit, JSON-ready).
    """

    rates: ClassVar[bool] = True  # whether `predict` gives ratings; False for models of choice

    ratings_: Ratings
    fallback_: Biases
    summary_: dict[str, Any]

    # --- what a model brings --------------------------------------------------------------------------------

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        """Learn; return the summary. on_validation: see `fit`; closed forms ignore it."""
        raise NotImplementedError

    def _user_vectors(self, rows: IntArray) -> npt.NDArray[np.float32]:
        """[B × d] vectors of the users in these rows, biases included."""
        raise NotImplementedError

    def _item_vectors(self) -> npt.NDArray[np.float32]:
        """[items × d] vectors of all items, biases included."""
        raise NotImplementedError

    def _fold_in_users(self, csr: sparse.csr_array) -> None:
        """Make the users of `csr` [new users × items] the users of this (copied) model."""

    def _fold_in_items(self, csr: sparse.csr_array) -> None:
        """Make the items of `csr` [users × new items] the items of this (copied) model."""
        raise ParameterError(
            f"{type(self).__name__} cannot take new items; models that can: {', '.join(named(takes_new_items=True))}"
        )

    def _memory(self, n_users: int, n_items: int, n_ratings: int) -> int:
        """Bytes that `fit` takes at most, about, beside the ratings that it is given; parameters are checked."""
        return _ENTRY_BYTES * n_ratings

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything learned, by name, for the file."""
        return {}

    def _set_arrays(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """The inverse of `_arrays`, on a model that has its parameters and `ratings_`."""

    def _score_rows(self, rows: IntArray) -> npt.NDArray[np.float32]:
        """[B × items] scores, a fresh array; higher is better."""
        return np.asarray(self._user_vectors(rows) @ self._item_vectors().T)

    def _score_pairs(self, rows: IntArray, columns: IntArray) -> FloatArray:
        """[pairs] scores of known pairs."""
        scores = np.empty(len(rows))
        items = self._item_vectors()
        for start in range(0, len(rows), _PAIR_BLOCK):
            part = slice(start, start + _PAIR_BLOCK)
            users, places = np.unique(rows[part], return_inverse=True)
            scores[part] = pair_products(self._user_vectors(users), places, items, columns[part])
        return scores

    def _to_ratings(self, scores: FloatArray) -> FloatArray:
        """Scores → the scale of the ratings. Increasing, so that the ranking stays."""
        return scores

    # --- the verbs ------------------------------------------------------------------------------------------

    def fit(self, ratings: Any, y: None = None, *, on_validation: OnValidation | None = None) -> Self:
        """Learn from Ratings, a DataFrame (user, item, rating) or a SciPy matrix users × items. Returns self.

        on_validation(epoch, score) is called after each validation of a model that trains in epochs, score on the
        scale of the ratings; what it raises ends `fit`. y is ignored, as in scikit-learn.
        InputError: no ratings, or, for models that rate, ratings that do not vary.
        """
        ratings = as_ratings(ratings)
        if not len(ratings):
            raise InputError("there are no ratings to learn from")
        low, high = ratings.scale
        if self.rates and not low < high:
            raise InputError(
                f"all ratings are {low:g}: nothing to learn for a rating model; "
                "use a model of choice (popularity), or state the scale"
            )
        self.fallback_ = bias_tools.fit_biases(ratings.csr)
        self.ratings_ = ratings
        self.summary_ = self._fit(ratings, on_validation)
        return self

    def predict(self, users: Any, items: Any) -> npt.NDArray[np.float64]:
        """[pairs] ratings of the pairs (users[p], items[p]) given as raw ids, clipped to the training scale.

        A pair whose user or item is unknown gets the damped biases of the known side, else the mean; see `known`.
        """
        rows, columns = self._find(users, items)
        if not self.rates:
            raise ParameterError(f"{type(self).__name__} ranks items and predicts no ratings; use recommend")
        known = (rows >= 0) & (columns >= 0)
        predicted = self.fallback_.predict(rows, columns)
        predicted[known] = self._to_ratings(self._score_pairs(rows[known], columns[known]))
        return np.clip(predicted, *self.ratings_.scale)

    def known(self, users: Any, items: Any) -> npt.NDArray[np.bool_]:
        """[pairs] whether both ids were there in `fit` (or `fold_in`), so that `predict` is the model's own."""
        rows, columns = self._find(users, items)
        return np.asarray((rows >= 0) & (columns >= 0))

    def recommend(self, users: Any = None, n: int = 10, *, exclude_seen: bool = True) -> pd.DataFrame:
        """The n best items of each user → DataFrame user, item, score, rank (1 = best) and title when titles are known.

        users: raw ids, None for all. Rated items are left out unless `exclude_seen=False`. Scores of rating models
        are on the rating scale, not clipped (a cut would make ties). A user with fewer than n items left gets fewer
        rows. InputError: an unknown user; fold the user in first.
        """
        frames = list(self.recommend_blocks(users, n, exclude_seen=exclude_seen))
        return pd.concat(frames, ignore_index=True)

    def recommend_blocks(self, users: Any = None, n: int = 10, *, exclude_seen: bool = True) -> Iterator[pd.DataFrame]:
        """`recommend` as a stream of DataFrames, for writing while computing; at least one, maybe empty."""
        rows = self._rows(users)
        if not (isinstance(n, (int, np.integer)) and n >= 1):
            raise ParameterError(f"n is {n!r}; give a whole number from 1 up")
        ratings = self._fitted()
        n = min(int(n), ratings.n_items)
        seen = ratings.csr if exclude_seen else None
        if not len(rows):
            yield self._table(rows, np.empty((0, n), dtype=np.int64), np.empty((0, n)))
        with progress.bar("recommending", len(rows)) as update:
            done = 0
            for block, items, scores in top_n(self._score_rows, rows, ratings.n_items, n, seen):
                done += len(block)
                update(done, f"{done:,} of {len(rows):,} users")
                yield self._table(block, items, scores)

    def score_blocks(self, rows: IntArray) -> Iterator[tuple[IntArray, npt.NDArray[np.float32]]]:
        """Yield (rows [B], scores [B × items]) over row numbers, in blocks of bounded memory. For evaluation."""
        yield from score_blocks(self._score_rows, rows, self._fitted().n_items)

    def fold_in(self, new_ratings: Any, of: str = "users") -> Self:
        """A model whose users (or items, `of="items"`) are those of `new_ratings`; no training, `self` is untouched.

        The other side stays: ratings of items (users) that the model does not know are left out, with a warning that
        tells the count. Ratings outside the training scale are clipped to it, with a warning.
        """
        if of not in ("users", "items"):
            raise ParameterError(f"of is {of!r}; allowed: users, items")
        fitted = self._fitted()
        ratings = _clipped(_aligned(as_ratings(new_ratings), fitted, of), fitted.scale)
        model = copy.copy(self)  # its hooks below still see the old ratings
        if of == "users":
            model.fallback_ = bias_tools.fold_in_users(self.fallback_, ratings.csr)
            model._fold_in_users(ratings.csr)
        else:
            model.fallback_ = bias_tools.fold_in_items(self.fallback_, ratings.csr)
            model._fold_in_items(ratings.csr)
        model.ratings_ = ratings
        return model

    def similar(self, items: Any, n: int = 10) -> pd.DataFrame:
        """The n nearest items by cosine of the item vectors without biases → DataFrame item, similar, cosine, rank."""
        ratings = self._fitted()
        asked = np.asarray(pd.unique(pd.Series(np.atleast_1d(np.asarray(items, dtype=object)).tolist())))
        columns = ratings.find_items(asked.tolist())
        _refuse_unknown(asked, columns, "item")
        vectors = self._item_vectors()[:, :-2]
        if not vectors.shape[1]:
            raise ParameterError(
                f"{type(self).__name__} has no item vectors; use a model with a code, such as i-autorec"
            )
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = np.divide(vectors, np.where(norms > 0, norms, 1), dtype=np.float32)
        itself = sparse.csr_array((np.ones(len(columns)), (columns, columns)), shape=(ratings.n_items, ratings.n_items))
        n = min(n, ratings.n_items)
        blocks = top_n(lambda rows: np.asarray(unit[rows] @ unit.T), columns, ratings.n_items, n, itself)
        frames = [_long(ratings.item_ids[rows], ratings.item_ids, found, cosine) for rows, found, cosine in blocks]
        table = pd.concat(frames, ignore_index=True)
        return table.set_axis(["item", "similar", "cosine", "rank"], axis=1)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the model as a folder (see `autorec.models.store`); `autorec.load` reads it back."""
        from autorec.models import store  # the store knows every model class

        store.save(self, path)

    # --- ids to rows ----------------------------------------------------------------------------------------

    def _fitted(self) -> Ratings:
        try:
            return self.ratings_
        except AttributeError:
            raise NotFittedError(f"this {type(self).__name__} is not fitted; call fit(ratings) first") from None

    def _find(self, users: Any, items: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        ratings = self._fitted()
        rows, columns = ratings.find_users(users), ratings.find_items(items)
        if len(rows) != len(columns):
            raise InputError(f"got {len(rows)} users and {len(columns)} items; pairs need as many of both")
        return rows, columns

    def _rows(self, users: Any) -> npt.NDArray[np.int64]:
        ratings = self._fitted()
        if users is None:
            return np.arange(ratings.n_users)
        if np.ndim(users) == 0:
            users = [users]
        rows = ratings.find_users(users)
        _refuse_unknown(users, rows, "user")
        return rows

    def _table(self, rows: IntArray, items: IntArray, scores: FloatArray) -> pd.DataFrame:
        ratings = self.ratings_
        table = _long(ratings.user_ids[rows], ratings.item_ids, items, self._to_ratings(scores))
        if ratings.titles is not None:
            table["title"] = ratings.titles[items[items >= 0]]
        return table


def _long(left: Any, item_ids: Any, items: IntArray, scores: FloatArray) -> pd.DataFrame:
    """Blocks [B × n] → one row a found item; −1 marks a place left empty."""
    found = items >= 0
    rank = np.broadcast_to(np.arange(1, items.shape[1] + 1), items.shape)
    return pd.DataFrame(
        {
            "user": np.repeat(left, found.sum(axis=1)),
            "item": item_ids[items[found]],
            "score": np.asarray(scores)[found],
            "rank": rank[found],
        }
    )


def _refuse_unknown(ids: Any, places: IntArray, what: str) -> None:
    unknown = np.flatnonzero(places < 0)
    if len(unknown):
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise InputError(
            f"unknown {what} {list(ids)[unknown[0]]!r}{more}: not in the training ratings; "
            f"give a known {what}, or ratings of the new {what} to fold in"
        )


def _aligned(new: Ratings, fitted: Ratings, of: str) -> Ratings:
    """`new` on the columns (rows) of the fitted model; unknown ones left out and counted in a warning."""
    side = "items" if of == "users" else "users"
    places = fitted.find_items(new.item_ids) if of == "users" else fitted.find_users(new.user_ids)
    entries = places[new.csr.indices if of == "users" else new.rows()] >= 0
    if not entries.all():
        warnings.warn(
            f"{int((~entries).sum())} of {len(new)} new ratings left out: their {side} are not known to the model",
            stacklevel=3,
        )
    kept = new.select(entries, compact=False)
    rows, columns = kept.rows(), kept.csr.indices
    shape = (new.n_users, fitted.n_items) if of == "users" else (fitted.n_users, new.n_items)
    pair = (rows, places[columns]) if of == "users" else (places[rows], columns)
    csr = sparse.csr_array((kept.csr.data, pair), shape=shape)
    csr.sort_indices()
    if of == "users":
        return replace(fitted, csr=csr, user_ids=new.user_ids, timestamps=None, order=None)
    return replace(fitted, csr=csr, item_ids=new.item_ids, titles=new.titles, timestamps=None, order=None)


def _clipped(ratings: Ratings, scale: tuple[float, float]) -> Ratings:
    outside = (ratings.csr.data < scale[0]) | (ratings.csr.data > scale[1])
    if outside.any():
        warnings.warn(
            f"{int(outside.sum())} new ratings lie outside the training scale {scale[0]:g}…{scale[1]:g} "
            "and are clipped to it",
            stacklevel=3,
        )
        csr = ratings.csr.copy()
        np.clip(csr.data, *scale, out=csr.data)
        ratings = replace(ratings, csr=csr)
    return replace(ratings, given_scale=scale)
