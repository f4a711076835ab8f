"""Arrays as safetensors files: written, and checked against what a model expects when read.

Names, types and shapes are compared with the header of the file before an array is made. The arrays are views of the
bytes that were read, so that nothing is in memory twice.

A safetensors file is the length of its header (8 bytes, little endian), the header, a JSON object that gives each name
its type, its shape and where its bytes begin and end, and then these bytes. It is written here because the writer of
the safetensors package makes a file of its own beside the one it is given, which stays when the process is killed.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autorec.storage.folder import Content

Arrays = dict[str, npt.NDArray[Any]]
Shape = tuple[int, ...]

_LENGTH = 8  # bytes that hold the length of the header
_LONGEST = 2**20  # bytes of a header
_BLOCK = 2**20  # values checked at once
_LARGEST = 1e17  # size of a float: sums of products of two, as scores are, stay within float32
_TYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
_NAMES = {dtype: name for name, dtype in _TYPES.items()}


@dataclass(frozen=True)
class Expected:
    """What an array has to be. Floats are finite and at most 1e17 in size, always.

    dtype  a name of NumPy, or "index", which is int32 or int64
    shape  the size of each dimension; a name for a size that the file sets, the same wherever the name occurs
    least, most  bounds of the values; None: no bound
    """

    dtype: str
    shape: tuple[int | str, ...]
    least: float | None = None
    most: float | None = None


Expect = Callable[[Mapping[str, Shape]], Mapping[str, Expected]]


@dataclass(frozen=True)
class _Entry:
    """One array as the header describes it. start: offset of its bytes in the file."""

    dtype: str
    shape: Shape
    start: int


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]], texts: Mapping[str, str] | None = None) -> None:
    """Write arrays of any shape under their names, and texts as the metadata. KeyError: an array of another type."""
    header: dict[str, Any] = {} if texts is None else {"__metadata__": dict(texts)}
    names = sorted(arrays, key=lambda name: -arrays[name].itemsize)  # the widest first, so that all are aligned
    end = 0
    for name in names:
        array, start, end = arrays[name], end, end + arrays[name].nbytes
        header[name] = {"dtype": _NAMES[array.dtype.name], "shape": array.shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % _LENGTH)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(_LENGTH, "little") + text)
        for name in names:
            array = arrays[name]
            ordered = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
            file.write(ordered.reshape(-1).view(np.uint8).data)


def read_arrays(content: Content, expect: Expect) -> Arrays:
    """Name → array, of any shape, of a safetensors file, read or mapped; the arrays are views of `content`.

    expect: name → shape of the arrays in the file → name → what each has to be. ValueError: one is not that.
    """
    entries = _read_entries(content)
    expected = expect({name: entry.shape for name, entry in entries.items()})
    _compare(entries, expected)
    arrays = {name: _make_view(content, entry) for name, entry in entries.items()}
    for name, array in arrays.items():
        _require_values(name, array, expected[name])
    return arrays


def require_readable(arrays: Mapping[str, npt.NDArray[Any]], expect: Expect) -> None:
    """ValueError: `read_arrays` with `expect` would refuse a file of these arrays for their names, types or shapes."""
    _compare(
        {name: _Entry(array.dtype.name, array.shape, 0) for name, array in arrays.items()},
        expect({name: array.shape for name, array in arrays.items()}),
    )


def _read_entries(content: Content) -> dict[str, _Entry]:
    length = int.from_bytes(content[:_LENGTH], "little")
    if not 2 <= length <= min(len(content) - _LENGTH, _LONGEST):
        raise ValueError(f"a header of {length:,} bytes in a file of {len(content):,}")
    try:
        header = json.loads(content[_LENGTH : _LENGTH + length].decode())
    except RecursionError:
        raise ValueError("its header is nested too deep") from None
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    first = _LENGTH + length
    entries, end = {}, 0
    spans = {name: _parse_span(name, value, len(content) - first) for name, value in header.items()}
    for name, (dtype, shape, start, stop) in sorted(spans.items(), key=lambda span: span[1][2:]):
        if start != end:
            raise ValueError(f"the bytes of array {name!r} do not follow those before")
        entries[name], end = _Entry(dtype, shape, first + start), stop
    if first + end != len(content):
        raise ValueError(f"its arrays end at byte {first + end:,} of {len(content):,}")
    return entries


def _parse_span(name: str, value: Any, size: int) -> tuple[str, Shape, int, int]:
    """Type, shape, and where the bytes begin and end, of an array in `size` bytes."""
    try:
        dtype, shape, (start, stop) = value["dtype"], value["shape"], value["data_offsets"]
        whole = all(type(number) is int and 0 <= number <= size for number in (*shape, start, stop))
        known = dtype in _TYPES
    except (TypeError, KeyError, ValueError):
        raise ValueError(f"its header says nothing sensible of array {name[:60]!r}") from None
    if not known:
        raise ValueError(f"array {name[:60]!r} is of type {str(dtype)[:60]!r}")
    if not whole or len(value) != 3 or stop - start != math.prod(shape) * np.dtype(_TYPES[dtype]).itemsize:
        raise ValueError(f"array {name[:60]!r} does not have the bytes that its header says")
    return _TYPES[dtype], tuple(shape), start, stop


def _compare(entries: Mapping[str, _Entry], expected: Mapping[str, Expected]) -> None:
    for what, names in (("lacks", set(expected) - set(entries)), ("also has", set(entries) - set(expected))):
        if names:
            raise ValueError(f"it {what} the array {sorted(names)[0][:60]!r}")
    sizes: dict[str, int] = {}
    for name, spec in expected.items():
        dtype, shape = entries[name].dtype, entries[name].shape
        if dtype not in (("int32", "int64") if spec.dtype == "index" else (spec.dtype,)):
            raise ValueError(f"array {name!r} is of type {dtype} where it has to be {spec.dtype}")
        wanted = spec.shape
        if len(wanted) == len(shape):
            words = zip(wanted, shape, strict=True)
            wanted = tuple(sizes.setdefault(word, size) if isinstance(word, str) else word for word, size in words)
        if wanted != shape:
            raise ValueError(f"array {name!r} has shape {shape} where it has to be {wanted}")


def _make_view(content: Content, entry: _Entry) -> npt.NDArray[Any]:
    found = np.frombuffer(content, entry.dtype, math.prod(entry.shape), entry.start).reshape(entry.shape)
    return found if found.flags.aligned else found.copy()


def _require_values(name: str, array: npt.NDArray[Any], spec: Expected) -> None:
    """Block by block, without a copy of the array."""
    flat = array.reshape(-1)
    for start in range(0, len(flat), _BLOCK):
        block = flat[start : start + _BLOCK]
        low, high = float(block.min()), float(block.max())  # NaN if one of the values is
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(f"array {name!r} holds a value that is not finite")
        if flat.dtype.kind == "f" and max(-low, high) > _LARGEST:
            raise ValueError(
                f"array {name!r} holds {max(low, high, key=abs):g}; at most {_LARGEST:g} in size is allowed"
            )
        if spec.least is not None and low < spec.least:
            raise ValueError(f"array {name!r} holds {low:g}, which is below {spec.least:g}")
        if spec.most is not None and high > spec.most:
            raise ValueError(f"array {name!r} holds {high:g}, which is above {spec.most:g}")
