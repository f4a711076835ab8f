"""Raw ids, kept as the user wrote them, and their conversion to row numbers and back.

An id is an integer or text. Text that is a canonical integer ("7", "-3"; not "007", "+7", "7.0") is the same id as that
integer, of whatever size and from whatever source it comes: 7 and "7" are one id, "007" and "7" are two. An array of
ids is int64 when its source says so and all fit, else it holds text, where the integer 7 is written "7".
"""

import re
import warnings
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from autorec.errors import InputError, shown

Ids = npt.NDArray[Any]  # int64, or object holding str
Codes = npt.NDArray[np.integer[Any]]

_INTEGER = "0|-?[1-9][0-9]*"
_written_as_integer = re.compile(_INTEGER).fullmatch
_INT64 = np.iinfo(np.int64)
_LONGEST = 20  # characters of an integer that may fit int64
_BLOCK = 2**16  # ids looked up at once
_EXACT = 2.0**53  # up to here every integer is a float64
_MOST_DIGITS = 4300  # of an integer that Python writes, unless it is told otherwise
_LONG = f"integers of up to {_MOST_DIGITS:,} digits are ids: give it as text"


def is_integer(token: str) -> bool:
    """Whether `token` is the one way to write an integer, of any size that Python reads."""
    return len(token) <= _MOST_DIGITS and _written_as_integer(token) is not None


def is_canonical_integer(token: str) -> bool:
    """Whether `token` is the one way to write an integer that fits int64: no sign +, no leading zero, no blank."""
    return len(token) <= _LONGEST and _written_as_integer(token) is not None and _INT64.min <= int(token) <= _INT64.max


def from_tokens(tokens: Iterable[str]) -> Ids:
    """[n] text tokens → int64 when all are canonical integers, else an object array of the same text."""
    tokens = list(tokens)
    if tokens and all(map(is_canonical_integer, tokens)):
        return np.array([int(token) for token in tokens], dtype=np.int64)
    return _to_texts(tokens)


def as_ids(values: Any, what: str = "ids") -> Ids:
    """[n] Python values, a Series or an array → int64 or text ids, never a guess between the two.

    Integers give int64, or text where one does not fit; so do decimals and floats that are whole numbers, which is what
    databases and pandas make of integers. Text stays text, also when it looks like a number. InputError: missing
    values, any other type, or a mixture of types; it shows an example.
    """
    if isinstance(values, pd.Series) and (missing := _count_missing(values)):
        raise InputError(f"{what}: {missing} of {len(values)} are missing; drop or fill them first")
    array = _as_array(values)
    if array.ndim != 1:
        raise InputError(f"{what}: got an array of shape {array.shape}; give one dimension")
    if array.dtype.kind in "iu":
        return _to_integers(array, what)
    if array.dtype.kind == "f":
        return _convert_floats(array, what)
    if array.dtype.kind in "UT":
        return _to_texts(array.tolist())
    if array.dtype.kind != "O":
        raise InputError(f"{what}: got type {array.dtype}; give integers or text")
    types = set(map(type, array))
    if all(issubclass(kind, str) for kind in types):
        return _to_texts(array.tolist())
    if all(issubclass(kind, (int, np.integer)) and kind is not bool for kind in types):
        return _to_integers(array, what)
    if all(issubclass(kind, Decimal) for kind in types):
        return _convert_decimals(array, what)
    names = ", ".join(sorted(kind.__name__ for kind in types))
    raise InputError(f"{what}: got values of type {names}; give all integers or all text, so that 7 and '7' do not mix")


def as_collection(ids: Any) -> Any:
    """Ids as a collection [n]: a list, array or Series as it is; of a set, generator or Arrow array a list; of one id
    [id]."""
    if isinstance(ids, (list, tuple)) or (isinstance(ids, (np.ndarray, pd.Series, pd.Index)) and ids.ndim):
        return ids
    if hasattr(ids, "to_pylist"):
        return ids.to_pylist()
    if isinstance(ids, np.ndarray):  # of no dimension
        return [ids.item()]
    if isinstance(ids, str) or not isinstance(ids, Iterable):
        return [ids]
    try:
        return list(ids)
    except (TypeError, ValueError) as error:  # such as a closed file
        raise InputError(f"ids of type {type(ids).__name__}: {error}; give a list of ids") from None


