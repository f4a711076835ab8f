"""What users, or items, are compared by: the direction in which their scores depart from the average."""

from typing import get_args

import numpy as np

from autorec import checks, words
from autorec.models.base import Recommender
from autorec.models.vector_tables import factors_of
from autorec.models.vectors import Float32


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
