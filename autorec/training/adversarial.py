"""Adversarial objectives: a critic tells two sides apart, real rows and made ones, and the network makes them alike.

The two learn in turn, each by steps of its own (`autorec.training.steps.alternate`). What the sides are, `MATCHES` says
by name; how they are told apart, `RIVALS`. Where both sides have the same distribution, no critic does better than D =
0, a probability of ½.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from autorec.network.autoencoder import Autoencoder, Decoder, Trace
from autorec.network.batch import Batch
from autorec.network.code import Prior
from autorec.network.corruption import Corruption
from autorec.network.critic import Critic, Side
from autorec.network.example import Example
from autorec.network.likelihood import LIKELIHOODS
from autorec.network.parts import Kind, Part
from autorec.network.penalty import Penalty
from autorec.training.objective import Loss


@dataclass(frozen=True)
class Rival:
    """value: (D of the real rows [n], D of the made ones [n]) → what the critic minimises, a scalar; the network
    minimises the same with the sides exchanged. The norms of the critic's gradient between the sides are pulled to
    `slope` with that strength. steps: of the critic for each of the network."""

    value: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    slope: float
    strength: float
    steps: int


def gan(strength: float) -> Rival:
    """−E log σ(D(real)) − E log(1 − σ(D(made))), 2 log 2 where the sides are equal, and strength · E ‖∇D‖².

    Goodfellow et al., NeurIPS 2014, with the loss of the network that does not saturate; the penalty with slope 0 lets
    both come to rest (Mescheder et al., ICML 2018; Thanh-Tung et al., ICLR 2019).
    """

    def value(real: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
        return nn.functional.softplus(-real).mean() + nn.functional.softplus(made).mean()

    return Rival(value, 0.0, strength, 1)


def wasserstein(strength: float) -> Rival:
    """E D(made) − E D(real), −W₁ of the sides at its least over D of slope 1, and strength · E (‖∇D‖ − 1)² (Gulrajani
    et al., NeurIPS 2017)."""
    return Rival(lambda real, made: made.mean() - real.mean(), 1.0, strength, 3)


RIVALS: dict[str, Kind[Rival]] = {"gan": Kind(gan, 0.0), "wasserstein": Kind(wasserstein, 0.0)}


@dataclass(frozen=True, eq=False)
class Players:
    """The modules that learn from each other; head: the decoder that makes profiles of codes."""

    network: Autoencoder
    head: Decoder
    prior: Prior
    critic: Critic


# (players, a pass through the encoder, its rows as profiles [n × m], generator) → (real, made), n rows each
Match = Callable[[Players, Trace, Batch, torch.Generator], tuple[Side, Side]]


@dataclass(frozen=True)
class Rules:
    """What is told apart, how, and with what noise on the inputs of the encoder."""

    match: Match
    rival: Rival
    corruption: Corruption


def match_code(players: Players, trace: Trace, profile: Batch, generator: torch.Generator) -> tuple[Side, Side]:
    """The prior against the codes of known rows, which as a whole are to be distributed like it (Makhzani et al.,
    2015)."""
    codes = players.prior.complete(trace.code, generator)
    return Side(code=players.prior.draw(len(codes), generator)), Side(code=codes)


def match_profile(players: Players, trace: Trace, profile: Batch, generator: torch.Generator) -> tuple[Side, Side]:
    """Known profiles against made ones, of a row's own code or, as often, of the prior (Larsen et al., ICML 2016)."""
    drawn = players.prior.draw(len(trace.code), generator)[:, : players.prior.units]
    own = torch.rand(len(drawn), 1, generator=generator) < 0.5
    return Side(profile), Side(make_profile(players.head, torch.where(own, trace.code, drawn)))


def match_joint(players: Players, trace: Trace, profile: Batch, generator: torch.Generator) -> tuple[Side, Side]:
    """(known profile, its codes) against (made profile, drawn codes): equal only where encoder and decoder are inverse
    (Dumoulin et al., ICLR 2017; Donahue et al., ICLR 2017)."""
    codes, drawn = players.prior.complete(trace.code, generator), players.prior.draw(len(trace.code), generator)
    made = make_profile(players.head, drawn[:, : players.prior.units])
    return Side(profile, codes), Side(made, drawn)


