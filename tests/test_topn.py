"""The best of each row: what sorting the whole row gives, ties, struck-out and missing scores included."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from autorec.ranking.topn import top_n


def sorted_whole(scores: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Descending, ties to the lower item; NaN and −inf are no scores."""
    scores = np.where(np.isnan(scores), -np.inf, scores)
    items = np.argsort(-scores, axis=1, kind="stable")[:, :n]
    best = np.take_along_axis(scores, items, axis=1)
    return np.where(best > -np.inf, items, -1), best


def best_of(scores: np.ndarray, n: int, seen: sparse.csr_array | None = None) -> tuple[np.ndarray, np.ndarray]:
    blocks = list(top_n(lambda rows: scores[rows].copy(), np.arange(len(scores)), scores.shape[1], n, seen))
    return np.concatenate([block[1] for block in blocks]), np.concatenate([block[2] for block in blocks])


def spoilt(scores: np.ndarray, how: str, rng: np.random.Generator) -> np.ndarray:
    if how == "rounded":  # many ties
        return np.round(scores)
    if how == "equal":
        return np.ones_like(scores)
    if how == "few left":
        return np.where(rng.random(scores.shape) < 0.97, -np.inf, scores)
    if how == "missing":
        return np.where(rng.random(scores.shape) < 0.3, np.nan, scores)
    if how == "far apart":
        return scores * np.float32(10) ** rng.integers(-30, 30, scores.shape)
    if how == "close":  # neighbours of float32, which are told apart by their last bits alone
        return 3 + rng.integers(0, 300, scores.shape) * np.float32(2**-22)
    if how == "one far above":
        return np.where(rng.random(scores.shape) < 2 / scores.shape[1], np.float32(1e6), scores)
    return scores


KINDS = ("plain", "rounded", "equal", "few left", "missing", "far apart", "close", "one far above")


@pytest.mark.parametrize("n_items", [1, 7, 300, 511, 512, 513, 3706])
@pytest.mark.parametrize("n", [1, 10, 100, 600])
@pytest.mark.parametrize("how", KINDS)
def test_the_best_are_those_of_the_whole_order(n_items: int, n: int, how: str) -> None:
    rng = np.random.default_rng(n_items + n)
    scores = spoilt(rng.normal(size=(9, n_items)).astype(np.float32), how, rng).astype(np.float32)
    n = min(n, n_items)
    items, best = best_of(scores, n)
    expected, values = sorted_whole(scores, n)
    np.testing.assert_array_equal(items, expected)
    np.testing.assert_array_equal(best, values)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_scores_may_be_of_any_kind_and_order(kind: type) -> None:
    scores = np.random.default_rng(0).normal(size=(9, 700)).astype(np.float32)
    ((_, items, _),) = top_n(lambda rows: np.asfortranarray(scores[rows].astype(kind)), np.arange(9), 700, 10, None)
    np.testing.assert_array_equal(items, sorted_whole(scores, 10)[0])


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 1200), st.integers(1, 40), st.sampled_from(KINDS), st.integers(0, 9))
def test_what_was_seen_never_comes(n_items: int, n: int, how: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = spoilt(rng.normal(size=(5, n_items)).astype(np.float32), how, rng).astype(np.float32)
    mask = rng.random(scores.shape) < 0.3
    items, _ = best_of(scores, min(n, n_items), sparse.csr_array(mask.astype(np.float32)))
    expected, _ = sorted_whole(np.where(mask, -np.inf, scores), min(n, n_items))
    np.testing.assert_array_equal(items, expected)
