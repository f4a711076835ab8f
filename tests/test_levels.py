"""Ratings as levels: their coding, probabilities and costs against dense formulas and autograd."""

import math

import pytest
import torch
from test_sparse_operations import random_batch

from autorec.network.autoencoder import Decoder
from autorec.network.batch import Batch, Pattern
from autorec.network.levels import (
    level_probabilities,
    level_scores,
    ordinal_costs,
    thermometer,
)
from autorec.network.likelihood import LIKELIHOODS

K, UNITS = 6, 4  # random batches hold 0 … 5


def case() -> tuple[Batch, Decoder, torch.Tensor, torch.Tensor]:
    """(levels [7 × 9], a head for them, codes [7 × 4], offsets [7])."""
    batch, _, _ = random_batch(7, 9)
    generator = torch.Generator().manual_seed(0)
    head = Decoder(9 * (K - 1), (UNITS,), "identity", generator)
    code = torch.randn(7, UNITS, generator=generator).requires_grad_()
    return batch, head, code, torch.randn(7, generator=generator)


def naive_scores(batch: Batch, head: Decoder, code: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    outputs = (code @ head.weight.T + head.bias + offset[:, None]).view(7, 9, K - 1)
    found = []
    for row, column in zip(batch.rows().tolist(), batch.indices.tolist(), strict=True):
        scores = [torch.zeros(())]
        for k in range(K - 1):
            scores.append(scores[-1] + outputs[row, column, k])
        found.append(torch.stack(scores))
    return torch.stack(found)


def naive_cost(name: str, scores: torch.Tensor, level: int) -> torch.Tensor:
    p = scores.exp() / scores.exp().sum()
    if name == "categorical":
        return -p[level].log()
    down = [p[j] / p[: j + 1].sum() for j in range(level, -1, -1)]
    up = [p[j] / p[j:].sum() for j in range(level, K)]
    return -torch.stack(down + up).log().sum()


def test_a_level_is_read_as_all_levels_up_to_it() -> None:
    batch, _, _, _ = case()
    spread = thermometer(batch, K)
    dense = torch.zeros(7, 9 * K)
    dense[spread.rows(), spread.indices.long()] = spread.values
    expected = torch.zeros(7, 9, K)
    for row, column, level in zip(batch.rows(), batch.indices, batch.values, strict=True):
        expected[row, column, : int(level) + 1] = 1
    assert torch.equal(dense, expected.view(7, -1))


def test_probabilities_sum_to_1_and_outputs_are_log_odds_of_neighbours() -> None:
    batch, head, code, offset = case()
    p = level_probabilities(head, batch, code, offset)
    torch.testing.assert_close(p.sum(dim=1), torch.ones(len(batch.values)))
    torch.testing.assert_close(p.log().diff(dim=1), naive_scores(batch, head, code, offset).diff(dim=1))


@pytest.mark.parametrize("name", ["categorical", "ordinal"])
def test_loss_and_gradients_are_those_of_the_dense_formula(name: str) -> None:
    batch, head, code, offset = case()
    ours = LIKELIHOODS[name].make()(head, batch, code, offset)
    scores = naive_scores(batch, head, code, offset)
    levels = batch.values.long().tolist()
    theirs = torch.stack([naive_cost(name, one, level) for one, level in zip(scores, levels, strict=True)]).sum()
    torch.testing.assert_close(ours, theirs)
    variables = [code, *head.parameters()]
    for one, other in zip(torch.autograd.grad(ours, variables), torch.autograd.grad(theirs, variables), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_near_level_costs_less_than_a_far_one() -> None:
    scores = torch.tensor([[0.0, 1.0, 5.0, 1.0, 0.0]])
    costs = [ordinal_costs(scores, torch.tensor([float(level)])).item() for level in range(5)]
    assert costs[0] > costs[1] > costs[2] < costs[3] < costs[4]
    assert ordinal_costs(torch.zeros(1, 2), torch.tensor([1.0])).item() == pytest.approx(math.log(2))


def test_large_scores_overflow_nothing() -> None:
    batch, head, code, offset = case()
    for name in ("categorical", "ordinal"):
        loss = LIKELIHOODS[name].make()(head, batch, 1e6 * code, offset)
        assert torch.isfinite(loss)
    assert torch.isfinite(level_scores(head, batch, code, offset)).all()


def test_a_batch_without_entries_costs_nothing() -> None:
    _, head, code, offset = case()
    nothing = torch.zeros(8, dtype=torch.int64), torch.zeros(0, dtype=torch.int32)
    empty = Batch(Pattern(9, *nothing), torch.zeros(0))
    for name in ("categorical", "ordinal"):
        assert LIKELIHOODS[name].make()(head, empty, code, offset).item() == 0
