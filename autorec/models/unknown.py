"""Recommendations for users without any rating, the same list for all, and for known and unknown users together."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from autorec import checks, words
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


def recommend_anyone(
    model: Recommender,
    users: Any = None,
    n: int = 10,
    *,
    by: words.RankedBy | None = None,
    exclude_seen: bool = True,
    **wishes: Any,
) -> Iterator[pd.DataFrame]:
    """DataFrames user, item, score, rank[, title], source: `Recommender.recommend_blocks` of the users whom the model
    knows, source "model", then `recommend_unknown` of the others, source "fallback"; at least one.

    users: raw ids; None for those of the model, of whom some may be unknown, folded in with nothing that it knows.
    by, exclude_seen, wishes (allow, deny, where, boost, diversify): as in `Recommender.recommend`. Ids are all text
    where some are. ParameterError: as there.

    >>> model = autorec.Ease().fit(autorec.load_sample())
    >>> pd.concat(autorec.recommend_anyone(model, [1, 7_000], n=1))[["user", "rank", "source"]]
       user  rank    source
    0     1     1     model
    0  7000     1  fallback
    """
    ratings = fitted(model)
    known = model._has_history(np.arange(ratings.n_users)) if users is None else None
    if known is not None and known.all():  # their ids are made a block at a time
        for block in model.recommend_blocks(None, n, by=by, exclude_seen=exclude_seen, **wishes):
            yield block.assign(source="model")
        return
    asked = ratings.user_ids.tolist() if users is None else list(as_collection(users))
    known = model.known_users(asked)
    unknown = [user for user, found in zip(asked, known, strict=True) if not found]
    rest = recommend_unknown(model, unknown, n, **wishes).assign(source="fallback") if unknown else None
    if known.any() or rest is None:
        chosen = [user for user, found in zip(asked, known, strict=True) if found] if unknown else users
        for block in model.recommend_blocks(chosen, n, by=by, exclude_seen=exclude_seen, **wishes):
            as_text = rest is not None and rest["user"].dtype != block["user"].dtype
            yield block.assign(user=block["user"].astype(str) if as_text else block["user"], source="model")
    if rest is not None:
        yield rest
