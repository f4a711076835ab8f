"""The vectors of users or items: as a table, and as profiles, by which users or items are compared."""

from typing import get_args

import numpy as np
import pandas as pd

from autorec import checks, words
from autorec.array_types import Float32
from autorec.models.base import Recommender
from autorec.models.vector_tables import factors_of, make_vector_table


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


def profiles(model: Recommender, of: str) -> Float32:
    """[n × d] vectors of length 1 of the users, or items, whose products are cosines of scores.

    Take the scores of all users and items less the mean of each user and of each item, so that neither who rates high
    nor what is popular counts. The product of two profiles is the cosine of two users' rows of these scores, or of two
    items' columns. They are not made: with the vectors X of this side and Y of the other, both less their mean, and
    YᵀY = QΛQᵀ, the rows of XQ√Λ [n × d] have the products of those of XYᵀ. Who is average in all has a profile of 0.
    ParameterError: the model has no vectors.
    """
    checks.one_of("of", of, get_args(words.Side))
    own, other = (_centred(factors_of(model, side)) for side in (of, "users" if of == "items" else "items"))
    values, axes = np.linalg.eigh(other.T @ other)  # ascending
    scores = own @ (axes * np.sqrt(np.maximum(values, 0)))[:, ::-1]  # [n × d]
    norms = np.linalg.norm(scores, axis=1, keepdims=True)
    tiny = np.finfo(np.float32).eps * norms.max(initial=0)  # what rounding leaves of 0
    return np.where(norms > tiny, scores / np.where(norms > tiny, norms, 1), 0).astype(np.float32)


def _centred(factors: Float32) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.asarray(factors - factors.mean(axis=0, dtype=np.float64), dtype=np.float64)
