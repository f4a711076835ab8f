"""Arguments of the Python functions that are of no use, of whatever type: one sentence that names them."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import random_frame

import autorec
from autorec.errors import InputError, ParameterError

WRONG: list[Any] = [b"x", 3.5, [None], object(), np.array([1, 2])]

BIAS = autorec.Bias().fit(random_frame(12, 9))
RATINGS = BIAS.ratings_

ASK: dict[str, Callable[[Any], Any]] = {
    "items is": lambda wrong: autorec.read_ratings(io.StringIO("1,2,3\n"), items=wrong),
    "by is": lambda wrong: autorec.split(RATINGS, wrong),
    "fraction is": lambda wrong: autorec.random_split(RATINGS, wrong),
    "seed is": lambda wrong: autorec.compare(RATINGS, "bias", seed=wrong, baselines="none"),
    "baselines is": lambda wrong: autorec.compare(RATINGS, "bias", baselines=wrong),
    "settings is": lambda wrong: autorec.compare(RATINGS, "bias", settings=wrong, baselines="none"),
    "k is": lambda wrong: autorec.evaluate(BIAS, RATINGS, k=[wrong]),
    "relevant is": lambda wrong: autorec.evaluate(BIAS, RATINGS, relevant=[wrong]),
    "cold is": lambda wrong: autorec.evaluate(BIAS, RATINGS, cold=[wrong]),
    "metrics is": lambda wrong: autorec.evaluate(BIAS, RATINGS, metrics=wrong),
    "where is": lambda wrong: BIAS.recommend(where=wrong),
    "boost is": lambda wrong: BIAS.recommend(boost=wrong),
    "of is": lambda wrong: BIAS.fold_in(RATINGS, of=wrong),
    "unknown model": autorec.create,
    "path is": lambda wrong: BIAS.save(wrong),
    "path is (load)": autorec.load,
    "path is (describe)": autorec.describe,
}


@pytest.mark.parametrize("named", ASK)
def test_what_is_of_no_use_is_named(named: str) -> None:
    for wrong in WRONG:
        with pytest.raises(ParameterError, match=named.split(" (")[0]):
            ASK[named](wrong)
            pytest.fail(repr(wrong))


@pytest.mark.parametrize("wrong", [[3], b"x", [None]])
def test_json_lines_that_are_no_text(wrong: Any) -> None:
    with pytest.raises(InputError, match=r"line 1: .* is no rating"):
        autorec.read_json_lines(wrong)
