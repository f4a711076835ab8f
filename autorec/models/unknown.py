"""Recommendations for users without any rating: the same list for all."""

from typing import Any

import numpy as np
import pandas as pd

from autorec import checks
from autorec.models.base import Recommender
from autorec.models.hooks import fitted
from autorec.models.recommending import best_items, fallback_scores, make_table
from autorec.ranking.filters import make_filters
from autorec.ratings.ids import as_collection, as_ids, from_tokens


def recommend_unknown(
    model: Recommender, users: Any, n: int = 10, *, diversify: float = 0.0, **wishes: Any
) -> pd.DataFrame:
    """The n items of the highest damped mean → DataFrame user, item, score, rank[, title], n rows for each of `users`.

    score = mean + item bias of `model.fallback_`, as `predict` answers for these users. Of equal items the first in the
    model comes first. users: a raw id or any collection of them. diversify, wishes (allow, deny, where, boost): as in
    `Recommender.recommend`. ParameterError: n is below 1.

    >>> ratings = autorec.load_sample()
    >>> autorec.recommend_unknown(autorec.Ease().fit(ratings), ["ann", "bob"], n=1)[["user", "item", "rank"]]
      user  item  rank
    0  ann   264     1
    1  bob   264     1
    """
    ratings = fitted(model)
    n = min(checks.whole("n", n), ratings.n_items)
    checks.share("diversify", diversify)
    users = as_ids(as_collection(users), "user ids")
    if ratings.user_ids.dtype.kind == "i" and users.dtype.kind == "O":
        users = from_tokens(users)  # 7 and "7" are one id; integers, as those of the model, where all are
    filters = make_filters(ratings, **wishes)
    scores, row = fallback_scores(model)[None], np.zeros(1, dtype=np.int64)
    ((_, items, best),) = best_items(model, lambda _: scores.copy(), row, n, None, filters, diversify, np.asarray)
    table = make_table(model, None, items, best)
    everyone = pd.DataFrame({"user": np.repeat(users, len(table))})
    return everyone.join(pd.concat([table] * max(len(users), 1), ignore_index=True).iloc[: len(everyone)])
