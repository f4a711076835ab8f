"""Objective, optimisers and loop against the formulas they state."""

import contextlib
import math
from typing import get_args

import numpy as np
import pytest
import torch
from scipy import sparse

from autorec import words
from autorec.errors import DivergedError
from autorec.network.activations import ACTIVATIONS, HIGH, LOW, activation
from autorec.network.autoencoder import Autoencoder, build_autoencoder
from autorec.network.batch import make_batch
from autorec.network.corruption import CORRUPTIONS
from autorec.network.example import Example
from autorec.network.likelihood import LIKELIHOODS
from autorec.network.padding import pad, trim
from autorec.network.parts import parse, parse_sum
from autorec.network.penalty import PENALTIES
from autorec.training import steps
from autorec.training.adam import Adam, warm_cosine
from autorec.training.batches import batch_size, partition
from autorec.training.full_batch import lbfgs_epoch, rprop_epoch
from autorec.training.loop import train
from autorec.training.objective import Loss, objective
from autorec.training.state import State
from autorec.training.steps import Examples, alternate, descend, stochastic_epoch


def rows_of_ratings(n: int = 30, m: int = 20, density: float = 0.5, seed: int = 0) -> sparse.csr_array:
    rng = np.random.default_rng(seed)
    rows, columns = np.nonzero(rng.random((n, m)) < density)
    return sparse.csr_array((rng.integers(1, 6, len(rows)).astype(np.float32), (rows, columns)), shape=(n, m))


def network_for(
    m: int, hidden: tuple[int, ...] = (6,), encoder: str = "sigmoid", decoder: str = "identity", centred: bool = True
) -> Autoencoder:
    return build_autoencoder(m, hidden, encoder, decoder, torch.Generator().manual_seed(0), centred=centred)


def examples_of(csr: sparse.csr_array, size: int) -> list[Example]:
    batches = [make_batch(csr[start : start + size]) for start in range(0, csr.shape[0], size)]
    return [
        Example((batch,), {"rating": batch}, torch.zeros(batch.n_rows), batch.n_rows / csr.shape[0])
        for batch in batches
    ]


def loss_of(network: Autoencoder, penalties: str = "none", corruption: str = "none") -> Loss:
    return objective(
        network,
        {"rating": parse("likelihood", "gaussian", LIKELIHOODS)},
        parse_sum("penalty", penalties, PENALTIES),
        parse("corruption", corruption, CORRUPTIONS),
        torch.Generator().manual_seed(0),
    )


def epochs_of(optimizer: str, network: Autoencoder, loss: Loss, examples: Examples, epochs: int, rate: float = 0.01):
    """The epoch of an optimiser by name, as AutoRec makes it."""
    parameters = list(network.parameters())
    if optimizer == "rprop":
        return rprop_epoch(loss, parameters, examples, rate, State([network]))
    if optimizer == "lbfgs":
        return lbfgs_epoch(loss, parameters, examples, State([network]))
    adam = Adam(parameters, lambda step: rate * warm_cosine(step, epochs * len(examples)))
    return stochastic_epoch(descend(loss, adam), examples, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("rows", "columns", "ratings", "size"),
    [
        (3706, 6040, 900_000, 927),  # a quarter
        (60_000, 10_000, 900_000, 4096),  # which hold six ratings for each of the columns
        (105_000, 27_000, 259_000, 21_891),  # by two for each of them
        (27_000, 105_000, 259_000, 6750),
        (1_000_000, 10_000_000, 1_000_000_000, 4096),  # four million ratings
        (1_000_000, 10_000_000, 10_000_000, 26_214),  # at most 262,144 of them
    ],
)
def test_a_step_has_ratings_enough_for_the_pass_over_the_weights_of_all_columns(rows, columns, ratings, size):
    assert batch_size((rows, columns), ratings, "auto") == size
    assert batch_size((rows, columns), ratings, "full") == min(rows, 4096)
    assert batch_size((rows, columns), ratings, 500) == 500


def test_parts_hold_each_row_once():
    rng = np.random.default_rng(0)
    for in_order, sizes in ((True, [4, 4, 2]), (False, [4, 3, 3])):
        parts = partition(10, 4, rng, in_order=in_order)
        assert [len(part) for part in parts] == sizes
        assert sorted(np.concatenate(parts).tolist()) == list(range(10))


