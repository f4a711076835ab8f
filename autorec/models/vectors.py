"""Vectors of users or items: score(u, i) = factors_u · factors_i + bias_u + bias_i.

The mean of all ratings is part of one of the two biases. A model without factors has d = 0 and ranks by the biases
alone.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from autorec.array_types import Float32, FloatArray, IntArray
from autorec.compiled import kernel
from autorec.network.ranges import run_in_parts

FEW = 16  # users whose scores are made in one pass over the items, each as if it were alone
_PAIRS = 1024  # pairs whose factors are copied at once and stay in a cache


class Vectors(NamedTuple):
    """factors [n × d] float32, bias [n] float32."""

    factors: Float32
    bias: Float32


def vectors(factors: FloatArray | None, bias: FloatArray) -> Vectors:
    """Factors [n × d], None for d = 0, and bias [n] → Vectors, float32."""
    found = np.empty((len(bias), 0)) if factors is None else factors
    return Vectors(np.asarray(found, dtype=np.float32), np.asarray(bias, dtype=np.float32))


def as_left(users: Vectors) -> Float32:
    """[n × (d + 2)] factors, 1, bias: the left side of the one product that gives all scores; see `as_right`."""
    return _join(users.factors, 1, users.bias)


def as_right(items: Vectors) -> Float32:
    """[n × (d + 2)] factors, bias, 1; scores = as_left(users) @ as_right(items).T."""
    return _join(items.factors, items.bias, 1)


def score_all(left: Float32, right: Float32) -> Float32:
    """[n × items] left [n × d] · rightᵀ [d × items].

    Of few users each score is the same bits whoever else is there, and right, whose reading takes the most time, is
    read once for all of them. Of more it is a product by BLAS.
    """
    if len(left) > FEW:
        return np.asarray(left @ right.T)
    scores = np.empty((len(right), len(left)), dtype=np.float32)
    run_in_parts(_multiply, right, scores, numbers=(left,))
    return np.ascontiguousarray(scores.T)


@kernel(fastmath=True)
def _multiply(right: Any, scores: Any, left: Any) -> None:
    """scores [items × n] = right [items × d] · leftᵀ [d × n]; four rows of right at a time stay in L1 for all of
    left."""
    items = len(right)
    for first in range(0, items, 4):
        last = items - 1
        a, b, c, d = right[first], right[min(first + 1, last)], right[min(first + 2, last)], right[min(first + 3, last)]
        for user in range(len(left)):
            own, sums = left[user], (np.float32(0), np.float32(0), np.float32(0), np.float32(0))
            for unit in range(len(own)):  # vectorised
                x = own[unit]
                sums = (sums[0] + x * a[unit], sums[1] + x * b[unit], sums[2] + x * c[unit], sums[3] + x * d[unit])
            for more in range(min(4, items - first)):
                scores[first + more, user] = sums[more]


def score_pairs(users: Vectors, rows: IntArray, items: Vectors, columns: IntArray) -> Float32:
    """[pairs] the score of users[rows[p]] and items[columns[p]]."""
    scores: Float32 = users.bias[rows] + items.bias[columns]
    if items.factors.shape[1]:
        for start in range(0, len(rows), _PAIRS):
            part = slice(start, start + _PAIRS)
            scores[part] += np.einsum("pd,pd->p", users.factors[rows[part]], items.factors[columns[part]])
    return scores


def cosines_with(factors: Float32) -> Callable[..., Float32]:
    """A function: rows [B], others [C] (default: all) of the factors [n × d] → cosines [B × C]; 0 where a row is 0."""
    norms = np.linalg.norm(factors, axis=1, keepdims=True)
    unit = np.divide(factors, np.where(norms > 0, norms, 1), dtype=np.float32)
    return lambda rows, others=slice(None): np.asarray(unit[rows] @ unit[others].T)


def _join(factors: Float32, first: Any, second: Any) -> Float32:
    joined = np.empty((len(factors), factors.shape[1] + 2), dtype=np.float32)
    joined[:, :-2] = factors
    joined[:, -2] = first
    joined[:, -1] = second
    return joined
