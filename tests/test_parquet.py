"""Parquet and Arrow tables: the same ratings as from text, in few bytes; types that are no ids, ratings or times."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import bytes_at_most

from autorec import Ratings, read_ratings


@pytest.mark.parametrize("ordered", [True, False])
def test_reading_takes_few_bytes_a_rating(tmp_path: Path, ordered: bool) -> None:
    """Three columns of four bytes; out of order also the order, and each column once more while it is put in it."""
    rng = np.random.default_rng(0)
    n = 300_000
    pairs = rng.permutation(3_000_000)[:n]
    if ordered:
        pairs = np.sort(pairs)
    frame = pd.DataFrame(
        {"user": pairs // 1000 + 7, "item": pairs % 1000, "rating": rng.choice(np.arange(1, 11) / 2, n)}
    )
    frame.to_parquet(tmp_path / "ratings.parquet", row_group_size=10_000)
    path = tmp_path / "ratings.parquet"
    read_ratings(path)  # imports
    found: list[Ratings] = []
    assert bytes_at_most(lambda: found.append(read_ratings(path))) < (16 if ordered else 31) * n
    pd.testing.assert_frame_equal(found[0].to_frame(), frame.astype({"rating": np.float32}))


def test_ids_beyond_32_bits_in_a_later_row_group(tmp_path: Path) -> None:
    frame = pd.DataFrame({"user": [5, 3, 2**31, 2**40], "item": [1, 2, 3, 2**33], "rating": [1.0, 2.0, 3.0, 4.0]})
    frame.to_parquet(tmp_path / "ratings.parquet", row_group_size=1)
    ratings = read_ratings(tmp_path / "ratings.parquet")
    assert ratings.user_ids.tolist() == [3, 5, 2**31, 2**40] and ratings.user_ids.dtype == np.int64
    pd.testing.assert_frame_equal(ratings.to_frame(), frame.astype({"rating": np.float32}))
