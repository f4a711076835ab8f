"""Raw ids: what the user wrote, kept as written, and the way from there to row numbers and back.

An id column becomes int64 only when every token is a canonical integer ("7", "-3"; not "007", "+7", "7.0"): the
integer then prints as exactly what was written. Any other column stays text. "007" and "7" are two ids.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autorec.errors import InputError

Ids = npt.NDArray[Any]  # int64, or object holding str

_LONGEST = 18  # digits that always fit an int64


def is_canonical_integer(token: str) -> bool:
    """Whether `token` is the one way to write its integer: no sign +, no leading zero, no blank."""
    digits = token.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST):
        return False
    return token == "0" or digits[0] != "0"


def from_tokens(tokens: Iterable[str]) -> Ids:
    """Text tokens → int64 when all are canonical integers, else an object array of the same text."""
    tokens = list(tokens)
    if tokens and all(map(is_canonical_integer, tokens)):
        return np.array([int(token) for token in tokens], dtype=np.int64)
    return _texts(tokens)


def as_ids(values: Any, what: str = "ids") -> Ids:
    """Python values, a Series or an array → int64 or text ids, never a guess between the two.

    Integers give int64; text stays text, also when it looks like a number. Whole floats, as pandas makes of an integer
    column with holes, are refused like any other type, and so is a mix of types: the error shows an example.
    """
    if isinstance(values, pd.Series) and values.isna().any():
        raise InputError(f"{what}: {int(values.isna().sum())} of {len(values)} are missing; drop or fill them first")
    array = values.to_numpy() if isinstance(values, (pd.Series, pd.Index)) else np.asarray(values)
    if isinstance(values, (list, tuple)):
        array = np.empty(len(values), dtype=object)
        array[:] = values
    if array.ndim != 1:
        raise InputError(f"{what}: got an array of shape {array.shape}; give one dimension")
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    if array.dtype.kind in "UT":
        return _texts(array.tolist())
    if array.dtype.kind != "O":
        raise InputError(f"{what}: got type {array.dtype}; give integers or text")
    found = set(map(type, array))
    if found <= {str, np.str_}:
        return _texts(array.tolist())
    if all(issubclass(kind, (int, np.integer)) and kind is not bool for kind in found):
        return array.astype(np.int64)
    names = ", ".join(sorted(kind.__name__ for kind in found))
    raise InputError(f"{what}: got values of type {names}; give all integers or all text, so that 7 and '7' do not mix")


def lookup(ids: Ids, known: pd.Index) -> npt.NDArray[np.int64]:
    """Positions of `ids` in `known`, −1 where unknown. Text and integers meet when the text is canonical."""
    if known.dtype.kind == "i" and ids.dtype.kind == "O":
        valid = np.fromiter((is_canonical_integer(str(token)) for token in ids), dtype=bool, count=len(ids))
        positions = np.full(len(ids), -1, dtype=np.int64)
        positions[valid] = known.get_indexer(pd.Index([int(token) for token in ids[valid]], dtype=np.int64))
        return positions
    if known.dtype.kind != "i" and ids.dtype.kind == "i":
        ids = _texts(map(str, ids.tolist()))
    return known.get_indexer(index_of(ids)).astype(np.int64, copy=False)


def index_of(ids: Ids) -> pd.Index:
    """A hash index over ids; text stays object so that lookups compare plain str."""
    return pd.Index(ids, dtype=object if ids.dtype.kind == "O" else None)


def factorize(ids: Ids) -> tuple[npt.NDArray[np.int64], Ids]:
    """Codes into the sorted unique ids, and these. Integers sort by value, text by code point."""
    codes, unique = pd.factorize(ids)
    unique = np.asarray(unique)
    order = np.argsort(unique, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[codes], unique[order]


def ranked(tokens: Sequence[str]) -> tuple[npt.NDArray[np.int32], Ids]:
    """The place of each of these different tokens among the sorted ids, and these: integers by value, text by code
    point."""
    ids = from_tokens(tokens)
    order = np.array(sorted(range(len(ids)), key=ids.tolist().__getitem__), dtype=np.int64)
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank, ids[order]


def _texts(values: Iterable[str]) -> Ids:
    values = [str(value) for value in values]
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
