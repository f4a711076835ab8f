"""Batch: some rows of a sparse matrix, with the order by column that the kernels walk, made when it is first asked
for."""

from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np
import torch
from scipy import sparse

from autorec.network import kernels


@dataclass(frozen=True, eq=False)
class Batch:
    """n rows × m columns, nnz observed entries, in row order (CSR); and in column order, for what needs gradients.

    indptr         [n + 1] int64
    indices        [nnz] int32, the column of each entry
    values         [nnz] float32
    """

    n_columns: int
    indptr: torch.Tensor
    indices: torch.Tensor
    values: torch.Tensor

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

    @property
    def column_ptr(self) -> torch.Tensor:
        """[m + 1] int64, where each column begins in column order."""
        return self._by_column[0]

    @property
    def to_column(self) -> torch.Tensor:
        """[nnz] int32, place in column order of each entry in row order."""
        return self._by_column[1]

    @property
    def column_rows(self) -> torch.Tensor:
        """[nnz] int32, the row of each entry in column order."""
        return self._by_column[2]

    @property
    def column_values(self) -> torch.Tensor:
        """[nnz] float32, the value of each entry in column order."""
        return self._by_column[3]

    @cached_property
    def _by_column(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Kept from the first call on; CPU only."""
        indptr, indices, values = self.indptr.numpy(), self.indices.numpy(), self.values.numpy()
        n = len(indices)
        ptr = np.empty(self.n_columns + 1, dtype=np.int64)
        to_column = np.empty(n, dtype=np.int32 if n < 2**31 else np.int64)
        rows, ordered = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.float32)
        kernels.order_by_column(indptr, indices, values, ptr, to_column, rows, ordered, int(numba.get_num_threads()))
        column_ptr, places, column_rows, column_values = map(torch.from_numpy, (ptr, to_column, rows, ordered))
        return column_ptr, places, column_rows, column_values

    def to(self, device: torch.device) -> "Batch":
        return Batch(self.n_columns, self.indptr.to(device), self.indices.to(device), self.values.to(device))


def make_batch(csr: sparse.csr_array) -> Batch:
    """All rows of `csr` as one batch; explicit zeros are entries."""
    indptr, indices, values = csr.indptr.astype(np.int64), csr.indices.astype(np.int32), csr.data.astype(np.float32)
    return Batch(csr.shape[1], torch.from_numpy(indptr), torch.from_numpy(indices), torch.from_numpy(values))
