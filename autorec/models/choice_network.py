"""What trainings on choices have in common: examples, the network, its scores of histories, the summary of a fit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from autorec import checks
from autorec.errors import InputError
from autorec.models.base import OnValidation, RandomState, Scores
from autorec.models.vectors import Vectors, vectors
from autorec.network.all_columns import rows_at_once
from autorec.network.autoencoder import Autoencoder, Decoder, Encoder
from autorec.network.batch import Batch, make_batch
from autorec.network.code import CODES
from autorec.network.example import Example
from autorec.network.parts import parse
from autorec.network.rows import Rows
from autorec.network.shard import WHOLE, WHOLE_MESH, Mesh, Shard
from autorec.ranking.held_out_users import HeldOut, hold_out_users, mean_ndcg
from autorec.ranking.positives import positives
from autorec.ratings.matrix import Ratings
from autorec.training.batches import make_examples, partition
from autorec.training.loop import TrainingLog, train
from autorec.training.state import State
from autorec.training.steps import Epoch

HEAD = "choice"
ENCODED_AT_ONCE = 1024  # users


@dataclass(frozen=True, eq=False)
class Choices:
    """chosen: choices [n × items] to learn from, of these `users` [n] among n_users, n_chosen choices in all; held_out:
    users kept aside, None for none."""

    chosen: sparse.csr_array
    held_out: HeldOut | None
    n_chosen: int
    seed: int
    rng: np.random.Generator
    users: npt.NDArray[np.integer[Any]]
    n_users: int


def prepare(ratings: Ratings, relevant: float | None, validation: float | str, random_state: RandomState) -> Choices:
    """The choices among ratings [users × items], some users held out. InputError: there are no choices."""
    chosen = positives(ratings.csr, ratings.scale, relevant)
    if not chosen.nnz:
        raise InputError("no rating is high enough to count as a choice; give a lower `relevant`")
    seed = checks.seed("random_state", random_state)
    rng = np.random.default_rng(seed)
    users, held_out = hold_out_users(chosen, validation, rng)
    return Choices(chosen[users], held_out, chosen.nnz, seed, rng, users, ratings.n_users)


def build_network(
    n_items: int,
    widths: Sequence[int],
    activation: str,
    code: str,
    generator: torch.Generator,
    *,
    mirrored: bool = True,
    n_users: int = 0,
    skips: bool = False,
    shard: Shard = WHOLE,
) -> Autoencoder:
    """An autoencoder of choices, one head [n × items]. widths: of the encoder, the code's last. mirrored: the decoder
    has them in reverse; else it has no hidden layer. n_users: with a vector of their own. skips: see `Encoder`. shard:
    of the items."""
    drawn = code == "gaussian"  # its layer holds mean and variance
    layers = (*widths[:-1], 2 * widths[-1]) if drawn else widths
    how: dict[str, Any] = {"linear_code": drawn, "n_rows": n_users, "skips": skips, "shard": shard}
    encoder = Encoder(n_items, layers, activation, generator, **how)
    inner = widths[::-1] if mirrored else widths[-1:]
    decoder = Decoder(n_items, inner, "identity", generator, inner=activation, shard=shard)
    return Autoencoder(encoder, {HEAD: decoder}, parse("code", code, CODES).function)


def make_choice_examples(
    data: Choices, batch: int, *, identified: bool = False, mesh: Mesh = WHOLE_MESH
) -> list[Example]:
    """Batches of at most so many users: the input of length 1, the target the choices themselves. identified: with the
    `identity` of each. mesh: which rows of a batch, and which items, to take."""
    chosen, n_users = data.chosen, data.chosen.shape[0]
    indptr, indices = chosen.indptr.astype(np.int64), chosen.indices.astype(np.int32)
    rows = Rows(chosen.shape[1], indptr, indices, chosen.data, np.full(256, np.nan, dtype=np.float32))

    def make(batch: Batch, users: npt.NDArray[np.integer[Any]]) -> Example:
        identity = identify(data.users[users], data.n_users) if identified else None
        chosen, read = batch.of(mesh.columns), normalised(batch).of(mesh.columns)
        inputs = (chosen.with_values(read.values),)
        return Example(inputs, {HEAD: chosen}, torch.zeros(len(users)), identity=identity)

    examples = make_examples(rows, partition(n_users, batch, data.rng), make, stream=False, mesh=mesh)
    return [examples[index] for index in range(len(examples))]


def check_training(model: Any) -> None:
    """ParameterError names the parameter at fault among those that all trainings on choices have."""
    checks.number("learning_rate", model.learning_rate, above=0)
    checks.whole("epochs", model.epochs)
    checks.whole("batch", model.batch)
    checks.auto_or(checks.share, "validation", model.validation)
    checks.whole("patience", model.patience)
    checks.optional(checks.number, "relevant", model.relevant)
    checks.half_life(model.half_life)
    checks.random_state("random_state", model.random_state)


def identify(users: npt.NDArray[np.integer[Any]], n_users: int) -> Batch:
    """[n × n_users] a one in each row, in the column `users` [n]."""
    n = len(users)
    return make_batch(sparse.csr_array((np.ones(n, dtype=np.float32), users, np.arange(n + 1)), shape=(n, n_users)))


def normalised(batch: Batch) -> Batch:
    """x / ‖x‖ of each row."""
    rows = batch.rows()
    squares = batch.values.new_zeros(batch.n_rows).index_add(0, rows, batch.values.square())  # [n]
    return batch.with_values(batch.values / squares.sqrt()[rows])


def remembering(network: Autoencoder, examples: list[Example], epoch: Epoch) -> Epoch:
    """The epoch, before which each of its examples [batches] gets the codes that its rows have at that time."""

    def learn(number: int) -> dict[str, float]:
        with torch.no_grad():
            for at, example in enumerate(examples):
                examples[at] = replace(example, earlier=network.encoder(example.inputs, example.identity))
        return epoch(number)

    return learn


def train_by_ndcg(
    modules: Sequence[torch.nn.Module],
    score_choices: Callable[[sparse.csr_array], Scores],
    epoch: Epoch,
    held_out: HeldOut | None,
    *,
    epochs: int,
    patience: int,
    on_validation: OnValidation | None,
    state: State,
) -> TrainingLog:
    """`train` modules [k] towards the NDCG of the held-out users; score_choices: choices [B × items] → [B × items]."""
    return train(
        modules,
        lambda number: sum(epoch(number).values()),
        epochs=epochs,
        score=None if held_out is None else lambda: mean_ndcg(score_choices, held_out),
        lower_is_better=False,
        patience=patience,
        on_validation=on_validation,
        state=state,
    )


def item_vectors(network: Autoencoder) -> Vectors:
    """Vectors [items]: the decoder's last layer, linear in `hidden_units`."""
    head = network.head(HEAD)
    return vectors(head.weight.detach().numpy(), head.bias.detach().numpy())


