"""Vectors of users in the encoder, against the network without them and a dense formula."""

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import random_frame
from test_sparse_operations import random_batch

from autorec import ChoiceAutoencoder, create
from autorec.errors import ParameterError
from autorec.models.choice_network import HEAD, build_network, identify
from autorec.network.autoencoder import Autoencoder
from autorec.network.corruption import CORRUPTIONS
from autorec.network.example import Example
from autorec.network.likelihood import LIKELIHOODS
from autorec.network.parts import parse, parse_sum
from autorec.network.penalty import PENALTIES
from autorec.training.adam import Adam
from autorec.training.objective import Loss, objective
from autorec.training.steps import descend

USERS = np.array([7, 2, 5, 11])  # of 12, in the batch


def build(n_users: int) -> Autoencoder:
    return build_network(9, (6, 4), "tanh", "point", torch.Generator().manual_seed(0), n_users=n_users)


def example_of_users() -> Example:
    batch, _, _ = random_batch(4, 9)
    return Example((batch,), {HEAD: batch.with_values(torch.ones_like(batch.values))}, torch.zeros(4), 1 / 3)


def loss_of(network: Autoencoder) -> Loss:
    likelihoods = {HEAD: parse("likelihood", "multinomial", LIKELIHOODS)}
    corruption = parse("corruption", "masking:0.3", CORRUPTIONS)
    generator = torch.Generator().manual_seed(1)
    return objective(network, likelihoods, parse_sum("penalty", "l2:2", PENALTIES), corruption, generator)


def test_with_the_vectors_fixed_at_0_it_learns_as_the_network_without() -> None:
    plain, known = build(0), build(12)
    example = example_of_users()
    with_users = Example(example.inputs, example.targets, example.offset, example.share, identity=identify(USERS, 12))
    vectors = known.encoder.row_weight
    assert vectors is not None and vectors.shape == (12, 6) and not vectors.any()
    others = [parameter for parameter in known.parameters() if parameter is not vectors]
    one = descend(loss_of(plain), Adam(plain.parameters(), lambda step: 0.01))
    other = descend(loss_of(known), Adam(others, lambda step: 0.01), fixed=[vectors])
    losses = [(one(example, number), other(with_users, number)) for number in range(5)]
    for first, second in losses:
        assert first == pytest.approx(second, rel=1e-5)
    assert losses[-1][0][HEAD] < losses[0][0][HEAD]
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(value, known.state_dict()[name], rtol=1e-4, atol=1e-6)
    assert not vectors.any()


def test_scores_and_gradients_are_those_of_the_dense_formula() -> None:
    network = build(12)
    encoder, head = network.encoder, network.head(HEAD)
    assert encoder.row_weight is not None
    with torch.no_grad():
        encoder.row_weight.normal_(generator=torch.Generator().manual_seed(2))
    batch, dense, _ = random_batch(4, 9)
    code = network.encode(batch, identity=identify(USERS, 12))
    hidden = torch.tanh(dense @ encoder.weights[0] + encoder.bias + encoder.row_weight[USERS])
    expected = torch.tanh(hidden @ encoder.inner_weights[0] + encoder.inner_biases[0])
    torch.testing.assert_close(code, expected)
    variables = [encoder.row_weight, encoder.weights[0], encoder.bias]
    found = torch.autograd.grad((code @ head.inner_weights[0]).square().sum(), variables)
    wanted = torch.autograd.grad((expected @ head.inner_weights[0]).square().sum(), variables)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    others = np.setdiff1d(np.arange(12), USERS)
    assert not found[0][others].any() and found[0][USERS].any(dim=1).all()


def test_users_are_told_apart_by_their_vectors_and_new_users_have_none() -> None:
    """Users with the same choices: known ones have scores of their own, as new users they are alike."""
    frame = random_frame(60, 12, 0.5).assign(rating=5.0)
    twin = frame[frame["user"] == 0].assign(user=60)
    frame = pd.concat((frame, twin), ignore_index=True)
    model = ChoiceAutoencoder(hidden=8, epochs=20, own_vectors=True, validation=0.0, batch=20).fit(frame)
    known = model._score_rows(np.array([0, 60]))
    assert np.abs(known[0] - known[1]).max() > 1e-3
    new = model.fold_in(frame)
    assert model.network_.encoder.row_weight.any() and not new.network_.encoder.row_weight.any()
    np.testing.assert_array_equal(*new._score_rows(np.array([0, 60])))
    histories = model.ratings_.csr[[0]]
    np.testing.assert_allclose(
        model.score_users(model.encode_users(histories)), new._score_rows(np.array([0])), atol=1e-6
    )


def test_users_who_are_held_out_keep_the_vector_0() -> None:
    frame = random_frame(300, 12, 0.6).assign(rating=5.0)
    model = create("cdae", hidden=8, epochs=2).fit(frame)
    still = ~model.network_.encoder.row_weight.any(dim=1)
    assert still.sum() == model.summary_["validation_users"] > 0


def test_own_vectors_are_there_or_not() -> None:
    with pytest.raises(ParameterError, match="own_vectors is 'some'; allowed: True, False"):
        ChoiceAutoencoder(own_vectors="some").fit(random_frame())
