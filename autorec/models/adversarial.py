"""Adversarial autoencoders of choices: AAE, WGAN on the code, VAE-GAN, ALI, HALI and ALICE as one estimator."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from autorec import checks, words
from autorec.errors import ParameterError
from autorec.models.base import OnValidation, RandomState, Recommender, Scores
from autorec.models.choice_network import (
    HEAD,
    Choices,
    build_network,
    check_training,
    hidden_units,
    item_vectors,
    make_choice_examples,
    normalised,
    prepare,
    score_all,
    summarise,
    train_by_ndcg,
    training_bytes,
)
from autorec.models.vectors import Vectors, vectors
from autorec.network.activations import activation
from autorec.network.autoencoder import Autoencoder
from autorec.network.batch import make_batch
from autorec.network.code import Prior, drawn_by
from autorec.network.corruption import CORRUPTIONS
from autorec.network.critic import Critic
from autorec.network.parts import parse, parse_sum
from autorec.network.penalty import PENALTIES
from autorec.ranking.positives import positives
from autorec.ratings.matrix import Ratings
from autorec.storage import network_arrays
from autorec.storage.arrays import Arrays, Expected, Shape
from autorec.training.adam import Adam, warm_cosine
from autorec.training.adversarial import MATCHES, RECONSTRUCTIONS, RIVALS, Players, Rules, deceive, judge, make_profile
from autorec.training.loop import TrainingLog
from autorec.training.state import State
from autorec.training.steps import alternate, descend, stochastic_epoch

BETAS = (0.5, 0.9)  # of Adam: little memory of gradients whose direction the other side has changed since
NETWORK, PRIOR = "network.", "prior."  # begin the names of their arrays in a file


class AdversarialAutoencoder(Recommender):
    """An autoencoder of which items each user chose, trained against a critic that tells known rows from made ones.

    As `ChoiceAutoencoder` with a Gaussian code: f(x) = V · d(code) + b, items are ranked by f. The objective is the
    critic's and, on the other side, the mean over the users of: the critic's with the sides exchanged, reconstruction,
    penalty; see `autorec.training.adversarial`. New users can be made: a code drawn from the prior, N(0, 1) in each
    unit, is decoded to the probabilities of what they choose.

    hidden          units of the encoder's layers, the last of them the code's, as of `ChoiceAutoencoder`. Codes of more
                    units than users differ in leave most of the prior empty, and users made of it are all alike
                    (Rubenstein et al., On the latent space of Wasserstein auto-encoders, 2018)
    above           units of a second code above the code, 0 for none; then the prior of the code is learned
    activation      of the hidden layers: identity, sigmoid, tanh, relu, elu, selu, swish
    matches         what the critic sees: "code" (drawn from the prior, or of a user), "profile" (of a user, or made of
                    a code), "joint" (a user's profile and code, or a drawn code and the profile made of it)
    critic          "gan:s" or "wasserstein:s", s the strength of the penalty on its gradient
    critic_units    of each of its two hidden layers
    reconstruction  "multinomial:λ" of the choices, "features:λ" in the critic's last layer (of profiles), joined by +;
                    "none" with matches="joint" alone: there the critic pairs codes and profiles
    penalty         "none", or parts joined by +, as "gaussian_kl:0.2@2000+l2:1", see `autorec.network.penalty`
    corruption      of the inputs in training: "none", "masking:p", "gaussian:sd"
    learning_rate   of Adam, at its peak, on both sides
    epochs, batch, validation, patience, relevant, half_life, random_state  as of `ChoiceAutoencoder`

    Learned: `network_`, of choices [users × items]; `prior_`; `summary_` with the learning curve; not the critic.

    >>> ratings = autorec.load_sample()
    >>> model = autorec.AdversarialAutoencoder(hidden=8, epochs=1).fit(ratings)
    >>> model.draw_codes().shape
    (597, 8)
    >>> model.sample(3).shape  # scores of the items for three codes of the prior
    (3, 300)
    """

    rates: ClassVar[bool] = False
    network_: Autoencoder
    prior_: Prior

    def __init__(
        self,
        hidden: int | str | Sequence[int] = "200-50",
        above: int = 0,
        activation: words.Activation = "tanh",
        matches: words.Match = "code",
        critic: str = "gan:1",
        critic_units: int = 128,
        reconstruction: str = "multinomial:0.03",
        penalty: str = "none",
        corruption: str = "masking:0.5",
        learning_rate: float = 0.003,
        epochs: int = 60,
        batch: int = 100,
        validation: float | words.Auto = "auto",
        patience: int = 5,
        relevant: float | None = None,
        half_life: float | words.Auto | None = None,
        random_state: RandomState = 0,
    ) -> None:
        self.hidden = hidden
        self.above = above
        self.activation = activation
        self.matches = matches
        self.critic = critic
        self.critic_units = critic_units
        self.reconstruction = reconstruction
        self.penalty = penalty
        self.corruption = corruption
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch = batch
        self.validation = validation
        self.patience = patience
        self.relevant = relevant
        self.half_life = half_life
        self.random_state = random_state

    def _check_parameters(self) -> None:
        checks.layers(self.hidden)
        checks.whole("above", self.above, 0)
        activation(self.activation)
        checks.one_of("matches", self.matches, tuple(MATCHES))
        parse("critic", self.critic, RIVALS)
        checks.whole("critic_units", self.critic_units)
        reconstructions = parse_sum("reconstruction", self.reconstruction, RECONSTRUCTIONS)
        if not reconstructions and self.matches != "joint":
            raise ParameterError(
                f"matches {self.matches!r} needs a reconstruction: give multinomial:λ, or use matches 'joint'"
            )
        if "features" in reconstructions and self.matches != "profile":
            raise ParameterError("reconstruction features needs a critic of profiles: use matches 'profile'")
        parse_sum("penalty", self.penalty, PENALTIES)
        parse("corruption", self.corruption, CORRUPTIONS)
        check_training(self)

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        self._require_memory(ratings)
        data = prepare(ratings, self.relevant, self.validation, self.random_state)
        with torch.inference_mode(False), torch.enable_grad():  # whatever the caller has set
            players, log = self._train(data, on_validation)
        for parameter in (*players.network.parameters(), *players.prior.parameters()):
            parameter.grad = None
        self.network_, self.prior_ = players.network, players.prior
        return summarise(log, players.network, data)

    def _train(self, data: Choices, on_validation: OnValidation | None) -> tuple[Players, TrainingLog]:
        generator = torch.Generator().manual_seed(data.seed)
        examples = make_choice_examples(data, self.batch)
        players = self._make_players(data.chosen.shape[1], generator)
        rival = parse("critic", self.critic, RIVALS).function
        rules = Rules(MATCHES[self.matches], rival, parse("corruption", self.corruption, CORRUPTIONS).function)
        reconstructions = parse_sum("reconstruction", self.reconstruction, RECONSTRUCTIONS)
        penalties = parse_sum("penalty", self.penalty, PENALTIES)

        parameters = [*players.network.parameters(), *players.prior.parameters()]
        total = self.epochs * len(examples)
        state = State([players.network, players.prior, players.critic], [generator, data.rng])
        of_critic = state.keep(Adam(players.critic.parameters(), lambda step: self.learning_rate, BETAS))
        of_network = state.keep(Adam(parameters, lambda step: self.learning_rate * warm_cosine(step, total), BETAS))
        judging = descend(judge(players, rules, generator), of_critic)
        deceiving = descend(
            deceive(players, rules, reconstructions, penalties, generator),
            of_network,
            fixed=players.critic.parameters(),
        )
        log = train_by_ndcg(
            [players.network, players.prior],
            lambda given: score_all(players.network, given),
            stochastic_epoch(alternate(*[judging] * rival.steps, deceiving), examples, data.rng),
            data.held_out,
            epochs=self.epochs,
            patience=self.patience,
            on_validation=on_validation,
            state=state,
        )
        return players, log

    def _make_players(self, n_items: int, generator: torch.Generator) -> Players:
        network, prior = self._build_network(n_items, generator), self._build_prior(generator)
        n_columns = n_items if self.matches != "code" else 0
        n_code = prior.units + prior.above if self.matches != "profile" else 0
        critic = Critic(n_columns, n_code, self.critic_units, generator)
        return Players(network, network.head(HEAD), prior, critic)

    def _build_network(self, n_items: int, generator: torch.Generator) -> Autoencoder:
        return build_network(n_items, checks.layers(self.hidden), self.activation, "gaussian", generator)

    def _build_prior(self, generator: torch.Generator) -> Prior:
        return Prior(checks.layers(self.hidden)[-1], self.above, generator)

    def _memory(self, n_users: int, n_items: int, n_ratings: int) -> int:
        own = training_bytes(n_users, n_items, checks.layers(self.hidden), self.batch)
        critic = 0 if self.matches == "code" else training_bytes(n_users, n_items, (self.critic_units,), self.batch)
        return super()._memory(n_users, n_items, n_ratings) + own + critic

    def _encode_choices(self, chosen: sparse.csr_array) -> Vectors:
        hidden = hidden_units(self.network_, chosen)
        return vectors(hidden, np.zeros(len(hidden)))

    def _items(self) -> Vectors:
        return item_vectors(self.network_)

    def sample(self, n: int, random_state: RandomState = 0) -> Scores:
        """[n × items] the probabilities with which n new users choose, each of a code drawn from the prior; rows sum to
        1."""
        self._fitted()
        generator = torch.Generator().manual_seed(checks.seed("random_state", random_state))
        with torch.no_grad():
            code = self.prior_.draw(checks.whole("n", n), generator)[:, : self.prior_.units]
            return np.asarray(make_profile(self.network_.head(HEAD), code).square())

    def draw_codes(self, random_state: RandomState = 0) -> npt.NDArray[np.float32]:
        """[users × K] codes of the users in `ratings_` who chose something, drawn as in training."""
        chosen = positives(self._fitted().csr, self.ratings_.scale, self.relevant)
        chosen = chosen[np.diff(chosen.indptr) > 0]
        generator = torch.Generator().manual_seed(checks.seed("random_state", random_state))
        with torch.no_grad():
            layer = self.network_.encoder([normalised(make_batch(chosen))])
            return np.asarray(self.network_.code(layer, drawn_by(generator, len(layer)))[0])

    # --- file -----------------------------------------------------------------------------------------------

    def _arrays(self) -> Arrays:
        return network_arrays.pack(self.network_, NETWORK) | network_arrays.pack(self.prior_, PRIOR)

    def _expected_arrays(self, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
        depth = len(checks.layers(self.hidden))
        network = network_arrays.expected(self._empty_network, shapes, depth, NETWORK)
        return network | network_arrays.expected(self._empty_prior, shapes, depth, PRIOR)

    def _set_arrays(self, arrays: Arrays) -> None:
        self.network_ = network_arrays.unpack(self._empty_network, arrays, NETWORK)
        self.prior_ = network_arrays.unpack(self._empty_prior, arrays, PRIOR)

    def _empty_network(self) -> Autoencoder:
        return self._build_network(self.ratings_.n_items, torch.Generator())

    def _empty_prior(self) -> Prior:
        return self._build_prior(torch.Generator())
