"""Ratings that stand for none: suspected where they lie apart, left out where they are told."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autorec import read_ratings, summarize
from autorec.errors import InputError, ParameterError
from autorec.ratings.convert import as_ratings
from autorec.ratings.summary import suspected_sentinel


def frame(values: list[float], sentinel: float | None, n: int = 400) -> pd.DataFrame:
    ratings = np.random.default_rng(0).choice(values, n)
    if sentinel is not None:
        ratings[:40] = sentinel
    return pd.DataFrame({"user": np.arange(n) // 20, "item": np.arange(n) % 20, "rating": ratings})


@pytest.mark.parametrize(
    ("values", "sentinel"), [(list(np.arange(-10, 10.1, 0.5)), 99), ([1, 2, 3, 4, 5], -1), ([1, 2, 3, 4, 5], -99)]
)
def test_a_rating_apart_from_all_others_is_suspected(values: list[float], sentinel: float) -> None:
    ratings = as_ratings(frame(values, sentinel))
    assert suspected_sentinel(ratings) == (sentinel, 40)
    problems = " ".join(summarize(ratings)["problems"])
    assert f"40 ratings are {sentinel}, apart from all others" in problems and f"--missing {sentinel}" in problems


@pytest.mark.parametrize("values", [[1, 2, 3, 4, 5], [0.5, 1, 4, 5], [0, 1], list(np.arange(-10, 10.1, 0.5)), [3]])
def test_usual_scales_are_not(values: list[float]) -> None:
    assert suspected_sentinel(as_ratings(frame(values, None))) is None


def test_what_stands_for_none_is_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user,item,rating\n1,1,5\n1,2,99\n2,1,-1\n3,3,99\n2,2,4\n")
    ratings = read_ratings(path, missing=99)
    assert (len(ratings), ratings.missing, ratings.skipped, ratings.user_ids.tolist()) == (3, 2, 0, [1, 2])
    assert read_ratings(path, missing=[99, -1]).csr.data.tolist() == [5, 4]
    with pytest.raises(InputError, match="all 5 ratings are among those that stand for none"):
        read_ratings(path, missing=[5, 99, -1, 4])
    for wrong in ("99", [None], float("nan")):
        with pytest.raises(ParameterError, match=r"missing is .*; allowed"):
            read_ratings(path, missing=wrong)  # type: ignore[arg-type]
