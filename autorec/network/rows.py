"""Rows: a sparse matrix of ratings in few bytes, from which batches are cut.

Where at most 255 different values occur, an entry holds one byte, its level: a place in a table of the values. With its
column that makes 5 bytes an entry. Where more occur, it holds the value itself, a float.

An entry whose value is NaN is not there: whatever is cut from here or summed over it passes it by. That is how entries
are left out without a copy of the others.
"""

from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import torch

from autorec.network import kernels
from autorec.network.batch import Batch

ABSENT = 255  # the level of an entry that is left out; the different values that fit a byte beside it

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class Rows:
    """n rows × m columns in CSR order, columns ascending.

    indptr   [n + 1] integers
    indices  [nnz] int32, the column of each entry
    levels   [nnz] uint8, place of the value in `table`; or float32, the value
    table    [256] float32, NaN at ABSENT; not looked at where `levels` are floats
    """

    n_columns: int
    indptr: IntArray
    indices: IntArray
    levels: npt.NDArray[Any]
    table: FloatArray

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.indptr) - 1, self.n_columns

    @property
    def nnz(self) -> int:
        """Entries, with those left out."""
        return len(self.indices)

    def transposed(self) -> "Rows":
        """Columns × rows, in arrays of its own; what is left out stays so."""
        n, m = self.shape
        parts = int(numba.get_num_threads())
        ptr = np.empty(m + 1, dtype=np.int64)
        indices, levels = np.empty(self.nnz, dtype=np.int32), np.empty_like(self.levels)
        given, nowhere = (self.indptr, self.indices, self.levels), np.empty(0, dtype=np.int32)
        kernels.order_by_column(*given, ptr, nowhere, indices, levels, parts)
        return Rows(n, ptr, indices, levels, self.table)

    def without(self, places: IntArray) -> "Rows":
        """The entries at these places [k] of CSR order left out; columns are shared, levels copied."""
        if not len(places):
            return self
        levels = self.levels.copy()
        levels[places] = ABSENT if levels.dtype == np.uint8 else np.nan
        return replace(self, levels=levels)

    def only(self, places: IntArray) -> "Rows":
        """The entries at these places [k], ascending, and no others."""
        indptr = np.searchsorted(places, self.indptr)
        return replace(self, indptr=indptr, indices=self.indices[places], levels=self.levels[places])

    def batch(self, chosen: IntArray | slice = slice(None)) -> Batch:
        """These rows [k] as a batch."""
        rows = np.arange(*chosen.indices(self.shape[0])) if isinstance(chosen, slice) else chosen
        ptr = np.zeros(len(rows) + 1, dtype=np.int64)
        kernels.count_entries(self.indptr, self.levels, self.table, rows, ptr)
        np.cumsum(ptr, out=ptr)
        indices, values = np.empty(ptr[-1], dtype=np.int32), np.empty(ptr[-1], dtype=np.float32)
        parts = int(numba.get_num_threads())
        kernels.gather(self.indptr, self.indices, self.levels, self.table, rows, ptr, indices, values, parts)
        return Batch(self.n_columns, torch.from_numpy(ptr), torch.from_numpy(indices), torch.from_numpy(values))


def levelled(values: FloatArray) -> tuple[npt.NDArray[np.uint8], FloatArray] | None:
    """(levels [nnz], table [256]) of finite values, in the order in which they first occur, NaN in unused places; None
    where more than 255 occur."""
    table = np.full(ABSENT + 1, np.nan, dtype=np.float32)
    levels = np.empty(len(values), dtype=np.uint8)
    values = np.ascontiguousarray(values, dtype=np.float32)
    return (levels, table) if kernels.find_levels(values, values.view(np.uint32), table, levels) else None
