"""Diversity of a list: the best items are put in a new order in which near copies do not follow each other."""

from collections.abc import Callable

import numpy as np

from autorec.array_types import FloatArray, IntArray

Similarities = Callable[[IntArray], FloatArray]  # columns [C] → [C × C]; −inf where two are not to be compared

_LEAST, _MOST = 100, 1000  # candidates, unless the list is longer
_TIMES = 10  # candidates for an item of the list


def candidates(n: int, n_items: int) -> int:
    """How many of the best items a list of n diverse ones is chosen from."""
    return min(n_items, max(n, min(max(_LEAST, _TIMES * n), _MOST)))


def rerank(scores: FloatArray, similarities: FloatArray, n: int, diversify: float) -> IntArray:
    """Positions of up to n of the C candidates, in the order in which they are picked; of equal ones the first.

    Maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998): each pick maximises

        (1 − λ) · relevance_i  −  λ · max over the picked j of similarity_ij,      λ = `diversify`

    relevance: `scores` [C] from 0 for the lowest candidate to 1 for the highest; similarity: the positive part of
    `similarities` [C × C], divided by the largest between two candidates. So λ means about the same for any model.
    """
    span = scores.max() - scores.min() if len(scores) else 0.0
    relevance = (scores - scores.min()) / span if span > 0 else np.zeros(len(scores))
    positive = np.maximum(similarities, 0)
    np.fill_diagonal(positive, 0)
    positive = positive / (positive.max() or 1.0) if len(scores) else positive
    nearest_picked = np.zeros(len(scores))
    gain = (1 - diversify) * relevance
    picked = np.empty(min(n, len(scores)), dtype=np.int64)
    for rank in range(len(picked)):
        picked[rank] = best = int(np.argmax(gain - diversify * nearest_picked))
        nearest_picked = np.maximum(nearest_picked, positive[best])
        gain[best] = -np.inf
    return picked


def rerank_rows(
    items: IntArray, scores: FloatArray, similarities: Similarities, n: int, diversify: float
) -> tuple[IntArray, FloatArray]:
    """Items and scores [B × C], best first and ending in item −1 where fewer are left → the same [B × n], diverse."""
    found, best = np.full((len(items), n), -1, dtype=items.dtype), np.full((len(items), n), -np.inf)
    for row in range(len(items)):
        columns, given = items[row][items[row] >= 0], scores[row][items[row] >= 0]
        picked = rerank(given, similarities(columns), n, diversify)
        found[row, : len(picked)], best[row, : len(picked)] = columns[picked], given[picked]
    return found, best
