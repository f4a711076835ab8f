"""GLocal-K's kernels against dense formulas, and the model on planted tastes."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import bytes_at_most, random_frame
from scipy import ndimage, sparse

from autorec.errors import ParameterError
from autorec.models import glocal_fitting
from autorec.models.glocal_fitting import HEAD, GlobalKernel, Parts, Settings, fit_network
from autorec.models.glocal_k import GlocalK
from autorec.network import glocal_kernels
from autorec.network.batch import make_batch
from autorec.network.glocal_kernels import KernelNetwork, convolve, identity_kernel, row_blocks

SETTINGS = Settings((6, 4), 3, 0.7, 0.05, 3, 2, 3, 2, "random", 0.5, 5, 0)


def ratings(n: int = 12, m: int = 9, seed: int = 0) -> sparse.csr_array:
    rng = np.random.default_rng(seed)
    return sparse.csr_array(np.where(rng.random((n, m)) < 0.5, rng.integers(1, 6, (n, m)), 0).astype(np.float32))


def whole(csr: sparse.csr_array, kernel: torch.Tensor) -> torch.Tensor:
    return torch.cat([convolve(block, kernel) for _, block in row_blocks(csr)])


@pytest.mark.parametrize("rows_a_block", [1, 2, 5, 99])
def test_the_convolution_in_blocks_is_that_of_the_whole(rows_a_block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    csr, kernel = ratings(), torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(glocal_kernels, "BLOCK", rows_a_block * csr.shape[1])
    expected = np.maximum(ndimage.correlate(csr.toarray(), kernel.numpy(), mode="constant"), 0)
    np.testing.assert_allclose(whole(csr, kernel).numpy(), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(whole(csr, identity_kernel()), torch.from_numpy(csr.toarray()))


def test_a_block_is_all_that_is_dense() -> None:
    csr = sparse.csr_array(sparse.random(40_000, 2_000, 1e-4, dtype=np.float32, rng=np.random.default_rng(0)))
    assert bytes_at_most(lambda: sum(1 for _ in row_blocks(csr))) < 6 * 4 * glocal_kernels.BLOCK < 4 * 80_000_000


def test_a_local_kernel_is_its_formula_and_all_ones_are_the_plain_network() -> None:
    csr = ratings()
    network = KernelNetwork(9, (6, 4), 3, torch.Generator().manual_seed(0))
    one = network.weights[1]
    with torch.no_grad():
        one.u.normal_(0, 0.5, generator=torch.Generator().manual_seed(1))
    u, v = one.u.detach(), one.v.detach()
    expected = [[max(0.0, 1 - float((a - b).square().sum())) for b in v] for a in u]
    torch.testing.assert_close(one.kernel(), torch.tensor(expected), rtol=1e-4, atol=1e-5)
    assert (one.kernel() == 0).any()
    weights, _ = network.effective()
    merged = network.merged(HEAD)
    torch.testing.assert_close(network.encode(make_batch(csr), weights), merged.encode(make_batch(csr)))
    for two in network.weights:
        two.u.data.zero_()
        two.v.data.zero_()
    for effective, two in zip(network.effective()[0], network.weights, strict=True):
        assert torch.equal(effective, two.weight)


def test_losses_and_gradients_are_those_of_dense_autograd(monkeypatch: pytest.MonkeyPatch) -> None:
    csr = ratings()
    monkeypatch.setattr(glocal_kernels, "BLOCK", 5 * 9)  # three blocks
    network = KernelNetwork(9, SETTINGS.hidden, 3, torch.Generator().manual_seed(0))
    kernels = GlobalKernel(torch.linspace(2, 4, 12), 0.5, "random", torch.Generator().manual_seed(1))
    loss = glocal_fitting._GlobalLoss(network, kernels, csr, make_batch(csr), SETTINGS)
    terms = loss()
    ours = [parameter.grad.clone() for parameter in loss.parameters]
    x = torch.from_numpy(csr.toarray())
    mask = x > 0
    (W, A, V), local = network.effective()
    biases = list(network.biases)

    def predict(inputs: torch.Tensor) -> torch.Tensor:
        hidden = torch.sigmoid(torch.sigmoid(inputs @ W + biases[0]) @ A + biases[1])
        return hidden @ V.T + network.output_bias

    kernel = kernels(predict(x).mean(dim=1))
    convolved = torch.relu(torch.nn.functional.conv2d(x[None, None], kernel[None, None], padding=1))[0, 0]
    error = (predict(convolved) - x)[mask].square().sum() / 2 / 12
    penalty = sum(0.7 * one.weight.square().sum() for one in network.weights)
    penalty = (penalty + sum(0.05 * one.square().sum() for one in local)) / 2 / 12
    assert terms["rating"] == pytest.approx(error.item(), rel=1e-4)
    assert terms["penalty"] == pytest.approx(penalty.item(), rel=1e-4)
    for found, wanted in zip(ours, torch.autograd.grad(error + penalty, loss.parameters), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-5)


def test_the_second_training_starts_where_the_first_ended() -> None:
    """With the kernel that starts as the identity both losses are the same number."""
    csr = ratings()
    network = KernelNetwork(9, SETTINGS.hidden, 3, torch.Generator().manual_seed(0))
    plain = make_batch(csr)
    pooled = glocal_fitting._pool(network, network.effective()[0], plain).detach()
    kernels = GlobalKernel(pooled, 0.5, "identity", torch.Generator())
    torch.testing.assert_close(kernels(pooled), identity_kernel())
    first = glocal_fitting._LocalLoss(network, plain, SETTINGS)()
    second = glocal_fitting._GlobalLoss(network, kernels, csr, plain, SETTINGS)()
    assert second == pytest.approx(first, rel=1e-5)


def test_a_global_kernel_that_does_not_help_is_left_out() -> None:
    parts = Parts(ratings(40, 30), ratings(40, 30, seed=9))
    settings = replace(SETTINGS, epochs=30, global_epochs=1, global_iterations=1)
    _, kernel, (local, log) = fit_network(parts, settings, None)
    assert np.array_equal(kernel, identity_kernel().numpy()) == (log.best_score >= local.best_score)
    _, alone, logs = fit_network(parts, replace(settings, global_epochs=0), None)
    assert len(logs) == 1 and np.array_equal(alone, identity_kernel().numpy())


def test_planted_tastes_are_learned_and_folded_in() -> None:
    """Even users like even items, odd ones odd items."""
    rng = np.random.default_rng(0)
    user, item = np.nonzero(rng.random((60, 40)) < 0.5)
    frame = pd.DataFrame({"user": user, "item": item, "rating": np.where((user + item) % 2 == 0, 5.0, 1.0)})
    model = GlocalK((8, 8), l2=0.02, sparsity=0.001, epochs=40, global_epochs=5).fit(frame[frame["user"] < 50])
    table = model.recommend(n=5)
    assert ((table["user"] + table["item"]) % 2 == 0).mean() > 0.95
    table = model.fold_in(frame[frame["user"] >= 50]).recommend(n=5)
    assert ((table["user"] + table["item"]) % 2 == 0).mean() > 0.95


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ParameterError, match="global_start is 'zero'; allowed: identity, random"):
        GlocalK(global_start="zero").fit(random_frame())
    with pytest.raises(ParameterError, match="global_epochs is -1; allowed: a whole number from 0 up"):
        GlocalK(global_epochs=-1).fit(random_frame())
