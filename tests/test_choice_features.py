"""The loss in the layers of a frozen encoder, against the plain squared error; what stays as it is."""

import numpy as np
import pytest
import torch
from conftest import random_frame
from test_choice_network import choices_and_head

from autorec import ChoiceAutoencoder
from autorec.models import choice
from autorec.models.choice import distance_in_features, weighted_sum
from autorec.network.autoencoder import Encoder
from autorec.network.likelihood import LIKELIHOODS


def profiles(n: int = 12, m: int = 9) -> tuple[object, ...]:
    """A batch of choices, a head, codes; choices and reconstruction as dense profiles of length 1, [n × m]."""
    batch, head, code = choices_and_head(n, m)
    x = torch.zeros(n, m)
    x[batch.rows(), batch.indices.long()] = 1
    made = (code @ head.weight.T + head.bias).softmax(dim=1).sqrt()
    return batch, head, code, torch.nn.functional.normalize(x, dim=1), made


def test_with_the_identity_it_is_the_squared_error_of_the_profile() -> None:
    batch, head, code, x, made = profiles()
    encoder = Encoder(9, (9,), "identity", torch.Generator())
    with torch.no_grad():
        encoder.weights[0].copy_(torch.eye(9))
    ours = distance_in_features(encoder)(head, batch, code, torch.zeros(12))
    plain = (x - made).square().sum()
    torch.testing.assert_close(ours, plain)
    variables = [code, *head.parameters()]
    for one, other in zip(torch.autograd.grad(ours, variables), torch.autograd.grad(plain, variables), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_every_hidden_layer_counts() -> None:
    batch, head, code, x, made = profiles()
    encoder = Encoder(9, (6, 4), "tanh", torch.Generator().manual_seed(0))
    expected = torch.tensor(0.0)
    for weight, bias in (
        (encoder.weights[0], encoder.bias),
        (encoder.inner_weights[0], encoder.inner_biases[0]),
    ):
        x, made = torch.tanh(x @ weight + bias), torch.tanh(made @ weight + bias)
        expected = expected + (x - made).square().sum()
    distance = distance_in_features(encoder)
    torch.testing.assert_close(distance(head, batch, code, torch.zeros(12)), expected)
    likelihood = LIKELIHOODS["multinomial"].make()
    both = weighted_sum(likelihood, 3.0, distance)(head, batch, code, torch.zeros(12))
    torch.testing.assert_close(both, likelihood(head, batch, code, torch.zeros(12)) + 3 * expected)


def test_the_frozen_encoder_stays_as_it_was_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def watched(encoder: Encoder) -> object:
        seen.append((encoder, {name: value.clone() for name, value in encoder.state_dict().items()}))
        return distance_in_features(encoder)

    monkeypatch.setattr(choice, "distance_in_features", watched)
    frame = random_frame(60, 12).assign(rating=5.0)
    settings = {"hidden": "8-4", "code": "gaussian", "penalty": "gaussian_kl:0.1", "epochs": 5}
    model, plain = (ChoiceAutoencoder(**settings, features=weight).fit(frame) for weight in (10.0, 0.0))
    ((encoder, kept),) = seen
    assert encoder.widths == (8, 4) and not encoder.linear_code
    assert all(torch.equal(value, kept[name]) for name, value in encoder.state_dict().items())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert all(parameter.requires_grad for parameter in model.network_.parameters())
    assert np.abs(model._score_rows(np.arange(60)) - plain._score_rows(np.arange(60))).max() > 1e-3