def hidden_units(
    network: Autoencoder, chosen: sparse.csr_array, users: npt.NDArray[np.integer[Any]] | None = None
) -> npt.NDArray[np.float32]:
    """[n × H] what the outputs are linear in, of choices [n × items]. users [n]: rows of the encoder's vectors of
    users; None: they have none."""
    vectors = network.encoder.row_weight
    head = network.head(HEAD)
    found = np.empty((chosen.shape[0], head.weight.shape[1]), dtype=np.float32)
    with torch.no_grad():
        for start in range(0, chosen.shape[0], ENCODED_AT_ONCE):
            part = slice(start, start + ENCODED_AT_ONCE)
            identity = None if users is None or vectors is None else identify(users[part], len(vectors))
            given = normalised(make_batch(chosen[part])).of(network.encoder.shard)
            code = network.encode(given, identity=identity)
            found[part] = head.hidden(code).numpy()
    return found


def score_all(network: Autoencoder, chosen: sparse.csr_array) -> Scores:
    """[n × items] of choices [n × items], in every process that has some of the items."""
    items = item_vectors(network)
    own = np.asarray(hidden_units(network, chosen) @ items.factors.T + items.bias)
    return network.encoder.shard.assemble(torch.from_numpy(own), chosen.shape[1]).numpy()


def training_bytes(n_users: int, n_items: int, widths: Sequence[int], batch: int) -> int:
    """Bytes of parameters and of the dense block of a batch, at most."""
    parameters = 2 * n_items * (widths[0] + 1) * 5 * 4  # itself, gradient, two means, the best so far
    block = 4 * min(batch, n_users, rows_at_once(n_items)) * n_items  # outputs, which become their gradient
    return parameters + block


def summarise(log: TrainingLog, network: torch.nn.Module, data: Choices) -> dict[str, Any]:
    """JSON-ready."""
    curve = log.to_records("train_loss", "validation_ndcg")
    return {
        "positives": int(data.n_chosen),
        "epochs": len(curve) and curve[-1]["epoch"],
        "best_epoch": log.best_epoch,
        "stopped": log.stopped,
        "validation_users": 0 if data.held_out is None else data.held_out.given.shape[0],
        "validation_ndcg": None if data.held_out is None else log.best_score,
        "seconds": log.seconds,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "curve": curve,
    }
