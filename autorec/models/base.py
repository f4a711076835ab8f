"""Recommender, the base of all models: it has the public methods; a model adds `_fit` and its vectors.

All scores are made the same way: `encode_users` turns histories into user vectors, `score_users` turns these into
scores of all items, `top_n` keeps the best. With `Vectors` on both sides score(u, i) = factors_u · factors_i + bias_u +
bias_i. A model of choices may use the choices themselves as user vectors, and define `_score` itself.
"""

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from os import PathLike
from typing import Any, Self, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator

from autorec import checks, files, group, words
from autorec.errors import InputError, ParameterError, shown
from autorec.fitting import biases as bias_tools
from autorec.models import recommending, scoring, similarity, store, vector_tables
from autorec.models.histories import align, as_ratings_of, check_histories, check_vectors
from autorec.models.hooks import FloatArray as FloatArray
from autorec.models.hooks import Hooks, fitted
from autorec.models.hooks import IntArray as IntArray
from autorec.models.hooks import Scores as Scores
from autorec.models.kept_fit import kept, unchanged_by_errors
from autorec.models.store import load_described
from autorec.ranking.topn import Result, map_blocks
from autorec.ratings.convert import as_ratings
from autorec.ratings.ids import as_collection, require_known
from autorec.ratings.matrix import Ratings
from autorec.ratings.stored import Stored
from autorec.training.checkpoint import Checkpoint
from autorec.training.loop import OnValidation as OnValidation

RandomState = int | np.random.RandomState | np.random.Generator | None  # as scikit-learn's random_state


