"""The columns spread over processes: each holds the large weights' rows, and the ratings, of its own columns alone.
Where a `Mesh` has several groups of processes, each group has some of the rows of a batch too.

All else is the same in every process, the codes above all. Where own columns and codes meet, the processes talk:

    encoder   Σ over processes of X_own · W_own [n × H], before the activation: `sum`, whose gradient all have already
    decoder   reads the code [n × H] at the own columns: `spread`, whose gradient is the sum of those of all processes

(the conjugate pair f and g of Shoeybi et al.: Megatron-LM, 2019, §3). A step so moves two arrays [n × H] float32.

Columns are dealt out in turn, c to process c mod size: whatever order they are in, each process has about as many
columns and as many ratings as any other. So are the rows of a batch to groups of processes, each of which has all
columns among its own: nothing of a row leaves its group, and the gradients of all parameters are summed over the groups
once a step.
"""

from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist

from autorec.array_types import FloatArray, IntArray

Numbers = TypeVar("Numbers", FloatArray, IntArray)

_BLOCK = 2**22  # numbers that travel at once where a weight is put together


@dataclass(frozen=True)
class Shard:
    """The columns, or the rows of a batch, of process `rank` of `size` in a group of torch.distributed, None for its
    default group; by default all, without a group."""

    rank: int = 0
    size: int = 1
    group: Any = field(default=None, compare=False)

    @property
    def own(self) -> slice:
        """Which of all are its own."""
        return slice(self.rank, None, self.size)

    def count(self, n: int) -> int:
        """How many of n are its own."""
        return len(range(self.rank, n, self.size))

    def most(self, n: int) -> int:
        """How many of n any process has at most, the same number in all."""
        return -(-n // self.size)

    def total(self, value: torch.Tensor) -> torch.Tensor:
        """A tensor of any shape, summed over the processes, in place, without gradients."""
        if self.size > 1:
            dist.all_reduce(value, group=self.group)
        return value

    def highest(self, value: torch.Tensor) -> torch.Tensor:
        """A tensor of any shape, the highest number of all processes at each place, in place, without gradients."""
        if self.size > 1:
            dist.all_reduce(value, dist.ReduceOp.MAX, group=self.group)
        return value

    def once(self, value: torch.Tensor) -> torch.Tensor:
        """What all processes have, of any shape, for a sum over them: 0 in all but the first."""
        return torch.zeros_like(value) if self.rank else value

    def sum(self, value: torch.Tensor) -> torch.Tensor:
        """A tensor of any shape, summed over the processes, in place; a gradient goes back unchanged."""
        if self.size == 1:
            return value
        apply: Any = _Sum.apply  # torch gives it no type
        result: torch.Tensor = apply(value, self.group)
        return result

    def spread(self, code: torch.Tensor) -> torch.Tensor:
        """A tensor of any shape that all processes have, as it is; its gradient is summed over them."""
        if self.size == 1:
            return code
        apply: Any = _Spread.apply
        result: torch.Tensor = apply(code, self.group)
        return result

    def join(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """[own] numbers of each process → [all], one process after the other, in every process."""
        if self.size == 1:
            return values
        counts = torch.zeros(self.size, dtype=torch.int64)
        counts[self.rank] = len(values)
        self.total(counts)
        ends = counts.cumsum(0).tolist()
        joined = torch.zeros(ends[-1], dtype=torch.float64)
        joined[ends[self.rank] - len(values) : ends[self.rank]] = torch.from_numpy(values)
        return self.total(joined).numpy()

    def assemble(self, own: torch.Tensor, n_columns: int) -> torch.Tensor:
        """[n × own columns] of each process → [n × n_columns] in every process."""
        if self.size == 1:
            return own
        full = own.new_zeros(len(own), n_columns)
        full[:, self.own] = own
        return self.total(full)

    def gather(self, own: torch.Tensor, n_columns: int) -> torch.Tensor | None:
        """[own columns × …] of each process → [n_columns × …] in process 0, on the CPU, a block of columns at a time;
        None in the others. Only where process 0 of the default group is the first of its group here."""
        own = own.detach().cpu()
        if self.size == 1:
            return own
        block = max(1, _BLOCK // max(own[:1].numel(), 1))
        if self.rank:
            for part in own.split(block):
                dist.send(part.contiguous(), 0)
            return None
        full = own.new_empty(n_columns, *own.shape[1:])
        full[self.own] = own
        for rank in range(1, self.size):
            for part in full[rank :: self.size].split(block):  # views, into which the blocks are copied
                arrived = torch.empty(part.shape, dtype=part.dtype)
                dist.recv(arrived, rank)
                part.copy_(arrived)
        return full


WHOLE = Shard()


@dataclass(frozen=True)
class Mesh:
    """The place of a process among rows.size × columns.size. rows: which rows of a batch are those of its group;
    columns: which columns it has in this group. The processes of all groups with the same columns are a group of their
    own, that of `rows`."""

    rows: Shard = WHOLE
    columns: Shard = WHOLE

    @property
    def size(self) -> int:
        return self.rows.size * self.columns.size

    def total(self, values: Numbers) -> Numbers:
        """[k] numbers of each process, summed over all of them, in place."""
        self.columns.total(torch.from_numpy(values))
        return self.total_of_columns(values)

    def total_of_columns(self, values: Numbers) -> Numbers:
        """[own columns] numbers of each process, summed over those with the same columns, in place."""
        self.rows.total(torch.from_numpy(values))
        return values

    def all_columns(self, values: FloatArray, n_columns: int) -> FloatArray:
        """[own columns] numbers of each process → [n_columns] in every process."""
        return np.asarray(self.columns.assemble(torch.from_numpy(values)[None], n_columns)[0])


WHOLE_MESH = Mesh()


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: torch.Tensor, group: Any) -> torch.Tensor:
        dist.all_reduce(value, group=group)
        ctx.mark_dirty(value)
        return value

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        return grads[0], None


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, code: torch.Tensor, group: Any) -> torch.Tensor:
        ctx.group = group
        return code.view_as(code)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        grad = grads[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(grad, group=ctx.group)
        return grad, None
