"""Parquet and Arrow tables: the same ratings as from text, in few bytes; types that are no ids, ratings or times."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest
from conftest import bytes_at_most

from autorec import Ratings, read_ratings
from autorec.errors import InputError


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


def decimal_table(users: list[str | None], kind: pa.DataType) -> pa.Table:
    n = len(users)
    decimals = pa.array([None if user is None else Decimal(user) for user in users], kind)
    return pa.table({"user": decimals, "item": list(range(n)), "rating": [1.0 + i for i in range(n)]})


@pytest.mark.parametrize("kind", [pa.decimal128(38, 2), pa.decimal256(60, 0)])
@pytest.mark.parametrize("way", ["a file", "a table", "a DataFrame"])
def test_whole_decimals_are_the_integers_that_they_write(tmp_path: Path, kind: pa.DataType, way: str) -> None:
    """Databases write integers so. One beyond 64 bits makes all of the column text, as integers of that size do."""

    def read(users: list[str | None]) -> list[object]:
        table = decimal_table(users, kind)
        if way == "a file":
            pa_parquet.write_table(table, tmp_path / "ratings.parquet")
            return read_ratings(tmp_path / "ratings.parquet").user_ids.tolist()
        return read_ratings(table if way == "a table" else table.to_pandas()).user_ids.tolist()

    assert read(["7", "-3", "7000000000"]) == [-3, 7, 7_000_000_000]
    assert read(["7", "12345678901234567890"]) == ["12345678901234567890", "7"]


@pytest.mark.parametrize("way", ["a table", "a DataFrame"])
def test_decimals_that_are_not_whole_are_no_ids(way: str) -> None:
    table = decimal_table(["7", "7.50"], pa.decimal128(38, 2))
    with pytest.raises(InputError, match=r"column user.* the decimal 7\.50.* integers or text: .* text"):
        read_ratings(table if way == "a table" else table.to_pandas())


def test_rows_without_a_decimal_id_are_dropped_where_asked(tmp_path: Path) -> None:
    pa_parquet.write_table(decimal_table(["7", None, "8"], pa.decimal128(9, 0)), tmp_path / "ratings.parquet")
    with pytest.raises(InputError, match="row 2: the user is missing"):
        read_ratings(tmp_path / "ratings.parquet")
    ratings = read_ratings(tmp_path / "ratings.parquet", on_error="skip")
    assert ratings.user_ids.tolist() == [7, 8] and ratings.skipped == 1
