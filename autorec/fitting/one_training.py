"""One training of AutoRec's network: its data, a new network, its epochs.

Rows are items or users, by the orientation; all ratings are on the scale 1 … 5 inside the network.
"""

import contextlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from autorec.array_types import Float32, FloatArray, IntArray
from autorec.fitting import biases as bias_tools
from autorec.fitting.biases import Biases
from autorec.fitting.dampings import Dampings
from autorec.fitting.form import HEAD, has_mask
from autorec.fitting.settings import Settings
from autorec.network.autoencoder import Autoencoder, build_autoencoder
from autorec.network.likelihood import LIKELIHOODS
from autorec.network.padding import pad
from autorec.network.parts import parse
from autorec.network.penalty import PENALTIES
from autorec.network.rows import Rows
from autorec.network.shard import WHOLE, WHOLE_MESH, Mesh, Shard
from autorec.threads import torch_on_one_thread
from autorec.training.adam import Adam, warm_cosine
from autorec.training.batches import make_examples, reconstruct
from autorec.training.full_batch import lbfgs_epoch, rprop_epoch
from autorec.training.loop import OnValidation, TrainingLog, train
from autorec.training.objective import Loss, objective
from autorec.training.state import State
from autorec.training.steps import Epoch, Examples, descend, stochastic_epoch
from autorec.training.validation import Validation, prepare_validation, validation_rmse

STARTING_DAMPING = 10.0  # ratings at the overall mean; only for the initial output bias, so one for both orientations


@dataclass(frozen=True, eq=False)
class Data:
    """The data of one training.

    shape       (rows, columns)
    n_ratings   to learn from
    inputs      "ratings", "residuals" or "residuals+rated"
    centre      [columns] as in `reconstruct`
    start       [own columns] initial output biases
    examples    [batches] of the mesh' rows and columns
    validation  None without held-out ratings
    mesh        which rows of a batch, and which columns, this process has
    """

    shape: tuple[int, int]
    n_ratings: int
    inputs: str
    dampings: Dampings
    biases: Biases
    centre: Float32 | None
    start: FloatArray
    examples: Examples
    validation: Validation | None
    mesh: Mesh = WHOLE_MESH


def make_data(
    seen: Rows,
    unseen: Rows,
    parts: list[IntArray],
    dampings: Dampings,
    inputs: str,
    settings: Settings,
    stream: bool,
    biases: Biases | None = None,
    mesh: Mesh = WHOLE_MESH,
) -> Data:
    """The data of a training on the rows `seen` [rows × own columns], in batches of the row indices `parts`.

    unseen: the held-out ratings [rows × columns] of all processes, those left out of `seen`. inputs, mesh: as in
    `Data`. biases: None for those of `seen`.
    """
    if biases is None and settings.biases:
        biases = fit_biases(seen, dampings, mesh, unseen.n_columns)
    elif biases is None:
        biases = Biases(0.0, np.zeros(seen.shape[0]), np.zeros(unseen.n_columns))
    centre = biases.item.astype(np.float32) if inputs != "ratings" else None
    own_centre = None if centre is None else np.ascontiguousarray(centre[mesh.columns.own])
    offset = (biases.mean + biases.user).astype(np.float32)
    lengths = mesh.total(seen.lengths()) if has_mask(inputs) else None
    make = reconstruct(offset, settings.device, HEAD, own_centre, lengths)
    examples = make_examples(seen, parts, make, stream=stream, mesh=mesh)
    validation = prepare_validation(seen, unseen, parts, examples, make, stream=stream, mesh=mesh)
    return Data(
        shape=unseen.shape,
        n_ratings=int(mesh.total(np.array([seen.nnz]))[0]) - unseen.nnz,
        inputs=inputs,
        dampings=dampings,
        biases=biases,
        centre=centre,
        start=_starting_bias(seen, biases, settings, mesh),
        examples=examples,
        validation=validation,
        mesh=mesh,
    )


