"""Recommendations for users without any rating: the same list for all."""

from typing import Any

import numpy as np
import pandas as pd

from autorec import checks
from autorec.models.base import Recommender, as_collection
from autorec.ratings.ids import as_ids, from_tokens


def recommend_unknown(model: Recommender, users: Any, n: int = 10) -> pd.DataFrame:
    """The n items of the highest damped mean → DataFrame user, item, score, rank[, title], n rows for each of `users`.

    score = mean + item bias of `model.fallback_`, as `predict` answers for these users. Of equal items the first in the
    model comes first. users: a raw id or any collection of them. ParameterError: n is below 1.
    """
    n = checks.whole("n", n)
    ratings, users = model.ratings_, as_ids(as_collection(users), "user ids")
    if ratings.user_ids.dtype.kind == "i" and users.dtype.kind == "O":
        users = from_tokens(users)  # 7 and "7" are one id; integers, as those of the model, where all are
    best = np.argsort(-model.fallback_.item, kind="stable")[:n]
    rank = np.arange(1, len(best) + 1)
    columns = {
        "item": ratings.item_ids[best],
        "score": model.fallback_.mean + model.fallback_.item[best],
        "rank": rank,
    }
    if ratings.titles is not None:
        columns["title"] = ratings.titles[best]
    table = {"user": np.repeat(users, len(best))}
    return pd.DataFrame(table | {name: np.tile(values, len(users)) for name, values in columns.items()})
