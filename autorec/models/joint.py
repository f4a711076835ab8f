"""One model that ranks and rates: which items a user takes up, and how the user likes them.

A model trained on ratings alone never learns which items are chosen at all, and one trained on choices alone does not
tell a bad film from a good one. Their two answers are the two factors of one probability:

    P(u rates i and likes it) = P(u rates i) · P(u likes i | u rates i)

The first is the score s of a linear autoencoder of which items were rated, whatever the rating, the regression of these
0s and 1s on each other (EDLAE; a sparse one for large catalogues). The second is that of a normal error around the
predicted rating r̂,

    score(u, i) = s' · Φ((r̂ − t) / σ)  where s' > 0, else s',  s' = s + κ · share of the users who rated i

κ keeps lists near what everyone rates: what a user rates months later is told less well by a regression on these months
than what is missing among them. σ is the RMSE of the rating model on its validation ratings, t half way between
`relevant`, from which a rating is liked, and the next lower rating that occurs. New users, and new items, are folded
into both parts at once.
"""

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import ndtr
from sklearn.base import clone

from autorec import checks, group, words
from autorec.memory import available_memory
from autorec.models.base import FloatArray, IntArray, OnValidation, RandomState, Recommender, Scores
from autorec.models.choice_l2 import FITS, MOST_ITEMS, choose_l2
from autorec.models.ease import Ease
from autorec.models.presets import create
from autorec.models.registry import named
from autorec.models.user_days import on_scale
from autorec.ratings.matrix import Ratings, liked_from
from autorec.ratings.stored import Stored
from autorec.storage.arrays import Expected, Shape

# Of the models of choices. Chosen on validation parts of MovieLens and the built-in sample; from l2 a search begins.
CHOICES: Mapping[str, Mapping[str, float]] = {
    "ease": {"l2": 500.0, "dropout": 0.33, "user_weight": 0.5},
    "sansa": {},
}
DENSE_ITEMS = 20_000  # the most items of which a dense matrix is inverted, in some minutes
SPREAD = 0.25  # σ as a share of the scale where the rating model has no validation ratings


