"""MacridVAE (Ma et al.: Learning Disentangled Representations for Recommendation, NeurIPS 2019): a variational
autoencoder of choices in which items belong to concepts, and each user has a code for each concept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from sklearn.cluster import KMeans

from autorec import checks, words
from autorec.models import choice_network, similarity
from autorec.models.base import OnValidation, RandomState, Recommender, Scores
from autorec.models.choice_network import HEAD, Choices
from autorec.models.puresvd import truncated_svd
from autorec.network.autoencoder import Trace
from autorec.network.batch import Batch, make_batch
from autorec.network.code import drawn_by
from autorec.network.concepts import Concepts
from autorec.network.corruption import CORRUPTIONS
from autorec.network.example import Example
from autorec.network.parts import parse, parse_sum
from autorec.network.penalty import PENALTIES
from autorec.ratings.matrix import Ratings
from autorec.storage import network_arrays
from autorec.storage.arrays import Arrays, Expected, Shape
from autorec.training.adam import Adam, warm_cosine
from autorec.training.loop import TrainingLog
from autorec.training.state import State
from autorec.training.steps import descend, stochastic_epoch

ALLOWED = {name: PENALTIES[name] for name in ("gaussian_kl", "l2", "l1")}


class MacridVAE(Recommender):
    """A model of choice: x_ui is 1 where u rated i at `relevant` or above, else 0. Scores are the outputs of
    `autorec.network.concepts`; the objective is their multinomial likelihood and the penalty. See `start`.

    concepts  K, of which each item has a share in each
    hidden    units of the encoder's layers, the last of them those of a code and of the vector of an item
    penalty   "none", or some of "gaussian_kl:β@steps", "l2:λ" and "l1:λ", joined by +
    corruption, learning_rate, epochs, batch, validation, patience, relevant, half_life, random_state  as of
              `ChoiceAutoencoder`; K arrays [batch × items] are made

    Learned: `network_`; `shares_` [items × K], rows sum to 1; `summary_` with the learning curve.

    >>> autorec.MacridVAE(concepts=2, hidden=8, epochs=1).fit(autorec.load_sample()).shares_.shape
    (300, 2)
    """

    rates: ClassVar[bool] = False
    network_: Concepts

    def __init__(
        self,
        concepts: int = 4,
        hidden: int | str | Sequence[int] = 100,
        penalty: str = "gaussian_kl:0.2@300",
        corruption: str = "masking:0.5",
        learning_rate: float = 0.005,
        epochs: int = 60,
        batch: int = 100,
        validation: float | words.Auto = "auto",
        patience: int = 5,
        relevant: float | None = None,
        half_life: float | words.Auto | None = None,
        random_state: RandomState = 0,
    ) -> None:
        self.concepts = concepts
        self.hidden = hidden
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

    @property
    def shares_(self) -> npt.NDArray[np.float32]:
        with torch.no_grad():
            return np.asarray(self.network_.log_shares().T.exp())

    def _check_parameters(self) -> None:
        checks.whole("concepts", self.concepts)
        checks.layers(self.hidden)
        parse_sum("penalty", self.penalty, ALLOWED)
        parse("corruption", self.corruption, CORRUPTIONS)
        choice_network.check_training(self)

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        self._require_memory(ratings)
        data = choice_network.prepare(ratings, self.relevant, self.validation, self.random_state)
        generator = torch.Generator().manual_seed(data.seed)
        with torch.inference_mode(False), torch.enable_grad():  # whatever the caller has set
            network = self._build(data.chosen.shape[1], generator)
            start(network, data)
            log = self._train(network, data, generator, on_validation)
        for parameter in network.parameters():
            parameter.grad = None
        self.network_ = network
        return choice_network.summarise(log, network, data)

    def _train(
        self, network: Concepts, data: Choices, generator: torch.Generator, on_validation: OnValidation | None
    ) -> TrainingLog:
        examples = choice_network.make_choice_examples(data, self.batch)
        corrupt = parse("corruption", self.corruption, CORRUPTIONS).function
        penalties, total = parse_sum("penalty", self.penalty, ALLOWED), self.epochs * len(examples)
        state = State([network], [generator, data.rng])
        optimizer = state.keep(Adam(network.parameters(), lambda step: self.learning_rate * warm_cosine(step, total)))

        def loss(example: Example, step: int) -> dict[str, torch.Tensor]:
            n = example.n_rows
            divided = corrupt(replace(example, inputs=divide(network, example.inputs[0])), generator)
            trace = Trace(divided, *network.encode(divided.inputs, drawn_by(generator, n * self.concepts)))
            terms = {HEAD: cost(network.outputs(trace.code), example.targets[HEAD]) / n}
            for name, part in penalties.items():
                terms[name] = part.strength(step) / n * part.function(network.network, trace)
            return terms

        epoch = stochastic_epoch(descend(loss, optimizer), examples, data.rng)
        how: dict[str, Any] = {"epochs": self.epochs, "patience": self.patience, "state": state}
        how["on_validation"] = on_validation
        return choice_network.train_by_ndcg([network], partial(score, network), epoch, data.held_out, **how)

    def _build(self, n_items: int, generator: torch.Generator) -> Concepts:
        widths = checks.layers(self.hidden)
        network = choice_network.build_network(n_items, widths, "tanh", "gaussian", generator, mirrored=False)
        return Concepts(network, HEAD, self.concepts, generator)

    def _memory(self, n_users: int, n_items: int, n_ratings: int) -> int:
        own = choice_network.training_bytes(n_users, n_items, checks.layers(self.hidden), self.batch)
        return super()._memory(n_users, n_items, n_ratings) + own + 16 * self.concepts * self.batch * n_items

    def _score(self, users: sparse.csr_array) -> Scores:
        """Choices [B × items] → [B × items]."""
        return score(self.network_, users)

    def _similarities(self) -> Callable[..., Scores]:
        return similarity.cosines(self.network_.network.head(HEAD).weight.detach().numpy(), type(self).__name__)

    # --- file -----------------------------------------------------------------------------------------------

    def _arrays(self) -> Arrays:
        return network_arrays.pack(self.network_)

    def _expected_arrays(self, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
        return network_arrays.expected(self._build_empty, shapes, len(checks.layers(self.hidden)))

    def _set_arrays(self, arrays: Arrays) -> None:
        self.network_ = network_arrays.unpack(self._build_empty, arrays)

    def _build_empty(self) -> Concepts:
        return self._build(self.ratings_.n_items, torch.Generator())


def start(network: Concepts, data: Choices) -> None:
    """Vectors of items become those of a truncated SVD of the choices, prototypes the centres of k-means of the K
    strongest of its directions: the likelihood, which needs no concepts, finds none from random ones."""
    head = network.network.head(HEAD)
    _, singular, right = truncated_svd(data.chosen, head.weight.shape[1], data.seed)
    order = np.argsort(-singular)
    found = torch.from_numpy((right.T * singular)[:, order]).float()  # [items × f]
    k = min(len(network.prototypes), len(found), len(order))
    strongest = torch.nn.functional.normalize(found[:, :k], dim=1).numpy()
    centres = KMeans(k, n_init=3, random_state=data.seed).fit(strongest).cluster_centers_  # [k × k]
    with torch.no_grad():
        head.weight.mul_(1e-3)[:, : len(order)] = found
        network.prototypes.mul_(1e-3)[:k, :k] = torch.from_numpy(centres)


def divide(network: Concepts, batch: Batch) -> tuple[Batch, ...]:
    """Of each concept the choices [n × items] times their shares in it, rows of length 1."""
    shares = network.log_shares()[:, batch.indices.long()].exp()  # [K × nnz]
    return tuple(choice_network.normalised(batch.with_values(batch.values * share)) for share in shares)


def cost(outputs: torch.Tensor, target: Batch) -> torch.Tensor:
    """−Σ x log softmax(outputs) over the entries of the target, both [n × items]: the multinomial likelihood."""
    return -(outputs.log_softmax(dim=1)[target.rows(), target.indices.long()] @ target.values)


def score(network: Concepts, chosen: sparse.csr_array) -> Scores:
    """Choices [B × items] → outputs [B × items]."""
    with torch.no_grad():
        code, _, _ = network.encode(divide(network, make_batch(chosen)), None)
        return network.outputs(code).numpy()