MATCHES: dict[str, Match] = {"code": match_code, "profile": match_profile, "joint": match_joint}


def make_profile(head: Decoder, code: torch.Tensor) -> torch.Tensor:
    """Code [n × K] → √softmax of the outputs [n × m], of length 1 as x / ‖x‖ of choices x is; the distance between two
    such profiles is √2 times Hellinger's."""
    outputs = head.all(code, code.new_zeros(len(code)))
    return (outputs.log_softmax(dim=1) / 2).exp()


def judge(players: Players, rules: Rules, generator: torch.Generator) -> Loss:
    """What the critic minimises, see `Rival`; the other players stand still."""
    critic, rival = players.critic, rules.rival

    def loss(example: Example, step: int) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            trace = players.network(rules.corruption(example, generator), generator)
            real, made = rules.match(players, trace, example.inputs[0], generator)
        sums = critic.sums(real), critic.sums(made)  # [n × H] each
        terms = {"critic": rival.value(critic(sums[0]), critic(sums[1]))}
        if rival.strength:
            share = torch.rand(len(sums[0]), 1, generator=generator)
            norms = critic.gradient_norms(torch.lerp(*sums, share))
            terms["slope"] = rival.strength * (norms - rival.slope).square().mean()
        return terms

    return loss


# (the players, a pass through the encoder, the profiles [n × m] that it saw) → a scalar, summed over the rows
Reconstruction = Callable[[Players, Trace, Batch], torch.Tensor]


def multinomial(strength: float) -> Reconstruction:
    """λ · −log likelihood of the choices, see `autorec.network.likelihood`: with λ > 0 in joint matching the bound on
    the conditional entropy of ALICE (Li et al., NeurIPS 2017)."""
    likelihood = LIKELIHOODS["multinomial"].make()

    def term(players: Players, trace: Trace, profile: Batch) -> torch.Tensor:
        (target,) = trace.example.targets.values()
        return strength * likelihood(players.head, target, trace.code, trace.example.offset)

    return term


def features(strength: float) -> Reconstruction:
    """λ Σ_rows ‖h(x) − h(x̂)‖², h the last hidden layer of the critic, x̂ the profile made of the row's code (Larsen et
    al., ICML 2016, eq. 7)."""

    def term(players: Players, trace: Trace, profile: Batch) -> torch.Tensor:
        critic = players.critic
        with torch.no_grad():
            wanted = critic.features(critic.sums(Side(profile)))
        made = critic.features(critic.sums(Side(make_profile(players.head, trace.code))))
        return strength * (made - wanted).square().sum()

    return term


RECONSTRUCTIONS: dict[str, Kind[Reconstruction]] = {
    "multinomial": Kind(multinomial, 0.0),
    "features": Kind(features, 0.0),
}


def deceive(
    players: Players,
    rules: Rules,
    reconstructions: Mapping[str, Part[Reconstruction]],
    penalties: Mapping[str, Part[Penalty]],
    generator: torch.Generator,
) -> Loss:
    """What the network and the prior minimise: the critic's value with the sides exchanged, and the other terms as
    means over the rows. The critic is to be `fixed`."""
    critic = players.critic

    def loss(example: Example, step: int) -> dict[str, torch.Tensor]:
        n = max(example.n_rows, 1)
        trace = players.network(rules.corruption(example, generator), generator)
        real, made = rules.match(players, trace, example.inputs[0], generator)
        terms = {"deception": rules.rival.value(critic(critic.sums(made)), critic(critic.sums(real)))}
        for name, part in reconstructions.items():
            terms[name] = part.strength(step) / n * part.function(players, trace, example.inputs[0])
        for name, penalty in penalties.items():
            terms[name] = penalty.strength(step) / n * penalty.function(players.network, trace)
        return terms

    return loss
