"""Ratings as JSON objects, one a line."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from autorec.errors import InputError, ParameterError, shown
from autorec.ratings import ids as id_tools
from autorec.ratings.convert import as_ratings
from autorec.ratings.matrix import Ratings
from autorec.ratings.values import parse_rating


def read_json_lines(stream: Iterable[str]) -> Ratings:
    """Ratings of JSON objects, one a line: {"user": …, "item": …, "rating": …} or {"user": …, "ratings": {item: rating,
    …}}. InputError names the line.

    >>> autorec.read_json_lines(['{"user": "ann", "ratings": {"12": 4, "15": 5}}'])
    Ratings(1 users × 2 items, 2 ratings)
    """
    try:
        lines = iter(stream)
    except (TypeError, ValueError):  # no collection, a closed file
        raise ParameterError(f"JSON lines are {shown(stream)}; give an open text file or a list of lines") from None
    rows: list[tuple[str, str, float]] = []
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                rows += _parse_record(json.loads(line))
        except (ValueError, RecursionError, AttributeError, TypeError) as error:
            raise InputError(
                f"line {number}: {str(line).strip()[:60]!r} is no rating ({error}); "
                'give objects such as {"user": "ann", "ratings": {"12": 4}}'
            ) from None
    if not rows:
        raise InputError("there are no ratings; give one JSON object a line")
    users, items, ratings = zip(*rows, strict=True)
    return as_ratings(
        pd.DataFrame(
            {"user": id_tools.from_tokens(users), "item": id_tools.from_tokens(items), "rating": np.array(ratings)}
        )
    )


def _parse_record(record: Any) -> list[tuple[str, str, float]]:
    """(user, item, rating) of one object. ValueError says what is wrong with it."""
    if not isinstance(record, dict):
        raise ValueError("it is no object")
    several = "ratings" in record
    missing = [name for name in (("user",) if several else ("user", "item", "rating")) if name not in record]
    if missing:
        raise ValueError(f"it has no {' and no '.join(missing)}")
    ratings = record["ratings"] if several else {_parse_id(record["item"]): record["rating"]}
    if not isinstance(ratings, dict):
        raise ValueError("its ratings are no object of items and their ratings")
    return [(_parse_id(record["user"]), item, _check_rating(rating)) for item, rating in ratings.items()]


def _parse_id(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError(f"an id is text or a whole number, not {value!r}")
    return str(value)


def _check_rating(value: Any) -> float:
    rating = None if isinstance(value, bool) or not isinstance(value, (str, int, float)) else parse_rating(str(value))
    if rating is None:
        raise ValueError(f"{str(value)[:40]!r} is not a finite number")
    return rating
