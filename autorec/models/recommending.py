"""Lists of items: scores, filters, the n best, diversity, in this order, for any model.

`best_items` and `score_person` are what `recommend` and the HTTP service stand on; they know no ids.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from autorec import checks, progress
from autorec.array_types import FloatArray, IntArray
from autorec.errors import InputError
from autorec.fitting.biases import fold_in_users
from autorec.models.histories import make_history
from autorec.models.vectors import FEW, Vectors
from autorec.ranking.filters import NO_FILTERS, Filters, make_filters
from autorec.ranking.rerank import candidates, rerank_rows
from autorec.ranking.topn import ScoreRows, top_n
from autorec.ratings.ids import as_collection

Model = Any  # autorec.models.base.Recommender, which imports this file
ToRatings = Callable[[FloatArray], FloatArray]


def best_items(
    model: Model,
    score_rows: ScoreRows,
    rows: IntArray,
    n: int,
    seen: sparse.csr_array | None,
    filters: Filters = NO_FILTERS,
    diversify: float = 0.0,
    to_ratings: ToRatings | None = None,
) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
    """Yield (rows [B], items [B × n], scores [B × n]) block by block, best first; scores with their boosts.

    score_rows, seen: see `top_n`. Where fewer than n items are left a row ends in item −1. diversify: λ of `rerank`.
    to_ratings: scores → the scale of the ratings, on which boosts are added; None: that of the model.
    """
    to_ratings = to_ratings or model._to_ratings
    boosted = filters.boosts is not None

    def score(block: IntArray) -> Any:
        scores = score_rows(block)
        return filters.apply(to_ratings(scores) if boosted else scores)

    n_items = model.ratings_.n_items
    taken = candidates(n, n_items) if diversify else n
    similarities = model._similarities() if diversify else None
    for block, items, scores in top_n(score, rows, n_items, taken, seen):
        shown = scores if boosted else to_ratings(scores)
        if similarities is not None:
            items, shown = rerank_rows(items, shown, lambda columns: similarities(columns, columns), n, diversify)
        yield block, items, shown


def score_person(model: Model, history: sparse.csr_array, row: int = -1) -> tuple[FloatArray, bool]:
    """([1 × items] scores on the scale of the ratings, a new array; whether they are the model's).

    history [1 × items], valid: ratings of one person, all that is known of them; row: that of a user of the model whose
    ratings these are, −1 for anyone else. Without a rating it is the fallback, the damped mean of each item.
    """
    if not history.nnz:
        return fallback_scores(model)[None].astype(np.float32), False
    scores = model._score_history(history) if row < 0 else model._score_rows(np.array([row]))
    return model._to_ratings(scores), True


def score_people(model: Model, people: Sequence[tuple[sparse.csr_array, int]]) -> list[tuple[FloatArray, bool]]:
    """`score_person` of each (history, row), to the same bits; strangers together where the model can."""
    scored: dict[int, tuple[FloatArray, bool]] = {}
    strangers = [number for number, (history, row) in enumerate(people) if history.nnz and row < 0]
    for start in range(0, len(strangers) if model.scores_together else 0, FEW):
        some = strangers[start : start + FEW]
        users = [model._encode(people[number][0]) for number in some]
        scores = model._to_ratings(model._score(Vectors(*map(np.concatenate, zip(*users, strict=True)))))
        scored |= {number: (scores[[at]], True) for at, number in enumerate(some)}
    return [scored.get(number) or score_person(model, *person) for number, person in enumerate(people)]


def predict_person(model: Model, history: sparse.csr_array, columns: IntArray, row: int = -1) -> FloatArray:
    """[pairs] ratings that the person of `score_person` would give the items in `columns` [pairs], −1 for an unknown
    one, as `predict`: clipped, the damped bias of the person where the item is unknown. ParameterError: the model
    predicts no ratings."""
    model._require_ratings()
    damped = fold_in_users(model.fallback_, history) if row < 0 else model.fallback_
    predicted = damped.predict(np.full(len(columns), max(row, 0)), columns)
    if history.nnz:
        scores, _ = score_person(model.ranked_by("rating"), history, row)
        predicted[columns >= 0] = scores[0, columns[columns >= 0]]
    return np.asarray(np.clip(predicted, *model.ratings_.scale))


def fallback_scores(model: Model) -> FloatArray:
    """[items] mean + item bias of `model.fallback_`: what `predict` answers for unknown users."""
    return np.asarray(model.fallback_.mean + model.fallback_.item)


def recommend_blocks(
    model: Model, users: Any, n: int, exclude_seen: bool, history: Any, diversify: float = 0.0, **wishes: Any
) -> Iterator[pd.DataFrame]:
    """See `Recommender.recommend_blocks`. wishes: those of `make_filters`."""
    ratings = model._fitted()
    n = min(checks.whole("n", n), ratings.n_items)
    checks.share("diversify", diversify)
    checks.flag("exclude_seen", exclude_seen)
    filters = make_filters(ratings, **wishes)
    if filters.unknown:
        warnings.warn(f"{filters.unknown} ids of allow, deny and boost are no items of the model", stacklevel=3)
    if history is not None:
        yield _recommend_person(model, users, n, exclude_seen, history, filters, diversify)
        return
    rows, seen = model._find_rows(users), ratings.csr if exclude_seen else None
    if not len(rows):
        yield make_table(model, ratings.user_ids[rows], np.empty((0, n), dtype=np.int64), np.empty((0, n)))
    with progress.bar("recommending", len(rows)) as update:
        done = 0
        for block, items, scores in best_items(model, model._score_rows, rows, n, seen, filters, diversify):
            done += len(block)
            update(done, f"{done:,} of {len(rows):,} users")
            yield make_table(model, ratings.user_ids[block], items, scores)


def _recommend_person(
    model: Model, users: Any, n: int, exclude_seen: bool, history: Any, filters: Filters, diversify: float
) -> pd.DataFrame:
    asked = [] if users is None else list(as_collection(users))
    if len(asked) > 1:
        raise InputError(f"a history is that of one person; got {len(asked)} users: use fold_in for several")
    row = int(model.ratings_.find_users(asked)[0]) if asked else -1
    person, unknown = make_history(model.ratings_, history, row)
    if unknown:
        warnings.warn(f"{unknown} items of the history are not known to the model and left out", stacklevel=4)
    scores, known = score_person(model, person)
    if not known:
        warnings.warn("the history has no item that the model knows: the list is that of any new person", stacklevel=4)
    seen, first = person if exclude_seen else None, np.zeros(1, dtype=np.int64)
    ((_, items, best),) = best_items(model, lambda _: scores, first, n, seen, filters, diversify, np.asarray)
    return make_table(model, np.array(asked, dtype=object) if asked else None, items, best)


def make_table(model: Model, users: Any, items: IntArray, scores: FloatArray) -> pd.DataFrame:
    """User ids [B] or None, items and scores [B × n] → DataFrame user, item, score, rank[, title]; no column user for
    None; items of −1 are left out."""
    ratings, found = model.ratings_, items >= 0
    columns = {} if users is None else {"user": np.repeat(users, found.sum(axis=1))}
    columns |= {
        "item": ratings.item_ids[items[found]],
        "score": np.asarray(scores)[found],
        "rank": np.broadcast_to(np.arange(1, items.shape[1] + 1), items.shape)[found],
    }
    if ratings.titles is not None:
        columns["title"] = ratings.titles[items[found]]
    return pd.DataFrame(columns)
