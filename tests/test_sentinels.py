"""Ratings that stand for none: suspected where they lie apart, left out where they are told."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autorec import audit, read_ratings
from autorec.errors import InputError, ParameterError
from autorec.ratings.convert import as_ratings
from autorec.ratings.sentinels import find_suspect


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
    assert find_suspect(ratings) == (sentinel, 40)
    (finding,) = [finding for finding in audit(ratings) if finding.name == "sentinel"]
    assert (finding.count, finding.share) == (40, 0.1)
    assert finding.sentence.startswith(f"40 ratings are {sentinel}, apart from all others")
    assert finding.sentence.endswith(f"(--missing {sentinel}).")


def test_reading_warns_of_a_suspect_among_many_unless_the_scale_is_stated(tmp_path: Path) -> None:
    path = tmp_path / "jester.csv"
    rows = frame(list(np.arange(-10, 10.1, 0.5)), None, n=100_000)
    rows.loc[rows.index % 50 == 7, "rating"] = 99
    rows.to_csv(path, index=False)
    with pytest.warns(UserWarning, match=r"jester.csv: 2,000 ratings are 99, apart .* \(--missing 99\)"):
        read_ratings(path)
    assert read_ratings(path, missing=99).scale == (-10, 10)
    assert read_ratings(path, scale=(-10, 99)).scale == (-10, 99)


@pytest.mark.parametrize(
    "values", [[1, 2, 3, 4, 5], [1, 3, 4, 5], [0.5, 1, 4, 5], [0, 1], list(np.arange(-10, 10.1, 0.5)), [3]]
)
def test_usual_scales_are_not(values: list[float]) -> None:
    assert find_suspect(as_ratings(frame(values, None))) is None


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
