"""Raw ids, titles and attributes as plain arrays for a safetensors file, and back.

Integers are one int64 array. Text is two arrays: the concatenated UTF-8, and the offset of each text in it. Reading
takes no more memory than the file has bytes, and Arrow validates each text.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from autorec.ratings.ids import Ids
from autorec.storage.arrays import Arrays, Expected, Shape

_OFFSETS = ".offsets"


def pack(name: str, values: Ids) -> Arrays:
    """Arrays of `values` [n], integers or text, under names that begin with `name`."""
    if values.dtype.kind == "i":
        return {name: values}
    encoded = [value.encode() for value in values]
    offsets = np.concatenate(([0], np.cumsum([len(text) for text in encoded], dtype=np.int64)))
    return {name: np.frombuffer(b"".join(encoded), dtype=np.uint8), name + _OFFSETS: offsets}


def expect(name: str, n: int, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
    """What the arrays of n ids or titles have to be: [n], or bytes and offsets [n + 1]. shapes: of those in the
    file."""
    if name + _OFFSETS not in shapes:
        return {name: Expected("int64", (n,))}
    return _expect_texts(name, n)


def unpack(name: str, arrays: Arrays, *, distinct: bool = True) -> Ids:
    """The values [n] of `pack`, from arrays that are as `expect` says.

    ValueError, pa.ArrowException: not UTF-8, or, with `distinct`, a value twice.
    """
    values = arrays[name]
    if name + _OFFSETS in arrays:
        values = _decode_texts(name, values, arrays[name + _OFFSETS])
    ascending = values.dtype.kind == "i" and bool((values[1:] > values[:-1]).all())
    if distinct and not ascending and not pd.Index(values).is_unique:
        raise ValueError(f"an id of {name} stands there twice")
    return values


def pack_columns(name: str, columns: Mapping[str, Ids]) -> Arrays:
    """Arrays of columns [n] of text: their names as `name`, their values as `name.0`, `name.1` …; none without
    columns."""
    arrays = pack(name, np.array(list(columns), dtype=object)) if columns else {}
    for number, values in enumerate(columns.values()):
        arrays |= pack(f"{name}.{number}", values)
    return arrays


def expect_columns(name: str, n: int, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
    """What the arrays of `pack_columns` have to be; as many columns of n values as the file has."""
    if name not in shapes:
        return {}
    count = 0
    expected: dict[str, Expected] = {}
    while f"{name}.{count}" in shapes:
        expected |= _expect_texts(f"{name}.{count}", n)
        count += 1
    return expected | _expect_texts(name, count)


def unpack_columns(name: str, arrays: Arrays) -> dict[str, npt.NDArray[np.object_]]:
    """The columns of `pack_columns`, from arrays that are as `expect_columns` says. ValueError: see `unpack`."""
    names = unpack(name, arrays) if name in arrays else ()
    return {of: unpack(f"{name}.{number}", arrays, distinct=False) for number, of in enumerate(names)}


def _expect_texts(name: str, n: int) -> dict[str, Expected]:
    return {name: Expected("uint8", (f"bytes of {name}",)), name + _OFFSETS: Expected("int64", (n + 1,), least=0)}


def _decode_texts(name: str, data: npt.NDArray[Any], offsets: npt.NDArray[Any]) -> npt.NDArray[np.object_]:
    if offsets[0] != 0 or offsets[-1] != len(data):
        raise ValueError(f"the text of {name} ends at byte {offsets[-1]:,} of {len(data):,}")
    texts = pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data))
    texts.validate(full=True)  # offsets that fall, bytes that are no UTF-8
    return np.asarray(texts.to_numpy(zero_copy_only=False), dtype=object)
