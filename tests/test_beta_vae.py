"""β-VAE on planted factors: a stronger divergence makes the units of the code independent, one a factor."""

import numpy as np
import pandas as pd
import torch

from autorec import ChoiceAutoencoder
from autorec.models.choice_network import normalised
from autorec.network.batch import make_batch
from autorec.ranking.positives import positives

FACTORS, UNITS = 4, 6


def planted_choices(users: int = 400) -> pd.DataFrame:
    """Of each of four independent factors a user is on one side of two, and chooses of the eight items there."""
    rng = np.random.default_rng(0)
    chances = np.zeros((users, FACTORS, 2, 8))
    for factor in range(FACTORS):
        chances[np.arange(users), factor, rng.integers(0, 2, users)] = 0.8
    rows, columns = np.nonzero(rng.random((users, FACTORS * 16)) < chances.reshape(users, -1))
    return pd.DataFrame({"user": rows, "item": columns, "rating": 1.0})


def codes_of(beta: float) -> tuple[np.ndarray, np.ndarray]:
    """Means and log variances [users × UNITS] of the codes."""
    model = ChoiceAutoencoder(
        hidden=UNITS,
        code="gaussian",
        penalty=f"gaussian_kl:{beta}@100",
        corruption="none",
        decoder="linear",
        epochs=100,
        batch=100,
        learning_rate=0.01,
        validation=0.0,
    ).fit(planted_choices())
    chosen = positives(model.ratings_.csr, model.ratings_.scale, None)
    with torch.no_grad():
        layer = model.network_.encoder([normalised(make_batch(chosen))]).double()
    mean, log_var = (half.numpy() for half in layer.chunk(2, dim=1))
    return mean, log_var


def test_a_stronger_divergence_makes_the_units_independent() -> None:
    """Of units that tell of the user: the mean of the absolute correlations of their means. Of all: the total
    correlation of drawn codes, −½ log det of their correlations, 0 where they are independent."""
    used, correlation, total = {}, {}, {}
    for beta in (0.1, 4.0):
        mean, log_var = codes_of(beta)
        active = mean.var(axis=0) > 0.05
        among = np.abs(np.corrcoef(mean[:, active].T))
        used[beta] = active.sum()
        correlation[beta] = among[~np.eye(used[beta], dtype=bool)].mean()
        covariance = np.cov(mean.T) + np.diag(np.exp(log_var).mean(axis=0))
        spread = np.sqrt(np.diag(covariance))
        total[beta] = -np.linalg.slogdet(covariance / np.outer(spread, spread))[1] / 2
    assert used == {0.1: UNITS, 4.0: FACTORS}
    assert correlation[4.0] < 0.1 < 0.2 < correlation[0.1]
    assert total[4.0] < 0.05 < 1 < total[0.1]
