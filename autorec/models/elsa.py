"""ELSA (Vančura et al.: Scalable Linear Shallow Autoencoder for Collaborative Filtering, RecSys 2022): a linear
autoencoder of low rank whose diagonal is empty, trained by gradient.

X̂ = X(AAᵀ − I), the rows of A [items × f] of length 1, so that no item explains itself. The loss compares directions:
Σ_u ‖x_u/‖x_u‖ − x̂_u/‖x̂_u‖‖² = Σ_u 2 − 2 cos(x_u, x̂_u). No array [users × items] is needed for it: of rows of length 1,
with h = xA and G = AᵀA,

    x · x̂ = ‖h‖² − 1,    ‖x̂‖² = hᵀGh − 2‖h‖² + 1,

so that a step costs (choices + items · f) · f. New users need no training.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from autorec import checks, words
from autorec.models.base import OnValidation, RandomState, Recommender
from autorec.models.choice_network import (
    Choices,
    check_training,
    make_choice_examples,
    prepare,
    summarise,
    train_by_ndcg,
)
from autorec.models.ease import products
from autorec.models.vectors import Vectors, vectors
from autorec.network import sparse as operations
from autorec.network.batch import Batch
from autorec.network.example import Example
from autorec.ratings.matrix import Ratings
from autorec.storage.arrays import Expected, Shape
from autorec.training.adam import Adam, warm_cosine
from autorec.training.loop import TrainingLog
from autorec.training.state import State
from autorec.training.steps import descend, stochastic_epoch


class Elsa(Recommender):
    """A model of choice: x_ui is 1 where u rated i at `relevant` or above, else 0.

    X̂ = X(AAᵀ − I), the rows of A [items × f] of length 1, trained by gradient on Σ_u ‖x_u/‖x_u‖ − x̂_u/‖x̂_u‖‖²; predicts
    no ratings.

    factors        f
    learning_rate  of Adam, at its peak
    epochs         at most
    batch          users in a batch
    validation     share of the users held out for early stopping, or "auto", as for ChoiceAutoencoder
    patience       validations without a better one before the training stops
    relevant       the lowest rating that counts as a choice; None: low + ¾·(high − low) of the scale, 4 on 1 … 5
    half_life      days after which a choice in a user's history counts half; "auto": chosen on the latest
                   ratings, none without dates; None: all count alike; see `autorec.models.recency`
    random_state   seed of everything random

    Scores are x AAᵀ: the − I of X̂ only lowers items that the user chose. Learned: `factors_` A [items × f] float32.

    >>> ratings = autorec.load_sample()
    >>> model = autorec.Elsa(factors=4, epochs=1).fit(ratings)
    >>> model.item_vectors().shape
    (300, 4)
    """

    rates: ClassVar[bool] = False
    additive: ClassVar[bool] = True
    factors_: npt.NDArray[np.float32]  # A [items × f], rows of length 1

    def __init__(
        self,
        factors: int = 256,
        learning_rate: float = 0.01,
        epochs: int = 60,
        batch: int = 100,
        validation: float | words.Auto = "auto",
        patience: int = 5,
        relevant: float | None = None,
        half_life: float | words.Auto | None = None,
        random_state: RandomState = 0,
    ) -> None:
        self.factors = factors
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch = batch
        self.validation = validation
        self.patience = patience
        self.relevant = relevant
        self.half_life = half_life
        self.random_state = random_state

    def _check_parameters(self) -> None:
        checks.whole("factors", self.factors)
        check_training(self)

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        data = prepare(ratings, self.relevant, self.validation, self.random_state)
        with torch.inference_mode(False), torch.enable_grad():  # whatever the caller has set
            learned = torch.nn.ParameterDict({"A": self._start(data)})
            log = self._train(learned, data, on_validation)
        self.factors_ = _unit_rows(learned["A"])
        return summarise(log, learned, data)

    def _start(self, data: Choices) -> torch.nn.Parameter:
        generator = torch.Generator().manual_seed(data.seed)
        return torch.nn.Parameter(torch.randn(data.chosen.shape[1], self.factors, generator=generator))

    def _train(self, learned: torch.nn.ParameterDict, data: Choices, on_validation: OnValidation | None) -> TrainingLog:
        examples = make_choice_examples(data, self.batch)
        total = self.epochs * len(examples)
        state = State([learned], [data.rng])
        optimizer = state.keep(Adam(learned.parameters(), lambda step: self.learning_rate * warm_cosine(step, total)))

        def loss(example: Example, number: int) -> dict[str, torch.Tensor]:
            return {"cosine": cosine_loss(example.inputs[0], learned["A"]) / example.n_rows}

        def score(chosen: sparse.csr_array) -> npt.NDArray[np.float32]:
            A = _unit_rows(learned["A"])
            return np.asarray(products(chosen, A) @ A.T)

        epoch = stochastic_epoch(descend(loss, optimizer), examples, data.rng)
        settings: dict[str, Any] = {"epochs": self.epochs, "patience": self.patience, "state": state}
        return train_by_ndcg([learned], score, epoch, data.held_out, **settings, on_validation=on_validation)

    def _memory(self, n_users: int, n_items: int, n_ratings: int) -> int:
        own = 4 * self.factors * (6 * n_items + 4 * min(self.batch, n_users))  # A, gradient, two means, best; codes
        return super()._memory(n_users, n_items, n_ratings) + own

    def _seconds(self, n_users: int, n_items: int, n_ratings: int) -> float:
        steps = max(n_users / self.batch, 1)
        return 1e-9 * self.epochs * self.factors * (n_ratings + steps * n_items * (10 + self.factors / 20))

    def _encode_choices(self, chosen: sparse.csr_array) -> Vectors:
        codes = products(chosen, self.factors_)  # [B × f]
        return vectors(codes, np.zeros(len(codes)))

    def _items(self) -> Vectors:
        return vectors(self.factors_, np.zeros(len(self.factors_)))

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"factors": self.factors_}

    def _expected_arrays(self, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
        return {"factors": Expected("float32", (self.ratings_.n_items, self.factors))}

    def _set_arrays(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.factors_ = arrays["factors"]


def cosine_loss(batch: Batch, weight: torch.Tensor) -> torch.Tensor:
    """Σ_u 2 − 2 cos(x_u, x̂_u), a scalar, of rows x of length 1 [n × items]; A is the weight [items × f] with its rows
    brought to length 1. See the head of this file."""
    A = torch.nn.functional.normalize(weight, dim=1)
    codes = operations.encode(batch, A)  # [n × f]
    squares = codes.square().sum(dim=1)  # [n]
    length = ((codes @ (A.T @ A)) * codes).sum(dim=1) - 2 * squares + 1  # ‖x̂‖² [n]
    return (2 - 2 * (squares - 1) * length.clamp(min=1e-12).rsqrt()).sum()


def _unit_rows(weight: torch.Tensor) -> npt.NDArray[np.float32]:
    unit: npt.NDArray[np.float32] = torch.nn.functional.normalize(weight.detach(), dim=1).numpy()
    return unit