def require_known(ids: Any, found: npt.NDArray[np.int64], what: str) -> None:
    """InputError: one of the raw ids [n] is not known: its index in found [n] is −1. what: "user" or "item"."""
    unknown = np.flatnonzero(found < 0)
    if len(unknown):
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        first = np.asarray(ids, dtype=object)[unknown[0]]
        raise InputError(
            f"unknown {what} {shown(first)}{more}: not in the training ratings; "
            f"give a known {what}, or ratings of the new {what} to fold in"
        )


def _count_missing(values: "pd.Series[Any]") -> int:
    try:
        return int(values.isna().sum())
    except ArithmeticError:  # a signalling NaN of decimal, which is told as no whole decimal
        return 0


def _as_array(values: Any) -> npt.NDArray[Any]:
    if isinstance(values, (pd.Series, pd.Index)):
        return np.asarray(values.to_numpy())
    if isinstance(values, Iterable) and not isinstance(values, (str, bytes)) and not hasattr(values, "__array__"):
        values = as_collection(values)
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return array
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:  # of what has a length, but is no collection
        raise InputError(f"ids of type {type(values).__name__}: {error}; give a list of ids") from None


def _to_integers(array: npt.NDArray[Any], what: str) -> Ids:
    """int64, or text where an integer does not fit. InputError: one of more digits than Python writes."""
    extremes = _find_extremes(array)
    if array.dtype.kind == "i" or all(_INT64.min <= value <= _INT64.max for value in extremes):
        return array.astype(np.int64)
    if max(map(abs, extremes)) >= 10**_MOST_DIGITS:
        raise InputError(f"{what}: an integer of more than {_MOST_DIGITS:,} digits; {_LONG}")
    return _to_texts(map(str, array.tolist()))


def _find_extremes(array: npt.NDArray[Any]) -> list[int]:
    return [int(array.min()), int(array.max())] if len(array) else []


def _convert_floats(array: npt.NDArray[Any], what: str) -> Ids:
    whole = np.isfinite(array) & (np.abs(array) <= _EXACT)
    whole[whole] = array[whole] == np.floor(array[whole])
    if not whole.all():
        raise InputError(f"{what}: {array[np.argmin(whole)]:g} is neither an integer nor text; give integers or text")
    return array.astype(np.int64)


def _convert_decimals(array: npt.NDArray[Any], what: str) -> Ids:
    for value in array:
        if value.is_finite() and value.adjusted() >= _MOST_DIGITS:
            raise InputError(f"{what}: a decimal of {value.adjusted() + 1:,} digits; {_LONG}")
        if not value.is_finite() or value != value.to_integral_value():
            raise InputError(f"{what}: the decimal {value} is not whole; ids are integers or text: give it as text")
    return _to_integers(np.array([int(value) for value in array], dtype=object), what)


def look_up(ids: Ids, known: pd.Index) -> npt.NDArray[np.int64]:
    """[n] index of each of `ids` in `known`, −1 where unknown; canonical text equals the integer that it writes."""
    if known.dtype.kind == "i" and ids.dtype.kind == "O":
        valid = np.fromiter((is_canonical_integer(str(token)) for token in ids), dtype=bool, count=len(ids))
        positions = np.full(len(ids), -1, dtype=np.int64)
        positions[valid] = known.get_indexer(pd.Index([int(token) for token in ids[valid]], dtype=np.int64))
        return positions
    if known.dtype.kind != "i" and ids.dtype.kind == "i":
        ids = _to_texts(map(str, ids.tolist()))
    return known.get_indexer(make_index(ids)).astype(np.int64, copy=False)


def make_index(ids: Ids) -> pd.Index:
    """A hash index over ids [n]; text stays object, so that plain str are compared."""
    return pd.Index(ids, dtype=object if ids.dtype.kind == "O" else None)


def factorize(ids: Ids) -> tuple[Codes, Ids]:
    """Ids [n] → (codes [n] into the distinct ids, distinct ids [k]), sorted by value or by code point."""
    if ids.dtype.kind == "i":
        return factorize_integers(ids)
    codes, distinct = pd.factorize(ids)
    distinct = np.asarray(distinct)
    order = np.argsort(distinct, kind="stable")
    return _invert(order)[codes], distinct[order]


