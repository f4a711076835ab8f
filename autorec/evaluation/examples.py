"""A few users as examples: what they rated, and what each model would show them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from autorec.models.base import Recommender
from autorec.ratings.matrix import Ratings, liked_from
from autorec.ratings.split import Split
from autorec.report.comparison_report import Example, Item

SHARES = (0.25, 0.5, 0.75)  # quantiles of the users by number of known ratings
RATED, LISTED = 6, 6  # items shown of each


def example_users(one: Split, relevant: float | None) -> npt.NDArray[Any]:
    """[at most 3] raw ids of known users who liked something in the test part, by ascending number of known ratings."""
    known = one.train if one.fold_in is None else one.fold_in
    liked = one.test.csr.data >= (liked_from(known.scale) if relevant is None else relevant)
    users = one.test.user_ids[np.unique(one.test.rows()[liked])]
    rows = known.find_users(users)
    users, rows = users[rows >= 0], rows[rows >= 0]
    if not len(users):
        return users
    order = np.argsort(np.diff(known.csr.indptr)[rows], kind="stable")
    return users[order[sorted({int(share * (len(users) - 1)) for share in SHARES})]]


def rated(one: Split, users: npt.NDArray[Any], user_ids: bool) -> list[Example]:
    """Raw ids users [n] → examples [n]: the best rated known items and the test items, best first; no lists yet.

    user_ids: whether the examples name their users.
    """
    known = one.train if one.fold_in is None else one.fold_in
    examples = []
    for user in users.tolist():
        best = _best(known, user)
        examples.append(Example(user if user_ids else None, len(best), best[:RATED], _best(one.test, user)))
    return examples


def lists(model: Recommender, users: npt.NDArray[Any]) -> list[tuple[Item, ...]]:
    """Raw ids users [n] → [n] tuples of the items that the model recommends, best first."""
    if not len(users):
        return []
    table = model.recommend(list(users), LISTED)
    columns = [name for name in ("user", "item", "title") if name in table]
    found: dict[Any, list[Item]] = {user: [] for user in users.tolist()}
    for user, *item in table[columns].itertuples(index=False, name=None):
        found[user].append(Item(*item))
    return [tuple(items) for items in found.values()]


def _best(ratings: Ratings, user: Any) -> tuple[Item, ...]:
    row = int(ratings.find_users([user])[0])
    entries = slice(int(ratings.csr.indptr[row]), int(ratings.csr.indptr[row + 1]))
    columns, values = ratings.csr.indices[entries], ratings.csr.data[entries]
    ids = ratings.item_ids[columns].tolist()
    titles = [None] * len(ids) if ratings.titles is None else ratings.titles[columns].tolist()
    return tuple(Item(ids[k], titles[k], float(values[k])) for k in np.argsort(-values, kind="stable"))