def train_once(
    data: Data,
    l2: float,
    settings: Settings,
    epochs: int,
    last_epoch: int,
    on_validation: OnValidation | None,
    start: Autoencoder | None = None,
) -> tuple[Autoencoder, TrainingLog]:
    """(a new network trained up to `last_epoch`, its log); the learning rate follows the schedule of all `epochs`.

    start: a network that is trained further; None: a new one.
    """
    network = new_network(data, settings) if start is None else start
    pad(network)
    network.to(settings.device)
    penalties = {"l2": parse("penalty", f"l2:{l2!r}", PENALTIES), **settings.penalties}
    if data.dampings[1] > 0:
        penalties["bias"] = parse("penalty", f"bias:{data.dampings[1]!r}", PENALTIES)
    generator = torch.Generator(settings.device).manual_seed(settings.seed)
    likelihoods = {HEAD: parse("likelihood", "gaussian", LIKELIHOODS)}
    loss = objective(network, likelihoods, penalties, settings.corruption, generator)
    shuffling = np.random.default_rng(settings.seed)  # each λ draws the same batches: only λ differs
    state = State([network], [generator, shuffling], network.of_columns(), data.shape[1])
    epoch = _make_epoch(network, loss, data.examples, epochs, settings, shuffling, state)
    validation = data.validation
    factor = data.shape[0] / max(data.n_ratings, 1)  # Σ (r − r̂)² / N → mean over the ratings
    with _limit_threads(settings):
        log = train(
            [network],
            lambda number: float(np.sqrt(epoch(number)[HEAD] * factor)),
            epochs=last_epoch,
            score=None if validation is None else lambda: validation_rmse(network, validation, HEAD),
            patience=settings.patience,
            on_validation=on_validation,
            title=f"training, l2:{l2:g}",
            state=state,
        )
    return network, log


def _make_epoch(
    network: Autoencoder,
    loss: Loss,
    examples: Examples,
    epochs: int,
    settings: Settings,
    rng: np.random.Generator,
    state: State,
) -> Epoch:
    """epochs: of the schedule. rng: of the order of the batches."""
    parameters = list(network.parameters())
    if settings.optimizer == "rprop":
        return rprop_epoch(loss, parameters, examples, settings.learning_rate, state)
    if settings.optimizer == "lbfgs":
        return lbfgs_epoch(loss, parameters, examples, state)
    total = epochs * len(examples)
    optimizer = state.keep(Adam(parameters, lambda step: settings.learning_rate * warm_cosine(step, total)))
    step = descend(loss, optimizer, penalty_values=False)  # the score is the error alone
    return stochastic_epoch(step, examples, rng)


def _limit_threads(settings: Settings) -> contextlib.AbstractContextManager[None]:
    """Give torch one thread unless the network has dense layers between hidden layers: the kernels do the rest."""
    shallow = len(settings.hidden) == 1 and settings.device.type == "cpu"
    return torch_on_one_thread() if shallow else contextlib.nullcontext()


def fit_biases(rows: Rows, dampings: Dampings, mesh: Mesh, n_columns: int) -> Biases:
    """Damped biases of rows (`user`) and of all n_columns (`item`), where each process has rows [rows × own
    columns]."""
    own = bias_tools.fit_biases(rows, user_damping=dampings[0], item_damping=dampings[1], mesh=mesh)
    return replace(own, item=mesh.all_columns(own.item, n_columns))


def _starting_bias(rows: Rows, biases: Biases, settings: Settings, mesh: Mesh) -> FloatArray:
    """[own columns] the initial output bias: damped biases, without an offset damped means, which need not be
    learned."""
    return biases.item[mesh.columns.own] if settings.biases else bias_tools.item_means(rows, STARTING_DAMPING, mesh)


def make_network(
    n_columns: int, inputs: str, settings: Settings, generator: torch.Generator, shard: Shard = WHOLE
) -> Autoencoder:
    """The network of these settings, for inputs as in `Data`, its weights drawn."""
    shape = (n_columns, settings.hidden, settings.encoder, settings.decoder)
    n_inputs = 2 if has_mask(inputs) else 1
    how: dict[str, Any] = {"n_inputs": n_inputs, "centred": settings.centred, "code": settings.code, "head": HEAD}
    return build_autoencoder(*shape, generator, shard=shard, **how)


def new_network(data: Data, settings: Settings) -> Autoencoder:
    """A new network of random weights and the initial output bias."""
    generator = torch.Generator().manual_seed(settings.seed)
    network = make_network(data.shape[1], data.inputs, settings, generator, data.mesh.columns)
    if settings.centred:
        head = network.head(HEAD)
        with torch.no_grad():
            head.bias.copy_(head.activation.inverse(torch.from_numpy(np.ascontiguousarray(data.start)).float()))
    return network
