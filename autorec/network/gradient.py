"""Gradients of weights as terms that are summed only when an optimiser asks.

The gradient of a large weight W [m × H] is as large as the weight, and writing it, adding to it and reading it back
costs more than the ratings do. Each part of it is a short formula, though: Xᵀ · D of a sparse product, c · W of a
quadratic penalty. While gradients of a weight are being collected (`collecting`), the backward passes of
`autorec.network.sparse` and of the quadratic penalty keep the formula and give autograd nothing; an optimiser reads
the terms with `terms_of` and may use each row as it is summed. Any other part of the gradient is in `.grad` as
usual, and the gradient is the sum of both. Outside of `collecting` all gradients are ordinary ones. No backward pass
changes a weight, so any number of paths may lead into it.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch

from autorec.network import kernels
from autorec.network.batch import Batch
from autorec.network.ranges import COLUMN_COST, run_in_ranges


@dataclass(frozen=True, eq=False)
class Product:
    """Xᵀ · D [m × H]: X has the pattern of `batch` and these values [nnz], in column order; D [n × H]."""

    batch: Batch
    values: torch.Tensor
    D: torch.Tensor

    def dense(self) -> torch.Tensor:
        """[m × H]"""
        order = self.batch.pattern.by_column
        gradient = torch.empty(self.batch.n_columns, self.D.shape[1])
        tensors = (order.ptr, order.rows, self.values, self.D, gradient)
        arrays = [tensor.detach().numpy() for tensor in tensors]
        run_in_ranges(kernels.transposed_product, arrays[0], *arrays, row_cost=COLUMN_COST, per_thread=4)
        return gradient


@dataclass(frozen=True)
class Multiple:
    """factor · W."""

    factor: float


Term = Product | Multiple

_TERMS = "gradient_terms"  # the attributes of a weight whose gradients are being collected
_VALUED = "valued"


@contextlib.contextmanager
def collecting(weights: Iterable[torch.Tensor], *, values: bool = True) -> Iterator[None]:
    """Within the block, gradients of these weights [m × H] are kept as terms where possible; CPU only. values: whether
    a quadratic penalty, which would pass over its weight for that alone, gives its value; else it gives NaN."""
    chosen = [weight for weight in weights if weight.device.type == "cpu"]
    for weight in chosen:
        vars(weight).update({_TERMS: [], _VALUED: values})
    try:
        yield
    finally:
        for weight in chosen:
            vars(weight).pop(_TERMS, None), vars(weight).pop(_VALUED, None)


def keep_term(weight: torch.Tensor, term: Term) -> bool:
    """Keep a term of the gradient of `weight` [m × H]; False where none are collected and the caller has to sum it."""
    terms = vars(weight).get(_TERMS)
    if terms is None:
        return False
    terms.append(term)
    return True


def is_valued(weight: torch.Tensor) -> bool:
    """Whether anyone asks for the value of a quadratic penalty on `weight` [m × H]; see `collecting`."""
    return bool(vars(weight).get(_VALUED, True))


def terms_of(weight: torch.Tensor) -> tuple[list[Product], float]:
    """(the products kept for `weight` W [m × H], the sum c of the factors of its multiples): Σ products + c · W."""
    terms: list[Term] = vars(weight).get(_TERMS, [])
    products = [term for term in terms if isinstance(term, Product)]
    return products, sum(term.factor for term in terms if isinstance(term, Multiple))


def summed(weight: torch.Tensor, products: list[Product]) -> torch.Tensor | None:
    """[m × H] `.grad` plus all products; None where there is neither."""
    total = weight.grad
    for product in products:
        total = product.dense() if total is None else total + product.dense()
    return total
