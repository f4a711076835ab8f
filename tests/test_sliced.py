"""The sliced Wasserstein distance of codes from their prior, against quantiles and against theorems."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm
from test_choice_network import trace_of

from autorec.network.autoencoder import Autoencoder, Encoder
from autorec.network.penalty import PENALTIES


def sliced_distance(code: torch.Tensor, seed: int = 0) -> float:
    network, generator = (
        Autoencoder(Encoder(5, (3,), "tanh", torch.Generator()), {}),
        torch.Generator().manual_seed(seed),
    )
    return PENALTIES["sliced"].make(2.0)(network, trace_of(code, None, generator)).item() / (2.0 * len(code))


def test_the_sliced_distance_from_the_prior_is_that_of_quantiles() -> None:
    """Along one axis W₂² = ∫ (F⁻¹(u) − Φ⁻¹(u))² du, here a sum over a fine grid."""
    code = 0.8 + 0.3 * torch.randn(60, 1, generator=torch.Generator().manual_seed(0))
    grid = (np.arange(600_000) + 0.5) / 600_000
    naive = np.mean((np.sort(code.double().numpy().ravel()).repeat(10_000) - norm.ppf(grid)) ** 2)
    assert sliced_distance(code) == pytest.approx(naive, abs=1e-4)


def test_the_sliced_distance_of_a_shift_is_its_square_by_the_number_of_units() -> None:
    """In expectation over the directions; and it goes to 0 for codes that have the prior."""
    generator, shift = torch.Generator().manual_seed(0), torch.tensor([1.0, 0.0, -2.0, 0.5, 0.0])
    prior = torch.randn(4000, 5, generator=generator)
    equal = np.mean([sliced_distance(prior, seed) for seed in range(20)])
    shifted = np.array([sliced_distance(prior + shift, seed) for seed in range(20)])
    assert 0 < equal < 0.005 < sliced_distance(prior[:50])
    error = 3 * shifted.std() / np.sqrt(20)
    assert error < 0.1 and shifted.mean() - equal == pytest.approx(shift.square().sum().item() / 5, abs=error + 0.02)


def test_down_its_gradient_codes_come_to_have_their_prior() -> None:
    generator = torch.Generator().manual_seed(0)
    network = Autoencoder(Encoder(5, (3,), "tanh", generator), {})
    code = (torch.rand(300, 3, generator=generator) * torch.tensor([6.0, 1.0, 0.1]) + 2).requires_grad_()
    penalty, optimizer = PENALTIES["sliced"].make(1.0), torch.optim.Adam([code], lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        penalty(network, trace_of(code, None, generator)).backward()
        optimizer.step()
    directions = torch.nn.functional.normalize(torch.randn(3, 20, generator=generator), dim=0)
    along = (code.detach() @ directions).numpy()
    assert np.quantile([kstest(column, "norm").pvalue for column in along.T], 0.1) > 0.1
