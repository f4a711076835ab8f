"""The two differentiable operations against autograd on a dense copy, finite differences, and torch's own way."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from autorec.network import kernels
from autorec.network import sparse as operations
from autorec.network.batch import Batch, make_batch
from autorec.threads import set_threads, thread_count

SHAPES = [(1, 1, 1), (5, 7, 3), (13, 17, 16), (9, 40, 33), (64, 20, 5)]


def random_batch(n: int, m: int, density: float = 0.4, seed: int = 0) -> tuple[Batch, torch.Tensor, torch.Tensor]:
    """A batch, its dense copy and its mask; some rows and columns are empty, some stored values are 0."""
    rng = np.random.default_rng(seed)
    mask = rng.random((n, m)) < density
    mask[:, rng.random(m) < 0.2] = False
    mask[rng.random(n) < 0.2] = False
    rows, columns = np.nonzero(mask)
    values = rng.integers(0, 6, len(rows)).astype(np.float32)
    csr = sparse.csr_array((values, (rows, columns)), shape=(n, m))
    dense = np.zeros((n, m), dtype=np.float32)
    dense[rows, columns] = values
    return make_batch(csr), torch.from_numpy(dense), torch.from_numpy(mask)


def leaf(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).requires_grad_()


@pytest.mark.parametrize(("n", "m", "units"), SHAPES)
def test_encode_is_the_dense_product(n: int, m: int, units: int) -> None:
    batch, dense, _ = random_batch(n, m)
    weight, same = leaf(m, units), leaf(m, units)
    codes, expected = operations.encode(batch, weight), dense @ same
    torch.testing.assert_close(codes, expected)
    toward = torch.randn(n, units)
    codes.backward(toward)
    expected.backward(toward)
    torch.testing.assert_close(weight.grad, same.grad)


@pytest.mark.parametrize(("n", "m", "units"), SHAPES)
def test_decode_is_the_dense_product_at_the_entries(n: int, m: int, units: int) -> None:
    batch, _, mask = random_batch(n, m)
    ours = leaf(n, units), leaf(m, units, seed=2), leaf(m, seed=3)
    theirs = leaf(n, units), leaf(m, units, seed=2), leaf(m, seed=3)
    sampled = operations.decode_at(batch, *ours)
    expected = (theirs[0] @ theirs[1].T + theirs[2])[mask]
    torch.testing.assert_close(sampled, expected)
    toward = torch.randn(len(sampled))
    sampled.backward(toward)
    expected.backward(toward)
    for got, wanted in zip(ours, theirs, strict=True):
        torch.testing.assert_close(got.grad, wanted.grad)


@pytest.mark.parametrize(("n", "m", "units"), SHAPES)
def test_the_fused_squared_error_is_decode_and_square(n: int, m: int, units: int) -> None:
    batch, _, _ = random_batch(n, m)
    offset = leaf(n, seed=5).detach()
    ours = leaf(n, units), leaf(m, units, seed=2), leaf(m, seed=3)
    theirs = leaf(n, units), leaf(m, units, seed=2), leaf(m, seed=3)
    fused = operations.squared_error(batch, offset, *ours)
    expected = ((operations.decode_at(batch, *theirs) + offset[batch.rows()] - batch.values) ** 2).sum()
    torch.testing.assert_close(fused, expected)
    (0.3 * fused).backward()
    (0.3 * expected).backward()
    for got, wanted in zip(ours, theirs, strict=True):
        torch.testing.assert_close(got.grad, wanted.grad)


def test_several_tiles_of_weight_rows() -> None:
    """More columns than one tile holds: the walk comes back to each row."""
    units = 512
    batch, dense, mask = random_batch(7, 3 * kernels.TILE // (4 * units) + 5, density=0.1)
    weight, codes, bias = leaf(dense.shape[1], units), leaf(7, units), leaf(dense.shape[1])
    torch.testing.assert_close(operations.encode(batch, weight), dense @ weight, rtol=1e-4, atol=1e-3)
    expected = (codes @ weight.T + bias)[mask]
    torch.testing.assert_close(operations.decode_at(batch, codes, weight, bias), expected, rtol=1e-4, atol=1e-3)
    fused = operations.squared_error(batch, torch.zeros(batch.n_rows), codes, weight, bias)
    torch.testing.assert_close(fused, (expected - batch.values).square().sum(), rtol=1e-4, atol=1e-3)
    fused.backward()
    in_codes = torch.autograd.grad((expected - batch.values).square().sum(), codes)[0]
    torch.testing.assert_close(codes.grad, in_codes, rtol=1e-3, atol=1e-2)


def test_the_gradients_are_the_same_bits_for_any_number_of_threads() -> None:
    batch, _, _ = random_batch(60, 90)
    found = []
    before = thread_count()
    for threads in (1, before):
        set_threads(threads)
        arguments = leaf(60, 20), leaf(90, 20, seed=2), leaf(90, seed=3)
        codes = operations.encode(batch, arguments[1]) + arguments[0]
        operations.squared_error(batch, torch.zeros(60), codes, *arguments[1:]).backward()
        found.append([argument.grad for argument in arguments])
    for one, other in zip(*found, strict=True):
        assert one is not None and torch.equal(one, other)


def test_gradient_by_finite_differences() -> None:
    batch, _, _ = random_batch(6, 8)
    offset = torch.linspace(-1, 1, 6)
    arguments = [leaf(6, 4), leaf(8, 4, seed=2), leaf(8, seed=3)]
    operations.squared_error(batch, offset, *arguments).backward()
    for which, argument in enumerate(arguments):
        direction = torch.randn(argument.shape, generator=torch.Generator().manual_seed(9))
        step = 1e-2

        def at(distance: float, which: int = which, direction: torch.Tensor = direction) -> float:
            moved = [a.detach() + distance * direction if w == which else a.detach() for w, a in enumerate(arguments)]
            return operations.squared_error(batch, offset, *moved).item()

        slope = (at(step) - at(-step)) / (2 * step)
        assert argument.grad is not None
        assert slope == pytest.approx((argument.grad * direction).sum().item(), rel=1e-2)


def test_gradient_is_exactly_zero_where_nothing_is_observed() -> None:
    batch, _, mask = random_batch(12, 15, density=0.1)
    codes, weight, bias = leaf(12, 4), leaf(15, 4), leaf(15)
    operations.squared_error(batch, torch.zeros(batch.n_rows), codes, weight, bias).backward()
    assert codes.grad is not None and weight.grad is not None and bias.grad is not None
    empty_rows, empty_columns = ~mask.any(1), ~mask.any(0)
    assert empty_rows.any() and empty_columns.any()
    assert (codes.grad[empty_rows] == 0).all()
    assert (weight.grad[empty_columns] == 0).all() and (bias.grad[empty_columns] == 0).all()


def test_an_explicit_zero_is_an_entry() -> None:
    csr = sparse.csr_array((np.array([0.0], dtype=np.float32), ([0], [1])), shape=(1, 3))
    batch = make_batch(csr)
    assert len(batch.values) == 1
    error = operations.squared_error(batch, torch.zeros(1), torch.ones(1, 2), torch.ones(3, 2), torch.zeros(3))
    assert error.item() == 4.0  # (1·1 + 1·1 − 0)²


def test_no_rows_and_no_entries() -> None:
    for shape in [(0, 4), (3, 4)]:
        batch = make_batch(sparse.csr_array(shape, dtype=np.float32))
        weight = leaf(4, 2)
        codes = operations.encode(batch, weight)
        assert codes.shape == (shape[0], 2) and not codes.any()
        operations.squared_error(batch, torch.zeros(shape[0]), codes, weight, leaf(4)).backward()
        assert weight.grad is not None and not weight.grad.any()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 40), st.floats(0, 1), st.integers(0, 2**31))
def test_any_shape(n: int, m: int, units: int, density: float, seed: int) -> None:
    batch, dense, mask = random_batch(n, m, density, seed)
    weight = leaf(m, units)
    torch.testing.assert_close(operations.encode(batch, weight), dense @ weight, rtol=1e-4, atol=1e-4)
    codes = leaf(n, units)
    expected = (codes @ weight.T + torch.zeros(m))[mask]
    torch.testing.assert_close(
        operations.decode_at(batch, codes, weight, torch.zeros(m)), expected, rtol=1e-4, atol=1e-4
    )


def test_the_order_by_column_is_a_permutation_of_the_entries() -> None:
    batch, _, mask = random_batch(20, 30)
    by_column = batch.pattern.by_column.slot.long().argsort()
    assert sorted(batch.pattern.by_column.slot.tolist()) == list(range(len(batch.values)))
    columns = batch.indices[by_column]
    assert (columns.diff() >= 0).all()
    assert torch.equal(batch.rows()[by_column], batch.pattern.by_column.rows.long())
    assert torch.equal(batch.values[by_column], batch.column_values)
    assert torch.equal(batch.pattern.by_column.ptr.diff(), mask.sum(0))


def test_torch_operations_agree_with_the_kernels() -> None:
    """What other devices run, here on the CPU."""
    batch, _, _ = random_batch(11, 19)
    codes, weight, bias = leaf(11, 6), leaf(19, 6), leaf(19)
    torch.testing.assert_close(
        operations.decode_by_gathering(batch, codes, weight, bias), operations.decode_at(batch, codes, weight, bias)
    )
    torch.testing.assert_close(operations.matrix(batch, batch.values) @ weight, operations.encode(batch, weight))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda_agrees_with_the_kernels() -> None:
    batch, _, _ = random_batch(50, 70)
    ours = leaf(50, 6), leaf(70, 6, seed=2), leaf(70, seed=3)
    theirs = [argument.detach().cuda().requires_grad_() for argument in ours]
    loss = operations.squared_error(batch, torch.ones(50), *ours)
    cuda_batch = batch.to(torch.device("cuda"))
    other = operations.squared_error(cuda_batch, torch.ones(50).cuda(), *theirs)
    torch.testing.assert_close(loss, other.cpu())
    loss.backward()
    other.backward()
    for mine, yours in zip(ours, theirs, strict=True):
        assert yours.grad is not None
        torch.testing.assert_close(mine.grad, yours.grad.cpu(), rtol=1e-4, atol=1e-4)