@pytest.mark.parametrize("size", [1, 7, 16, 30])
def test_batches_sum_to_the_papers_objective(size: int) -> None:
    """Σ_batches (B/N)·(batch loss) · N = Σ (r − r̂)² + (λ/2)(‖V‖² + ‖W‖²) + d‖b‖², at any batch size."""
    csr = rows_of_ratings()
    network = network_for(csr.shape[1])
    head = network.head("rating")
    with torch.no_grad():
        head.bias.uniform_(-1, 1)
    loss = loss_of(network, "l2:7+bias:3")
    total = sum(sum(loss(example, 0).values()).item() * example.n_rows for example in examples_of(csr, size))
    dense = torch.from_numpy(csr.toarray())
    code = torch.sigmoid(dense @ network.encoder.weights[0] + network.encoder.bias) - 0.5
    error = (code @ head.weight.T + head.bias - dense)[dense > 0]
    weights = network.encoder.weights[0].square().sum() + head.weight.square().sum()
    paper = error.square().sum() + 7 / 2 * weights + 3 * head.bias.square().sum()
    assert total == pytest.approx(paper.item(), rel=1e-5)


@pytest.mark.parametrize("hidden", [(6,), (6, 3, 6)])
@pytest.mark.parametrize("encoder", list(ACTIVATIONS))
@pytest.mark.parametrize("decoder", list(ACTIVATIONS))
@pytest.mark.parametrize("centred", [True, False])
def test_network_is_its_dense_formula(hidden: tuple[int, ...], encoder: str, decoder: str, centred: bool) -> None:
    csr = rows_of_ratings(8, 11)
    network = network_for(11, hidden, encoder, decoder, centred)
    pad(network)
    batch = make_batch(csr)
    code = torch.from_numpy(csr.toarray())
    first, head = network.encoder, network.head("rating")
    layers = [(first.weights[0], first.bias), *zip(first.inner_weights, first.inner_biases, strict=True)]
    for weight, bias in layers:
        code = activation(encoder).hidden(code @ weight + bias)
        if centred:
            code = code - activation(encoder).hidden(torch.zeros(1))
    offset = torch.linspace(-1, 1, 8)
    expected = activation(decoder).output(code @ head.weight.T + head.bias + offset[:, None])
    mask = torch.from_numpy(csr.toarray() > 0)
    ours = network.encode(batch)
    torch.testing.assert_close(head.at(batch, ours, offset), expected[mask])
    torch.testing.assert_close(head.all(ours, offset), expected)
    sse = head.squared_error(batch, ours, offset)
    torch.testing.assert_close(sse, (expected[mask] - batch.values).square().sum(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_inverse_undoes_the_output_and_the_value_at_zero_is_known(name: str) -> None:
    ratings = torch.linspace(LOW + 0.1, HIGH - 0.1, 20)
    function = activation(name)
    torch.testing.assert_close(function.output(function.inverse(ratings)), ratings)
    assert function.hidden(torch.zeros(1)).item() == function.at_zero


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name != "swish"])
def test_the_slope_is_the_derivative(name: str) -> None:
    x = torch.linspace(-3, 3, 24, requires_grad=True)
    value = activation(name).hidden(x)
    (expected,) = torch.autograd.grad(value.sum(), x)
    torch.testing.assert_close(activation(name).slope(value.detach()), expected)


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_a_bounded_decoder_reaches_the_whole_scale_and_no_more(name: str) -> None:
    ends = activation(name).output(torch.tensor([-100.0, 100.0]))
    assert ends.tolist() == [LOW, HIGH]


def test_adam_is_torchs_adam() -> None:
    csr = rows_of_ratings()
    ours, theirs = network_for(20), network_for(20)
    examples = examples_of(csr, 30)
    epoch = epochs_of("adam", ours, loss_of(ours, "l2:4"), examples, epochs=5)
    reference = torch.optim.Adam(theirs.parameters(), lr=0.01)
    loss = loss_of(theirs, "l2:4")
    for step in range(5):
        epoch(step + 1)
        reference.zero_grad()
        sum(loss(examples[0], step).values()).backward()
        reference.param_groups[0]["lr"] = 0.01 * warm_cosine(step, 5)
        reference.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("decoder", ["identity", "sigmoid"])
