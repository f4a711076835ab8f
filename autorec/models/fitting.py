"""The fit of AutoRec: held-out ratings, dampings, the trainings that choose settings, and the last on all ratings.

Rows are items or users, by the orientation; all ratings are on the scale 1 … 5 inside the network.
"""

import contextlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from autorec.memory import available_memory
from autorec.models import biases as bias_tools
from autorec.models.biases import Biases
from autorec.models.choosing import Interrupted, Trainings, search
from autorec.models.dampings import Dampings, choose_dampings
from autorec.models.one_training import HEAD, prepare
from autorec.models.settings import Settings
from autorec.network.activations import HIGH, LOW
from autorec.network.autoencoder import Autoencoder
from autorec.network.padding import trim
from autorec.network.rows import Rows
from autorec.training.batches import batch_size, partition, residuals
from autorec.training.held_out import held_out_entries
from autorec.training.loop import OnValidation, TrainingLog
from autorec.training.memory import should_stream, training_memory

OPTIMIZERS = ("adam", "rprop", "lbfgs")
SEARCH_MOST = 300_000  # ratings; with more, the λ for large data is taken without a search
TOLERANCE = 0.001  # share of the RMSE of damped biases by which a training may be worse
ENCODED_AT_ONCE = 2**17  # ratings

Float32 = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Fitted:
    """The result of `fit_network`, on the scale 1 … 5.

    mean, row_bias  the offset, a number and [rows]
    centre          [columns] of inputs that are residuals, else None
    epochs          of the best schedule
    tried           of each training its inputs, λ, epochs, validation RMSE, seconds
    biases_rmse     of damped biases on the validation ratings
    falls_back      whether damped biases are better, so that the network holds them alone
    """

    network: Autoencoder
    mean: float
    row_bias: FloatArray
    centre: Float32 | None
    dampings: Dampings
    l2: float
    epochs: int
    log: TrainingLog
    n_train: int
    n_validation: int
    tried: list[dict[str, Any]]
    seconds: float
    biases_rmse: float
    falls_back: bool


def choose_streaming(n_ratings: int, shape: tuple[int, int], settings: Settings) -> bool:
    """Whether to make batches again at each use, so that the training fits memory; see `autorec.training.memory`."""
    if settings.device.type != "cpu":
        return False
    sizes = (n_ratings, *shape, settings.hidden, batch_size(shape[0], settings.batch), settings.optimizer)
    own_values = settings.inputs != "ratings"
    kept, again = (training_memory(*sizes, streams=streams, residuals=own_values) for streams in (False, True))
    return should_stream(kept, again, settings.hidden, available_memory())


def fit_network(
    rows: Rows, settings: Settings, stream: bool = False, on_validation: OnValidation | None = None
) -> Fitted:
    """Train on rows [rows × columns], ratings 1 … 5. stream: batches are made again at each use, else kept.

    Open settings are chosen by trainings on a part of the ratings; the best by validation RMSE is kept. Up to 300,000
    ratings, where each counts, a last training includes the validation ratings: the same settings and schedule, stopped
    at the best epoch. Where damped biases are better than the best training, the model is these biases.
    """
    dampings = (0.0, 0.0)
    if settings.biases:
        dampings = choose_dampings(rows, settings.dampings, settings.default_dampings, settings.seed)
    rng = np.random.default_rng(settings.seed)
    aside = held_out_entries(rows.nnz, settings.validation, rng)
    parts = partition(rows.shape[0], settings.batch, rng)
    small = rows.nnz <= SEARCH_MOST
    again = rows if len(aside) and small and settings.validation == "auto" else None
    unseen, seen = rows.only(aside), rows.without(aside)
    del rows
    floor = _measure_biases(seen, unseen, dampings, settings)
    trainings = Trainings(settings, on_validation)
    with contextlib.suppress(Interrupted):
        search(trainings, lambda inputs: prepare(seen, unseen, parts, dampings, inputs, settings, stream), not small)
    best = trainings.best
    assert best is not None  # a search that ends well, or by Ctrl-C, leaves one
    log, n_ratings = best.log, seen.nnz - len(aside)
    falls_back = settings.biases and log.best_score > floor * (1 + TOLERANCE)
    if again is not None and log.best_epoch > 0 and log.stopped != "interrupted":
        last = Trainings(settings, None)
        whole = prepare(again, again.only(aside[:0]), parts, dampings, best.inputs, settings, stream)
        try:
            last.whole(whole, best.l2, best.epochs, log.best_epoch)
            best, n_ratings = last.best or best, again.nnz
        except Interrupted:
            log.stopped = "interrupted"
        trainings.seconds += last.seconds
    network = best.network
    if falls_back:
        _reduce_to_biases(network, best.biases)
    trim(network)
    for parameter in network.parameters():
        parameter.grad = None
    return Fitted(
        network=network.cpu(),
        mean=best.biases.mean,
        row_bias=best.biases.user,
        centre=best.centre,
        dampings=dampings,
        l2=best.l2,
        epochs=best.epochs,
        log=log,
        n_train=n_ratings,
        n_validation=len(aside),
        tried=trainings.tried,
        seconds=trainings.seconds,
        biases_rmse=floor,
        falls_back=falls_back,
    )


def _measure_biases(seen: Rows, unseen: Rows, dampings: Dampings, settings: Settings) -> float:
    """RMSE of damped biases on the held-out ratings, NaN without any."""
    if not unseen.nnz:
        return math.nan
    row_damping, column_damping = dampings if settings.biases else settings.default_dampings
    biases = bias_tools.fit_biases(seen, user_damping=row_damping, item_damping=column_damping)
    batch = unseen.batch()
    predicted = biases.predict(batch.rows().numpy(), unseen.indices).clip(LOW, HIGH)
    return float(np.sqrt(np.mean(np.square(predicted - batch.values.numpy()))))


def _reduce_to_biases(network: Autoencoder, biases: Biases) -> None:
    """Set all weights of the network to 0 and its output bias to the damped biases of the columns."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        head = network.head(HEAD)
        head.bias[: len(biases.item)] = torch.from_numpy(biases.item).float()


def encode_rows(
    network: Autoencoder,
    rows: Rows,
    offset: Float32 | None = None,
    centre: Float32 | None = None,
    block: int | None = None,
) -> Float32:
    """Rows [rows × columns], ratings 1 … 5 → codes [rows × H], `block` rows at a time, by default those of some hundred
    thousand ratings. offset [rows] and centre [columns]: for `residuals`, where the inputs are these."""
    n = rows.shape[0]
    block = min(max(ENCODED_AT_ONCE * n // max(rows.nnz, 1), 64), 4096) if block is None else block
    codes = np.empty((n, network.encoder.widths[-1]), dtype=np.float32)
    with torch.no_grad():
        for start in range(0, n, block):
            chosen = slice(start, start + block)
            batch = rows.batch(chosen)
            if offset is not None and centre is not None:
                batch = residuals(batch, offset[chosen], centre)
            codes[chosen] = network.encode(batch).numpy()
    return codes
