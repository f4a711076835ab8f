"""The vectors of users or items that a model has learned, as a table."""

from typing import Any, get_args

import numpy as np
import pandas as pd

from autorec import checks, words
from autorec.array_types import Float32
from autorec.errors import ParameterError
from autorec.models.hooks import fitted
from autorec.models.registry import MODELS, OF_OTHERS

Model = Any  # autorec.models.base.Recommender, which imports this file


def make_vector_table(model: Model, of: str) -> pd.DataFrame:
    """See `autorec.embed`."""
    factors = factors_of(model, of)
    columns = [f"v{number}" for number in range(factors.shape[1])]
    return pd.DataFrame(factors, index=pd.Index(ids_of(model, of), name=of.removesuffix("s")), columns=columns)


def factors_of(model: Model, of: str) -> Float32:
    """[users or items × d] the vectors without biases; see `autorec.embed`."""
    checks.one_of("of", of, get_args(words.Side))
    ratings = fitted(model)
    if "rating" in model.ranks_by:
        model = model.ranked_by("rating")  # the part of a model that also ranks otherwise
    if not _has_vectors(type(model)):
        able = [row.name for row in MODELS.values() if row.group not in OF_OTHERS and _has_vectors(row.load())]
        raise ParameterError(
            f"{type(model).__name__} has no vectors of users and items; models that have: {', '.join(able)}"
        )
    found = model._items() if of == "items" else model._users(np.arange(ratings.n_users))
    return np.asarray(found.factors)


def ids_of(model: Model, of: str) -> Any:
    """[users or items] raw ids, in the order of the vectors."""
    return model.ratings_.item_ids if of == "items" else model.ratings_.user_ids


def _has_vectors(kind: type[Any]) -> bool:
    """Whether the class brings vectors that are more than a bias."""
    floor = {row.kind for row in MODELS.values() if row.group == "floor"}
    return kind._items.__qualname__ != "Hooks._items" and kind.__name__ not in floor