def test_adam_takes_a_gradient_row_by_row_as_if_it_were_stored(monkeypatch: pytest.MonkeyPatch, decoder: str) -> None:
    csr = rows_of_ratings(m=23)
    ours, theirs = network_for(23, decoder=decoder), network_for(23, decoder=decoder)
    epochs = [epochs_of("adam", net, loss_of(net, "l2:4"), examples_of(csr, 11), epochs=5) for net in (ours, theirs)]
    for number in range(1, 6):
        first = epochs[0](number)
        with monkeypatch.context() as patch:
            patch.setattr(steps, "collecting", lambda weights, values: contextlib.nullcontext())
            second = epochs[1](number)
        assert first["rating"] == pytest.approx(second["rating"])
    assert ours.encoder.weights[0].grad is None and theirs.encoder.weights[0].grad is not None
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("name", get_args(words.Optimizer))
@pytest.mark.parametrize("encoder", list(ACTIVATIONS))
def test_padding_is_the_same_network(name: str, encoder: str) -> None:
    """The units that fill up a cache line stay exactly 0 whatever the optimiser, and go without a trace."""
    csr = rows_of_ratings()
    plain, wide = network_for(20, (6, 3, 5), encoder), network_for(20, (6, 3, 5), encoder)
    pad(wide)
    first, head = wide.encoder, wide.head("rating")
    assert head.weight.shape == (20, 16) and first.inner_weights[0].shape == (16, 16)
    for network in (plain, wide):
        epoch = epochs_of(name, network, loss_of(network, "l2:2+l1:0.1"), examples_of(csr, 30), epochs=4)
        epoch(1), epoch(2)
    assert not first.weights[0][:, 6:].any() and not head.weight[:, 5:].any() and not first.bias[6:].any()
    assert not first.inner_weights[0][6:].any() and not first.inner_weights[0][:, 3:].any()
    trim(wide)
    for mine, other in zip(wide.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", get_args(words.Optimizer))
def test_every_optimizer_lowers_the_objective(name: str) -> None:
    csr = rows_of_ratings()
    network = network_for(20)
    epoch = epochs_of(name, network, loss_of(network, "l2:1"), examples_of(csr, 8), epochs=30)
    losses = [epoch(number)["rating"] for number in range(1, 31)]
    assert losses[-1] < 0.7 * losses[0]


def test_steps_in_turn_each_move_their_own_parameters() -> None:
    csr = rows_of_ratings()
    network = network_for(20)
    halves = list(network.encoder.parameters()), list(network.heads.parameters())
    before = [parameter.detach().clone() for parameter in network.parameters()]
    one, two = (descend(loss_of(network), Adam(half, lambda step: 0.01)) for half in halves)
    (example,) = examples_of(csr, 30)
    one(example, 0)
    assert all(torch.equal(a, b) for a, b in zip(before[2:], halves[1], strict=True))
    after = alternate(one, two)(example, 1)
    assert after["rating"] > 0
    assert not any(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))


def test_the_linear_autoencoder_reaches_the_eckart_young_error() -> None:
    """Everything observed, identity in and out, no penalty: no rank-k reconstruction of the centred rows is better."""
    rng = np.random.default_rng(0)
    dense = (rng.normal(size=(40, 5)) @ rng.normal(size=(5, 12)) + 0.3 * rng.normal(size=(40, 12))).astype(np.float32)
    dense += 3 - dense.mean(axis=0)
    network = network_for(12, (3,), "identity", "identity")
    epoch = epochs_of("lbfgs", network, loss_of(network), examples_of(sparse.csr_array(dense), 40), epochs=200)
    loss = min(epoch(number)["rating"] for number in range(1, 201))
    singular = np.linalg.svd(dense - dense.mean(axis=0), compute_uv=False)
    best = float((singular[3:] ** 2).sum()) / 40
    assert best * 0.999 <= loss <= best * 1.01


def test_the_schedule_warms_up_and_ends_at_zero() -> None:
    factors = [warm_cosine(step, 1000) for step in range(1001)]
    assert factors[0] == 0
    assert max(factors) <= 1
    assert factors[1000] == pytest.approx(0, abs=1e-12)
    assert factors[500] == pytest.approx(0.5)


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
    told: list[tuple[int, float]] = []
    log = train(
        [network],
        network.epoch,
        epochs=7,
        score=network.validate,
        patience=2,
        on_validation=lambda epoch, score: told.append((epoch, score)),
    )
    assert (log.stopped, log.best_epoch, network.weight.item()) == ("patience", 3, 3)
    assert (
        told == [(point.epoch, point.validation) for point in log.curve] == [(1, 5), (2, 4), (3, 3), (4, 3.5), (5, 3.6)]
    )
    assert log.best_score == 3


def test_a_score_may_be_one_that_is_to_rise() -> None:
    network = Scripted([0.1, 0.3, 0.2, 0.25])
    log = train([network], network.epoch, epochs=4, score=network.validate, lower_is_better=False, patience=9)
    assert (log.best_epoch, log.best_score, network.weight.item()) == (2, 0.3, 2)


def test_without_a_score_the_last_weights_stay() -> None:
    network = Scripted([])
    log = train([network], network.epoch, epochs=3, score=None, patience=1)
    assert (log.stopped, log.best_epoch, network.weight.item()) == ("epochs", 3, 3)
    assert math.isnan(log.best_score)


def test_ctrl_c_keeps_the_best_so_far() -> None:
    network = Scripted([5, 4, 4.5, 9])

    def epoch(number: int) -> float:
        if number == 4:
            raise KeyboardInterrupt
        return network.epoch(number)

    log = train([network], epoch, epochs=9, score=network.validate, patience=9)
    assert (log.stopped, log.best_epoch, network.weight.item()) == ("interrupted", 2, 2)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_diverging_loss_stops_with_cause_and_remedy(loss: float) -> None:
    with pytest.raises(DivergedError, match=r"epoch 1.*lower learning_rate or raise the penalty"):
        train([Scripted([])], lambda number: loss, epochs=3, score=None, patience=1)
