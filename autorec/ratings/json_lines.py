"""Ratings as JSON objects, one a line."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from autorec.errors import InputError, ParameterError
from autorec.ratings import ids as id_tools
from autorec.ratings.convert import from_frame
from autorec.ratings.matrix import Ratings
from autorec.ratings.values import parse_rating


def read_json_lines(stream: Iterable[str]) -> Ratings:
    """Ratings of JSON objects, one a line: {"user": …, "item": …, "rating": …} or {"user": …, "ratings": {item: rating,
    …}}. InputError names the line."""
    if not isinstance(stream, Iterable):
        raise ParameterError(f"JSON lines of type {type(stream).__name__}; give an open text file or a list of lines")
    rows: list[tuple[str, str, float]] = []
    for number, line in enumerate(stream, 1):
        try:
            if line.strip():
                rows += _rows(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(
                f"line {number}: {str(line).strip()[:60]!r} is no rating ({type(error).__name__}: {error}); "
                'give objects such as {"user": "ann", "ratings": {"12": 4}}'
            ) from None
    if not rows:
        raise InputError("there are no ratings; give one JSON object a line")
    users, items, ratings = zip(*rows, strict=True)
    return from_frame(
        pd.DataFrame(
            {"user": id_tools.from_tokens(users), "item": id_tools.from_tokens(items), "rating": np.array(ratings)}
        )
    )


def _rows(record: Any) -> list[tuple[str, str, float]]:
    pairs = record["ratings"].items() if "ratings" in record else [(record["item"], record["rating"])]
    return [(_token(record["user"]), _token(item), _rating(rating)) for item, rating in pairs]


def _token(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise TypeError(f"an id is text or a whole number, not {value!r}")
    return str(value)


def _rating(value: Any) -> float:
    rating = None if isinstance(value, bool) or not isinstance(value, (str, int, float)) else parse_rating(str(value))
    if rating is None:
        raise ValueError(f"{str(value)[:40]!r} is not a finite number")
    return rating
