"""Objective, optimisers and loop against the formulas they state."""

import math

import numpy as np
import pytest
import torch
from scipy import sparse

from autorec.errors import DivergedError, ParameterError
from autorec.network.activations import ACTIVATIONS, HIGH, LOW, activation
from autorec.network.autoencoder import Autoencoder
from autorec.network.batch import make_batch
from autorec.training.loop import train
from autorec.training.objective import Example, Objective, parse_l2
from autorec.training.optimizers import OPTIMIZERS
from autorec.training.schedule import warm_cosine


def rows_of_ratings(n: int = 30, m: int = 20, density: float = 0.5, seed: int = 0) -> sparse.csr_array:
    rng = np.random.default_rng(seed)
    rows, columns = np.nonzero(rng.random((n, m)) < density)
    return sparse.csr_array((rng.integers(1, 6, len(rows)).astype(np.float32), (rows, columns)), shape=(n, m))


def network_for(
    m: int, hidden: tuple[int, ...] = (6,), encoder: str = "sigmoid", decoder: str = "identity", centred: bool = True
) -> Autoencoder:
    return Autoencoder(m, hidden, encoder, decoder, torch.Generator().manual_seed(0), centred)


def examples_of(csr: sparse.csr_array, size: int) -> list[Example]:
    batches = [make_batch(csr[start : start + size]) for start in range(0, csr.shape[0], size)]
    return [Example(batch, torch.zeros(batch.n_rows)) for batch in batches]


@pytest.mark.parametrize("size", [1, 7, 16, 30])
def test_batches_sum_to_the_papers_objective(size: int) -> None:
    """Σ_batches (B/N)·(batch loss + penalty) · N = Σ (r − r̂)² + (λ/2)(‖V‖² + ‖W‖²) + d‖b‖², at any batch size."""
    csr = rows_of_ratings()
    network = network_for(csr.shape[1])
    with torch.no_grad():
        network.bias_out.uniform_(-1, 1)
    objective = Objective(network, csr.shape[0], l2=7.0, bias_damping=3.0)
    total = sum(
        (objective.batch_loss(example) + objective.penalty()).item() * example.batch.n_rows
        for example in examples_of(csr, size)
    )
    dense = torch.from_numpy(csr.toarray())
    codes = torch.sigmoid(dense @ network.weight_in + network.bias_in) - 0.5
    error = (codes @ network.weight_out.T + network.bias_out - dense)[dense > 0]
    weights = network.weight_in.square().sum() + network.weight_out.square().sum()
    paper = error.square().sum() + 7 / 2 * weights + 3 * network.bias_out.square().sum()
    assert total == pytest.approx(paper.item(), rel=1e-5)


def test_the_decay_is_the_gradient_of_the_penalty() -> None:
    network = network_for(9, (5, 4))
    objective = Objective(network, 10, l2=3.0, bias_damping=2.0)
    with torch.no_grad():
        network.bias_out.uniform_(-1, 1)
    objective.penalty().backward()
    for parameter, c in objective.decays():
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, c * parameter)
    assert network.bias_in.grad is None


