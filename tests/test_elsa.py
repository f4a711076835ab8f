"""ELSA against its dense formula, and on tastes that were planted."""

import numpy as np
import pandas as pd
import torch
from conftest import random_frame
from scipy import sparse
from test_choice_models import choices

from autorec.models.elsa import Elsa, cosine_loss
from autorec.network.batch import make_batch


def test_loss_and_gradient_are_those_of_the_dense_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    X = (torch.rand(20, 30, generator=generator) < 0.3).float()
    X = torch.nn.functional.normalize(X, dim=1)
    weight = torch.randn(30, 6, generator=generator, requires_grad=True)
    A = torch.nn.functional.normalize(weight, dim=1)
    product = A @ A.T - torch.eye(30)
    assert torch.allclose(product.diagonal(), torch.zeros(30), atol=1e-6)  # no item explains itself
    dense = (X - torch.nn.functional.normalize(X @ product, dim=1)).square().sum()
    ours = cosine_loss(make_batch(sparse.csr_array(X.numpy())), weight)
    torch.testing.assert_close(ours, dense, rtol=1e-5, atol=1e-5)
    (one,), (other,) = torch.autograd.grad(ours, weight), torch.autograd.grad(dense, weight)
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_scores_are_the_choices_times_the_product() -> None:
    frame = random_frame(40, 15)
    model = Elsa(factors=4, epochs=3).fit(frame)
    np.testing.assert_allclose(np.linalg.norm(model.factors_, axis=1), 1, atol=1e-5)
    expected = choices(frame) @ model.factors_ @ model.factors_.T
    np.testing.assert_allclose(model._score_rows(np.arange(40)), expected, atol=1e-4)


def test_planted_groups_of_items_are_kept_together() -> None:
    """Users choose from one of three groups of items: the others of that group come first."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, 150)
    rows, columns = np.nonzero((np.arange(24) % 3 == group[:, None]) & (rng.random((150, 24)) < 0.6))
    frame = pd.DataFrame({"user": rows, "item": columns, "rating": 1.0})
    model = Elsa(factors=8, epochs=60, learning_rate=0.05, validation=0.0).fit(frame)
    table = model.recommend(n=1)
    assert (table["item"].to_numpy() % 3 == group[table["user"]]).mean() > 0.97
