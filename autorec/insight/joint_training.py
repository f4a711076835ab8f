"""A copy of the network of a fitted autoencoder of choices, trained on with a further aim beside its own."""

from collections.abc import Callable, Iterable

import torch

from autorec.errors import ParameterError
from autorec.models.base import Recommender
from autorec.models.choice import ChoiceAutoencoder
from autorec.models.choice_network import HEAD, make_choice_examples, prepare
from autorec.models.registry import MODELS
from autorec.network.autoencoder import Autoencoder
from autorec.network.corruption import CORRUPTIONS
from autorec.network.parts import Part, parse
from autorec.network.penalty import Penalty
from autorec.training.adam import Adam
from autorec.training.objective import objective
from autorec.training.steps import descend, stochastic_epoch

EPOCHS = 20
LEARNING_RATE = 0.001


def trainable(model: Recommender, purpose: str) -> ChoiceAutoencoder:
    """The model, as one that can be trained on for a purpose. ParameterError: it cannot; names those that can."""
    if not isinstance(model, ChoiceAutoencoder):
        able = [row.name for row in MODELS.values() if row.kind == ChoiceAutoencoder.__name__]
        raise ParameterError(
            f"{type(model).__name__} cannot be trained for {purpose}; models that can: {', '.join(able)}"
        )
    return model


def train_on(
    model: ChoiceAutoencoder,
    network: Autoencoder,
    aim: Penalty,
    parameters: Iterable[torch.Tensor],
    seed: int,
    *,
    reconstruct: bool = True,
    before_epoch: Callable[[], None] = lambda: None,
) -> None:
    """Train a copy of the model's network, and the parameters of the aim (tensors of any shape), for 20 epochs.

    aim: summed over the rows of a batch, whose examples say by `identity` who they are. Beside it stand the model's own
    objective, without the divergence from a composite prior, which asks for codes of the last epoch; or nothing, unless
    `reconstruct`.
    """
    data, generator = prepare(model.ratings_, model.relevant, 0.0, seed), torch.Generator().manual_seed(seed)
    likelihoods = {HEAD: model._choose_likelihood(model.ratings_.n_items, generator)} if reconstruct else {}
    penalties = model._penalties() if reconstruct else {}
    penalties.pop("composite_kl", None)
    penalties["aim"] = Part("aim", aim)
    loss = objective(network, likelihoods, penalties, parse("corruption", model.corruption, CORRUPTIONS), generator)
    step = descend(loss, Adam([*network.parameters(), *parameters], lambda number: LEARNING_RATE))
    epoch = stochastic_epoch(step, make_choice_examples(data, model.batch, identified=True), data.rng)
    for number in range(1, EPOCHS + 1):
        before_epoch()
        epoch(number)
