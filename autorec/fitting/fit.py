"""The fit of AutoRec: held-out ratings, dampings, the trainings that choose settings, the last on all ratings, and the
summary of all that.

Rows are items or users, by the orientation; all ratings are on the scale 1 … 5 inside the network.
"""

import contextlib
import math
import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from autorec import group, progress
from autorec.array_types import Float32, FloatArray
from autorec.fitting.biases import Biases
from autorec.fitting.choosing import Interrupted, Trainings, search
from autorec.fitting.dampings import Dampings, choose_dampings
from autorec.fitting.form import HEAD
from autorec.fitting.one_training import fit_biases, make_data
from autorec.fitting.settings import SEARCH_MOST, Settings, check_shared
from autorec.memory import available_memory
from autorec.network.activations import HIGH, LOW
from autorec.network.autoencoder import Autoencoder
from autorec.network.padding import trim
from autorec.network.rows import Rows
from autorec.network.shard import WHOLE_MESH, Mesh
from autorec.training.batches import batch_size, partition
from autorec.training.distributed import check_mesh, gather
from autorec.training.loop import OnValidation, TrainingLog
from autorec.training.memory import should_stream, training_memory
from autorec.training.part import Source
from autorec.training.validation import held_out_entries

TOLERANCE = 0.001  # share of the RMSE of damped biases by which a training may be worse
WARN_FROM = 0.01  # the same share, from which a warning says so; below it a note


@dataclass(frozen=True, eq=False)
class Fitted:
    """The result of `fit_network`, on the scale 1 … 5.

    mean, row_bias  the offset, a number and [rows]
    inputs          as in `Data`
    centre          [columns] of inputs that are residuals, else None
    epochs          of the best schedule
    tried           of each training its inputs, λ, epochs, validation RMSE, seconds
    biases_rmse     of damped biases on the validation ratings
    falls_back      whether damped biases are better, so that the network holds them alone
    streamed        whether batches were made again at each use, so that the training fits memory
    """

    network: Autoencoder
    mean: float
    row_bias: FloatArray
    inputs: str
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
    streamed: bool


