"""AutoRec with a code that is drawn, against the model whose code is a point."""

import numpy as np
import pytest
import torch
from conftest import checkerboard
from test_sparse_operations import random_batch

from autorec import AutoRec
from autorec.errors import ParameterError
from autorec.network.autoencoder import Autoencoder, build_autoencoder
from autorec.network.corruption import CORRUPTIONS
from autorec.network.example import Example
from autorec.network.likelihood import LIKELIHOODS
from autorec.network.padding import pad, trim
from autorec.network.parts import parse, parse_sum
from autorec.network.penalty import PENALTIES
from autorec.training.adam import Adam
from autorec.training.objective import objective
from autorec.training.steps import descend


def drawn_and_point() -> tuple[Autoencoder, Autoencoder]:
    """Two linear networks with the same weights, of 9 columns and a code of 4; one draws it, with next to no noise."""
    drawn, point = (
        build_autoencoder(9, (4,), "identity", "identity", torch.Generator().manual_seed(0), code=code)
        for code in ("gaussian", "point")
    )
    with torch.no_grad():
        drawn.encoder.weights[0][:, :4] = point.encoder.weights[0]
        drawn.encoder.weights[0][:, 4:] = 0
        drawn.encoder.bias[4:] = -80  # log variance
        drawn.head("rating").weight.copy_(point.head("rating").weight)
    return drawn, point


def test_without_noise_and_divergence_it_learns_as_the_model_whose_code_is_a_point() -> None:
    batch, _, _ = random_batch(12, 9)
    example = Example((batch,), {"rating": batch}, torch.zeros(12))
    likelihoods = {"rating": parse("likelihood", "gaussian", LIKELIHOODS)}
    corruption = parse("corruption", "none", CORRUPTIONS)
    found = []
    for network, penalty in zip(drawn_and_point(), ("l2:3+gaussian_kl:0", "l2:3"), strict=True):
        penalties = parse_sum("penalty", penalty, PENALTIES)
        loss = objective(network, likelihoods, penalties, corruption, torch.Generator().manual_seed(1))
        step = descend(loss, Adam(network.parameters(), lambda step: 0.01))
        errors = [step(example, number)["rating"] for number in range(20)]
        found.append((errors, network.encode(batch).detach(), network.head("rating").weight.detach()))
    (errors, code, weight), (other_errors, other_code, other_weight) = found
    np.testing.assert_allclose(errors, other_errors, rtol=1e-4)
    assert errors[-1] < errors[0] * 0.99
    torch.testing.assert_close(code, other_code, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(weight, other_weight, rtol=1e-4, atol=1e-5)


def test_a_layer_of_means_and_variances_is_not_padded() -> None:
    network, _ = drawn_and_point()
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    for change in (pad, trim):
        change(network)
        assert all(torch.equal(value, kept[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("orientation", ["item", "user"])
def test_planted_tastes_are_found_also_for_new_users(orientation: str) -> None:
    """On the diagonal everyone likes what is held out; codes are means, so that a model answers the same twice."""
    frame = checkerboard(40)
    penalty = "l2:1+gaussian_kl:0.1@50"
    model = AutoRec(orientation, hidden="20-8", code="gaussian", penalty=penalty, epochs=40, batch=20).fit(frame)
    assert model._all_codes().shape == (40, 8)
    own = np.arange(40)
    assert model.predict(own, own).mean() > 4.5
    assert model.predict(own[:-1], own[1:]).mean() < 1.5
    new = model.fold_in(frame.assign(user=frame["user"] + 100))
    np.testing.assert_array_equal(new.predict(own + 100, own), new.predict(own + 100, own))
    assert new.predict(own + 100, own).mean() > 4.5


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(ParameterError, match="use code gaussian"):
        AutoRec(penalty="gaussian_kl:1").fit(checkerboard(10))
    with pytest.raises(ParameterError, match="use code point"):
        AutoRec(code="gaussian", penalty="contractive:1").fit(checkerboard(10))