def factorize_integers(
    ids: npt.NDArray[np.integer[Any]], *, overwrite: bool = False
) -> tuple[Codes, npt.NDArray[np.int64]]:
    """Integers [n] → (codes [n] into the distinct ones, distinct ones [k], sorted).

    overwrite: the codes take the memory of int32 ids.

    By a table of all integers between the lowest and the highest, where that is not much longer than the input; in
    blocks, since NumPy copies an index to int64.
    """
    low, high = _find_extremes(ids) or (0, -1)
    if high - low >= max(4 * len(ids), 2**20):
        distinct, inverse = np.unique(ids, return_inverse=True)
        return inverse.astype(ids.dtype, copy=False), distinct.astype(np.int64)
    table = np.zeros(high - low + 1, dtype=np.int32)
    pieces = [slice(start, start + _BLOCK) for start in range(0, len(ids), _BLOCK)]
    for piece in pieces:
        table[ids[piece] - low] = 1
    present = np.flatnonzero(table)
    table[present] = np.arange(len(present), dtype=np.int32)
    codes = ids if overwrite and ids.dtype == np.int32 else np.empty(len(ids), dtype=np.int32)
    for piece in pieces:
        codes[piece] = table[ids[piece] - low]
    return codes, present.astype(np.int64) + low


def factorize_texts(tokens: Any) -> tuple[npt.NDArray[np.int32], Ids]:
    """Arrow strings [n] → (codes [n] into the distinct ones, distinct ones [k] as text ids, sorted)."""
    encoded = tokens.dictionary_encode()
    order = pc.array_sort_indices(encoded.dictionary)  # by bytes of UTF-8, which is by code point
    distinct = encoded.dictionary.take(order).to_numpy(zero_copy_only=False).astype(object)
    return _invert(order.to_numpy())[encoded.indices.to_numpy()], distinct


def factorize_tokens(tokens: Any, what: str) -> tuple[npt.NDArray[np.int32], Ids]:
    """Arrow strings [n], fields of a text file → (codes [n] into the ids, ids [k], sorted).

    Spaces around an integer are left out; around text they belong to the id, and a warning says where two ids differ by
    them alone. The ids are int64 when all are canonical integers that fit, else text.
    """
    trimmed = pc.utf8_trim_whitespace(tokens)
    is_integer = pc.match_substring_regex(trimmed, f"^({_INTEGER})$")
    if pc.all(is_integer, min_count=0).as_py():
        try:
            distinct, inverse = np.unique(trimmed.cast(pa.int64()).to_numpy(), return_inverse=True)
            return inverse.astype(np.int32), distinct
        except pa.ArrowInvalid:  # one does not fit int64
            pass
    spaced = tokens.filter(pc.and_(pc.invert(is_integer), pc.not_equal(tokens, trimmed)))
    alike = spaced.filter(pc.is_in(pc.utf8_trim_whitespace(spaced), value_set=tokens))
    if len(alike):
        text = alike[0].as_py()
        warnings.warn(
            f"{what}: {len(alike)} ids differ from another by spaces around them alone, {text!r} and {text.strip()!r} "
            "among them; they count as two",
            stacklevel=2,
        )
    return factorize_texts(pc.if_else(is_integer, trimmed, tokens))


def make_table(columns: Mapping[str, Ids]) -> pa.Table:
    """Columns [n] of integers or text as an Arrow table."""
    types = {name: pa.int64() if values.dtype.kind == "i" else pa.string() for name, values in columns.items()}
    return pa.table({name: pa.array(values, type=types[name]) for name, values in columns.items()})


def _invert(order: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """The inverse of a permutation."""
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank


def _to_texts(values: Iterable[Any]) -> Ids:
    values = [str(value) for value in values]
    try:
        "".join(values).encode()
    except UnicodeEncodeError as error:
        halves = error.object[error.start : error.end]
        id_ = next(value for value in values if halves in value)
        raise InputError(f"the id {id_!r} is no Unicode text, so no file could hold it") from None
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
