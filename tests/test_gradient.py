"""Several gradient paths into one weight: what is collected as terms is what dense autograd gives."""

from collections.abc import Callable

import pytest
import torch
from test_sparse_operations import random_batch

from autorec.network import sparse as operations
from autorec.network.gradient import Multiple, Product, collecting, summed, terms_of
from autorec.network.penalty import half_square

N, M, H = 30, 40, 12


def setup() -> tuple[object, torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    batch, dense, mask = random_batch(N, M)
    generator = torch.Generator().manual_seed(3)
    leaves = [torch.randn(M, H, generator=generator) / 4, torch.randn(M, H, generator=generator) / 4, torch.randn(M)]
    return batch, dense, mask.float(), leaves


def tied(encode: Callable, decode: Callable, W: torch.Tensor, V: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The decoder's weight is the encoder's."""
    return decode(torch.sigmoid(encode(W)), W, b).square().sum()


def jacobian(encode: Callable, decode: Callable, W: torch.Tensor, V: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """A penalty on the Jacobian of the code beside the error."""
    code = torch.sigmoid(encode(W))
    slope = code * (1 - code)
    return decode(code, V, b).square().sum() + 0.3 * (slope.square() * encode(W.square(), mask=True)).sum()


def twice(encode: Callable, decode: Callable, W: torch.Tensor, V: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """What was decoded is encoded again."""
    first = decode(torch.tanh(encode(W)), V, b)
    return (torch.tanh(encode(W, values=first)) - torch.tanh(encode(W))).square().sum() + first.square().sum()


def penalised(encode: Callable, decode: Callable, W: torch.Tensor, V: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return tied(encode, decode, W, V, b) + half_square(W, 0.7) + half_square(V, 0.1) + half_square(b, 0.2)


@pytest.mark.parametrize("loss", [tied, jacobian, twice, penalised])
@pytest.mark.parametrize("collect", [True, False])
def test_gradients_are_those_of_dense_autograd(loss: Callable, collect: bool) -> None:
    batch, dense, mask, leaves = setup()

    def encode(W: torch.Tensor, values: torch.Tensor | None = None, mask: bool = False) -> torch.Tensor:
        chosen = torch.ones_like(batch.values) if mask else batch.values if values is None else values
        return operations.encode(batch.with_values(chosen), W)

    def decode(code: torch.Tensor, V: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return operations.decode_at(batch, code, V, b)

    def dense_encode(W: torch.Tensor, values: torch.Tensor | None = None, mask: bool = False) -> torch.Tensor:
        if values is None:
            return (observed if mask else dense) @ W
        return torch.zeros(N, M).masked_scatter(observed.bool(), values) @ W

    def dense_decode(code: torch.Tensor, V: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (code @ V.T + b)[observed.bool()]

    observed = mask
    ours = [leaf.clone().requires_grad_() for leaf in leaves]
    theirs = [leaf.clone().requires_grad_() for leaf in leaves]
    loss(dense_encode, dense_decode, *theirs).backward()
    before = [leaf.detach().clone() for leaf in ours]
    with collecting(ours if collect else []):
        loss(encode, decode, *ours).backward()
        found = []
        for leaf in ours:
            products, factor = terms_of(leaf)
            total = summed(leaf, products)
            found.append(factor * leaf.detach() + (0 if total is None else total))
    for got, wanted in zip(found, theirs, strict=True):
        expected = torch.zeros_like(wanted) if wanted.grad is None else wanted.grad
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
    assert all(torch.equal(leaf, old) for leaf, old in zip(ours, before, strict=True))  # backward moves nothing


def test_terms_are_kept_within_the_block_only() -> None:
    batch, _, _ = random_batch(N, M)
    weight = torch.randn(M, H, requires_grad=True)
    with collecting([weight]):
        (operations.encode(batch, weight).sum() + half_square(weight, 2.0)).backward()
        products, factor = terms_of(weight)
        assert weight.grad is None and len(products) == 1 and factor == 2.0
    assert terms_of(weight) == ([], 0)
    operations.encode(batch, weight).sum().backward()
    assert weight.grad is not None
    assert isinstance(products[0], Product) and Multiple(1.0).factor == 1.0
    torch.testing.assert_close(products[0].dense(), weight.grad)


def test_a_penalty_whose_value_nobody_reads_has_its_gradient() -> None:
    weight = torch.randn(M, H, requires_grad=True)
    with collecting([weight], values=False):
        value = half_square(weight, 3.0)
        value.backward()
        assert torch.isnan(value) and terms_of(weight) == ([], 3.0)
    torch.testing.assert_close(half_square(weight, 3.0), 1.5 * weight.square().sum())


def test_an_error_in_the_block_leaves_ordinary_gradients() -> None:
    weight = torch.randn(M, H, requires_grad=True)
    with pytest.raises(KeyboardInterrupt), collecting([weight]):
        raise KeyboardInterrupt
    half_square(weight, 3.0).backward()
    torch.testing.assert_close(weight.grad, 3 * weight.detach())
