"""The exchangeable parts: their text, and what each does, against dense formulas and autograd."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.stats import kstest
from test_sparse_operations import random_batch
from test_training import examples_of, loss_of, network_for, rows_of_ratings

from autorec import AutoRec
from autorec.errors import ParameterError
from autorec.network.activations import ACTIVATIONS
from autorec.network.batch import make_batch
from autorec.network.corruption import CORRUPTIONS, draw_uniform
from autorec.network.example import Example
from autorec.network.parts import parse, parse_sum
from autorec.network.penalty import PENALTIES
from autorec.network.shard import Mesh, Shard


def test_a_part_is_written_back_as_it_was_meant() -> None:
    part = parse("penalty", "l1:0.10@2000", PENALTIES)
    assert (part.text, part.name, part.value, part.warm_up) == ("l1:0.1@2000", "l1", 0.1, 2000)
    assert [part.strength(step) for step in (0, 500, 2000, 9999)] == [0, 0.25, 1, 1]
    assert parse("corruption", "none", CORRUPTIONS).text == "none"
    assert list(parse_sum("penalty", "l2:400 + contractive:0.5", PENALTIES)) == ["l2", "contractive"]
    assert parse_sum("penalty", "none", PENALTIES) == {}


@given(st.sampled_from(["l2", "l1", "contractive"]), st.floats(0, 1e6), st.integers(0, 10**6))
def test_text_and_part_are_one(name: str, value: float, warm_up: int) -> None:
    part = parse("penalty", f"{name}:{value}@{warm_up}", PENALTIES)
    again = parse("penalty", part.text, PENALTIES)
    assert (again.text, again.warm_up) == (part.text, part.warm_up)
    assert again.value == pytest.approx(part.value, rel=1e-5)


@pytest.mark.parametrize(
    "text", ["masking", "masking:1", "masking:-0.1", "masking:x", "none:1", "dropout:0.5", "", "masking:nan"]
)
def test_an_unknown_corruption_lists_the_allowed_ones(text: str) -> None:
    with pytest.raises(ParameterError, match=r"corruption is .*; allowed: none, masking:x \(0 ≤ x < 1\), gaussian:x"):
        AutoRec(corruption=text).fit(rows_of_ratings())


@pytest.mark.parametrize(
    "text", ["l2:-1", "l2:x", "l2", "l3:3", "", "l2:inf", "l2:nan", "l2:1@-4", "l2:1@x", "l1:auto"]
)
def test_an_unknown_penalty_lists_the_allowed_ones(text: str) -> None:
    with pytest.raises(ParameterError, match=r"penalty is .*; allowed: l2:x \(x ≥ 0\), l1:x.*or none, or l2:auto"):
        AutoRec(penalty=text).fit(rows_of_ratings())


@pytest.mark.parametrize("text", ["l2:1+l2:2", "l2:auto+l2:2", "l2:auto+l2:auto"])
def test_a_penalty_is_given_once(text: str) -> None:
    with pytest.raises(ParameterError, match=r"once|allowed"):
        AutoRec(penalty=text).fit(rows_of_ratings())


def example_of(n: int = 40, m: int = 50) -> Example:
    batch, _, _ = random_batch(n, m)
    return Example((batch,), {"rating": batch}, torch.zeros(n))


def test_masking_leaves_the_mean_and_the_targets() -> None:
    example = example_of(200, 300)
    generator = torch.Generator().manual_seed(0)
    corrupted = CORRUPTIONS["masking"].make(0.3)(example, generator)
    kept = corrupted.inputs[0].values != 0
    given = example.inputs[0].values
    torch.testing.assert_close(corrupted.inputs[0].values[kept], given[kept] / 0.7)
    observed = given != 0
    assert (kept & observed).sum() / observed.sum() == pytest.approx(0.7, abs=0.02)
    assert corrupted.targets["rating"] is example.targets["rating"]
    assert corrupted.inputs[0].pattern is example.inputs[0].pattern


def test_gaussian_noise_has_its_standard_deviation_at_observed_entries_only() -> None:
    example = example_of(200, 300)
    corrupted = CORRUPTIONS["gaussian"].make(0.5)(example, torch.Generator().manual_seed(0))
    noise = corrupted.inputs[0].values - example.inputs[0].values
    assert noise.mean().item() == pytest.approx(0, abs=0.02)
    assert noise.std().item() == pytest.approx(0.5, abs=0.02)


def test_l1_is_the_sum_of_the_code() -> None:
    csr = rows_of_ratings()
    network = network_for(20)
    (example,) = examples_of(csr, 30)
    terms = loss_of(network, "l1:0.3")(example, 0)
    expected = 0.3 * network.encode(*example.inputs).abs().sum() / 30
    assert terms["l1"].item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("encoder", [name for name in ACTIVATIONS if name != "swish"])
@pytest.mark.parametrize("centred", [True, False])
def test_contractive_is_the_norm_of_autograds_jacobian(encoder: str, centred: bool) -> None:
    csr = rows_of_ratings(7, 9)
    network = network_for(9, (5,), encoder, centred=centred)
    (example,) = examples_of(csr, 7)
    terms = loss_of(network, "contractive:0.2")(example, 0)
    dense, observed = torch.from_numpy(csr.toarray()), torch.from_numpy(csr.toarray() > 0)
    total = 0.0
    for row, mask in zip(dense, observed, strict=True):
        jacobian = torch.autograd.functional.jacobian(
            lambda x: network.encoder.activation.hidden(x @ network.encoder.weights[0] + network.encoder.bias), row
        )  # [H × m]
        total += jacobian[:, mask].square().sum().item()
    assert terms["contractive"].item() == pytest.approx(0.2 * total / 7, rel=1e-4)


def test_contractive_through_several_layers_is_refused() -> None:
    with pytest.raises(ParameterError, match="contractive needs one hidden layer, got 8-4-8"):
        AutoRec(hidden="8-4-8", penalty="contractive:1", epochs=1).fit(rows_of_ratings())
    with pytest.raises(ParameterError, match="contractive needs an activation that rises everywhere, and swish"):
        AutoRec(encoder="swish", penalty="contractive:1", epochs=1).fit(rows_of_ratings())


@pytest.mark.parametrize(
    "settings",
    [
        {"corruption": "masking:0.2"},
        {"corruption": "gaussian:0.1"},
        {"penalty": "l2:20+l1:0.01"},
        {"penalty": "l2:20+contractive:0.01@10"},
    ],
)
@pytest.mark.parametrize("orientation", ["item", "user"])
def test_every_part_trains_through_the_estimator_and_repeats(orientation: str, settings: dict[str, str]) -> None:
    ratings = rows_of_ratings(60, 40)
    plain, one, two = (
        AutoRec(orientation, **({"hidden": 8, "epochs": 5, "penalty": "l2:20"} | more)).fit(ratings)
        for more in ({}, settings, settings)
    )
    scores = [model.predict(np.arange(30), np.arange(30)) for model in (plain, one, two)]
    np.testing.assert_array_equal(scores[1], scores[2])
    assert not np.array_equal(scores[0], scores[1])


def test_the_noise_of_an_entry_is_uniform_and_that_of_its_place_in_the_whole() -> None:
    batch = make_batch(sparse.csr_array(np.ones((300, 400), dtype=np.float32)))
    whole = draw_uniform(batch, Mesh(), torch.Generator().manual_seed(1)).reshape(300, 400)
    assert whole.min() > 0 and whole.max() < 1
    assert kstest(whole.flatten(), "uniform").pvalue > 0.01
    for ours, theirs in ((whole[1:], whole[:-1]), (whole[:, 1:], whole[:, :-1])):  # of neighbours
        assert abs(np.corrcoef(ours.flatten(), theirs.flatten())[0, 1]) < 0.01
    mesh = Mesh(Shard(1, 2), Shard(2, 3))
    part = make_batch(sparse.csr_array(np.ones((150, 133), dtype=np.float32)))
    own = draw_uniform(part, mesh, torch.Generator().manual_seed(1)).reshape(150, 133)
    assert torch.equal(own, whole[1::2, 2::3])
