"""Clusters of codes that are trained for: shares, target and gradient are the paper's, planted groups are found."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score, silhouette_score
from test_cli import told

import autorec
from autorec.errors import ParameterError
from autorec.insight.joint_segments import Centres, assign_softly, clustering_loss, sharpen
from autorec.insight.profiles import profiles
from autorec.models.choice_network import make_choice_examples, prepare


def drawn(n: int = 9, k: int = 3, units: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes [n × units] and centres [k × units] in float64."""
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(n + k, units, generator=generator, dtype=torch.float64)
    return one[:n].requires_grad_(), one[n:].requires_grad_()


def test_shares_and_target_are_those_of_the_formulas() -> None:
    codes, centres = (one.detach().numpy() for one in drawn())
    kernel = np.array([[1 / (1 + ((z - m) ** 2).sum() / 2.5) for m in centres] for z in codes])
    q = kernel / kernel.sum(axis=1, keepdims=True)
    p = q**2 / q.sum(axis=0)
    p /= p.sum(axis=1, keepdims=True)
    shares = assign_softly(torch.tensor(codes), torch.tensor(centres), 2.5)
    np.testing.assert_allclose(shares, q)
    np.testing.assert_allclose(sharpen(shares, shares.sum(dim=0)), p)
    loss = clustering_loss(torch.tensor(codes), torch.tensor(centres), shares.sum(dim=0), 2.5)
    assert loss.item() == pytest.approx((p * np.log(p / q)).sum())


def test_the_gradient_is_the_papers() -> None:
    """Equations 4 and 5 with one degree of freedom; p is a constant."""
    codes, centres = drawn()
    q = assign_softly(codes, centres, 1.0).detach()
    p = sharpen(q, q.sum(dim=0))
    clustering_loss(codes, centres, q.sum(dim=0), 1.0).backward()
    apart = codes.detach()[:, None] - centres.detach()  # [n × k × units]
    pull = 2 * ((p - q) / (1 + apart.square().sum(dim=2)))[:, :, None] * apart
    torch.testing.assert_close(codes.grad, pull.sum(dim=1))
    torch.testing.assert_close(centres.grad, -pull.sum(dim=0))


def test_the_gradient_through_sparse_rows_is_dense_autograds(ratings: autorec.Ratings) -> None:
    model = autorec.ChoiceAutoencoder(hidden=5, epochs=2, batch=1000).fit(ratings)
    (example,) = make_choice_examples(prepare(ratings, None, 0.0, 0), 1000)
    network, weight = model.network_, model.network_.encoder.weights[0]
    trace = network(example)
    centres = Centres(trace.code.detach(), np.arange(len(trace.code)) % 3)
    centres.penalty(network, trace).backward()
    rows = example.inputs[0]
    dense = torch.zeros(rows.n_rows, rows.n_columns)
    dense[rows.rows(), rows.indices.long()] = rows.values
    twin = weight.detach().clone().requires_grad_()
    code = torch.tanh(dense @ twin + network.encoder.bias.detach()) - network.encoder.centre
    clustering_loss(code, centres.centres.detach(), centres.sizes, centres.scale).backward()
    torch.testing.assert_close(weight.grad, twin.grad, rtol=1e-4, atol=1e-6)


def test_planted_groups_are_found_also_with_half_of_the_ratings() -> None:
    frame = autorec.load_sample().to_frame()
    thin = frame[np.random.default_rng(0).random(len(frame)) < 0.5]
    model = autorec.create("mult-vae", hidden=20, batch=100).fit(thin)
    plain, joint = (autorec.cluster(model, k=5, joint=joint) for joint in (False, True))
    planted = autorec.sample_groups()[0].loc[plain.labels.index]
    plain_score, joint_score = (adjusted_rand_score(planted, one.labels) for one in (plain, joint))
    assert joint_score > 0.75 and joint_score > plain_score - 0.01
    assert joint.silhouette == pytest.approx(silhouette_score(profiles(model, "users"), joint.labels), abs=1e-6)
    sizes = [segment.size for segment in joint.segments]
    assert sizes == sorted(sizes, reverse=True) and sum(sizes) == len(planted)


@pytest.mark.parametrize("name", ["rec-vae", "cdae"])
def test_the_model_stays_and_the_seed_repeats(name: str, ratings: autorec.Ratings, tmp_path: Path) -> None:
    model = autorec.create(name, hidden=4, epochs=2).fit(ratings)
    scores = model.score_users(model._users(np.arange(5)))
    first, again = (autorec.cluster(model, k=3, joint=True).labels for _ in range(2))
    assert first.equals(again)
    np.testing.assert_array_equal(scores, model.score_users(model._users(np.arange(5))))
    model.save(tmp_path / "model")
    facts: Any = told("cluster", tmp_path / "model", "-k", 3, "--joint")
    assert facts["joint"] and [one["size"] for one in facts["segments"]] == first.value_counts().tolist()


def test_what_cannot_be_trained_on(ratings: autorec.Ratings) -> None:
    with pytest.raises(ParameterError, match="BiasedMF cannot be trained for segments; models that can: mult-dae"):
        autorec.cluster(autorec.BiasedMF(factors=2).fit(ratings), k=3, joint=True)
    with pytest.raises(ParameterError, match="of is 'items'; joint segments are those of users"):
        autorec.cluster(autorec.BiasedMF(factors=2).fit(ratings), "items", 3, joint=True)
