"""Autoencoders of choices: Mult-VAE and Mult-DAE (Liang et al., WWW 2018), RecVAE (Shenbin et al., WSDM 2020) and their
kin as one estimator."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, get_args

import numpy as np
import torch
from scipy import sparse

from autorec import checks, group, progress, words
from autorec.errors import ParameterError
from autorec.models.base import IntArray, OnValidation, RandomState, Recommender
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
    remembering,
    score_all,
    summarise,
    train_by_ndcg,
    training_bytes,
)
from autorec.models.vectors import Vectors, vectors
from autorec.network.activations import activation
from autorec.network.autoencoder import Autoencoder, Decoder, Encoder
from autorec.network.batch import Batch
from autorec.network.code import CODES
from autorec.network.corruption import CORRUPTIONS
from autorec.network.likelihood import LIKELIHOODS, Likelihood
from autorec.network.parts import Part, parse, parse_sum
from autorec.network.penalty import PENALTIES, Penalty
from autorec.network.sampled_softmax import sampled_multinomial
from autorec.network.shard import WHOLE, WHOLE_MESH, Mesh, Shard
from autorec.network.sparse import encode
from autorec.ratings.matrix import Ratings
from autorec.storage import network_arrays
from autorec.storage.arrays import Arrays, Expected, Shape
from autorec.training.adam import Adam, warm_cosine
from autorec.training.adversarial import make_profile
from autorec.training.distributed import check_mesh, gather, meshed
from autorec.training.loop import TrainingLog
from autorec.training.objective import Loss, objective
from autorec.training.state import State
from autorec.training.steps import Step, alternate, descend, stochastic_epoch

ALL_MOST, SAMPLE = 20_000, 4096  # items: more are sampled, unless `sample` says how many


class ChoiceAutoencoder(Recommender):
    """An autoencoder of which items each user chose: x_ui is 1 where u rated i at `relevant` or above, else 0.

    f(x) = V · d(code) + b, the code made of x / ‖x‖ by the encoder, d the encoder's layers mirrored or nothing; items
    are ranked by f. What it is to fit is the `likelihood` of x; objective and factors in `autorec.training.objective`.

    hidden         units of the encoder's layers, the last of them the code's: 200, (600, 200) or "600-200", with which
                   the decoder has a layer of 600 before the items
    activation     of the hidden layers: identity, sigmoid, tanh, relu, elu, selu, swish
    skips          whether each hidden layer of the encoder but the code's, all of one width as in "600-600-200", is
                   given the sum of those before it too, and its units are normalised (Shenbin et al., WSDM 2020)
    code           "point", or "gaussian": drawn while training, its mean afterwards
    likelihood     "multinomial" or "bernoulli", see `autorec.network.likelihood`
    features       weight, beside the likelihood, of the squared distance between choices and their reconstruction, in
                   the hidden layers of an encoder that is trained first, as that of mult-dae with the same layers, and
                   then frozen (Hou et al., WACV 2017), for catalogues of which a batch can be dense; 0: none
    sample         items whose outputs are computed beside those chosen, drawn anew for each batch, for the sum in
                   multinomial (`autorec.network.sampled_softmax`); "auto": all up to 20,000 items, else 4,096
    penalty        "none", or parts joined by +, as "gaussian_kl:0.2@2000+l2:1", see `autorec.network.penalty`
    corruption     of the inputs in training: "none", "masking:p", "gaussian:sd"
    decoder        "mirrored": it has the encoder's layers in reverse; "linear": it is V · code + b
    own_vectors    whether each user has a vector of their own, added to the sums of the encoder's first layer (CDAE, Wu
                   et al., WSDM 2016); that of new users, and of those held out, is 0
    encoder_steps  0: encoder and decoder learn together. k: on each batch the encoder takes k steps while the decoder
                   rests, then the decoder one on inputs without corruption (Shenbin et al., WSDM 2020)
    learning_rate  of Adam, at its peak
    epochs         at most
    batch          users in a batch
    validation     share of the users held out for early stopping, or "auto": 10 %, at most 500; the score is NDCG@100
                   of a fifth of their choices. With fewer than 20 such users: none, and all epochs run
    patience       validations without a better one before the training stops
    relevant       the lowest rating that counts as a choice; None: low + ¾·(high − low) of the scale, 4 on 1 … 5
    half_life      days after which a choice in a user's history counts half; "auto": chosen on the latest
                   ratings, none without dates; None: all count alike; see `autorec.models.recency`
    random_state   seed of everything random: same seed, same number of threads, same bits

    Learned: `network_`, of choices [users × items]; `summary_` with the learning curve.

    >>> ratings = autorec.load_sample()
    >>> model = autorec.ChoiceAutoencoder(hidden=8, epochs=1).fit(ratings)
    >>> model.recommend(1, n=2)[["user", "rank"]].to_dict("list")
    {'user': [1, 1], 'rank': [1, 2]}
    """

    rates: ClassVar[bool] = False
    spreads = True

    network_: Autoencoder

    def __init__(
        self,
        hidden: int | str | Sequence[int] = 200,
        activation: words.Activation = "tanh",
        skips: bool = False,
        code: words.Code = "point",
        likelihood: words.LikelihoodOfChoices = "multinomial",
        features: float = 0.0,
        penalty: str = "none",
        corruption: str = "masking:0.5",
        sample: int | words.Auto = "auto",
        decoder: words.DecoderOfChoices = "mirrored",
        own_vectors: bool = False,
        encoder_steps: int = 0,
        learning_rate: float = 0.001,
        epochs: int = 100,
        batch: int = 500,
        validation: float | words.Auto = "auto",
        patience: int = 5,
        relevant: float | None = None,
        half_life: float | words.Auto | None = None,
        random_state: RandomState = 0,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.skips = skips
        self.code = code
        self.likelihood = likelihood
        self.features = features
        self.penalty = penalty
        self.corruption = corruption
        self.sample = sample
        self.decoder = decoder
        self.own_vectors = own_vectors
        self.encoder_steps = encoder_steps
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch = batch
        self.validation = validation
        self.patience = patience
        self.relevant = relevant
        self.half_life = half_life
        self.random_state = random_state

    def _check_parameters(self) -> None:
        widths = checks.layers(self.hidden)
        activation(self.activation)
        checks.flag("skips", self.skips)
        if self.skips and len(set(widths[:-1])) > 1:
            raise ParameterError(
                "skips adds hidden layers to each other, which then are as wide, as in 600-600-200; hidden is "
                f"{self.hidden}"
            )
        checks.one_of("likelihood", self.likelihood, get_args(words.LikelihoodOfChoices))
        checks.number("features", self.features, least=0)
        code = parse("code", self.code, CODES)
        penalties = self._penalties()
        parse("corruption", self.corruption, CORRUPTIONS)
        for name in ("gaussian_kl", "composite_kl"):
            if name in penalties and code.name != "gaussian":
                raise ParameterError(f"penalty {name} needs a code with a variance: use code gaussian")
        checks.auto_or(checks.whole, "sample", self.sample)
        checks.one_of("decoder", self.decoder, get_args(words.DecoderOfChoices))
        checks.flag("own_vectors", self.own_vectors)
        checks.whole("encoder_steps", self.encoder_steps, least=0)
        check_training(self)

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        self._require_memory(ratings)
        data = prepare(ratings, self.relevant, self.validation, self.random_state)
        n_items = data.chosen.shape[1]
        with meshed() as mesh, torch.inference_mode(False), torch.enable_grad():  # whatever the caller has set
            if mesh.size > 1:
                self._check_shared(mesh, n_items)
            network, log = self._train(data, on_validation, mesh)
            for parameter in network.parameters():
                parameter.grad = None
            gather(network, n_items, mesh)
        if group.place()[0]:
            return {}
        self.network_ = network
        return summarise(log, network, data)

    def _check_shared(self, mesh: Mesh, n_items: int) -> None:
        check_mesh(mesh, n_items, self._penalties())
        if self.features:
            raise ParameterError("features are computed of all items, in one process; several share a training without")
        if self.half_life == "auto":
            raise ParameterError("half_life auto is chosen by one process; give several a number of days, or none")

    def _train(
        self, data: Choices, on_validation: OnValidation | None, mesh: Mesh = WHOLE_MESH
    ) -> tuple[Autoencoder, TrainingLog]:
        generator = torch.Generator().manual_seed(data.seed)
        likelihood = self._choose_likelihood(data.chosen.shape[1], generator)
        if self.features:
            distance = distance_in_features(self._train_features(data))
            likelihood = replace(likelihood, function=weighted_sum(likelihood.function, self.features, distance))
        network = self._build(data.n_users, data.chosen.shape[1], generator, mesh.columns)
        examples = make_choice_examples(data, self.batch, identified=self.own_vectors, mesh=mesh)
        state = State([network], [generator, data.rng], network.of_columns(), data.chosen.shape[1])
        step = self._make_step(network, likelihood, self.epochs * len(examples), generator, state)
        epoch = stochastic_epoch(step, examples, data.rng)
        if "composite_kl" in self._penalties():
            epoch = remembering(network, examples, epoch)
        log = train_by_ndcg(
            [network],
            lambda given: score_all(network, given),
            epoch,
            data.held_out,
            epochs=self.epochs,
            patience=self.patience,
            on_validation=on_validation,
            state=state,
        )
        return network, log

    def _make_step(
        self, network: Autoencoder, likelihood: Part[Likelihood], total: int, generator: torch.Generator, state: State
    ) -> Step:
        """total: steps of the training. state: keeps the optimisers."""

        def loss_with(corruption: str) -> Loss:
            part = parse("corruption", corruption, CORRUPTIONS)
            return objective(network, {HEAD: likelihood}, self._penalties(), part, generator)

        def optimizer_of(module: torch.nn.Module) -> Adam:
            return state.keep(Adam(module.parameters(), lambda step: self.learning_rate * warm_cosine(step, total)))

        if not self.encoder_steps:
            return descend(loss_with(self.corruption), optimizer_of(network))
        encoder, decoder = network.encoder, network.head(HEAD)
        of_encoder = descend(loss_with(self.corruption), optimizer_of(encoder), fixed=decoder.parameters())
        of_decoder = descend(loss_with("none"), optimizer_of(decoder), fixed=encoder.parameters())
        return alternate(*[of_encoder] * self.encoder_steps, of_decoder)

    def _choose_likelihood(self, n_items: int, generator: torch.Generator) -> Part[Likelihood]:
        """The likelihood of all items, or of a sample of them, drawn by the generator."""
        part = parse("likelihood", self.likelihood, LIKELIHOODS)
        size = (n_items if n_items <= ALL_MOST else SAMPLE) if isinstance(self.sample, str) else self.sample
        if part.name != "multinomial" or size >= n_items:
            return part
        progress.note(f"Each batch learns from its choices and a sample of {size:,} of the {n_items:,} items.")
        return replace(part, function=sampled_multinomial(size, generator))

    def _train_features(self, data: Choices) -> Encoder:
        """The encoder of a denoising autoencoder of the same choices, with the layers of this model."""
        plain = {"likelihood": "multinomial", "features": 0.0, "code": "point", "penalty": "l2:1", "encoder_steps": 0}
        model = ChoiceAutoencoder(**(self.get_params(deep=False) | plain))
        own_draws = replace(data, rng=np.random.default_rng(data.seed))
        return model._train(own_draws, None)[0].encoder

    def _penalties(self) -> dict[str, Part[Penalty]]:
        return parse_sum("penalty", self.penalty, PENALTIES)

    def _build(self, n_users: int, n_items: int, generator: torch.Generator, shard: Shard = WHOLE) -> Autoencoder:
        widths, mirrored = checks.layers(self.hidden), self.decoder == "mirrored"
        parts = (n_items, widths, self.activation, self.code, generator)
        n_vectors = n_users if self.own_vectors else 0
        return build_network(*parts, mirrored=mirrored, n_users=n_vectors, skips=self.skips, shard=shard)

    def _memory(self, n_users: int, n_items: int, n_ratings: int) -> int:
        widths = checks.layers(self.hidden)
        own = training_bytes(n_users, n_items, widths, self.batch)
        of_users = 5 * 4 * n_users * widths[0] if self.own_vectors else 0  # as many copies as of other parameters
        of_features = 4 * 4 * min(self.batch, n_users) * n_items if self.features else 0  # a profile, its gradient
        return super()._memory(n_users, n_items, n_ratings) + own + of_users + of_features

    def _encode_choices(self, chosen: sparse.csr_array, users: IntArray | None = None) -> Vectors:
        """Of choices [B × items] of known users [B], or of new ones."""
        hidden = hidden_units(self.network_, chosen, users)
        return vectors(hidden, np.zeros(len(hidden)))

    def _users(self, rows: IntArray) -> Vectors:
        return self._encode_choices(self._choices_of(rows), rows)

    def _with_users(self, histories: sparse.csr_array) -> dict[str, Any]:
        """The network with vectors of the new users, all 0; its other weights are shared."""
        vectors = self.network_.encoder.row_weight
        if vectors is None:
            return {}
        zeros = np.zeros((histories.shape[0], vectors.shape[1]), dtype=np.float32)
        arrays = network_arrays.pack(self.network_) | {"encoder.row_weight": zeros}
        return {"network_": network_arrays.unpack(partial(self._build_empty, len(zeros)), arrays)}

    def _items(self) -> Vectors:
        return item_vectors(self.network_)

    # --- file -----------------------------------------------------------------------------------------------

    def _arrays(self) -> Arrays:
        return network_arrays.pack(self.network_)

    def _expected_arrays(self, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
        build = partial(self._build_empty, self.ratings_.n_users)
        return network_arrays.expected(build, shapes, len(checks.layers(self.hidden)))

    def _set_arrays(self, arrays: Arrays) -> None:
        self.network_ = network_arrays.unpack(partial(self._build_empty, self.ratings_.n_users), arrays)

    def _build_empty(self, n_users: int) -> Autoencoder:
        return self._build(n_users, self.ratings_.n_items, torch.Generator())


def distance_in_features(encoder: Encoder) -> Likelihood:
    """Σ_rows Σ_layers ‖φ(x) − φ(x̂)‖², φ a hidden layer of the encoder, x = choices / ‖choices‖ and x̂ = √softmax of the
    outputs, profiles of length 1 (Hou et al.: Deep Feature Consistent Variational Autoencoder, WACV 2017). Where φ is
    the identity it is the squared error of the profile.

    The encoder is frozen by this, for good. x̂ is dense, [n × m] of one batch.
    """
    encoder.requires_grad_(False)
    (weight,) = encoder.weights

    def distance(head: Decoder, target: Batch, code: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        wanted = encoder.layers(encode(normalised(target), weight) + encoder.bias)
        made = encoder.layers(make_profile(head, code) @ weight + encoder.bias)
        return torch.stack([(a - b).square().sum() for a, b in zip(made, wanted, strict=True)]).sum()

    return distance


def weighted_sum(one: Likelihood, weight: float, other: Likelihood) -> Likelihood:
    """one + weight · other."""

    def both(head: Decoder, target: Batch, code: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        return one(head, target, code, offset) + weight * other(head, target, code, offset)

    return both
