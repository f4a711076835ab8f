"""The ids of one side, gathered block by block: sorted, each once, on disk, and the code of each id of each block.

DuckDB sorts and joins them within a memory limit; what goes beyond it spills to the folder.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pa_parquet

from autorec.errors import InputError, NotEnoughMemoryError
from autorec.ratings.ids import Ids
from autorec.threads import thread_count

_GROUP = 2**17  # ids in a row group that is written
_TYPES = {"i": pa.int64(), "O": pa.string()}


class Dictionary:
    """The ids of one side, "user" or "item". n: how many there are, once they are numbered."""

    def __init__(self, side: str, folder: Path) -> None:
        self.side, self.n = side, 0
        self._folder, self._ends = folder, [0]
        self._writers: dict[str, Any] = {}
        self._as_text = False

    def add(self, ids: Ids, as_text: bool) -> None:
        """The distinct ids [k] of the next block. as_text: whether its source holds any that is no int64."""
        self._as_text |= as_text
        kind = ids.dtype.kind
        schema = pa.schema({"id": _TYPES[kind], "position": pa.int64()})
        if kind not in self._writers:
            self._writers[kind] = pa_parquet.ParquetWriter(self._path(kind), schema, compression="lz4")
        positions = np.arange(self._ends[-1], self._ends[-1] + len(ids))
        self._writers[kind].write_table(pa.table([pa.array(ids, _TYPES[kind]), positions], schema=schema))
        self._ends.append(self._ends[-1] + len(ids))

    def number(self, output: Path, memory: int) -> None:
        """Write the sorted ids to the Parquet file `output`, and keep the code of each id of each block. memory: bytes
        that DuckDB may take."""
        for writer in self._writers.values():
            writer.close()
        seen = " UNION ALL ".join(self._select(kind) for kind in self._writers)
        codes = self._folder / f"{self.side}-codes.parquet"
        to = f"(FORMAT parquet, ROW_GROUP_SIZE {_GROUP}, COMPRESSION zstd)"
        self._run(
            memory,
            f'COPY (SELECT DISTINCT id AS "{self.side}" FROM ({seen}) ORDER BY 1) TO {_quote(output)} {to}',
            f"COPY (SELECT CAST(file_row_number AS INTEGER) AS code FROM ({seen}) AS seen "
            f"JOIN read_parquet({_quote(output)}, file_row_number = true) AS known "
            f'ON seen.id = known."{self.side}" ORDER BY position) TO {_quote(codes)} {to}',
        )
        with pa_parquet.ParquetFile(output) as file:
            self.n = file.metadata.num_rows
        for kind in self._writers:
            self._path(kind).unlink()

    def codes(self) -> Iterator[npt.NDArray[np.int32]]:
        """Of each block [k] the codes of its ids, in the order in which they were added."""
        with pa_parquet.ParquetFile(self._folder / f"{self.side}-codes.parquet") as file:
            held = np.zeros(0, dtype=np.int32)
            batches = file.iter_batches(_GROUP)
            for k in np.diff(self._ends).tolist():
                parts = [held]
                while sum(map(len, parts)) < k:
                    parts.append(next(batches).column(0).to_numpy())
                held = np.concatenate(parts)
                yield held[:k]
                held = held[k:]

    def _path(self, kind: str) -> Path:
        return self._folder / f"{self.side}-{kind}.parquet"

    def _select(self, kind: str) -> str:
        id_ = "CAST(id AS VARCHAR) AS id" if self._as_text and kind == "i" else "id"
        return f"SELECT {id_}, position FROM read_parquet({_quote(self._path(kind))})"

    def _run(self, memory: int, *statements: str) -> None:
        import duckdb

        settings: Any = {"memory_limit": f"{memory}B", "temp_directory": str(self._folder), "threads": thread_count()}
        try:
            with duckdb.connect(config=settings) as database:
                for statement in statements:
                    database.execute(statement)
        except duckdb.OutOfMemoryException as error:
            raise NotEnoughMemoryError(
                f"the {self.side} ids cannot be sorted within {memory / 2**20:.0f} MiB ({str(error).splitlines()[0]}); "
                "allow more memory"
            ) from None
        except duckdb.Error as error:
            raise InputError(f"the {self.side} ids cannot be sorted: {str(error).splitlines()[0]}") from None


def _quote(path: Path) -> str:
    text = str(path).replace("'", "''")
    return f"'{text}'"
