"""A day's ratings added to a fitted model: its training goes on from the weights that it has."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from autorec import checks
from autorec.array_types import BoolArray
from autorec.errors import InputError, ParameterError
from autorec.models import scoring
from autorec.models.base import Recommender
from autorec.models.hooks import fitted
from autorec.ranking.topn import top_n
from autorec.ratings.convert import as_ratings
from autorec.ratings.join import Joined, join
from autorec.ratings.matrix import Ratings
from autorec.training.validation import SHARE

EPOCHS = 8  # where a fit takes 40 or more, and several trainings to choose λ
LISTED = 10  # items of the lists that are compared
USERS = 1000  # whose lists are compared, at most
LEAST, ENOUGH, MOST = 10, 100, 20_000  # ratings held out: a tenth of the new pairs, or a half up to ENOUGH; or none


@dataclass(frozen=True, eq=False)
class Update:
    """A model with more ratings, and what they changed.

    model              the new one; the one before is as it was
    how                whether training went on from the earlier weights, or the model was fitted again
    new_ratings        of pairs that the earlier model did not have; replaced: of those that it had
    new_users, new_items
    validation_ratings new ratings held out to measure the two errors, a tenth of the new pairs
    rmse_before, rmse_after
                       of the earlier model on them, and of one that got the other new ratings; None for models that
                       predict no ratings, or without validation ratings. `model` itself has learned from all of them
    overlap            share of the items that the best-10 lists before and after have in common, mean over up to 1,000
                       users of the earlier model, without what they have rated by now; None where lists are empty
    seconds            of both trainings, with and without the validation ratings

    >>> model = autorec.Bias().fit(autorec.load_sample())
    >>> update = autorec.update(model, pd.DataFrame({"user": [9001, 9001], "item": [3, 5], "rating": [5.0, 1.0]}))
    >>> update.how, update.new_users, update.model.ratings_.n_users
    ('fitted again', 1, 601)
    """

    model: Recommender
    how: str
    new_ratings: int
    replaced: int
    new_users: int
    new_items: int
    validation_ratings: int
    rmse_before: float | None
    rmse_after: float | None
    overlap: float | None
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """All but the model, JSON-ready."""
        return {name: value for name, value in vars(self).items() if name != "model"}

    def __str__(self) -> str:
        return "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in self.to_dict().items())


def update(model: Recommender, new_ratings: Any, *, epochs: int = EPOCHS) -> Update:
    """Add ratings, users and items to a fitted model → `Update`, whose `model` is the new one; `model` stays as it was.

    new_ratings: as for `fit`. They are joined to the model's own; of a pair that both have the newer stays, by
    timestamp where both have some, else the new one. Ratings outside the model's scale are clipped to it, with a
    warning.

    AutoRec, and the part of `autorec` that rates, are trained on all ratings for so many `epochs` more, from the
    weights that they have; new columns begin as if they were folded in, not yet read. λ, inputs and dampings
    stay as they were chosen. With epochs=0 no weight changes, and new ratings are only encoded. Every other model, and
    the part of `autorec` that ranks, is fitted again on the joined ratings with the same parameters.

    InputError: there are no new ratings, or text ids where the model has whole numbers. ParameterError: users or items
    were folded into the model. Ctrl-C is a KeyboardInterrupt.

    >>> ratings = autorec.load_sample()
    >>> day = autorec.time_split(ratings, 0.05)
    >>> model = autorec.AutoRec(hidden=16, epochs=10, penalty="l2:20", inputs="ratings", validation=0).fit(day.train)
    >>> update = autorec.update(model, day.test)
    >>> update.how, update.new_ratings, update.validation_ratings
    ('trained on from the earlier weights, 8 epochs', 1200, 120)
    >>> update.rmse_after < update.rmse_before
    True
    """
    known, new = fitted(model), as_ratings(new_ratings)
    checks.whole("epochs", epochs, least=0)
    if folded := model.summary_.get("folded_in"):
        raise ParameterError(f"{folded} were folded into this model; update the model as it was fitted")
    if not len(new):
        raise InputError("there are no new ratings: the model stays as it is")
    start = time.perf_counter()
    joined = join(known, new)
    aside = _hold_out(joined)
    before = after = None
    if aside.any() and model.rates:
        unseen = joined.ratings.select(aside, compact=False)
        trial = continue_fit(model, joined.ratings.select(~aside), epochs)
        before, after = (scoring.rmse(one, unseen) for one in (model, trial))
    updated = continue_fit(model, joined.ratings, epochs)
    ratings = updated.ratings_
    result = Update(
        model=updated,
        how=updated.summary_["how"],
        new_ratings=len(ratings) - len(known),
        replaced=joined.replaced,
        new_users=ratings.n_users - known.n_users,
        new_items=ratings.n_items - known.n_items,
        validation_ratings=int(aside.sum()),
        rmse_before=before,
        rmse_after=after,
        overlap=_compare_lists(model, updated),
        seconds=time.perf_counter() - start,
    )
    updated.summary_ = {**updated.summary_, "updated": result.to_dict()}
    return result


def continue_fit(model: Recommender, ratings: Ratings, epochs: int = EPOCHS) -> Recommender:
    """A new model of the same parameters that learned `ratings` [users × items], on the scale of those of `model`, from
    the weights of `model` where it can; its summary says "how". KeyboardInterrupt: Ctrl-C."""
    made: Recommender = clone(model)
    summary = made._learn_from(model, ratings, epochs)
    if summary.get("stopped") == "interrupted":
        raise KeyboardInterrupt
    made._adopt(ratings, summary)
    return made


def _hold_out(joined: Joined) -> BoolArray:
    """[ratings] which of the joined ratings measure the errors: some of those given now, of new pairs."""
    candidates = np.zeros(len(joined.ratings), dtype=bool)
    candidates[joined.given[joined.given >= 0]] = True
    candidates[joined.replacing] = False
    free = np.flatnonzero(candidates)
    count = min(max(int(SHARE * len(free)), min(len(free) // 2, ENOUGH)), MOST)
    aside = np.zeros(len(candidates), dtype=bool)
    if count >= LEAST:
        aside[np.random.default_rng(0).permutation(free)[:count]] = True
    return aside


def _compare_lists(before: Recommender, after: Recommender) -> float | None:
    """See `Update.overlap`."""
    known, ratings = before.ratings_, after.ratings_
    seen = ratings.csr[: known.n_users]
    rows = np.sort(np.random.default_rng(0).permutation(known.n_users)[:USERS])
    sides = ((before, seen[:, : known.n_items]), (after, seen))
    lists = [
        np.concatenate([items for _, items, _ in top_n(one._score_rows, rows, one.ratings_.n_items, LISTED, of)])
        for one, of in sides
    ]
    shares = [
        len(np.intersect1d(a[a >= 0], b[b >= 0])) / (b >= 0).sum() for a, b in zip(*lists, strict=True) if b[0] >= 0
    ]
    return float(np.mean(shares)) if shares else None