class Recommender(Hooks, BaseEstimator):
    """Base of all models; see `fit`, `predict`, `recommend`, `fold_in`, `similar`, `save`.

    Learned: `ratings_` (what it was fitted on, for leaving out the seen), `fallback_` (damped biases, the answer for
    unknown ids), `summary_` (facts about the fit, JSON-ready).

    >>> ratings = autorec.load_sample()
    >>> model = autorec.Ease().fit(ratings)  # one of them
    >>> newcomers = pd.DataFrame({"user": ["ann", "ann"], "item": [1, 11], "rating": [5, 5]})
    >>> model.fold_in(newcomers).recommend("ann", n=1)[["user", "item"]]
      user  item
    0  ann    31
    >>> model.recommend(history={1: 5, 11: 4}, n=1)["item"].tolist()
    [31]
    >>> model.save("ease")
    """

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
        `summary_["stopped"]`; before there are such weights, and in other models, it is a KeyboardInterrupt. A fit that
        ends in an error leaves the model as it was.
        In a process group of torch.distributed all processes fit an AutoRec, alone or as the rating model of a Joint,
        or a ChoiceAutoencoder together, each with a part of the columns (`autorec.group.mesh`: and of the rows of a
        batch) and all with the same ratings; the first has the fitted model then, the others stay unfitted. Other
        models are fitted by each process for itself; the checkpoint is the first one's.
        InputError: no ratings, or, for models that rate, ratings that do not vary. ParameterError: a parameter with
        which several processes cannot train.
        """
        for name, value in self.get_params(deep=False).items():
            if isinstance(value, np.generic):
                setattr(self, name, value.item())  # small integers of NumPy overflow where Python's grow
        self._check_parameters()
        rank = group.place()[0]
        ratings = ratings if isinstance(ratings, Stored) else as_ratings(ratings)
        if not len(ratings):
            raise InputError("there are no ratings to learn from")
        low, high = ratings.scale
        if self.rates and not low < high:
            raise InputError(
                f"all ratings are {low:g}: nothing to learn for a rating model; "
                "use a model of choice (popularity), or state the scale"
            )
        if rank and not self.spreads:
            checkpoint = None
        with unchanged_by_errors(self):
            with group.alone(not self.spreads), kept(self, ratings, checkpoint):
                summary = self._learn(ratings, on_validation)
            if rank and self.spreads:
                return self
            if summary.get("stopped") == "interrupted":
                if not summary["best_epoch"]:
                    raise KeyboardInterrupt
                warnings.warn("the training was interrupted: its best weights so far are kept", stacklevel=2)
            self._adopt(ratings.whole, summary)
        return self

    def _adopt(self, ratings: Ratings, summary: dict[str, Any]) -> None:
        """What every fitted model has beside what `_fit` learned."""
        self.fallback_ = self._fit_fallback(ratings)
        self.ratings_, self.summary_ = ratings, summary
        self._right = None

    def predict(self, users: Any, items: Any, timestamps: Any = None) -> npt.NDArray[np.float64]:
        """[pairs] float64 ratings of the pairs (users[p], items[p]), raw ids [pairs], clipped to the training scale.

        timestamps: [pairs] when they are rated, whole seconds since 1970, of which `BayesianMF` and `Blend` know more
        where they were fitted on ratings with dates; None: a mean over days.
        A pair that is not `known` gets the mean and the damped bias of its known side. ParameterError: the model ranks
        and predicts no ratings. InputError: users, items and timestamps of different number, or other timestamps.
        """
        rows, columns = self._find(users, items)
        self._require_ratings()
        known = self._has_history(rows) & (columns >= 0)
        predicted = self.fallback_.predict(rows, columns)
        scores = self._score_pairs(rows[known], columns[known])
        if timestamps is not None:
            effects = self._day_effects(rows[known], _as_times(timestamps, len(rows))[known])
            scores = scores if effects is None else scores + effects
        predicted[known] = self._to_ratings(scores)
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
        """[users] whether each raw id had at least one rating of a known item in `fit` (or `fold_in`); with new items,
        whether it was in `fit`."""
        return self._has_history(self._fitted().find_users(as_collection(users)))

    @property
    def ranks_by(self) -> tuple[words.RankedBy, ...]:
        """What `recommend` can rank by, the default first."""
        return ("rating",) if self.rates else ("choice",)

    def ranked_by(self, by: words.RankedBy | None) -> "Recommender":
        """The model that scores by "rating", how an item would be rated, or "choice", whether it would be; None: this
        model. ParameterError: a way that it does not know."""
        if by is not None and not (isinstance(by, str) and by in self.ranks_by):
            raise ParameterError(
                f"by is {shown(by)}; {type(self).__name__} ranks by {', '.join(self.ranks_by)}; a model that ranks by "
                "both, choice or rating: autorec"
            )
        return self

    def recommend(
        self,
        users: Any = None,
        n: int = 10,
        *,
        by: words.RankedBy | None = None,
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
        by: words.RankedBy | None = None,
        exclude_seen: bool = True,
        history: Any = None,
        **wishes: Any,
    ) -> Iterator[pd.DataFrame]:
        """`recommend` as a stream of DataFrames user, item, score, rank[, title], one a block of users; at least
        one. wishes: the other arguments of `recommend`."""
        return recommending.recommend_blocks(self.ranked_by(by), users, n, exclude_seen, history, **wishes)

    def map_scores(self, rows: IntArray, work: Callable[[slice, Scores], Result]) -> Iterator[Result]:
        """Yield work(part of `rows`, scores [part × items]) in order, in blocks of bounded memory; see `map_blocks`."""
        checks.function("work", work, "a slice and scores")
        return map_blocks(self._score_rows, self._require_rows(rows), self._fitted().n_items, work)

    def score_users(self, users: Any) -> Scores:
        """[B × items] float32 scores of all items, a new array; users: vectors [B] that `encode_users` of this model
        gave. Higher is better; scores of rating models are on the scale inside the model.

        InputError: vectors of another kind or width.
        """
        nobody: Any = sparse.csr_array((1, self._fitted().n_items), dtype=np.float32)
        check_vectors(users, self._encode(nobody))
        return self._score(users)

    def encode_users(self, histories: Any) -> Any:
        """User vectors [B], for `score_users`, of the ratings in `histories` [B × items], a SciPy matrix with the
        columns and the scale of `ratings_`. Nothing is learned and the model does not change.

        InputError: another number of columns, or indices outside them.
        """
        return self._encode(check_histories(histories, self._fitted().n_items))

    def score(self, ratings: Any, y: None = None) -> float:
        """How good the model is on test ratings, as for `evaluate`: −RMSE of one that rates, else NDCG@10; the higher
        the better. For scikit-learn's `cross_validate` and `GridSearchCV`, which split Ratings and tables by their
        ratings; y is ignored. More: `autorec.evaluate`. InputError: a matrix of other users, as these split it."""
        test = as_ratings_of(ratings, self._fitted())
        return -scoring.rmse(self, test) if self.rates else scoring.ndcg(self, test)

    def fold_in(self, new_ratings: Any, of: words.Side = "users") -> Self:
        """A model whose users (or items, `of="items"`) are those of `new_ratings`; no training, `self` does not change.

        new_ratings: as for `fit`, DataFrame user, item, rating or, with users numbered from 0, a matrix [new users ×
        items of the model] (`of="items"`: [users of the model × new items]). The other side is shared with
        `self`: ratings of items (users) that the model does not know are left out, with a warning that counts them.
        Ratings outside the training scale are clipped to it, with a warning.
        """
        checks.one_of("of", of, get_args(words.Side))
        fitted = self._fitted()
        shared = "items" if of == "users" else "users"
        return self._folded(align(as_ratings_of(new_ratings, fitted, (shared,)), fitted, of), of)

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
        return fitted(self)

    def _find(self, users: Any, items: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        ratings = self._fitted()
        rows, columns = ratings.find_users(as_collection(users)), ratings.find_items(as_collection(items))
        if len(rows) != len(columns):
            raise InputError(f"got {len(rows)} users and {len(columns)} items; pairs need as many of both")
        return rows, columns

    def _require_rows(self, rows: Any) -> IntArray:
        """[n] rows of users. InputError: something else."""
        found: Any = rows if isinstance(rows, np.ndarray) else np.zeros(0)
        n = self._fitted().n_users
        if found.ndim != 1 or found.dtype.kind not in "iu" or not ((found >= 0) & (found < n)).all():
            raise InputError(f"rows are {shown(rows)}; give an array of whole numbers from 0 to {n - 1}")
        return np.asarray(found)

    def _has_history(self, rows: IntArray) -> npt.NDArray[np.bool_]:
        """[users] whether a row is there, not −1, and has a rating. Of a model with new items all that are there: their
        ratings are of other items, and not kept."""
        if self.summary_.get("folded_in") == "items":
            return np.asarray(rows) >= 0
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


def load(path: files.PathLike, *, mapped: bool = False) -> Recommender:
    """Read the model in the folder `path`: the same class, parameters and scores, bit for bit.

    mapped: leave the arrays, ratings and weights by user among them, in the files, of which the system reads what is
    used and forgets it again. Another model may be saved there meanwhile; what writes into the files themselves harms
    the process.

    All arrays are checked against `model.json` and the class before they are used: names, types, shapes, bounds. So a
    malicious folder too ends in a ModelFileError, as does one that is missing, damaged, of another format version, or
    of a class unknown to this version.

    >>> autorec.Ease().fit(autorec.load_sample()).save("my-model")
    >>> autorec.load("my-model")
    Ease()
    """
    checks.flag("mapped", mapped)
    model: Recommender = load_described(path, mapped)[0]
    return model


def _as_times(timestamps: Any, n: int) -> IntArray:
    """[n] seconds since 1970. InputError: something else."""
    try:
        times = np.asarray(timestamps)
    except ValueError:  # lists of different lengths
        times = np.zeros(0)
    if times.shape != (n,) or (n and times.dtype.kind not in "iu"):
        raise InputError(f"timestamps are {shown(timestamps)}; give {n} whole numbers, seconds since 1970, one a pair")
    return times.astype(np.int64)