class Joint(Recommender):
    """A model of choices and a model of ratings, fitted on the same ratings.

    score(u, i) = s' · Φ((r̂ − t) / σ) where s' > 0, else s', with s' = s + κ · share of the users who rated i; s is the
    score of the model of choices, r̂ the predicted rating, σ its RMSE on validation ratings. A rating above t is liked.

    rating        the model that rates: i-autorec, u-autorec, or another of the group "ratings"
    choice        the model of which items are rated: "ease" (EDLAE, dense, its λ as in `autorec.models.choice_l2`),
                  "sansa" (sparse), or "auto": ease for up to 20,000 items where its matrix fits the memory, else sansa
    learns        what the model of choices learns from and is given of a history: "rated", all items that were rated,
                  or "liked", those rated `relevant` or more. With the first, "choice" ranks by what is rated; with the
                  second, lists of what users like after their last ratings are better on MovieLens
    popularity    κ, at least 0. On MovieLens with .35 lists of the months after are as good as those of the best
                  single model of choices, and lists of ratings that are missing among the known ones lose 3 %. 0 where
                  these, or people whom the model never saw, are all that counts
    relevant      the lowest rating that is liked; None: low + ¾·(high − low) of the scale, 4 on 1 … 5
    half_life     of the histories of the model of choices, see `autorec.models.recency`: days, "auto" or None
    random_state  seed of the rating model

    `predict` gives ratings. `recommend` and `evaluate` rank by the probability that the user rates the item and likes
    it (by="both"); `recommend(by="choice")` by the one that it is rated, `recommend(by="rating")` by the rating.

    Learned: `rating_` and `choice_`, fitted models of their own; `threshold_` t and `spread_` σ, on the scale of the
    ratings; `shares_` [items] of the users of the training who rated each.

    >>> ratings = autorec.load_sample().to_frame()[:3000]
    >>> model = autorec.Joint("biased-mf", "ease").fit(ratings)
    >>> model.ranks_by
    ('both', 'choice', 'rating')
    >>> len(model.recommend(1, n=5, by="choice"))
    5
    """

    rating_: Recommender
    choice_: Recommender
    threshold_: float
    spread_: float
    shares_: Scores  # [items]

    def __init__(
        self,
        rating: str = "i-autorec",
        choice: str = "auto",
        learns: words.Chosen = "rated",
        popularity: float = 0.35,
        relevant: float | None = None,
        half_life: float | words.Auto | None = None,
        random_state: RandomState = 0,
    ) -> None:
        self.rating = rating
        self.choice = choice
        self.learns = learns
        self.popularity = popularity
        self.relevant = relevant
        self.half_life = half_life
        self.random_state = random_state

    @property
    def spreads(self) -> bool:
        """Whether the rating model does; the first process then learns the choices, a closed form, alone."""
        return create(self.rating).spreads

    @property
    def reads_parts(self) -> bool:
        return create(self.rating).reads_parts

    def _check_parameters(self) -> None:
        checks.one_of("rating", self.rating, named("ratings"))
        checks.one_of("choice", self.choice, ("auto", *CHOICES))
        checks.one_of("learns", self.learns, get_args(words.Chosen))
        checks.number("popularity", self.popularity, least=0)
        checks.optional(checks.number, "relevant", self.relevant)
        checks.half_life(self.half_life)
        checks.random_state("random_state", self.random_state)

    def _fit(self, given: Ratings | Stored, on_validation: OnValidation | None) -> dict[str, Any]:
        chosen = self._choose(given.n_users, given.n_items)
        if self.choice == "auto" and chosen != "ease":
            warnings.warn(
                f"{given.n_items:,} items are too many for a dense matrix: the choices are learned by {chosen}",
                stacklevel=3,
            )
        rating = self._make_rating(checks.seed("random_state", self.random_state))
        learned = rating._learn(given, on_validation)
        if group.place()[0]:
            return {}
        ratings = given.whole
        rating._adopt(ratings, learned)
        low, high = ratings.scale
        spread = float(rating.summary_.get("validation_rmse") or SPREAD * (high - low))
        with group.alone():
            choice = self._fit_choice(chosen, rating, spread, ratings)
        self.spread_ = spread
        return self._join(chosen, choice, rating, ratings)

    def _fit_choice(self, name: str, rating: Recommender, spread: float, ratings: Ratings) -> Recommender:
        """The model of choices of that name; λ of ease is that with which it ranks best beside the rating model."""
        choice, told = self._make_choice(name, ratings.scale), {}
        if isinstance(choice, Ease):
            threshold = _find_threshold(ratings, self.relevant)
            weigh = partial(_by_liking, rating, threshold=threshold, spread=spread)
            told = choose_l2(choice, ratings, self.relevant, lambda given: weigh(rating._encode(given)))
            choice.set_params(l2=told["l2"])
        choice._adopt(ratings, choice._learn(ratings, None) | told)
        return choice

    def _fit_from(self, old: "Joint", ratings: Ratings, epochs: int) -> dict[str, Any]:
        """Each part from its own of `old`; σ stays, and λ."""
        chosen = old.summary_["choice"]["model"]
        choice: Recommender = clone(old.choice_)
        rating = self._make_rating(checks.seed("random_state", self.random_state))
        for part, of_old in ((choice, old.choice_), (rating, old.rating_)):
            part._adopt(ratings, part._learn_from(of_old, ratings, epochs))
        choice.summary_ |= {name: value for name, value in old.choice_.summary_.items() if name in ("l2", "tried")}
        self.spread_ = old.spread_
        how = "; ".join(f"{name} {part.summary_['how']}" for name, part in ((self.rating, rating), (chosen, choice)))
        return self._join(chosen, choice, rating, ratings) | {"how": how}

    def _join(self, chosen: str, choice: Recommender, rating: Recommender, ratings: Ratings) -> dict[str, Any]:
        """Take the fitted parts, of choices by the name `chosen`; the summary."""
        self.choice_, self.rating_ = choice, rating
        self.threshold_, self.shares_ = _find_threshold(ratings, self.relevant), _find_shares(ratings.csr, ratings)
        summary = {"choice": {"model": chosen, **choice.summary_}, "rating": {"model": self.rating, **rating.summary_}}
        ended = {name: value for name, value in rating.summary_.items() if name in ("best_epoch", "stopped", "curve")}
        told = {"half_life": choice.summary_["half_life"], "liked_from": self.threshold_, "spread": self.spread_}
        return ended | told | summary

    def _choose(self, n_users: int, n_items: int) -> str:
        """The name of the model of choices."""
        if self.choice != "auto":
            return self.choice
        free = available_memory()
        fits = free is None or create("ease")._memory(n_users, n_items, 0) < free
        return "ease" if n_items <= DENSE_ITEMS and fits else "sansa"

    def _make_choice(self, name: str, scale: tuple[float, float]) -> Recommender:
        """The model of choices, for which every rating is one, or every liked item."""
        lowest = scale[0] if self.learns == "rated" else self.relevant
        return create(name, **CHOICES[name], relevant=lowest, half_life=self.half_life)

    def _make_rating(self, seed: int) -> Recommender:
        model = create(self.rating)
        return model.set_params(random_state=seed) if "random_state" in model.get_params() else model

    def _memory(self, n_users: int, n_items: int, n_ratings: int) -> int:
        sizes = (n_users, n_items, n_ratings)
        choice = create(self._choose(n_users, n_items))._memory(*sizes)
        return 4 * n_items**2 * (n_items <= DENSE_ITEMS) + max(choice, create(self.rating)._memory(*sizes))

    def _seconds(self, n_users: int, n_items: int, n_ratings: int) -> float:
        sizes = (n_users, n_items, n_ratings)
        choice = self._choose(n_users, n_items)
        fits = FITS if choice == "ease" and n_items <= MOST_ITEMS else 1
        return fits * create(choice)._seconds(*sizes) + create(self.rating)._seconds(*sizes)

    # --- scores ---------------------------------------------------------------------------------------------

    @property
    def ranks_by(self) -> tuple[words.RankedBy, ...]:
        return ("both", "choice", "rating")

    def ranked_by(self, by: words.RankedBy | None) -> Recommender:
        """This model, or its part that ranks by "choice" or by "rating"."""
        super().ranked_by(by)
        self._fitted()
        return {"choice": self.choice_, "rating": self.rating_}.get(by or "", self)

    def _encode(self, histories: sparse.csr_array) -> tuple[Any, Any]:
        return self.choice_._encode(histories), self.rating_._encode(histories)

    def _users(self, rows: IntArray) -> tuple[Any, Any]:
        return self.choice_._users(rows), self.rating_._users(rows)

    def _score(self, users: tuple[Any, Any]) -> Scores:
        """[B × items] float32 scores, the higher the likelier an item is rated and liked.

        users: (vectors of choices, vectors of ratings), each [B].
        """
        choice, vectors = users
        finish = _by_liking(self.rating_, vectors, threshold=self.threshold_, spread=self.spread_)
        scores = self.choice_._score(choice)
        scores += np.float32(self.popularity) * self.shares_
        return finish(scores)

    def _score_pairs(self, rows: IntArray, columns: IntArray) -> FloatArray:
        """[pairs] ratings."""
        return self.rating_._to_ratings(self.rating_._score_pairs(rows, columns))

    def _chosen_dampings(self) -> tuple[float, float] | None:
        """Of the rating model, so that both answer unknown ids alike."""
        return self.rating_._chosen_dampings()

    def _day_effects(self, rows: IntArray, timestamps: IntArray) -> FloatArray | None:
        """Of the rating model, on the scale of the ratings as the scores of pairs are."""
        effects = self.rating_._day_effects(rows, timestamps)
        return None if effects is None else on_scale(effects, self.rating_._to_ratings)

    def _similarities(self) -> Callable[..., Scores]:
        """Of the model of choices."""
        return self.choice_._similarities()

    def _with_items(self, histories: sparse.csr_array) -> dict[str, Any]:
        """Their shares of the same users, beside what differs in the parts."""
        return {"shares_": _find_shares(histories, self.ratings_)}

    def _folded(self, ratings: Ratings, of: str) -> "Joint":
        model = super()._folded(ratings, of)
        model.choice_, model.rating_ = self.choice_._folded(ratings, of), self.rating_._folded(ratings, of)
        return model

    # --- file -----------------------------------------------------------------------------------------------

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        arrays = {"liked": np.array([self.threshold_, self.spread_]), "shares": self.shares_}
        for name, part in (("choice.", self.choice_), ("rating.", self.rating_)):
            arrays |= {name + key: array for key, array in part._arrays().items()}
        return arrays

    def _expected_arrays(self, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
        shares = Expected("float32", (self.ratings_.n_items,), least=0)
        expected = {"liked": Expected("float64", (2,)), "shares": shares}
        for name, part in self._empty_parts().items():
            own = {key.removeprefix(name): shape for key, shape in shapes.items() if key.startswith(name)}
            expected |= {name + key: one for key, one in part._expected_arrays(own).items()}
        return expected

    def _set_arrays(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        (self.threshold_, self.spread_), self.shares_ = map(float, arrays["liked"]), arrays["shares"]
        if not self.spread_ > 0:
            raise ValueError(f"the spread of its ratings is {self.spread_:g}")
        parts = self._empty_parts()
        for name, part in parts.items():
            part._set_arrays({key.removeprefix(name): one for key, one in arrays.items() if key.startswith(name)})
            part.fallback_ = self.fallback_
        self.choice_, self.rating_ = parts["choice."], parts["rating."]

    def _empty_parts(self) -> dict[str, Recommender]:
        """Both parts by the beginning of the names of their arrays; of a file, they have learned nothing yet."""
        told = self.summary_["choice"], self.summary_["rating"]
        parts = self._make_choice(told[0]["model"], self.ratings_.scale), self._make_rating(0)
        if "l2" in told[0]:
            parts[0].set_params(l2=told[0]["l2"])
        for part, summary in zip(parts, told, strict=True):
            part.ratings_, part.summary_ = self.ratings_, {k: v for k, v in summary.items() if k != "model"}
        return {"choice.": parts[0], "rating.": parts[1]}


def _by_liking(rating: Recommender, vectors: Any, *, threshold: float, spread: float) -> Callable[[Scores], Scores]:
    """A function of scores of choices [B × items] → scores of the joint model, in the same array, of the users with
    these vectors [B] of the rating model."""
    rated = rating._to_ratings(rating._score(vectors))
    liked = ndtr((rated - np.float32(threshold)) / np.float32(spread))  # [B × items]
    return lambda scores: np.multiply(scores, liked, out=scores, where=scores > 0)


def _find_threshold(ratings: Ratings, relevant: float | None) -> float:
    """The rating above which one is liked: half way between `relevant` and the next lower rating that occurs."""
    lowest = liked_from(ratings.scale) if relevant is None else relevant
    lower = ratings.csr.data[ratings.csr.data < lowest]
    return float(lowest + lower.max()) / 2 if len(lower) else float(lowest)


def _find_shares(histories: sparse.csr_array, known: Ratings) -> Scores:
    """[items] the share of the users with ratings in `known`, the rows of `histories` [users × items], who have rated
    each, float32."""
    users = int(np.count_nonzero(np.diff(known.csr.indptr)))  # a matrix may have rows without ratings
    return (np.bincount(histories.indices, minlength=histories.shape[1]) / max(users, 1)).astype(np.float32)
