"""Raw ids and titles as Parquet files: written plain, and read within the memory that the file itself has.

Parquet can say much with few bytes, by compression and by values that repeat. These files are not compressed, their
rows are counted before they are read, and text is read as a dictionary.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pa_parquet

from autorec.ratings.ids import Ids

_ENCODINGS = {"PLAIN", "RLE", "RLE_DICTIONARY", "PLAIN_DICTIONARY", "BIT_PACKED"}


def write_columns(path: Path, columns: Mapping[str, Ids]) -> None:
    """Columns of int64 or of text, all of one length."""
    arrays = {
        name: pa.array(values, type=pa.int64() if values.dtype.kind == "i" else pa.string())
        for name, values in columns.items()
    }
    pa_parquet.write_table(pa.table(arrays), path, compression="none", store_schema=False)


def read_columns(content: bytearray, n_rows: int, needed: str, optional: str = "") -> dict[str, npt.NDArray[Any]]:
    """The column `needed`, int64 or text without repetition, and the text column `optional` when it is there.

    ValueError, pyarrow.ArrowException, OSError: the file is not of this form, or has not `n_rows` rows.
    """
    source = pa.BufferReader(pa.py_buffer(content))
    metadata = pa_parquet.read_metadata(source)
    names = list(metadata.schema.names)
    if names != [needed] and names != [needed, optional]:
        raise ValueError(f"its columns are {', '.join(names)[:60]} where they have to be {needed}")
    if metadata.num_rows != n_rows:
        raise ValueError(f"it has {metadata.num_rows:,} rows where it has to have {n_rows:,}")
    _require_plain(metadata, len(content))
    source.seek(0)
    table = pa_parquet.ParquetFile(source, read_dictionary=names).read(use_threads=False)
    found = {name: _to_numpy(name, table.column(name)) for name in names}
    if found.get(optional, found[needed]).dtype.kind == "i" and optional in found:
        raise ValueError(f"its column {optional} holds numbers")
    return found


def _require_plain(metadata: pa_parquet.FileMetaData, size: int) -> None:
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            if column.compression != "UNCOMPRESSED" or not set(column.encodings) <= _ENCODINGS:
                raise ValueError(f"its column {column.path_in_schema[:60]} is compressed")
            if not 0 <= column.total_uncompressed_size <= size:
                raise ValueError(f"its column {column.path_in_schema[:60]} says to be larger than the file")


def _to_numpy(name: str, column: pa.ChunkedArray) -> npt.NDArray[Any]:
    column.validate(full=True)  # text that is no UTF-8, indices outside the dictionary
    if column.null_count:
        raise ValueError(f"its column {name} has {column.null_count:,} missing values")
    if pa.types.is_int64(column.type):
        return np.asarray(column.to_numpy())
    if not (pa.types.is_dictionary(column.type) and pa.types.is_string(column.type.value_type)):
        raise ValueError(f"its column {name} is of type {column.type}")
    found = np.empty(len(column), dtype=object)
    start = 0
    for chunk in column.chunks:
        words = np.array([*chunk.dictionary.to_pylist(), None], dtype=object)[:-1]
        found[start : start + len(chunk)] = words[chunk.indices.to_numpy()]
        start += len(chunk)
    return found
