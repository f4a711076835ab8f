"""Losses over all columns of a batch, a block of its rows at a time: no array [n × m] is made of more than a block.

The derivative in the outputs is known with the loss. So each block's share of the gradients is summed at once, and the
block's memory is used again for the next.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from autorec.network.batch import Batch

BLOCK = 2**22  # outputs at once, 16 MiB
FEWEST_ROWS = 32  # of a block, however many columns: with fewer, reading the weight takes longer than the products


@dataclass(frozen=True, eq=False)
class Entries:
    """The observed entries of a block: the row of each within the block, its flat index in the block's outputs [b × m]
    and its value, [nnz] each."""

    rows: torch.Tensor
    flat: torch.Tensor
    values: torch.Tensor


# (outputs [b × m], entries) → loss, a scalar; the outputs become its derivative in them.
Evaluate = Callable[[torch.Tensor, Entries], torch.Tensor]


def rows_at_once(n_columns: int) -> int:
    return max(BLOCK // max(n_columns, 1), FEWEST_ROWS)


def loss_over_all_columns(
    target: Batch,
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    offset: torch.Tensor,
    evaluate: Evaluate,
    block: int,
) -> torch.Tensor:
    """The loss, a scalar, of the outputs hidden · weightᵀ + bias + offset: [n × H], [m × H], [m], [n] → [n × m].

    block: rows at once.

    Differentiable in hidden, weight and bias.
    """
    apply: Any = _OverBlocks.apply  # torch gives it no type
    loss: torch.Tensor = apply(hidden, weight, bias, target, offset, evaluate, block)
    return loss


class _OverBlocks(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        target: Batch,
        offset: torch.Tensor,
        evaluate: Evaluate,
        block: int,
    ) -> torch.Tensor:
        learns = ctx.needs_input_grad[1]
        in_hidden = torch.empty_like(hidden)
        in_weight, in_bias = (torch.zeros_like(one) if learns else None for one in (weight, bias))
        n, m = len(hidden), len(weight)
        loss, memory = hidden.new_zeros(()), hidden.new_empty(min(block, n), m)
        for start in range(0, n, block):
            part = slice(start, min(start + block, n))
            outputs = memory[: part.stop - start]
            torch.addmm(bias, hidden[part], weight.T, out=outputs).add_(offset[part, None])
            loss += evaluate(outputs, _entries_of(target, part))
            torch.mm(outputs, weight, out=in_hidden[part])
            if in_weight is not None and in_bias is not None:
                in_weight.addmm_(outputs.T, hidden[part])
                in_bias += outputs.sum(dim=0)
        ctx.gradients = in_hidden, in_weight, in_bias
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        found = tuple(None if one is None else one.mul_(grads[0]) for one in ctx.gradients)
        del ctx.gradients
        return (*found, None, None, None, None)


def _entries_of(target: Batch, part: slice) -> Entries:
    """Of the rows `part` of a batch [n × m]."""
    ptr = target.indptr[part.start : part.stop + 1]
    chosen = slice(int(ptr[0]), int(ptr[-1]))
    rows = torch.repeat_interleave(torch.arange(len(ptr) - 1, device=ptr.device), ptr.diff())
    return Entries(rows, rows * target.n_columns + target.indices[chosen], target.values[chosen])
