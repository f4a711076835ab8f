"""Ratings and times from text and from typed columns: which values are valid, and what is wrong with the others."""

import re
from collections.abc import Callable, Container
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from autorec.array_types import BoolArray
from autorec.errors import InputError
from autorec.ratings.validity import MAX_RATING

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII).fullmatch
_INTEGER = re.compile(r"[+-]?\d{1,20}", re.ASCII).fullmatch
_INT64 = np.iinfo(np.int64)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_1 = -62_135_596_800  # seconds: the earliest date that Python writes
LATEST = 4_102_444_800  # seconds: the begin of the year 2100, beyond which no rating is dated
_DAY = 86_400  # seconds
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def parse_number(token: str, decimal: str = ".") -> float | None:
    """The number that `token` writes, None when it is none. decimal: the decimal point, "." or ","."""
    token = token.strip()
    if decimal != ".":
        token = "" if "." in token else token.replace(decimal, ".")
    return float(token) if _NUMBER(token) else None


def parse_rating(token: str, decimal: str = ".") -> float | None:
    """A number of at most MAX_RATING in size, else None."""
    value = parse_number(token, decimal)
    return value if value is not None and abs(value) <= MAX_RATING else None


def parse_seconds(token: str, decimal: str = ".") -> int | None:
    """Whole seconds since 1970 (fractions rounded down) of a number of seconds or an ISO 8601 date, UTC where it names
    no zone; None when it is neither or does not fit 64 bits."""
    token = token.strip()
    if _INTEGER(token):
        return int(token) if _INT64.min <= int(token) <= _INT64.max else None
    value = parse_number(token, decimal)
    if value is not None:
        return int(value // 1) if abs(value) < 2.0**63 else None
    try:
        date = datetime.fromisoformat(token)
    except ValueError:
        return None
    date = date.replace(tzinfo=UTC) if date.tzinfo is None else date
    return int((date - _EPOCH).total_seconds() // 1)


def describe_rating_fault(token: str, decimal: str = ".") -> str | None:
    """What is wrong with the rating `token`, None when nothing is."""
    if parse_rating(token, decimal) is not None:
        return None
    if parse_number(token, decimal) is not None:
        return f"the rating {_shorten(token)} is larger than any: at most {MAX_RATING:g}"
    if decimal == "." and parse_number(token, ",") is not None:
        return f"the rating {_shorten(token)} is not a finite number; for decimal commas give decimal=',' (--decimal ,)"
    return f"the rating {_shorten(token)} is not a finite number"


def advise_skip(what: str, roles: Container[str]) -> str:
    """How to drop what cannot be read; "" for pairs, which have no rating and are each answered."""
    return f", or drop such {what} with on_error='skip' (--on-error skip)" if "rating" in roles else ""


def describe_time_fault(token: str, decimal: str = ".") -> str | None:
    """What is wrong with the timestamp `token`, None when nothing is."""
    if parse_seconds(token, decimal) is not None:
        return None
    if parse_number(token, decimal) is not None:
        return f"the timestamp {_shorten(token)} does not fit 64 bits"
    return (
        f"the timestamp {_shorten(token)} is neither seconds nor an ISO date such as 2017-10-27; to read no dates, "
        "name the other columns by columns (--columns)"
    )


def _shorten(token: str) -> str:
    return repr(token.strip()[:40])


def find_valid_ratings(values: npt.NDArray[Any]) -> BoolArray:
    """[n] whether each of the values [n] is a finite number of at most MAX_RATING in size."""
    valid: BoolArray = np.abs(values) <= MAX_RATING
    return valid


def floor_seconds(values: npt.NDArray[np.floating[Any]]) -> tuple[npt.NDArray[np.int64], BoolArray]:
    """Seconds [n] → (rounded down [n], 0 where invalid; whether each is finite and fits 64 bits [n])."""
    valid = np.abs(values) < 2.0**63
    return np.floor(np.where(valid, values, 0)).astype(np.int64), valid


def convert_dates(array: Any) -> npt.NDArray[np.int64]:
    """[n] Arrow timestamps without nulls → whole seconds since 1970, rounded down. ValueError: before the year 1."""
    seconds = _to_integers(array.cast(pa.int64())) // _PER_SECOND[array.type.unit]
    if seconds.min(initial=0) < _YEAR_1:
        raise ValueError("a date before the year 1")
    return seconds


def is_text(kind: Any) -> bool:
    """Whether an Arrow type is text; bytes and dictionaries are not."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def decode(array: Any) -> Any:
    """The values of an Arrow array that is encoded by a dictionary, any other as it is; text is no view, which few
    functions of Arrow take."""
    if pa.types.is_dictionary(array.type):
        return decode(array.dictionary).take(array.indices)
    return array.cast(pa.large_string()) if pa.types.is_string_view(array.type) else array


def convert_ratings(array: Any, what: str) -> tuple[npt.NDArray[np.float64], BoolArray]:
    """An Arrow array [n] of numbers, or of text that writes them → (ratings [n], whether each is valid [n])."""
    array = decode(array)
    kind = array.type
    if is_text(kind):
        values = _parse_texts(array, lambda token: parse_rating(token), np.float64)
        return values, _find_valid(array) & ~np.isnan(values)
    if not (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
    ):
        raise InputError(f"{what} has type {kind}; ratings are numbers")
    if pa.types.is_boolean(kind):
        array = array.cast(pa.int8())
    values = array.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(zero_copy_only=False)
    return values, find_valid_ratings(values)


def convert_times(array: Any, what: str) -> tuple[npt.NDArray[np.int64], BoolArray]:
    """An Arrow array [n] of seconds, dates or text that writes either → (whole seconds since 1970 [n], whether each is
    valid [n])."""
    array = decode(array)
    kind = array.type
    if pa.types.is_integer(kind):
        values = array.fill_null(0).to_numpy(zero_copy_only=False)
        fits = values <= _INT64.max
        return np.where(fits, values, 0).astype(np.int64), _find_valid(array) & fits
    if pa.types.is_floating(kind):
        return floor_seconds(array.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False))
    if pa.types.is_timestamp(kind):
        return _to_integers(array.cast(pa.int64())) // _PER_SECOND[kind.unit], _find_valid(array)
    if pa.types.is_date32(kind):
        return _to_integers(array.cast(pa.int32())) * _DAY, _find_valid(array)
    if pa.types.is_date64(kind):
        return _to_integers(array.cast(pa.int64())) // 1000, _find_valid(array)
    if is_text(kind):
        found = _parse_texts(array, parse_seconds, object)
        valid = np.array([value is not None for value in found], dtype=bool)
        return np.where(valid, found, 0).astype(np.int64), valid
    raise InputError(f"{what} has type {kind}; give seconds since 1970 or dates")


def _to_integers(array: Any) -> npt.NDArray[np.int64]:
    return np.asarray(array.fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64)


def _find_valid(array: Any) -> BoolArray:
    return np.asarray(pc.is_valid(array).to_numpy(zero_copy_only=False), dtype=bool)


def _parse_texts(array: Any, parse: Callable[[str], Any], dtype: Any) -> npt.NDArray[Any]:
    """[n] `parse` of each text, once for each distinct one; None (NaN) for nulls."""
    encoded = array.dictionary_encode()
    values: npt.NDArray[Any] = np.array([*map(parse, encoded.dictionary.to_pylist()), None], dtype=dtype)
    of_row: npt.NDArray[Any] = values[encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
    return of_row
