"""Tables of Arrow, Parquet files among them, → parsed rows, batch by batch."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pa_parquet

from autorec.array_types import BoolArray
from autorec.errors import InputError, NotEnoughMemoryError
from autorec.ratings import ids as id_tools
from autorec.ratings.ids import Codes, Ids
from autorec.ratings.matrix import Parsed
from autorec.ratings.roles import choose_columns
from autorec.ratings.source import Source
from autorec.ratings.values import advise_skip, convert_ratings, convert_times, decode, is_text

_ROWS = 2**16  # taken at once
_BUFFER = 2**20  # bytes of a column read ahead
_LEAST_ALLOWED, _MOST_TIMES = 2**30, 200  # bytes; times the size of the file
_ROW_BYTES = 24  # of the arrays that are made of a row
_EXACT = 2.0**53  # up to here every integer is a float64
_WHOLE = pa.decimal256(76, 0)  # holds whole decimals of every type

_WRONG = {
    "user": "the user is missing",
    "item": "the item is missing",
    "rating": "the rating is missing or not a finite number",
    "timestamp": "the timestamp is missing or does not fit 64 bits",
}


class _TooLargeError(Exception):
    """An integer id does not fit int64; the argument is its role."""


def parse_parquet(
    source: Source,
    columns: Mapping[str, str | int] | None,
    on_error: str,
    needed: tuple[str, ...] = ("user", "item", "rating"),
) -> Parsed:
    """Rows of a Parquet file, never twice in memory.

    Its pages may unpack to 200 times its size, and at least 1 GiB. InputError: a file that is damaged or larger than
    that, unclear columns, rows that are no ratings (unless on_error is "skip").
    """
    with _opened(source, columns, needed) as (file, roles):

        def batches() -> Iterable[Any]:
            yield from file.iter_batches(_ROWS, columns=list(roles.values()))

        found = _parse(source.name, file.schema_arrow, batches, file.metadata.num_rows, roles, on_error)
    pa.default_memory_pool().release_unused()  # a third of a GiB after 100 million ratings
    return found


def parse_parquet_blocks(
    source: Source, columns: Mapping[str, str | int] | None, on_error: str, rows: int
) -> Iterator[Parsed]:
    """The rows of a Parquet file as `parse_parquet` reads them, about `rows` at a time; ids are coded in each block."""
    with _opened(source, columns, ("user", "item", "rating")) as (file, roles):
        first, held = 0, 0
        batches: list[Any] = []
        for batch in file.iter_batches(min(rows, _ROWS), columns=list(roles.values())):
            batches.append(batch)
            held += len(batch)
            if held >= rows:
                yield _parse(source.name, file.schema_arrow, batches.copy, held, roles, on_error, first)
                first, held, batches = first + held, 0, []
        if held:
            yield _parse(source.name, file.schema_arrow, batches.copy, held, roles, on_error, first)


@contextlib.contextmanager
def _opened(
    source: Source, columns: Mapping[str, str | int] | None, needed: tuple[str, ...]
) -> Iterator[tuple[Any, dict[str, str]]]:
    """Yield the open file, and role → name of its column. What goes wrong within the block is an InputError."""
    try:
        with pa_parquet.ParquetFile(source.reader(), buffer_size=_BUFFER, pre_buffer=False) as file:
            names = file.schema_arrow.names
            _check_size(source, file.metadata)
            chosen = choose_columns(source.name, names, columns, needed)
            roles = {role: names[number] for role, number in chosen.items() if role in (*needed, "timestamp")}
            _check_single(source.name, names, roles)
            yield file, roles
    except InputError:
        raise
    except MemoryError:
        raise NotEnoughMemoryError(f"{source.name} cannot be read: it is damaged or larger than memory") from None
    except Exception as error:  # whatever a decoder meets in damaged bytes
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{source.name} is not a whole Parquet file ({reason})") from None


def parse_table(name: str, table: Any, roles: Mapping[str, str], on_error: str) -> Parsed:
    """Rows of an Arrow table whose columns `roles` names."""
    table = table.select(list(roles.values()))
    try:
        return _parse(name, table.schema, lambda: table.to_batches(_ROWS), table.num_rows, roles, on_error)
    except pa.ArrowException as error:
        raise InputError(f"{name} cannot be read ({str(error).splitlines()[0]})") from None


def _check_size(source: Source, metadata: Any) -> None:
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    size = max(sum(group.total_byte_size for group in groups), _ROW_BYTES * metadata.num_rows)
    allowed = max(_LEAST_ALLOWED, _MOST_TIMES * source.size)
    if metadata.num_rows < 0 or size > allowed:
        raise InputError(
            f"{source.name} has {source.size:,} bytes and unpacks to {size:,}; allowed: {allowed:,}, "
            f"{_MOST_TIMES} times as many; write it again, with less compression"
        )


def _check_single(name: str, names: list[str], roles: Mapping[str, str]) -> None:
    for column in roles.values():
        if names.count(column) > 1:
            raise InputError(f"{name} has {names.count(column)} columns {column!r}; keep one")


def _parse(
    name: str,
    schema: Any,
    batches: Callable[[], Iterable[Any]],
    n: int,
    roles: Mapping[str, str],
    on_error: str,
    first: int = 0,
) -> Parsed:
    """n rows; `first`: how many rows of the source are before them."""
    as_text = {role for role in roles if role in ("user", "item") and _is_text_or_bytes(schema.field(roles[role]).type)}
    while True:
        try:
            return _parse_once(name, batches(), n, roles, on_error, as_text, first)
        except _TooLargeError as error:
            as_text.add(error.args[0])


def _parse_once(
    name: str, batches: Iterable[Any], n: int, roles: Mapping[str, str], on_error: str, as_text: set[str], first: int
) -> Parsed:
    dtypes: dict[str, Any] = {"user": np.int32, "item": np.int32, "rating": np.float32, "timestamp": np.int64}
    arrays: dict[str, npt.NDArray[Any]] = {role: np.empty(n, dtypes[role]) for role in roles if role not in as_text}
    texts: dict[str, list[Any]] = {role: [] for role in as_text}
    start = read = 0
    for batch in batches:
        values, valid = _convert_batch(name, batch, roles, as_text)
        kept = np.logical_and.reduce(list(valid.values()))
        if not kept.all() and on_error == "raise":
            row = int(np.argmin(kept))
            wrong = next(_WRONG[role] for role in roles if not valid[role][row])
            raise InputError(f"{name}, row {first + read + row + 1}: {wrong}; correct it{advise_skip('rows', roles)}")
        read += len(kept)
        for role, of_role in values.items():
            if role in as_text:
                texts[role].append(of_role.filter(pa.array(kept)).dictionary_encode())
                continue
            of_role = of_role if kept.all() else of_role[kept]
            if role in ("user", "item") and not _fits(of_role, arrays[role].dtype):
                arrays[role] = arrays[role].astype(np.int64)
            arrays[role][start : start + len(of_role)] = of_role
        start += int(np.count_nonzero(kept))
    users, user_ids = _code_ids("user", arrays, texts, start)
    items, item_ids = _code_ids("item", arrays, texts, start)
    ratings, timestamps = (arrays[role][:start] if role in arrays else None for role in ("rating", "timestamp"))
    return Parsed(users, items, user_ids, item_ids, ratings, timestamps, skipped=read - start)


def _convert_batch(
    name: str, batch: Any, roles: Mapping[str, str], as_text: set[str]
) -> tuple[dict[str, Any], dict[str, BoolArray]]:
    """Of each role the values [rows] of a batch, Arrow strings for ids as text, and whether each is usable."""
    values: dict[str, Any] = {}
    valid: dict[str, BoolArray] = {}
    for role, column in roles.items():
        array, what = batch.column(column), f"{name}, column {column},"
        if role == "rating":
            values[role], valid[role] = convert_ratings(array, what)
        elif role == "timestamp":
            values[role], valid[role] = convert_times(array, what)
        elif role in as_text:
            values[role] = _as_whole(array, what).cast(pa.string())
            blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(values[role])), 0).fill_null(True)
            valid[role] = ~blank.to_numpy(zero_copy_only=False)
        else:
            values[role], valid[role] = _convert_ids(role, array, what)
    return values, valid


def _convert_ids(role: str, array: Any, what: str) -> tuple[npt.NDArray[Any], BoolArray]:
    """Integers, also written as floats or decimals; missing ones are 0 and not valid."""
    array = _as_whole(array, what)
    if pa.types.is_decimal(array.type):
        try:
            array = array.cast(pa.int64())
        except pa.ArrowInvalid:
            raise _TooLargeError(role) from None
    if pa.types.is_integer(array.type):
        values = array.fill_null(0).to_numpy(zero_copy_only=False)
        if values.dtype == np.uint64 and values.max(initial=0) > np.iinfo(np.int64).max:
            raise _TooLargeError(role)
        return values, np.asarray(pc.is_valid(array).to_numpy(zero_copy_only=False), dtype=bool)
    if pa.types.is_floating(array.type):
        floats = array.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
        valid = ~np.isnan(floats)
        whole = np.where(valid, floats, 0)
        odd = (np.abs(whole) > _EXACT) | (np.floor(whole) != whole)
        if odd.any():
            raise InputError(f"{what} holds {whole[np.argmax(odd)]:g}; ids are integers or text")
        return whole.astype(np.int64), valid
    raise InputError(f"{what} has type {array.type}; ids are integers or text")


def _is_text_or_bytes(kind: Any) -> bool:
    """Whether an Arrow type may hold ids as text: some programs write text as bytes."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(is_text(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _as_whole(array: Any, what: str) -> Any:
    """Ids without a dictionary; decimals with no digits after the point. InputError: a decimal that is not whole."""
    array = decode(array)
    if not pa.types.is_decimal(array.type):
        return array
    try:
        return array.cast(_WHOLE)
    except pa.ArrowInvalid:
        values = (value for value in array.to_pylist() if value is not None)
        odd = next((value for value in values if value != value.to_integral_value()), array.type)
        raise InputError(
            f"{what} holds the decimal {odd}; ids are integers or text: cast the column to text to keep such ids"
        ) from None


def _fits(values: npt.NDArray[Any], dtype: Any) -> bool:
    limits = np.iinfo(dtype)
    return not len(values) or bool(limits.min <= values.min() and values.max() <= limits.max)


def _code_ids(role: str, arrays: dict[str, Any], texts: dict[str, list[Any]], n: int) -> tuple[Codes, Ids]:
    """Codes [n] and sorted distinct ids; takes the column out of `arrays`, so that its memory is free."""
    if role not in texts:
        return id_tools.factorize_integers(arrays.pop(role)[:n], overwrite=True)
    pieces = texts.pop(role)
    if not pieces:
        return np.zeros(0, dtype=np.int32), id_tools.from_tokens([])
    unified = pa.chunked_array(pieces).unify_dictionaries()
    rank, ids = id_tools.factorize_texts(unified.chunk(0).dictionary)
    return rank[np.concatenate([chunk.indices.to_numpy() for chunk in unified.chunks])], ids
