"""Recommendations for a batch of users, in a process of a cluster: the model is loaded once a process."""

import functools
from pathlib import Path
from typing import Any

import pandas as pd

from autorec.models.base import Recommender, load
from autorec.models.unknown import recommend_anyone
from autorec.storage.manifest import describe

COLUMN = "user"


def recommend_batch(
    users: pd.DataFrame, folder: str, n: int, by: Any = None, exclude_seen: bool = True, **wishes: Any
) -> pd.DataFrame:
    """DataFrame with a column user [users] → DataFrame user, item, score, rank[, title], source, n rows for each user.

    folder: of the model, absolute, where each process of the cluster finds it. by, exclude_seen, wishes (allow, deny,
    where, boost, diversify): as in `Recommender.recommend`. source is "model", or "fallback" for a user whom the model
    does not know: the items by their damped mean. Ids of users have the type that they came with.
    """
    ids = users[COLUMN]
    found = list(recommend_anyone(load_once(folder), ids.tolist(), n, by=by, exclude_seen=exclude_seen, **wishes))
    of_type = [table.assign(user=table["user"].astype(ids.dtype)) for table in found if len(table) or len(found) == 1]
    return pd.concat(of_type, ignore_index=True).astype({"score": "float64", "rank": "int64"})


def load_once(folder: str) -> Recommender:
    """The model of a folder, kept in the process until another is saved there."""
    return _load(folder, describe(folder)["sha256"])


@functools.lru_cache(maxsize=1)
def _load(folder: str, sha256: str) -> Recommender:
    return load(Path(folder))