def choose_streaming(n_ratings: int, shape: tuple[int, int], settings: Settings, mesh: Mesh = WHOLE_MESH) -> bool:
    """Whether to make batches again at each use, so that the training fits memory; see `autorec.training.memory`."""
    if settings.device.type != "cpu":
        return False
    (rows, columns), batch = shape, batch_size(shape, n_ratings, settings.batch)
    sizes = (n_ratings, rows, columns, settings.hidden, batch, settings.optimizer)
    how: dict[str, Any] = {"own_inputs": settings.own_inputs, "shape": (mesh.rows.size, mesh.columns.size)}
    kept, again = (training_memory(*sizes, streams=streams, **how) for streams in (False, True))
    available = available_memory()
    return should_stream(kept, again, settings.hidden, available and available // group.processes_here())


def fit_network(
    source: Source, settings: Settings, on_validation: OnValidation | None = None, mesh: Mesh = WHOLE_MESH
) -> Fitted:
    """Train on ratings [rows × columns] from 1 to 5.

    Open settings are chosen by trainings on a part of the ratings; the best by validation RMSE is kept. Up to 300,000
    ratings, where each counts, a last training includes the validation ratings: the same settings and schedule, stopped
    at the best epoch. Where damped biases are better than the best training, the model is these biases.

    mesh: what of rows and columns this process trains, and so what it takes of the source; process 0 alone has the
    whole network in its result.
    """
    shape, nnz = source.shape, source.nnz
    if mesh.size > 1:
        check_shared(settings)
        check_mesh(mesh, shape[1], settings.penalties)
    stream = choose_streaming(nnz, shape, settings, mesh)
    rng = np.random.default_rng(settings.seed)
    aside = held_out_entries(nnz, settings.validation, rng)
    parts = partition(shape[0], batch_size(shape, nnz, settings.batch), rng, in_order=settings.batch == "full")
    part = source.hold(mesh, parts, aside)
    del source  # the caller keeps none: its memory is free
    dampings = (0.0, 0.0)
    if settings.biases:
        dampings = choose_dampings(part, settings.dampings, settings.default_dampings, settings.seed)
    data_of = partial(make_data, parts=parts, dampings=dampings, settings=settings, stream=stream, mesh=mesh)
    unseen, seen = part.gather(part.rows.only(part.aside)), part.rows.without(part.aside)
    many = nnz > SEARCH_MOST
    again = part.rows if len(aside) and not many and settings.validation == "auto" else None
    del part
    biases = fit_biases(seen, dampings, mesh, shape[1]) if settings.biases else None
    biases_rmse = _measure_biases(biases, seen, unseen, settings, mesh)
    trainings = Trainings(settings, on_validation, biases_rmse if settings.biases else math.nan)
    with contextlib.suppress(Interrupted):
        search(trainings, lambda inputs: data_of(seen, unseen, inputs=inputs, biases=biases), many)
    best = last = trainings.best
    assert best is not None and last is not None  # a search that ends well, or by Ctrl-C, leaves one
    if again is not None and best.log.best_epoch > 0 and best.log.stopped != "interrupted":
        last = trainings.repeat_best(data_of(again, unseen.only(aside[:0]), inputs=best.inputs))
    falls_back = settings.biases and best.log.best_score > biases_rmse * (1 + TOLERANCE)
    return Fitted(
        network=finish(last.network, last.biases if falls_back else None, shape[1], mesh),
        mean=last.biases.mean,
        row_bias=last.biases.user,
        inputs=last.inputs,
        centre=last.centre,
        dampings=dampings,
        l2=last.l2,
        epochs=last.epochs,
        log=best.log,
        n_train=nnz - (len(aside) if last is best else 0),
        n_validation=len(aside),
        tried=trainings.tried,
        seconds=trainings.seconds,
        biases_rmse=biases_rmse,
        falls_back=falls_back,
        streamed=stream,
    )


def _measure_biases(biases: Biases | None, seen: Rows, unseen: Rows, settings: Settings, mesh: Mesh) -> float:
    """RMSE of damped biases on the held-out ratings, NaN without any; biases: those of `seen`, None where the model
    learns without, for which the default dampings are taken. seen, unseen: as in `make_data`."""
    if not unseen.nnz:
        return math.nan
    if biases is None:
        biases = fit_biases(seen, settings.default_dampings, mesh, unseen.n_columns)
    batch = unseen.batch()
    predicted = biases.predict(batch.rows().numpy(), unseen.indices).clip(LOW, HIGH)
    return float(np.sqrt(np.mean(np.square(predicted - batch.values.numpy()))))


def finish(
    network: Autoencoder, biases: Biases | None = None, n_columns: int = 0, mesh: Mesh = WHOLE_MESH
) -> Autoencoder:
    """The trained network on the CPU, without padding and gradients, in process 0 with all n_columns. biases: what it
    is reduced to, None for nothing: all weights become 0, and the output bias the damped biases of the columns."""
    if biases is not None:
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
            own = np.ascontiguousarray(biases.item[mesh.columns.own])
            network.head(HEAD).bias.copy_(torch.from_numpy(own).float())
    trim(network)
    for parameter in network.parameters():
        parameter.grad = None
    network = network.cpu()
    gather(network, n_columns, mesh)
    return network


def summarise(fitted: Fitted, factor: float) -> dict[str, Any]:
    """The summary of a fit, JSON-ready. factor: from RMSE on 1 … 5 to the scale of the ratings."""
    log = fitted.log
    curve = log.to_records("train_rmse", "validation_rmse", factor)
    validated = fitted.n_validation > 0 and log.best_epoch > 0
    tried = [{**one, "validation_rmse": _finite(one["validation_rmse"] * factor)} for one in fitted.tried]
    return {
        "l2": fitted.l2,
        "inputs": fitted.inputs,
        "tried": tried if fitted.n_validation else [],
        "epochs_planned": fitted.epochs,
        "biases_rmse": _finite(fitted.biases_rmse * factor),
        "fell_back": fitted.falls_back,
        "epochs": len(curve) and curve[-1]["epoch"],
        "best_epoch": log.best_epoch,
        "stopped": log.stopped,
        "train_ratings": fitted.n_train,
        "validation_ratings": fitted.n_validation,
        "validation_rmse": log.best_score * factor if validated else None,
        "seconds": fitted.seconds,
        "parameters": sum(parameter.numel() for parameter in fitted.network.parameters()),
        "curve": curve,
    }


def warn_if_worse(fitted: Fitted, factor: float, model: str) -> None:
    """A note where the best training is worse than damped biases on validation ratings, from 1 % on a warning."""
    gap = fitted.log.best_score / fitted.biases_rmse - 1
    if not gap > TOLERANCE:
        return
    values = f"{fitted.log.best_score * factor:.4g} where damped biases have {fitted.biases_rmse * factor:.4g}"
    done = "the model is these biases alone" if fitted.falls_back else "the model is kept as it is"
    sentence = f"{model}: the training ends with a validation RMSE of {values}; {done}."
    if gap > WARN_FROM:
        warnings.warn(f"{sentence} A lower learning_rate or a higher penalty may help.", stacklevel=5)
    else:
        progress.note(sentence)


def _finite(value: float) -> float | None:
    """None where no validation was made."""
    return value if np.isfinite(value) else None
