"""The differentiable operations on a sparse batch: encode it; decode at its observed entries only.

On the CPU they stand on `autorec.network.kernels`, on other devices on torch's own sparse operations. Nothing here
is ever rows × columns: cost follows the entries.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch

from autorec.network import kernels
from autorec.network.batch import Batch

_ENTRY_BLOCK = 2**18  # entries gathered at once on other devices

Sink = Callable[[Batch, torch.Tensor, torch.Tensor], None]
"""Takes the gradient of a weight [m × H] as (batch, values [nnz] in column order, D [n × H]): it is Xᵀ · D, where X has
those values. A sink uses each row of it as it is summed, so that a gradient as large as the weight is never stored; the
weight's `.grad` then stays None. It may change the weight: nothing reads it any more in this step. CPU only."""


def encode(batch: Batch, weight: torch.Tensor, sink: Sink | None = None) -> torch.Tensor:
    """X · W: batch [n × m], weight [m × H] → [n × H]. Differentiable in the weight."""
    apply: Any = _Encode.apply  # torch gives it no type
    result: torch.Tensor = apply(weight, batch, sink)
    return result


def decode(
    batch: Batch, codes: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, sink: Sink | None = None
) -> torch.Tensor:
    """codes[row] · weight[column] + bias[column] at each entry: [n × H], [m × H], [m] → [nnz], in row order.

    Differentiable in all three; the gradient in everything that belongs to unobserved entries is exactly 0.
    """
    apply: Any = _Decode.apply  # torch gives it no type
    result: torch.Tensor = apply(codes, weight, bias, batch, sink)
    return result


def squared_error(
    batch: Batch,
    offset: torch.Tensor,
    codes: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    sink: Sink | None = None,
    scale: float = 1.0,
) -> torch.Tensor:
    """scale · Σ (offset[row] + decode(batch, codes, weight, bias) − value)² over the entries of the batch, offset [n].

    Value and most of the gradient in one walk. Differentiable in codes, weight and bias.
    """
    if batch.device.type != "cpu":
        return scale * ((decode(batch, codes, weight, bias) + offset[batch.rows()] - batch.values) ** 2).sum()
    apply: Any = _SquaredError.apply  # torch gives it no type
    result: torch.Tensor = apply(codes, weight, bias, batch, offset, sink, scale)
    return result


class _Encode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, batch: Batch, sink: Sink | None) -> torch.Tensor:
        ctx.batch, ctx.sink = batch, sink
        if batch.device.type != "cpu":
            return matrix(batch, batch.values) @ weight
        return _product(batch, batch.values, weight)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        batch = ctx.batch
        (grad,) = grads
        if batch.device.type != "cpu":
            return matrix(batch, batch.values).t() @ grad, None, None
        return _weight_gradient(batch, batch.column_values, grad.contiguous(), ctx.sink), None, None


class _Decode(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, codes: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, batch: Batch, sink: Sink | None
    ) -> torch.Tensor:
        ctx.batch, ctx.sink = batch, sink
        ctx.save_for_backward(codes, weight)
        if batch.device.type != "cpu":
            return gathered(batch, codes, weight, bias)
        out = torch.empty(len(batch.values))
        kernels.decode(*_arrays(batch.indptr, batch.indices, codes.contiguous(), weight, bias, out), _threads())
        return out

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        batch = ctx.batch
        (grad,) = grads
        codes, weight = ctx.saved_tensors
        if batch.device.type != "cpu":
            entries = matrix(batch, grad)
            zeros = torch.zeros(batch.n_columns, device=batch.device)
            in_bias = zeros.index_add(0, batch.indices.long(), grad)
            return entries @ weight, entries.t() @ codes, in_bias, None, None
        grad = grad.contiguous()
        in_codes = _product(batch, grad, weight)  # before a sink may change the weight
        ordered = torch.empty_like(grad)
        ordered[batch.to_column.long()] = grad
        in_weight = _weight_gradient(batch, ordered, codes.contiguous(), ctx.sink)
        return in_codes, in_weight, _sums(batch, ordered), None, None


class _SquaredError(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        codes: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        batch: Batch,
        offset: torch.Tensor,
        sink: Sink | None,
        scale: float,
    ) -> torch.Tensor:
        codes = codes.contiguous()
        in_codes, in_outputs = torch.empty_like(codes), torch.empty_like(batch.values)
        entries = (batch.indptr, batch.indices, batch.values, offset, batch.to_column)
        sse = kernels.squared_error(*_arrays(*entries, codes, weight, bias, in_codes, in_outputs), scale, _threads())
        ctx.batch, ctx.sink, ctx.gradients = batch, sink, (in_codes, in_outputs, codes.detach())
        return torch.tensor(sse, dtype=codes.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        in_codes, in_outputs, codes = ctx.gradients
        ctx.gradients = None  # scaled in place: a second backward would scale twice
        if grads[0] != 1:
            in_codes, in_outputs = in_codes.mul_(grads[0]), in_outputs.mul_(grads[0])
        in_weight = _weight_gradient(ctx.batch, in_outputs, codes, ctx.sink)
        return in_codes, in_weight, _sums(ctx.batch, in_outputs), None, None, None, None


def _product(batch: Batch, values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The batch with other values [nnz] · weight [m × H] → [n × H]."""
    out = torch.empty(batch.n_rows, weight.shape[1])
    kernels.encode(*_arrays(batch.indptr, batch.indices, values, weight, out), _threads())
    return out


def _weight_gradient(batch: Batch, values: torch.Tensor, D: torch.Tensor, sink: Sink | None) -> torch.Tensor | None:
    """Xᵀ · D [m × H], X the batch with these values, in column order; None when it went into the sink."""
    if sink is not None:
        sink(batch, values, D.detach())
        return None
    gradient = torch.empty(batch.n_columns, D.shape[1])
    arrays = _arrays(batch.column_ptr, batch.column_rows, values, D, gradient)
    kernels.transposed(*arrays, 4 * _threads())
    return gradient


def _sums(batch: Batch, values: torch.Tensor) -> torch.Tensor:
    """[m] the values [nnz], in column order, summed by column."""
    sums = torch.empty(batch.n_columns)
    kernels.column_sums(*_arrays(batch.column_ptr, values, sums))
    return sums


def _threads() -> int:
    return int(numba.get_num_threads())


def _arrays(*tensors: torch.Tensor) -> tuple[np.ndarray[Any, Any], ...]:
    return tuple(tensor.detach().numpy() for tensor in tensors)


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
