"""Scores of vectors against the sum that defines them."""

import numpy as np
import pytest

from autorec.models.vectors import as_left, as_right, score_pairs, vectors


@pytest.mark.parametrize("width", [0, 1, 7])
def test_all_scores_and_single_pairs_are_products_and_biases(width):
    rng = np.random.default_rng(0)
    users = vectors(rng.normal(size=(30, width)), rng.normal(size=30))
    items = vectors(rng.normal(size=(20, width)), rng.normal(size=20))
    expected = users.factors @ items.factors.T + users.bias[:, None] + items.bias
    np.testing.assert_allclose(as_left(users) @ as_right(items).T, expected, atol=1e-5)
    rows, columns = rng.integers(0, 30, 3000), rng.integers(0, 20, 3000)  # more than one block
    np.testing.assert_allclose(score_pairs(users, rows, items, columns), expected[rows, columns], atol=1e-5)


def test_without_factors_vectors_have_width_0():
    assert vectors(None, np.ones(4)).factors.shape == (4, 0)
