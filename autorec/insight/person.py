"""One person of whom a list is asked, or asked about: a user of the model, a history of anyone, or both."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

from autorec.array_types import FloatArray, IntArray
from autorec.errors import InputError
from autorec.models.base import Recommender
from autorec.models.histories import make_history
from autorec.models.hooks import fitted
from autorec.ranking.topn import best_of_rows, map_blocks
from autorec.ratings.ids import as_collection, require_known


def find_person(model: Recommender, user: Any, history: Any) -> tuple[sparse.csr_array, int]:
    """(ratings [1 × items] of the person, row of the user where these are all its ratings, else −1).

    user, history: as for `Recommender.recommend`. InputError: neither, several users, an unknown user without a
    history, or no rating that the model knows.
    """
    ratings = fitted(model)
    asked = [] if user is None else list(as_collection(user))
    if len(asked) > 1 or (not asked and history is None):
        raise InputError(f"got {len(asked)} users and {'no' if history is None else 'a'} history; give one person")
    rows = model._find_rows(asked) if asked and history is None else ratings.find_users(asked)
    row = int(rows[0]) if asked else -1
    person, _ = make_history(ratings, {} if history is None else history, row)
    if not person.nnz:
        raise InputError("the model knows no item that this person rated; give a history of items of the model")
    return person, row if history is None else -1


def find_columns(model: Recommender, items: Any) -> IntArray:
    """[items] columns of raw ids. InputError: one is not known."""
    asked = as_collection(items)
    columns = fitted(model).find_items(asked)
    require_known(asked, columns, "item")
    return columns


def map_scores(model: Recommender, histories: sparse.csr_array, work: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """work(scores [part × items]) of parts of the histories [B × items], joined; scores on the scale of the ratings."""

    def score(rows: IntArray) -> Any:
        return model._score(model._encode(sparse.csr_array(histories[rows])))

    n, n_items = histories.shape
    return np.concatenate(
        list(map_blocks(score, np.arange(n), n_items, lambda _, scores: work(model._to_ratings(scores))))
    )


def score_histories(model: Recommender, histories: sparse.csr_array, columns: Any = slice(None)) -> FloatArray:
    """[B × columns] scores of the items in `columns`, on the scale of the ratings, for histories [B × items]."""
    return map_scores(model, histories, lambda scores: scores[:, columns])


def without(history: sparse.csr_array, sets: Any) -> sparse.csr_array:
    """One history [1 × items] → [sets × items], each row without the ratings at the positions in one of `sets`
    [sets × size]."""
    kept = np.ones((len(sets), history.nnz), dtype=bool)
    np.put_along_axis(kept, np.asarray(sets), False, axis=1)
    positions = np.nonzero(kept)[1]
    starts = np.concatenate(([0], np.cumsum(kept.sum(axis=1)))).astype(history.indptr.dtype)
    shape = (len(sets), history.shape[1])
    return sparse.csr_array((history.data[positions], history.indices[positions], starts), shape=shape)


def rank_items(scores: FloatArray, seen: sparse.csr_array, n: int) -> IntArray:
    """[at most n] columns of the best items by scores [1 × items], the best first, none of those in `seen` [1 × items].

    InputError: no item is left.
    """
    items, _ = best_of_rows(scores.copy(), min(n, scores.shape[1]), np.zeros(1, dtype=np.int64), seen)
    left: IntArray = items[0][items[0] >= 0]
    if not len(left):
        raise InputError("this person rated all items of the model: the list is empty")
    return left
