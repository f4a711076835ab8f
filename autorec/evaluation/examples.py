"""A few users as people see them: what they rated, and what each model would show them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from autorec.models.base import Recommender
from autorec.ratings.matrix import Ratings, liked_from
from autorec.ratings.split import Split

SHARES = (0.25, 0.5, 0.75)  # of the users by number of known ratings: a quiet, a middling and a busy one
RATED, LISTED = 6, 6  # items shown of each


def example_users(one: Split, relevant: float | None) -> npt.NDArray[Any]:
    """Raw ids of users who are known and liked something in the test part; [] where there is none."""
    known = one.train if one.fold_in is None else one.fold_in
    liked = one.test.csr.data >= (liked_from(known.scale) if relevant is None else relevant)
    users = one.test.user_ids[np.unique(one.test.rows()[liked])]
    places = known.find_users(users)
    users, places = users[places >= 0], places[places >= 0]
    if not len(users):
        return users
    order = np.argsort(np.diff(known.csr.indptr)[places], kind="stable")
    return users[order[sorted({int(share * (len(users) - 1)) for share in SHARES})]]


def rated(one: Split, users: npt.NDArray[Any]) -> list[dict[str, Any]]:
    """One entry a user: the best rated known items and the test items, each {"item", "title", "rating"}, best first."""
    known = one.train if one.fold_in is None else one.fold_in
    return [
        {"user": user, "known": _best(known, user)[:RATED], "test": _best(one.test, user)} for user in users.tolist()
    ]


def lists(model: Recommender, users: npt.NDArray[Any]) -> list[list[dict[str, Any]]]:
    """The best items of each user, {"item", "title"}."""
    if not len(users):
        return []
    table = model.recommend(list(users), LISTED)
    shown = [name for name in ("item", "title") if name in table]
    found: dict[Any, list[dict[str, Any]]] = {user: [] for user in users.tolist()}
    for user, *values in table[["user", *shown]].itertuples(index=False, name=None):
        found[user].append(dict(zip(shown, values, strict=True)))
    return list(found.values())


def _best(ratings: Ratings, user: Any) -> list[dict[str, Any]]:
    row = int(ratings.find_users([user])[0])
    entries = slice(int(ratings.csr.indptr[row]), int(ratings.csr.indptr[row + 1]))
    columns, values = ratings.csr.indices[entries], ratings.csr.data[entries]
    ids = ratings.item_ids[columns].tolist()
    found = []
    for place in np.argsort(-values, kind="stable"):
        title = {} if ratings.titles is None else {"title": ratings.titles[columns[place]]}
        found.append({"item": ids[place], **title, "rating": float(values[place])})
    return found
