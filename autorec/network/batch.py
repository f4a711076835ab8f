"""Batch: some rows of a sparse matrix, in row order and, for gradients of weights, in column order.

The pattern (which entries are observed) is kept apart from the values, so that batches with other values at the same
entries share the pattern and its column order: corrupted inputs, weights of the entries, predictions encoded again.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy import sparse

from autorec.network import kernels
from autorec.network.ranges import cut
from autorec.network.shard import Shard
from autorec.threads import run_in_threads, thread_count


@dataclass(frozen=True, eq=False)
class ColumnOrder:
    """The entries of a pattern sorted by column, rows ascending within a column.

    ptr   [m + 1] int64, where each column begins
    slot  [nnz] int32 (int64 from 2³¹ entries), where the k-th entry of the row order stands in the column order
    rows  [nnz] int32, the row of each entry in column order
    """

    ptr: torch.Tensor
    slot: torch.Tensor
    rows: torch.Tensor


@dataclass(frozen=True, eq=False)
class Pattern:
    """The observed entries of n rows × m columns in CSR order.

    indptr   [n + 1] int64
    indices  [nnz] int32, the column of each entry
    """

    n_columns: int
    indptr: torch.Tensor
    indices: torch.Tensor

    @cached_property
    def by_column(self) -> ColumnOrder:
        """The entries [nnz] sorted by column; made on first use, then kept. CPU only."""
        indptr, indices, n = self.indptr.numpy(), self.indices.numpy(), len(self.indices)
        bounds = cut(indptr, thread_count())
        parts = len(bounds) - 1
        counts = np.zeros((parts, self.n_columns), dtype=np.int64)
        run_in_threads(lambda i: kernels.count_columns(indptr, indices, counts[i], *bounds[i : i + 2]), parts)
        # The first slot of a column in a part follows all lower columns, then this column's entries in earlier parts.
        next_slot = np.ascontiguousarray(counts.T.cumsum().reshape(-1, parts).T)
        next_slot -= counts
        ptr = np.append(next_slot[0], n)
        slot = np.empty(n, dtype=np.int32 if n < 2**31 else np.int64)
        rows = np.empty(n, dtype=np.int32)

        def sort(i: int) -> None:
            kernels.sort_by_column(indptr, indices, next_slot[i], slot, rows, *bounds[i : i + 2])

        run_in_threads(sort, parts)
        return ColumnOrder(*map(torch.from_numpy, (ptr, slot, rows)))


@dataclass(frozen=True, eq=False)
class Batch:
    """A pattern of n rows × m columns, and values [nnz] float32 in row order."""

    pattern: Pattern
    values: torch.Tensor

    @property
    def n_rows(self) -> int:
        return len(self.pattern.indptr) - 1

    @property
    def n_columns(self) -> int:
        return self.pattern.n_columns

    @property
    def indptr(self) -> torch.Tensor:
        """[n + 1] int64, the first entry of each row; nnz at the end."""
        return self.pattern.indptr

    @property
    def indices(self) -> torch.Tensor:
        """[nnz] int32, the column of each entry."""
        return self.pattern.indices

    @property
    def device(self) -> torch.device:
        return self.values.device

    def rows(self) -> torch.Tensor:
        """[nnz] the row of each entry, in row order."""
        return torch.repeat_interleave(torch.arange(self.n_rows, device=self.device), self.indptr.diff())

    @cached_property
    def column_values(self) -> torch.Tensor:
        """[nnz] float32, the values in column order; kept from the first use on."""
        return self.in_column_order(self.values)

    def in_column_order(self, values: torch.Tensor) -> torch.Tensor:
        """[nnz] in row order → [nnz] in column order; CPU only."""
        ordered = np.empty(len(values), dtype=np.float32)
        ordered[self.pattern.by_column.slot.numpy()] = values.detach().numpy()
        return torch.from_numpy(ordered)

    def with_values(self, values: torch.Tensor) -> "Batch":
        """The same entries with other values [nnz]; pattern and column order are shared."""
        return Batch(self.pattern, values)

    def only(self, kept: torch.Tensor) -> "Batch":
        """The entries where `kept` [nnz] is True, of the same rows and columns."""
        before = torch.nn.functional.pad(kept.cumsum(0), (1, 0))  # [nnz + 1]
        return Batch(Pattern(self.n_columns, before[self.indptr], self.indices[kept]), self.values[kept])

    def of(self, shard: Shard) -> "Batch":
        """The same rows with the shard's own columns alone, numbered anew; itself where these are all."""
        if shard.size == 1:
            return self
        own = self.only(self.indices % shard.size == shard.rank)
        pattern = Pattern(shard.count(self.n_columns), own.indptr, own.indices // shard.size)
        return Batch(pattern, own.values)

    def to(self, device: torch.device) -> "Batch":
        """The same batch [n × m] on another device; itself where it is there already."""
        if device == self.device:
            return self
        pattern = Pattern(self.n_columns, self.indptr.to(device), self.indices.to(device))
        return Batch(pattern, self.values.to(device))


def make_batch(csr: sparse.csr_array) -> Batch:
    """All rows of `csr` [n × m] as one batch; explicit zeros are entries."""
    indptr, indices, values = csr.indptr.astype(np.int64), csr.indices.astype(np.int32), csr.data.astype(np.float32)
    return Batch(Pattern(csr.shape[1], torch.from_numpy(indptr), torch.from_numpy(indices)), torch.from_numpy(values))
