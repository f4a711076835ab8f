"""Weights of ratings by their age: a choice made long before a user's last rating says less of what the user wants now.

In the history from which a user's list is made, a choice of age a, the days from it to the last rating of that user,
counts 2^(−a / half-life) in place of 1. What a model learns from all users stays: weights by age there gain nothing
on MovieLens. Popularity, which has no histories, counts each rating so, by its age before the last rating of all.

"auto" is a choice on the latest tenth of the ratings: the model learns from those before, with each half-life its
users' lists are compared with what they liked later, and the best is taken where it is better than none by more than
the standard error of the difference. A history without dates, as of a person whom the model never saw, has no weights.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import clone

from autorec import checks, progress
from autorec.array_types import Float32, IntArray
from autorec.errors import InputError
from autorec.models import scoring
from autorec.ranking.held_out_users import is_better
from autorec.ratings.matrix import Ratings, liked_from

HALF_LIVES = (7.0, 15.0, 30.0, 90.0, 365.0)  # days
LATEST = 0.1  # share of the ratings on which one is chosen
FEWEST, MOST = 20, 2000  # users there, known and with something liked; fewer say nothing, more are drawn from
DAY = 86_400.0  # seconds
MOST_HALVED = 60  # times, so that no length of a history is 0 in float32

Model = Any  # autorec.models.base.Recommender, which imports this file


def weigh(times: npt.NDArray[np.int64], last: Any, half_life: float) -> Float32:
    """[n] 2^(−age / half-life) of ratings at `times` [n], seconds; last: of each [n] or of all the time of age 0."""
    ages = (np.asarray(last, dtype=np.float64) - times) / DAY  # in float64: differences of int64 may not fit
    return np.exp2(-np.minimum(ages / half_life, MOST_HALVED)).astype(np.float32)


def weigh_histories(ratings: Ratings, rows: IntArray, half_life: float) -> Float32:
    """Weights of all ratings of the users in `rows` [B], in the order of `ratings.csr[rows]`; ratings have dates."""
    assert ratings.timestamps is not None
    checks.number("half_life", half_life, above=0)  # that of a file may be anything
    csr = ratings.csr
    times = sparse.csr_array((ratings.timestamps, csr.indices, csr.indptr), shape=csr.shape)[rows]
    users = np.repeat(np.arange(len(rows)), np.diff(times.indptr))  # [their ratings]
    last = np.full(len(rows), -np.inf)
    np.maximum.at(last, users, times.data)
    return weigh(times.data, last[users], half_life)


def choose_half_life(model: Model, ratings: Ratings) -> dict[str, Any]:
    """{"half_life": days, or None}, and where it was chosen "half_lives": days → NDCG@10, "none" first.

    model: of choices, with a parameter `half_life`. InputError: a half-life is given and the ratings have no dates.
    """
    given, dated = model.half_life, ratings.timestamps is not None
    if given is not None and given != "auto":
        if not dated:
            raise InputError(
                f"half_life is {given:g} and the ratings have no timestamps; give ratings with dates, or half_life none"
            )
        return {"half_life": float(given)}
    found = _score_half_lives(model, ratings) if given and dated else {}
    if not found:
        return {"half_life": None}
    plain = found[None]
    best = max(HALF_LIVES, key=lambda days: float(found[days].mean()))
    helps = is_better(found[best], plain)
    means = {"none" if days is None else f"{days:g}": round(float(scores.mean()), 4) for days, scores in found.items()}
    told = f"a half-life of {best:g} days" if helps else "no weights"
    figures = f"NDCG@10 {plain.mean():.4f} without, {found[best].mean():.4f} with {best:g} days"
    progress.note(f"Histories by age: {told}; {figures}, on the latest tenth of the ratings.")
    return {"half_life": best if helps else None, "half_lives": means}


def _score_half_lives(model: Model, ratings: Ratings) -> dict[float | None, npt.NDArray[np.float64]]:
    """Half-life → NDCG@10 [users] on the latest ratings; {} where they say nothing."""
    if len(ratings) < 1 / LATEST:
        return {}
    from autorec.ratings.split import time_split  # which reads files, as no saved model needs

    one = time_split(ratings, LATEST)
    threshold = liked_from(ratings.scale)
    known = (one.train.find_users(one.test.user_ids) >= 0)[one.test.rows()]
    users = np.unique(one.test.rows()[known & (one.test.csr.data >= threshold)])
    enough = len(users) >= FEWEST and bool((one.train.csr.data >= threshold).any())
    if not enough:
        return {}
    asked = np.random.default_rng(0).permutation(users)[:MOST]
    later = one.test.select(np.isin(one.test.rows(), asked))
    trial = clone(model).set_params(half_life=None)
    trial._adopt(one.train, trial._fit(one.train, None))
    return {days: scoring.ndcg_of_users(trial._with_half_life(days), later, threshold) for days in (None, *HALF_LIVES)}
