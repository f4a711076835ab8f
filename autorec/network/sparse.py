"""The differentiable operations on a sparse batch: encode it; decode at its observed entries only.

On the CPU they stand on `autorec.network.kernels`, on other devices on torch's own sparse operations. Nothing here
is ever rows × columns: cost follows the entries.
"""

from typing import Any

import numba
import numpy as np
import torch

from autorec.network import kernels
from autorec.network.batch import Batch

_ENTRY_BLOCK = 2**18  # entries gathered at once on other devices


def encode(batch: Batch, weight: torch.Tensor, room: torch.Tensor | None = None) -> torch.Tensor:
    """X · W: batch [n × m], weight [m × H] → [n × H]. Differentiable in the weight.

    room [m × H]: memory for the gradient of the weight, here and below. New memory for it in every step costs about as
    much as an optimiser does. Whoever gives it lets go of the last gradient before the next step.
    """
    apply: Any = _Encode.apply  # torch gives it no type
    result: torch.Tensor = apply(weight, batch, room)
    return result


def decode(batch: Batch, codes: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """codes[row] · weight[column] + bias[column] at each entry: [n × H], [m × H], [m] → [nnz], in row order.

    Differentiable in all three; the gradient in everything that belongs to unobserved entries is exactly 0.
    """
    apply: Any = _Decode.apply  # torch gives it no type
    result: torch.Tensor = apply(codes, weight, bias, batch)
    return result


def squared_error(
    batch: Batch,
    targets: torch.Tensor,
    codes: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    room: torch.Tensor | None = None,
    scale: float = 1.0,
) -> torch.Tensor:
    """scale · ((decode(batch, codes, weight, bias) − targets)²).sum(), value and gradients in one walk of the entries.

    Scaled in the walk, because a factor put on afterwards is one more pass over a gradient as large as the weight.
    """
    if batch.device.type != "cpu":
        return scale * ((decode(batch, codes, weight, bias) - targets) ** 2).sum()
    apply: Any = _SquaredError.apply  # torch gives it no type
    result: torch.Tensor = apply(codes, weight, bias, batch, targets, room, scale)
    return result


class _Encode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, batch: Batch, room: torch.Tensor | None) -> torch.Tensor:
        ctx.batch, ctx.shape, ctx.room = batch, weight.shape, room
        if batch.device.type != "cpu":
            return matrix(batch, batch.values) @ weight
        codes = torch.empty(batch.n_rows, weight.shape[1])
        kernels.encode(*_arrays(batch.indptr, batch.indices, batch.values, weight, codes), _parts())
        return codes

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        batch = ctx.batch
        (grad,) = grads
        if batch.device.type != "cpu":
            return matrix(batch, batch.values).t() @ grad, None, None
        gradient = torch.empty(ctx.shape) if ctx.room is None else ctx.room
        kernels.transposed(*_by_column(batch), *_arrays(batch.values, grad.contiguous(), gradient), _parts())
        return gradient, None, None


class _Decode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, codes: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, batch: Batch) -> torch.Tensor:
        ctx.batch = batch
        ctx.save_for_backward(codes, weight)
        if batch.device.type != "cpu":
            return gathered(batch, codes, weight, bias)
        out = torch.empty(len(batch.values))
        kernels.decode(*_by_column(batch), *_arrays(codes.contiguous(), weight, bias, out), _parts())
        return out

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        batch = ctx.batch
        (grad,) = grads
        codes, weight = ctx.saved_tensors
        if batch.device.type != "cpu":
            entries = matrix(batch, grad)
            zeros = torch.zeros(batch.n_columns, device=batch.device)
            return entries @ weight, entries.t() @ codes, zeros.index_add(0, batch.indices.long(), grad), None
        parts, g_weight, g_bias = _gradients(batch, codes, weight)
        kernels.decode_backward(
            *_by_column(batch),
            *_arrays(grad.contiguous(), codes.contiguous(), weight, parts, g_weight, g_bias),
        )
        return parts.sum(0), g_weight, g_bias, None


class _SquaredError(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        codes: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        batch: Batch,
        targets: torch.Tensor,
        room: torch.Tensor | None,
        scale: float,
    ) -> torch.Tensor:
        parts, g_weight, g_bias = _gradients(batch, codes, weight, room)
        arrays = _arrays(targets, codes.contiguous(), weight, bias, parts, g_weight, g_bias)
        sse = kernels.squared_error(*_by_column(batch), *arrays, scale)
        ctx.gradients = (parts.sum(0), g_weight, g_bias)
        return torch.tensor(sse, dtype=codes.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        gradients = ctx.gradients
        ctx.gradients = None  # scaled in place: a second backward would scale twice
        if grads[0] != 1:
            gradients = tuple(gradient.mul_(grads[0]) for gradient in gradients)
        return *gradients, None, None, None, None


def _parts() -> int:
    """More ranges than threads, so that a thread that is held up does not hold up the others."""
    return 4 * int(numba.get_num_threads())


def _arrays(*tensors: torch.Tensor) -> tuple[np.ndarray[Any, Any], ...]:
    return tuple(tensor.detach().numpy() for tensor in tensors)


def _by_column(batch: Batch) -> tuple[np.ndarray[Any, Any], ...]:
    return _arrays(batch.column_ptr, batch.columns, batch.column_rows, batch.by_column)


def _gradients(
    batch: Batch, codes: torch.Tensor, weight: torch.Tensor, room: torch.Tensor | None = None
) -> tuple[torch.Tensor, ...]:
    """Room for the gradients: codes [threads × n × H], weight [m × H] (the kernels write all of it), bias [m] zeros."""
    return (
        torch.empty(numba.get_num_threads(), *codes.shape),
        torch.empty_like(weight) if room is None else room,
        torch.zeros(batch.n_columns),
    )


def matrix(batch: Batch, values: torch.Tensor) -> torch.Tensor:
    """The batch as a torch sparse matrix [n × m] with other values."""
    places = torch.stack((batch.rows(), batch.indices.long()))
    shape = (batch.n_rows, batch.n_columns)
    return torch.sparse_coo_tensor(places, values, shape, is_coalesced=True, check_invariants=False)


def gathered(batch: Batch, codes: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    rows, columns = batch.rows(), batch.indices.long()
    parts = [
        torch.linalg.vecdot(codes[rows[k : k + _ENTRY_BLOCK]], weight[columns[k : k + _ENTRY_BLOCK]])
        for k in range(0, len(rows), _ENTRY_BLOCK)
    ]
    return torch.cat([*parts, codes.new_empty(0)]) + bias[columns]
