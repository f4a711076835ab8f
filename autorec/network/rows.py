"""Rows: a sparse matrix of ratings in few bytes, from which batches are cut.

Where at most 255 distinct values occur, an entry holds one byte, its level: an index into a table of the values. With
its column that makes 5 bytes an entry. Where more occur, it holds the value itself, a float.

An entry whose value is NaN is left out of batches and sums. So ratings are held out without a copy of the others.

torch is loaded where a batch is made of them, so that what only scores does not wait for it.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec.array_types import Float32, IntArray
from autorec.network import kernels
from autorec.network.ranges import run_in_ranges

if TYPE_CHECKING:
    from autorec.network.batch import Batch
    from autorec.network.shard import Shard

ABSENT = 255  # the level of an entry that is left out; so 255 distinct values fit a byte


@dataclass(frozen=True, eq=False)
class Rows:
    """n rows × m columns in CSR order, columns ascending.

    indptr   [n + 1] int64
    indices  [nnz] int32, the column of each entry
    levels   [nnz] uint8, index of the value in `table`; or float32, the value
    table    [256] float32, NaN at ABSENT; unused where `levels` are floats
    """

    n_columns: int
    indptr: IntArray
    indices: IntArray
    levels: npt.NDArray[Any]
    table: Float32

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.indptr) - 1, self.n_columns

    @property
    def nnz(self) -> int:
        """Entries, including those left out."""
        return len(self.indices)

    def transposed(self) -> "Rows":
        """[m × n], a copy; entries left out stay so."""
        index = self.indices.dtype if self.nnz < 2**31 else np.int64
        arrays = (self.levels, self.indices.astype(index, copy=False), self.indptr.astype(index, copy=False))
        flipped = sparse.csr_array(arrays, shape=self.shape).T.tocsr()  # SciPy sorts by column, stably
        indices = flipped.indices.astype(np.int32, copy=False)
        return Rows(self.shape[0], flipped.indptr.astype(np.int64), indices, flipped.data, self.table)

    def without(self, entries: IntArray) -> "Rows":
        """The same rows with `entries` [k], indices in CSR order, left out; columns are shared, levels copied."""
        if not len(entries):
            return self
        levels = self.levels.copy()
        levels[entries] = ABSENT if levels.dtype == np.uint8 else np.nan
        return replace(self, levels=levels)

    def only(self, entries: IntArray) -> "Rows":
        """The same rows with `entries` [k] alone, ascending indices in CSR order."""
        indptr = np.searchsorted(entries, self.indptr)
        return replace(self, indptr=indptr, indices=self.indices[entries], levels=self.levels[entries])

    def of(self, shard: "Shard") -> "Rows":
        """The same rows with the shard's own columns alone, numbered anew; itself where these are all."""
        if shard.size == 1:
            return self
        return self.only(np.flatnonzero(self.indices % shard.size == shard.rank)).numbered(shard)

    def numbered(self, shard: "Shard") -> "Rows":
        """The same entries, all in the shard's own columns, whose columns are these alone."""
        return replace(self, n_columns=shard.count(self.n_columns), indices=self.indices // shard.size)

    def select(self, chosen: IntArray) -> "Rows":
        """The rows `chosen` [k], a copy [k × m]."""
        counts = np.diff(self.indptr)[chosen]
        indptr = np.concatenate(([0], np.cumsum(counts)))
        entries = np.repeat(self.indptr[chosen] - indptr[:-1], counts) + np.arange(indptr[-1])
        return replace(self, indptr=indptr, indices=self.indices[entries], levels=self.levels[entries])

    def lengths(self) -> IntArray:
        """[n] the number of entries of each row, those left out not counted."""
        ptr = np.zeros(self.shape[0] + 1, dtype=np.int64)
        kernels.count_entries(self.indptr, self.levels, self.table, np.arange(self.shape[0]), ptr)
        return ptr[1:]

    def entries(self, chosen: IntArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], Float32]:
        """The rows `chosen` [k] as CSR: pointers [k + 1], columns [nnz], values [nnz], without entries left out."""
        ptr = np.zeros(len(chosen) + 1, dtype=np.int64)
        kernels.count_entries(self.indptr, self.levels, self.table, chosen, ptr)
        np.cumsum(ptr, out=ptr)
        indices, values = np.empty(ptr[-1], dtype=np.int32), np.empty(ptr[-1], dtype=np.float32)
        arrays = (self.indptr, self.indices, self.levels, self.table, chosen, ptr, indices, values)
        run_in_ranges(kernels.gather, ptr, *arrays)
        return ptr, indices, values

    def batch(self, chosen: IntArray | slice = slice(None)) -> "Batch":
        """The rows `chosen` [k], by default all, as a batch [k × m]."""
        import torch

        from autorec.network.batch import Batch, Pattern

        rows = np.arange(*chosen.indices(self.shape[0])) if isinstance(chosen, slice) else chosen
        ptr, indices, values = map(torch.from_numpy, self.entries(rows))
        return Batch(Pattern(self.n_columns, ptr, indices), values)


def to_levels(values: Float32) -> tuple[npt.NDArray[np.uint8], Float32] | None:
    """Finite values [nnz] → (levels [nnz], table [256]: the distinct values by first occurrence, NaN in unused slots).

    None where more than 255 distinct values occur.
    """
    table = np.full(ABSENT + 1, np.nan, dtype=np.float32)
    levels = np.empty(len(values), dtype=np.uint8)
    values = np.ascontiguousarray(values, dtype=np.float32)
    return (levels, table) if kernels.find_levels(values, values.view(np.uint32), table, levels) else None
