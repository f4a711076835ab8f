"""Batch: some rows of a sparse matrix, with the order by column that the kernels walk. Built once, used every epoch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse

from autorec.network import kernels


@dataclass(frozen=True, eq=False)
class Batch:
    """n rows × m columns, nnz observed entries, in row order (CSR) and with the way to column order.

    indptr         [n + 1] int64
    indices        [nnz] int32, the column of each entry
    values         [nnz] float32
    to_column      [nnz] place in column order of each entry in row order
    column_ptr     [m + 1] int64, where each column begins in column order
    column_rows    [nnz] int32, the row of each entry in column order
    column_values  [nnz] float32, the value of each entry in column order
    """

    n_columns: int
    indptr: torch.Tensor
    indices: torch.Tensor
    values: torch.Tensor
    to_column: torch.Tensor
    column_ptr: torch.Tensor
    column_rows: torch.Tensor
    column_values: torch.Tensor

    @property
    def n_rows(self) -> int:
        return len(self.indptr) - 1

    @property
    def device(self) -> torch.device:
        return self.values.device

    def rows(self) -> torch.Tensor:
        """[nnz] the row of each entry, in row order."""
        counts = self.indptr.diff()
        return torch.repeat_interleave(torch.arange(self.n_rows, device=self.device), counts)

    def to(self, device: torch.device) -> "Batch":
        parts = {name: getattr(self, name).to(device) for name in self.__dataclass_fields__ if name != "n_columns"}
        return Batch(self.n_columns, **parts)


def make_batch(csr: sparse.csr_array) -> Batch:
    """All rows of `csr` as one batch; explicit zeros are entries."""
    indptr = csr.indptr.astype(np.int64)
    indices = csr.indices.astype(np.int32)
    ptr = np.empty(csr.shape[1] + 1, dtype=np.int64)
    to_column = np.empty(len(indices), dtype=np.int32 if len(indices) < 2**31 else np.int64)
    column_rows = np.empty(len(indices), dtype=np.int32)
    kernels.order_by_column(indptr, indices, ptr, to_column, column_rows)
    values = csr.data.astype(np.float32)
    column_values = np.empty_like(values)
    column_values[to_column] = values
    arrays: tuple[Any, ...] = (indptr, indices, values, to_column, ptr, column_rows, column_values)
    return Batch(csr.shape[1], *map(torch.from_numpy, arrays))
