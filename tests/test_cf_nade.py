"""The autoregressive decoder against the chain rule and all orders, and the model on planted tastes."""

import math
from itertools import combinations, permutations, product

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import random_frame
from scipy import sparse

from autorec.errors import InputError, ParameterError
from autorec.models.cf_nade import CFNade
from autorec.models.level_fitting import HEAD, autoregressive_objective, build_network, solve_columns, split_at_random
from autorec.network.autoencoder import Autoencoder
from autorec.network.batch import Batch, Pattern, make_batch
from autorec.network.example import Example
from autorec.network.levels import categorical_costs, level_probabilities, ordinal_costs, thermometer
from autorec.network.parts import parse_sum
from autorec.network.penalty import PENALTIES
from autorec.training.steps import averaging

COLUMNS, K = 3, 2


def tiny(seed: int = 0) -> Autoencoder:
    """A network of 3 columns with 2 levels whose conditional probabilities differ."""
    network = build_network(COLUMNS, K, (4,), torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.uniform_(-1.5, 1.5, generator=torch.Generator().manual_seed(seed + parameter.numel()))
    return network


def row(levels: dict[int, int]) -> Batch:
    columns = sorted(levels)
    data = np.array([levels[column] for column in columns], dtype=np.float32)
    return make_batch(sparse.csr_array((data, columns, [0, len(columns)]), shape=(1, COLUMNS)))


def conditional(network: Autoencoder, before: dict[int, int], column: int) -> torch.Tensor:
    """[K] p(r_column | the levels before)."""
    code = network.encode(thermometer(row(before), K))
    return level_probabilities(network.head(HEAD), row({column: 0}), code, torch.zeros(1))[0]


def log_likelihood(network: Autoencoder, levels: tuple[int, ...], order: tuple[int, ...]) -> float:
    """Σ log p(r_i | those before it) by the chain rule in this order."""
    total, before = 0.0, {}
    for column in order:
        total += math.log(conditional(network, before, column)[levels[column]].item())
        before[column] = levels[column]
    return total


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_the_chain_rule_gives_a_distribution_in_each_order(order: tuple[int, ...]) -> None:
    network = tiny()
    chances = [math.exp(log_likelihood(network, levels, order)) for levels in product(range(K), repeat=COLUMNS)]
    assert sum(chances) == pytest.approx(1, abs=1e-5)
    assert max(chances) > 1.5 / K**COLUMNS


def test_the_objective_is_the_mean_over_all_orders() -> None:
    """Over all parts that may be seen, each as likely as `split_at_random` makes it."""
    network, levels = tiny(), (1, 0, 1)
    wanted = -np.mean([log_likelihood(network, levels, order) for order in permutations(range(COLUMNS))])
    expected = 0.0
    for size in range(COLUMNS):
        seen_parts = list(combinations(range(COLUMNS), size))
        for part in seen_parts:
            chance = 1 / (COLUMNS + 1) / len(seen_parts)
            weight = (COLUMNS + 1) / (COLUMNS - size)
            before = {column: levels[column] for column in part}
            for column in set(range(COLUMNS)) - set(part):
                expected -= chance * weight * math.log(conditional(network, before, column)[levels[column]].item())
    assert expected == pytest.approx(wanted, rel=1e-5)
    batch = row(dict(enumerate(levels)))
    pattern = Pattern(COLUMNS, COLUMNS * torch.arange(20_001), batch.indices.repeat(20_000))
    many = Batch(pattern, batch.values.repeat(20_000))
    generator = torch.Generator().manual_seed(0)
    loss = autoregressive_objective(network, HEAD, K, categorical_costs, {}, generator)
    found = loss(Example((many,), {HEAD: many}, torch.zeros(20_000)), 0)[HEAD].item()
    assert found == pytest.approx(wanted, rel=0.02)


def test_a_split_is_all_entries_and_each_size_is_as_likely() -> None:
    batch = make_batch(sparse.csr_array(np.ones((4000, 4), dtype=np.float32)))
    seen, unseen, weights = split_at_random(batch, torch.Generator().manual_seed(0))
    sizes = seen.indptr.diff()
    assert torch.equal(sizes + unseen.indptr.diff(), torch.full((4000,), 4))
    both = torch.cat((seen.rows() * 4 + seen.indices, unseen.rows() * 4 + unseen.indices)).sort().values
    assert torch.equal(both, torch.arange(16_000))
    np.testing.assert_allclose(np.bincount(sizes) / 4000, np.full(5, 0.2), atol=0.03)
    torch.testing.assert_close(weights, 5 / (4 - sizes[unseen.rows()]))


@pytest.mark.parametrize("costs", [ordinal_costs, categorical_costs])
def test_gradients_are_those_of_dense_autograd(costs) -> None:
    rng = np.random.default_rng(0)
    n, m, levels, units = 6, 8, 5, 3
    dense = np.where(rng.random((n, m)) < 0.6, rng.integers(1, levels + 1, (n, m)), 0)
    csr = sparse.csr_array(dense)
    csr.data -= 1
    batch = make_batch(csr)
    network = build_network(m, levels, (units,), torch.Generator().manual_seed(0))
    parts = parse_sum("penalty", "l2:0.7", PENALTIES)
    loss = autoregressive_objective(network, HEAD, levels, costs, parts, torch.Generator().manual_seed(5))
    ours = torch.stack(list(loss(Example((batch,), {HEAD: batch}, torch.zeros(n)), 0).values())).sum()
    seen, unseen, weights = split_at_random(batch, torch.Generator().manual_seed(5))
    W = network.encoder.weights[0].view(m, levels, units)
    sums = network.encoder.bias.repeat(n, 1)
    for r, c, k in zip(seen.rows(), seen.indices, seen.values, strict=True):
        sums = sums.index_add(0, r[None], W[c, : int(k) + 1].sum(dim=0)[None])
    hidden = torch.tanh(sums)
    head = network.head(HEAD)
    V, b = head.weight.view(m, levels - 1, units), head.bias.view(m, levels - 1)
    scores = torch.stack(
        [
            torch.cat((torch.zeros(1), (V[c] @ hidden[r] + b[c]).cumsum(0)))
            for r, c in zip(unseen.rows(), unseen.indices, strict=True)
        ]
    )
    theirs = weights @ costs(scores, unseen.values) / n + 0.35 * (W.square().sum() + V.square().sum()) / n
    torch.testing.assert_close(ours, theirs)
    variables = list(network.parameters())
    for one, other in zip(torch.autograd.grad(ours, variables), torch.autograd.grad(theirs, variables), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_the_average_follows_the_weights() -> None:
    weight, mean = torch.zeros(3), torch.full((3,), 9.0)

    def step(example, number):
        weight.fill_(float(number))
        return {"loss": 1.0}

    averaged, expected = averaging(step, [weight], [mean], 0.5), 9.0
    for number in range(30):
        averaged(None, number)
        decay = min(0.5, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * number
    assert mean[0].item() == pytest.approx(expected, rel=1e-5)


def test_solved_columns_are_where_the_gradient_is_0() -> None:
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(30, 4)).astype(np.float32)
    levels = sparse.csr_array(rng.integers(0, 3, (2, 30)).astype(np.float32) + 1)
    levels.data -= 1
    bias = np.array([0.3, -0.2], dtype=np.float32)
    V, b = (
        torch.from_numpy(array).requires_grad_() for array in solve_columns(codes, levels, ordinal_costs, 2.0, bias)
    )
    scores = torch.nn.functional.pad((torch.from_numpy(codes) @ V[0].T + b[0]).cumsum(dim=1), (1, 0))
    loss = ordinal_costs(scores, torch.from_numpy(levels.toarray()[0])).sum()
    loss = loss + V[0].square().sum() + (b[0] - torch.from_numpy(bias)).square().sum() / 2
    loss.backward()
    assert V.grad.abs().max() < 1e-2 and b.grad.abs().max() < 1e-2


@pytest.mark.parametrize("orientation", ["item", "user"])
@pytest.mark.parametrize("cost", ["ordinal", "categorical"])
def test_planted_tastes_are_learned_and_folded_in(orientation: str, cost: str) -> None:
    """Even users like even items, odd ones odd items."""
    rng = np.random.default_rng(0)
    user, item = np.nonzero(rng.random((80, 60)) < 0.5)
    likes = (user + item) % 2 == 0
    frame = pd.DataFrame({"user": user, "item": item, "rating": np.where(likes, 5.0, 1.0 + (item % 3 == 0))})
    settings = {"hidden": 8, "epochs": 40, "batch": 20, "learning_rate": 0.01, "penalty": "l2:0.1", "validation": 0.0}
    model = CFNade(orientation, cost=cost, **settings).fit(frame[frame["user"] < 70])
    unseen = [(u, i) for u in range(70) for i in range(60) if (u, i) not in set(zip(user, item, strict=True))][:300]
    us, ones = np.array(unseen).T
    right = np.where((us + ones) % 2 == 0, 5.0, 1.0 + (ones % 3 == 0))
    assert np.sqrt(np.mean((model.predict(us, ones) - right) ** 2)) < 0.5
    folded = model.fold_in(frame[frame["user"] >= 70])
    table = folded.recommend(n=5)
    assert ((table["user"] + table["item"]) % 2 == 0).mean() > 0.95


def test_predictions_scale_with_the_ratings() -> None:
    frame = random_frame()
    users, items = frame["user"].to_numpy(), frame["item"].to_numpy()[::-1]
    one = CFNade(hidden=4, epochs=3).fit(frame).predict(users, items)
    other = CFNade(hidden=4, epochs=3).fit(frame.assign(rating=frame["rating"] * 20 - 7)).predict(users, items)
    np.testing.assert_allclose(other, one * 20 - 7, rtol=1e-5)


def test_many_different_ratings_are_refused() -> None:
    frame = random_frame()
    with pytest.raises(InputError, match=r"\d+ different ones are given; at most 20 are allowed: round the ratings"):
        CFNade().fit(frame.assign(rating=np.arange(len(frame)) / 7))
    with pytest.raises(ParameterError, match="cost is 'square'; allowed: ordinal, categorical"):
        CFNade(cost="square").fit(frame)


def test_rows_are_not_encoded_by_columns_that_were_folded_in() -> None:
    frame = random_frame()
    folded = CFNade(hidden=4, epochs=2).fit(frame).fold_in(frame[frame["user"] < 9])
    with pytest.raises(ParameterError, match=r"the users of this model were folded in, and items are encoded by those"):
        folded.fold_in(frame[(frame["item"] < 3) & (frame["user"] < 9)], of="items")
