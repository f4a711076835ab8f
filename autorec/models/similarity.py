"""The items that are nearest to an item, for any model."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from autorec import checks
from autorec.array_types import Float32
from autorec.errors import ParameterError
from autorec.models.recommending import make_table
from autorec.models.registry import named
from autorec.models.vectors import cosines_with
from autorec.ranking.topn import top_n
from autorec.ratings.ids import as_collection, as_ids, require_known

Model = Any  # autorec.models.base.Recommender, which imports this file


def cosines(factors: Float32, name: str) -> Callable[..., Float32]:
    """Factors [items × d] → a function: columns [B], others [C] (default: all items) → cosines [B × C].

    An item whose factors are 0 has the cosine 0. ParameterError: d is 0; `name` is that of the model.
    """
    if not factors.shape[1]:
        raise ParameterError(
            f"{name} knows nothing of an item but one number, so none is near another; "
            f"models that can: {', '.join(named(has_factors=True))}"
        )
    return cosines_with(factors)


def similar_items(model: Model, items: Any, n: int) -> pd.DataFrame:
    """See `Recommender.similar`."""
    ratings = model._fitted()
    n = min(checks.whole("n", n), ratings.n_items)
    asked = pd.unique(as_ids(as_collection(items), "item ids")).tolist()
    columns = ratings.find_items(asked)
    require_known(asked, columns, "item")
    itself = sparse.csr_array((np.ones(len(columns)), (columns, columns)), shape=(ratings.n_items, ratings.n_items))
    blocks = list(top_n(model._similarities(), columns, ratings.n_items, n, itself))
    if not blocks:
        blocks = [(columns[:0], np.empty((0, n), dtype=np.int64), np.empty((0, n), dtype=np.float32))]
    tables = [make_table(model, ratings.item_ids[block], similar, cosine) for block, similar, cosine in blocks]
    names = {"user": "item", "item": "similar", "score": "cosine"}
    return pd.concat(tables, ignore_index=True).rename(columns=names)
