"""Adversarial members: the critic and its objectives against theorems, the estimator on planted groups."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import checkerboard
from scipy.spatial.distance import cdist
from scipy.stats import permutation_test
from test_sparse_operations import random_batch

import autorec
from autorec import AdversarialAutoencoder
from autorec.errors import ParameterError
from autorec.network.code import Prior
from autorec.network.critic import Critic, Side
from autorec.network.parts import parse
from autorec.network.shard import Mesh
from autorec.training.adam import Adam
from autorec.training.adversarial import RIVALS, Players, Rules, judge
from autorec.training.steps import descend

GROUPS, EACH = 4, 8  # items of a group


def planted(users: int = 240, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Each user chose 5 of the 8 items of one group: (ratings, group of each user)."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, GROUPS, users)
    chosen = rng.permuted(np.tile(np.arange(EACH), (users, 1)), axis=1)[:, :5]  # [users × 5]
    items = (chosen + EACH * group[:, None]).ravel()
    return pd.DataFrame({"user": np.repeat(np.arange(users), 5), "item": items, "rating": 1.0}), group


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_critic_is_the_same_for_sparse_and_dense_profiles_and_its_gradient_norm_is_autograds() -> None:
    batch, _, _ = random_batch(12, 17)
    dense = torch.zeros(12, 17)
    dense[batch.rows(), batch.indices.long()] = batch.values
    dense.requires_grad_()
    code = torch.randn(12, 5, generator=generator(), requires_grad=True)
    critic = Critic(17, 5, 9, generator())
    sums = critic.sums(Side(batch, code))
    values = critic(critic.sums(Side(dense, code)))
    torch.testing.assert_close(critic(sums), values)
    gradients = torch.autograd.grad(values.sum(), (dense, code), create_graph=True)
    naive = torch.cat(gradients, dim=1).norm(dim=1)  # [12]
    norms = critic.gradient_norms(sums)
    torch.testing.assert_close(norms, naive)
    weights = [critic.profile_weight, critic.code_weight, critic.inner_weight, critic.output_weight]
    ours, theirs = (torch.autograd.grad((n - 1).square().sum(), weights, retain_graph=True) for n in (norms, naive))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", range(20))
def test_a_gradient_of_nearly_0_has_a_norm(seed: int) -> None:
    """Weights at right angles to the only column: what rounding leaves of the squared norm may be below 0."""
    random = generator(seed)
    critic = Critic(1, 0, 32, random)
    with torch.no_grad():
        column = critic.profile_weight[0]  # [32]
        drawn = 1e3 * torch.randn(32, generator=random)
        critic.inner_weight.copy_(torch.eye(32))
        critic.output_weight[:, 0] = drawn - column * (drawn @ column) / (column @ column)
    assert torch.isfinite(critic.gradient_norms(torch.ones(1, 32))).all()


def trained_critic(rival: str, real: torch.Tensor, made: torch.Tensor, steps: int) -> tuple[Critic, dict[str, float]]:
    """A critic of codes drawn from `real` and `made` [k × K] each; the terms of its last 100 steps, as means."""
    critic, random = Critic(0, real.shape[1], 32, generator()), generator(1)

    def draw(rows: torch.Tensor) -> Side:
        return Side(code=rows[torch.randint(len(rows), (128,), generator=random)])

    told_by = parse("critic", rival, RIVALS).function
    rules = Rules(lambda *_: (draw(real), draw(made)), told_by, lambda example, _: example)
    players = Players(lambda *_: None, None, Prior(real.shape[1], 0, random), critic)  # type: ignore[arg-type]
    step = descend(judge(players, rules, random), Adam(critic.parameters(), lambda step: 0.003))
    example = type("Nothing", (), {"inputs": (None,), "mesh": Mesh()})
    terms = [step(example, number) for number in range(steps)]  # type: ignore[arg-type]
    return critic, {name: np.mean([one[name] for one in terms[-100:]]) for name in terms[0]}


@pytest.mark.parametrize("strength", [10.0, 100.0])
def test_the_gradient_of_a_wasserstein_critic_goes_to_1_between_two_point_masses(strength: float) -> None:
    """Their distance W is 5. A critic of slope g has the loss −g W + λ (g − 1)², least at g = 1 + W / 2λ."""
    real, made = torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([[-1.0, 1.0, 4.0]])
    critic, _ = trained_critic(f"wasserstein:{strength}", real, made, 500)
    line = torch.lerp(real, made, torch.linspace(0, 1, 21)[:, None])
    slope = 1 + 5 / (2 * strength)
    norms = critic.gradient_norms(critic.sums(Side(code=line)))
    torch.testing.assert_close(norms, torch.full((21,), slope), atol=0.03, rtol=0)
    difference = critic(critic.sums(Side(code=real))) - critic(critic.sums(Side(code=made)))
    assert difference.item() == pytest.approx(5 * slope, rel=0.02)


def test_a_critic_says_one_half_where_the_sides_are_equal_and_more_where_they_are_not() -> None:
    same = torch.randn(4000, 2, generator=generator())
    critic, terms = trained_critic("gan:0", same, same, 400)
    assert terms["critic"] == pytest.approx(2 * math.log(2), abs=0.01)
    chances = torch.sigmoid(critic(critic.sums(Side(code=same))))
    assert (chances - 0.5).abs().mean() < 0.03
    _, terms = trained_critic("gan:0", same, same + 3, 300)
    assert terms["critic"] < 0.6


def p_value(one: np.ndarray, other: np.ndarray) -> float:
    """Of the energy distance between two samples, by permutation."""
    distances = cdist(np.concatenate((one, other)), np.concatenate((one, other)))

    def energy(left: np.ndarray, right: np.ndarray, axis: int = -1) -> float:
        a, b = left.astype(int), right.astype(int)
        among = distances[np.ix_(a, a)].mean() + distances[np.ix_(b, b)].mean()
        return 2 * distances[np.ix_(a, b)].mean() - among

    rows = np.arange(len(one)), len(one) + np.arange(len(other))
    rng = np.random.default_rng(0)
    found = permutation_test(rows, energy, n_resamples=199, alternative="greater", vectorized=False, rng=rng)
    return float(found.pvalue)


def share_right(table: pd.DataFrame, group: np.ndarray) -> float:
    """Of the first recommendations, how many are of the user's group."""
    best = table[table["rank"] == 1]
    return float((best["item"].to_numpy() // EACH == group[best["user"].to_numpy()]).mean())


def covers_the_groups(model: AdversarialAutoencoder) -> bool:
    """Whether made users choose of one group each, and of each group about as often."""
    made = model.sample(400).reshape(400, GROUPS, EACH).sum(axis=2)  # [400 × groups]
    share = np.bincount(made.argmax(axis=1), minlength=GROUPS) / 400
    return bool(share.min() > 0.5 / GROUPS and made.max(axis=1).mean() > 0.8)


PLANTED = {
    "hidden": "32-2",
    "batch": 120,
    "corruption": "none",
    "validation": 0.0,
    "learning_rate": 0.01,
    "critic_units": 32,
    "epochs": 300,
}


def test_the_codes_of_an_adversarial_autoencoder_have_their_prior() -> None:
    frame, group = planted()
    prior = torch.randn(240, 2, generator=generator(2)).numpy()
    model = autorec.create("aae", reconstruction="multinomial:0.02", **PLANTED).fit(frame)
    assert p_value(model.draw_codes(1), prior) > 0.05
    assert share_right(model.recommend(n=1), group) > 0.95
    assert covers_the_groups(model)
    free = autorec.create("aae", reconstruction="multinomial:50", **PLANTED | {"epochs": 30}).fit(frame)
    assert p_value(free.draw_codes(1), prior) < 0.01


QUICK = PLANTED | {"epochs": 120}


def own_share(model: AdversarialAutoencoder, group: np.ndarray) -> float:
    """Of the probability that users choose again, how much is on the items of their group; a mean."""
    scores = torch.from_numpy(model.score_users(model.encode_users(model.ratings_.csr)))
    shares = scores.softmax(dim=1).reshape(-1, GROUPS, EACH).sum(dim=2).numpy()  # [users × groups]
    return float(shares[np.arange(len(group)), group].mean())


def test_alice_reconstructs_the_groups_where_ali_does_not() -> None:
    """In a code of many units nothing but the reconstruction makes the code tell of its profile."""
    frame, group = planted()
    ali, alice = (autorec.create(name, **QUICK | {"hidden": 64}).fit(frame) for name in ("ali", "alice"))
    assert own_share(ali, group) < 0.5
    assert own_share(alice, group) > 0.95


@pytest.mark.parametrize("name", ["wgan-ae", "vae-gan", "ali", "hali", "alice"])
def test_groups_are_found_and_users_of_every_group_are_made(name: str) -> None:
    frame, group = planted()
    settings = PLANTED if name == "wgan-ae" else QUICK
    model = autorec.create(name, **settings | ({"above": 2, "hidden": "32-4"} if name == "hali" else {})).fit(frame)
    assert share_right(model.recommend(n=1), group) > 0.95
    assert covers_the_groups(model)


def test_what_cannot_work_is_refused() -> None:
    for settings, said in (
        ({"matches": "codes"}, "matches is 'codes'; allowed: code, profile, joint.*did you mean code"),
        ({"critic": "wgan:3"}, r"critic is 'wgan:3'; allowed: gan:x \(x ≥ 0\), wasserstein:x"),
        (
            {"reconstruction": "none"},
            "matches 'code' needs a reconstruction: give multinomial:λ, or use matches 'joint'",
        ),
        ({"reconstruction": "features:1"}, "features needs a critic of profiles: use matches 'profile'"),
        ({"above": -1}, "above is -1; allowed: a whole number from 0 up"),
        ({"critic_units": 0}, "critic_units is 0; allowed"),
    ):
        with pytest.raises(ParameterError, match=said):
            AdversarialAutoencoder(**settings).fit(checkerboard())


def test_sampled_probabilities_sum_to_1_and_follow_the_seed() -> None:
    model = AdversarialAutoencoder(hidden=4, epochs=2).fit(planted(40)[0])
    made = model.sample(7, random_state=3)
    np.testing.assert_allclose(made.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(made, model.sample(7, random_state=3))
    assert (made != model.sample(7, random_state=4)).any()
