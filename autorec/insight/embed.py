"""The vectors of users or items that a model has learned, as a table."""

import pandas as pd

from autorec import words
from autorec.models.base import Recommender
from autorec.models.vector_tables import make_vector_table


def embed(model: Recommender, of: words.Side = "items") -> pd.DataFrame:
    """The vectors of a fitted model → DataFrame with raw ids as its index and columns v0, v1, … in float32.

    of: "items" or "users". score(u, i) = v_u · v_i + bias_u + bias_i: the biases are left out, so that a vector tells
    taste, not how high somebody rates. `model.user_vectors()` and `model.item_vectors()` are the same. NotFittedError:
    before `fit`. ParameterError: the model has no vectors.

    >>> ratings = autorec.load_sample()
    >>> autorec.embed(autorec.PureSVD(factors=2).fit(ratings), of="users").columns.tolist()
    ['v0', 'v1']
    """
    return make_vector_table(model, of)
