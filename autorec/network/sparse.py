"""The differentiable operations on a sparse batch: encode; decode at the observed entries, or at all columns.

On the CPU they call `autorec.network.kernels`, on other devices torch's sparse operations. Their cost grows with the
entries; only `decode_all` makes an array [n × m], of one batch.
"""

from typing import Any

import numpy as np
import torch

from autorec.network import kernels
from autorec.network.batch import Batch
from autorec.network.gradient import Product, keep_term
from autorec.network.ranges import run_in_ranges

_ENTRY_BLOCK = 2**18  # entries gathered at once on other devices


def encode(batch: Batch, weight: torch.Tensor) -> torch.Tensor:
    """X · W: batch [n × m], weight [m × H] → [n × H]. Differentiable in the weight and in the batch's values."""
    if not torch.is_grad_enabled():
        return product(batch, batch.values, weight)  # for one row, half the time
    apply: Any = _Encode.apply  # torch gives it no type
    result: torch.Tensor = apply(batch.values, weight, batch)
    return result


def decode_at(batch: Batch, code: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """code[row] · weight[column] + bias[column] at each entry: [n × H], [m × H], [m] → [nnz], in row order.

    Differentiable in all three; unobserved entries contribute exactly 0 to the gradients.
    """
    apply: Any = _DecodeAt.apply
    result: torch.Tensor = apply(code, weight, bias, batch)
    return result


def decode_all(code: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """code · weightᵀ + bias: [n × H], [m × H], [m] → [n × m], for one batch at a time."""
    return torch.addmm(bias, code, weight.T)


def squared_error(
    batch: Batch, offset: torch.Tensor, code: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """Σ (offset[row] + decode_at(batch, code, weight, bias) − value)² over the entries of the batch, offset [n].

    Value and most of the gradient in one pass. Differentiable in code, weight and bias.
    """
    if batch.device.type != "cpu":
        return ((decode_at(batch, code, weight, bias) + offset[batch.rows()] - batch.values) ** 2).sum()
    apply: Any = _SquaredError.apply
    result: torch.Tensor = apply(code, weight, bias, batch, offset)
    return result


class _Encode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, weight: torch.Tensor, batch: Batch) -> torch.Tensor:
        ctx.batch = batch
        ctx.weight = weight  # the tensor itself: its gradient may be kept as a term
        ctx.save_for_backward(weight)
        return product(batch, values, weight)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        batch, D = ctx.batch, grads[0].contiguous()
        (weight,) = ctx.saved_tensors
        in_values = in_weight = None
        if ctx.needs_input_grad[0]:
            in_values = _decode(batch, D, weight, torch.zeros(batch.n_columns, device=D.device))
        if ctx.needs_input_grad[1]:
            in_weight = _weight_gradient(ctx.weight, batch, batch.values, D)
        return in_values, in_weight, None


class _DecodeAt(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, code: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, batch: Batch) -> torch.Tensor:
        ctx.batch, ctx.weight = batch, weight
        ctx.save_for_backward(code, weight)
        return _decode(batch, code, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        batch, grad = ctx.batch, grads[0].contiguous()
        code, weight = ctx.saved_tensors
        in_code = product(batch, grad, weight)
        in_weight = _weight_gradient(ctx.weight, batch, grad, code) if ctx.needs_input_grad[1] else None
        in_bias = torch.zeros(batch.n_columns, device=grad.device).index_add(0, batch.indices, grad)
        return in_code, in_weight, in_bias, None


class _SquaredError(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, code: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, batch: Batch, offset: torch.Tensor
    ) -> torch.Tensor:
        code = code.contiguous()
        in_code, errors = torch.empty_like(code), torch.empty_like(batch.values)  # see the kernel
        entries = (batch.indptr, batch.indices, batch.values, offset, batch.pattern.by_column.slot)
        arrays = _arrays(*entries, code, weight, bias, in_code, errors)
        sse = sum(run_in_ranges(kernels.squared_error, arrays[0], *arrays))
        ctx.batch, ctx.weight = batch, weight
        ctx.save_for_backward(code, in_code, errors)
        return torch.tensor(sse, dtype=code.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        code, in_code, errors = ctx.saved_tensors
        twice = 2 * grads[0]
        in_outputs = errors.mul_(twice)  # [nnz] in column order; in place, so that a second backward is an error
        product = Product(ctx.batch, in_outputs, code)
        in_weight = None
        if ctx.needs_input_grad[1] and not keep_term(ctx.weight, product):
            in_weight = product.dense()
        return in_code.mul_(twice), in_weight, _column_sums(ctx.batch, in_outputs), None, None


def product(batch: Batch, values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The batch [n × m] with other values [nnz] · weight [m × H] → [n × H], without gradients."""
    if batch.device.type != "cpu":
        return matrix(batch, values) @ weight
    out = torch.empty(batch.n_rows, weight.shape[1])
    arrays = _arrays(batch.indptr, batch.indices, values, weight, out)
    run_in_ranges(kernels.encode, arrays[0], *arrays)
    return out


def _decode(batch: Batch, code: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """As `decode_at`, without gradients."""
    if batch.device.type != "cpu":
        return decode_by_gathering(batch, code, weight, bias)
    out = torch.empty(len(batch.values))
    arrays = _arrays(batch.indptr, batch.indices, code.contiguous(), weight, bias, out)
    run_in_ranges(kernels.decode, arrays[0], *arrays)
    return out


def transposed_product(batch: Batch, values: torch.Tensor, D: torch.Tensor) -> torch.Tensor:
    """The batch [n × m] with other values [nnz], transposed, · D [n × H] → [m × H], without gradients."""
    if batch.device.type != "cpu":
        return matrix(batch, values).t() @ D
    return _term(batch, values, D).dense()


def _weight_gradient(weight: torch.Tensor, batch: Batch, values: torch.Tensor, D: torch.Tensor) -> torch.Tensor | None:
    """Xᵀ · D [m × H], X the batch with these values [nnz] in row order; None where it is kept as a term."""
    if batch.device.type == "cpu" and keep_term(weight, _term(batch, values, D)):
        return None
    return transposed_product(batch, values, D)


def _term(batch: Batch, values: torch.Tensor, D: torch.Tensor) -> Product:
    ordered = batch.column_values if values is batch.values else batch.in_column_order(values)
    return Product(batch, ordered, D.detach().contiguous())


def _column_sums(batch: Batch, values: torch.Tensor) -> torch.Tensor:
    """[m] the values [nnz], in column order, summed by column."""
    sums = torch.empty(batch.n_columns)
    arrays = _arrays(batch.pattern.by_column.ptr, values, sums)
    run_in_ranges(kernels.sum_columns, arrays[0], *arrays)
    return sums


def _arrays(*tensors: torch.Tensor) -> tuple[np.ndarray[Any, Any], ...]:
    return tuple(tensor.detach().numpy() for tensor in tensors)


def matrix(batch: Batch, values: torch.Tensor) -> torch.Tensor:
    """The batch as a torch sparse matrix [n × m] with other values [nnz]."""
    entries = torch.stack((batch.rows(), batch.indices.long()))
    shape = (batch.n_rows, batch.n_columns)
    return torch.sparse_coo_tensor(entries, values, shape, is_coalesced=True, check_invariants=False)


def decode_by_gathering(batch: Batch, code: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """[nnz] as `decode_at`, by torch alone, a block of entries at a time."""
    rows, columns = batch.rows(), batch.indices.long()
    parts = [
        torch.linalg.vecdot(code[rows[k : k + _ENTRY_BLOCK]], weight[columns[k : k + _ENTRY_BLOCK]])
        for k in range(0, len(rows), _ENTRY_BLOCK)
    ]
    return torch.cat([*parts, code.new_empty(0)]) + bias[columns]