@pytest.mark.parametrize("hidden", [(6,), (6, 3, 6)])
@pytest.mark.parametrize("encoder", list(ACTIVATIONS))
@pytest.mark.parametrize("decoder", list(ACTIVATIONS))
@pytest.mark.parametrize("centred", [True, False])
def test_network_is_its_dense_formula(hidden: tuple[int, ...], encoder: str, decoder: str, centred: bool) -> None:
    csr = rows_of_ratings(8, 11)
    network = network_for(11, hidden, encoder, decoder, centred)
    network.pad()
    batch = make_batch(csr)
    code = torch.from_numpy(csr.toarray())
    layers = [(network.weight_in, network.bias_in), *zip(network.middle_weights, network.middle_biases, strict=True)]
    for weight, bias in layers:
        code = activation(encoder).hidden(code @ weight + bias)
        if centred:
            code = code - activation(encoder).hidden(torch.zeros(1))
    expected = activation(decoder).output(code @ network.weight_out.T + network.bias_out)
    mask = torch.from_numpy(csr.toarray() > 0)
    torch.testing.assert_close(network.ratings(batch, network.codes(batch), torch.zeros(8)), expected[mask])
    sse = network.squared_error(batch, torch.zeros(8))
    torch.testing.assert_close(sse, (expected[mask] - batch.values).square().sum(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_inverse_undoes_the_output_and_the_value_at_zero_is_known(name: str) -> None:
    ratings = torch.linspace(LOW + 0.1, HIGH - 0.1, 20)
    function = activation(name)
    torch.testing.assert_close(function.output(function.inverse(ratings)), ratings)
    assert function.hidden(torch.zeros(1)).item() == function.at_zero


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_a_bounded_decoder_reaches_the_whole_scale_and_no_more(name: str) -> None:
    ends = activation(name).output(torch.tensor([-100.0, 100.0]))
    assert ends.tolist() == [LOW, HIGH]


def test_adam_is_torchs_adam() -> None:
    csr = rows_of_ratings()
    ours, theirs = network_for(20), network_for(20)
    epoch = OPTIMIZERS["adam"](Objective(ours, 30, 4.0), examples_of(csr, 30), 5, 0.01, np.random.default_rng(0))
    reference = torch.optim.Adam(theirs.parameters(), lr=0.01)
    objective = Objective(theirs, 30, 4.0)
    for step in range(5):
        epoch(step + 1)
        reference.zero_grad()
        (objective.batch_loss(examples_of(csr, 30)[0]) + objective.penalty()).backward()
        reference.param_groups[0]["lr"] = 0.01 * warm_cosine(step, 5)
        reference.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("decoder", ["identity", "sigmoid"])
def test_adam_takes_a_gradient_row_by_row_as_if_it_were_stored(decoder: str) -> None:
    csr = rows_of_ratings(m=23)
    ours, theirs = network_for(23, decoder=decoder), network_for(23, decoder=decoder)
    epochs = [
        OPTIMIZERS["adam"](Objective(network, 30, 4.0), examples_of(csr, 11), 5, 0.01, np.random.default_rng(0))
        for network in (ours, theirs)
    ]
    theirs.sinks = (None, None)
    for number in range(1, 6):
        assert epochs[0](number) == pytest.approx(epochs[1](number))
    assert ours.weight_in.grad is None and theirs.weight_in.grad is not None
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
@pytest.mark.parametrize("encoder", list(ACTIVATIONS))
def test_padding_is_the_same_network(name: str, encoder: str) -> None:
    """The units that fill up a cache line stay exactly 0 whatever the optimiser, and go without a trace."""
    csr = rows_of_ratings()
    plain, wide = network_for(20, (6, 3, 5), encoder), network_for(20, (6, 3, 5), encoder)
    wide.pad()
    assert wide.weight_out.shape == (20, 16) and wide.middle_weights[0].shape == (16, 16)
    for network in (plain, wide):
        epoch = OPTIMIZERS[name](Objective(network, 30, 2.0), examples_of(csr, 30), 4, 0.01, np.random.default_rng(0))
        epoch(1), epoch(2)
        network.sinks = (None, None)
    assert not wide.weight_in[:, 6:].any() and not wide.weight_out[:, 5:].any() and not wide.bias_in[6:].any()
    assert not wide.middle_weights[0][6:].any() and not wide.middle_weights[0][:, 3:].any()
    wide.trim()
    for mine, other in zip(wide.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_every_optimizer_lowers_the_objective(name: str) -> None:
    csr = rows_of_ratings()
    network = network_for(20)
    epoch = OPTIMIZERS[name](Objective(network, 30, 1.0), examples_of(csr, 8), 30, 0.01, np.random.default_rng(0))
    losses = [epoch(number) for number in range(1, 31)]
    assert losses[-1] < 0.7 * losses[0]


def test_the_linear_autoencoder_reaches_the_eckart_young_error() -> None:
    """Everything observed, identity in and out, no penalty: no rank-k reconstruction of the centred rows is better."""
    rng = np.random.default_rng(0)
    dense = (rng.normal(size=(40, 5)) @ rng.normal(size=(5, 12)) + 0.3 * rng.normal(size=(40, 12))).astype(np.float32)
    dense += 3 - dense.mean(axis=0)
    csr = sparse.csr_array(dense)
    network = network_for(12, (3,), "identity", "identity")
    batch = make_batch(csr)
    epoch = OPTIMIZERS["lbfgs"](
        Objective(network, 40, 0.0), [Example(batch, torch.zeros(40))], 200, 1.0, np.random.default_rng(0)
    )
    loss = min(epoch(number) for number in range(1, 201))
    singular = np.linalg.svd(dense - dense.mean(axis=0), compute_uv=False)
    best = float((singular[3:] ** 2).sum()) / 40
    assert best * 0.999 <= loss <= best * 1.01


def test_the_schedule_warms_up_and_ends_at_zero() -> None:
    factors = [warm_cosine(step, 1000) for step in range(1001)]
    assert factors[0] == 0
    assert max(factors) <= 1
    assert factors[1000] == pytest.approx(0, abs=1e-12)
    assert factors[500] == pytest.approx(0.5)


@pytest.mark.parametrize(("text", "value"), [("l2:400", 400.0), ("l2:0", 0.0), ("none", 0.0), ("l2:auto", None)])
def test_penalty_words(text: str, value: float | None) -> None:
    assert parse_l2(text) == value


@pytest.mark.parametrize("text", ["l2:-1", "l2:x", "l2", "l1:3", "", "l2:inf", "l2:nan"])
def test_a_penalty_that_is_not_allowed_lists_what_is(text: str) -> None:
    with pytest.raises(ParameterError, match="allowed: none, l2:auto, or l2:λ"):
        parse_l2(text)


class Scripted(torch.nn.Module):
    """A network whose weight is the number of the epoch and whose validation RMSE is a given list."""

    def __init__(self, rmse: list[float]) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.rmse = rmse

    def epoch(self, number: int) -> float:
        with torch.no_grad():
            self.weight.fill_(number)
        return 1.0

    def validate(self) -> float:
        return self.rmse[int(self.weight.item()) - 1]


def test_the_loop_stops_early_and_brings_the_best_weights_back() -> None:
    network = Scripted([5, 4, 3, 3.5, 3.6, 2, 1])
    log = train(
        network, network.epoch, epochs=7, train_rmse=math.sqrt, validate=network.validate, patience=2, title="test"
    )
    assert (log.stopped, log.best_epoch, network.weight.item()) == ("patience", 3, 3)
    assert [look["epoch"] for look in log.curve] == [1, 2, 3, 4, 5]
    assert log.best_validation_rmse == 3


def test_ctrl_c_keeps_the_best_so_far() -> None:
    network = Scripted([5, 4, 4.5, 9])

    def epoch(number: int) -> float:
        if number == 4:
            raise KeyboardInterrupt
        return network.epoch(number)

    log = train(network, epoch, epochs=9, train_rmse=math.sqrt, validate=network.validate, patience=9)
    assert (log.stopped, log.best_epoch, network.weight.item()) == ("interrupted", 2, 2)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_diverging_loss_stops_with_cause_and_remedy(loss: float) -> None:
    with pytest.raises(DivergedError, match=r"epoch 1.*lower learning_rate or raise the penalty"):
        train(Scripted([]), lambda number: loss, epochs=3, train_rmse=float, validate=None, patience=1)
