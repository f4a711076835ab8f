"""From rows of ratings to a trained network: validation cut, offsets, batches, the choice of λ, one training for each.

Rows and columns as the orientation made them; all ratings on the scale 1 … 5 inside the network.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from autorec.models import biases as bias_tools
from autorec.models.biases import Biases
from autorec.models.preflight import available_memory, require, training_memory
from autorec.network.activations import HIGH, LOW
from autorec.network.autoencoder import Autoencoder
from autorec.network.batch import Batch, make_batch
from autorec.threads import torch_on_one_thread
from autorec.training.loop import TrainingLog, train
from autorec.training.objective import Example, Objective
from autorec.training.optimizers import OPTIMIZERS

VALIDATION_SHARE, VALIDATION_MOST, VALIDATION_LEAST = 0.1, 20_000, 100  # ratings
BATCHES, BATCH_MOST = 4, 4096  # "auto": this many batches, of at most so many rows
STARTING_DAMPING = 10.0  # ratings at the overall mean; only where the training starts, so one for both orientations
SEARCH_MOST = 300_000  # ratings; with more, the λ for large data is taken without a search

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Settings:
    """What `fit_network` needs, checked. l2 None: choose among l2_candidates, or take l2_large.

    biases: learn deviations from damped biases, `dampings` = (row, column). centred: the hidden units, and the output
    bias starts at the columns' means; else it starts at 0. batch: rows, "auto" or "full".
    """

    hidden: tuple[int, ...]
    encoder: str
    decoder: str
    l2: float | None
    l2_candidates: tuple[float, ...]
    l2_large: float
    biases: bool
    centred: bool
    dampings: tuple[float, float]
    optimizer: str
    learning_rate: float
    epochs: int
    batch: int | str
    validation: float | str
    patience: int
    seed: int
    device: torch.device


@dataclass(frozen=True, eq=False)
class Fitted:
    """offset: of rows (`user`) and columns (`item`) on the scale 1 … 5. tried: λ, validation RMSE and seconds of
    each."""

    network: Autoencoder
    mean: float
    row_bias: FloatArray
    l2: float
    log: TrainingLog
    n_train: int
    n_validation: int
    tried: list[dict[str, float]]
    seconds: float


@dataclass(frozen=True, eq=False)
class _Material:
    """What one training works on: ratings to learn from, cut into batches, and those to look at, none when empty.

    shape: rows × columns; n_ratings to learn from; start: [columns] output biases to start from.
    """

    shape: tuple[int, int]
    n_ratings: int
    biases: Biases
    start: FloatArray
    examples: list[Example]
    looks: list[Example]


def fit_network(rows: sparse.csr_array, settings: Settings) -> Fitted:
    """Train on rows × columns, ratings 1 … 5.

    With several λ to try, the best by validation RMSE is kept. Up to 300,000 ratings, where each counts, a last
    training takes the validation ratings in again: the chosen λ, the same schedule, stopped at the best epoch.
    """
    _preflight(rows, settings)
    rng = np.random.default_rng(settings.seed)
    aside = _validation_entries(rows.nnz, settings.validation, rng)
    parts = _partition(rows.shape[0], settings, rng)
    material = _material(_part(rows, ~aside), _part(rows, aside), parts, settings)
    strengths = _strengths(rows.nnz, settings, bool(material.looks))
    again = rows if material.looks and rows.nnz <= SEARCH_MOST and settings.validation == "auto" else None
    del rows  # the batches hold all of it
    network, l2, log, tried = _best_of(material, strengths, settings)
    seconds = sum(one["seconds"] for one in tried)
    if again is not None and log.best_epoch > 0 and log.stopped != "interrupted":
        whole = _material(again, _part(again, np.zeros_like(aside)), parts, settings)
        last, last_log = _train(whole, l2, settings, log.best_epoch)
        seconds += last_log.seconds
        if last_log.stopped != "interrupted":
            network, material = last, whole
    network.sinks = (None, None)
    network.trim()
    biases = material.biases
    counts = (material.n_ratings, int(aside.sum()))
    return Fitted(network.cpu(), biases.mean, biases.user, l2, log, *counts, tried, seconds)


def _best_of(
    material: _Material, strengths: Sequence[float], settings: Settings
) -> tuple[Autoencoder, float, TrainingLog, list[dict[str, float]]]:
    """A training for each λ; the one best by validation RMSE, and what was tried. Ctrl-C ends the search."""
    tried: list[dict[str, float]] = []
    best: tuple[Autoencoder, float, TrainingLog] | None = None
    for l2 in strengths:
        network, log = _train(material, l2, settings, settings.epochs)
        tried.append({"l2": l2, "validation_rmse": log.best_validation_rmse, "seconds": log.seconds})
        if best is None or log.best_validation_rmse < best[2].best_validation_rmse:
            best = (network, l2, log)
        if log.stopped == "interrupted":
            break
    assert best is not None  # there is always one λ
    return *best, tried


def _preflight(rows: sparse.csr_array, settings: Settings) -> None:
    if settings.device.type != "cpu":
        return
    n_rows, n_columns = rows.shape
    sizes = (rows.nnz, n_rows, n_columns, settings.hidden, _batch_rows(n_rows, settings), settings.optimizer)
    require(training_memory(*sizes), settings.hidden, available_memory())


def _material(seen: sparse.csr_array, unseen: sparse.csr_array, parts: list[IntArray], settings: Settings) -> _Material:
    biases = _biases(seen, settings)
    offset = biases.mean + biases.user  # [rows]
    examples = [_example(seen, offset, part, settings.device) for part in parts]
    looks = [_example(unseen, offset, part, settings.device) for part in parts] if unseen.nnz else []
    return _Material(seen.shape, seen.nnz, biases, _start(seen, biases, settings), examples, looks)


def _train(material: _Material, l2: float, settings: Settings, last_epoch: int) -> tuple[Autoencoder, TrainingLog]:
    """A fresh network, trained; the schedule is that of all epochs, whichever is the last."""
    network = _new_network(material, settings)
    n_rows = material.shape[0]
    damping = settings.dampings[1] if settings.biases else 0.0
    objective = Objective(network, n_rows, l2, damping)
    # Each λ draws the same batches: what differs between two trainings is λ alone.
    rng = np.random.default_rng(settings.seed)
    make = OPTIMIZERS[settings.optimizer]
    epoch = make(objective, material.examples, settings.epochs, settings.learning_rate, rng)
    with _threads(settings):
        log = train(
            network,
            epoch,
            epochs=last_epoch,
            train_rmse=lambda loss: float(np.sqrt(loss * n_rows / max(material.n_ratings, 1))),
            validate=(lambda: _validation_rmse(network, material)) if material.looks else None,
            patience=settings.patience,
            title=f"training, l2:{l2:g}",
        )
    return network, log


def _threads(settings: Settings) -> contextlib.AbstractContextManager[None]:
    """Dense layers in the middle are torch's work and worth its threads; without them the kernels do nearly all."""
    shallow = len(settings.hidden) == 1 and settings.device.type == "cpu"
    return torch_on_one_thread() if shallow else contextlib.nullcontext()


def _strengths(n_ratings: int, settings: Settings, has_validation: bool) -> tuple[float, ...]:
    if settings.l2 is not None:
        return (settings.l2,)
    if n_ratings > SEARCH_MOST:
        return (settings.l2_large,)
    return settings.l2_candidates if has_validation else (max(settings.l2_candidates),)


def _validation_entries(n: int, validation: float | str, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """[n] True for the ratings kept aside."""
    share = min(VALIDATION_SHARE, VALIDATION_MOST / n) if isinstance(validation, str) else validation
    count = int(n * share)
    aside = np.zeros(n, dtype=bool)
    if count >= VALIDATION_LEAST:
        aside[rng.permutation(n)[:count]] = True
    return aside


def _batch_rows(n_rows: int, settings: Settings) -> int:
    """Rows of a batch, at most."""
    if isinstance(settings.batch, int):
        return min(settings.batch, n_rows)
    return min(BATCH_MOST, n_rows if settings.batch == "full" else -(-n_rows // BATCHES))


def _part(rows: sparse.csr_array, entries: npt.NDArray[np.bool_]) -> sparse.csr_array:
    """The entries where True, same shape."""
    if entries.all():
        return rows
    indptr = np.concatenate(([0], np.cumsum(entries)))[rows.indptr]
    return sparse.csr_array((rows.data[entries], rows.indices[entries], indptr), shape=rows.shape)


def _biases(rows: sparse.csr_array, settings: Settings) -> Biases:
    """Damped biases of rows (`user`) and columns (`item`); zeros where the model learns without."""
    if settings.biases:
        row_damping, column_damping = settings.dampings
        return bias_tools.fit_biases(rows, user_damping=row_damping, item_damping=column_damping)
    return Biases(0.0, np.zeros(rows.shape[0]), np.zeros(rows.shape[1]))


def _partition(n_rows: int, settings: Settings, rng: np.random.Generator) -> list[IntArray]:
    """Random parts of the rows, all of them in one part each, sizes equal within one."""
    size = _batch_rows(n_rows, settings)
    if settings.batch == "full":  # in pieces that the caches hold; their gradients are added up
        return [np.arange(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]
    return [np.sort(part) for part in np.array_split(rng.permutation(n_rows), -(-n_rows // size))]


def _example(rows: sparse.csr_array, offset: FloatArray, part: IntArray, device: torch.device) -> Example:
    """These rows as a batch, with their offsets."""
    return Example(make_batch(rows[part]).to(device), torch.from_numpy(offset[part].astype(np.float32)).to(device))


def _validation_rmse(network: Autoencoder, material: _Material) -> float:
    """One root over all validation ratings, predictions clipped to 1 … 5 as `predict` does."""
    total, count = 0.0, 0
    with torch.no_grad():
        for example, look in zip(material.examples, material.looks, strict=True):
            predicted = network.ratings(look.batch, network.codes(example.batch), look.offset)
            error = predicted.clamp(LOW, HIGH).cpu().numpy().astype(np.float64) - look.batch.values.cpu().numpy()
            total += float(error @ error)
            count += len(error)
    return float(np.sqrt(total / count))


def _start(rows: sparse.csr_array, biases: Biases, settings: Settings) -> FloatArray:
    """[columns] the columns' damped biases, without an offset their damped means: the first epochs need not learn
    them."""
    if settings.biases:
        return biases.item
    sums = np.bincount(rows.indices, rows.data, rows.shape[1])
    counts = np.bincount(rows.indices, minlength=rows.shape[1])
    mean = rows.data.mean(dtype=np.float64)
    return np.asarray((sums + STARTING_DAMPING * mean) / (counts + STARTING_DAMPING))


def _new_network(material: _Material, settings: Settings) -> Autoencoder:
    """Fresh weights, the output bias at its start, padded for the kernels."""
    generator = torch.Generator().manual_seed(settings.seed)
    parts = (settings.hidden, settings.encoder, settings.decoder, generator, settings.centred)
    network = Autoencoder(material.shape[1], *parts)
    if settings.centred:
        with torch.no_grad():
            network.bias_out.copy_(network.decoder.inverse(torch.from_numpy(material.start).float()))
    network.pad()
    return network.to(settings.device)


def encode_rows(network: Autoencoder, rows: sparse.csr_array, block: int = 4096) -> npt.NDArray[np.float32]:
    """[rows × H] codes of rows × columns (ratings 1 … 5), `block` rows at a time."""
    with torch.no_grad():
        parts = [network.codes(batch).numpy() for batch in _batches(rows, block)]
    return np.concatenate(parts) if parts else np.zeros((0, network.weight_out.shape[1]), dtype=np.float32)


def _batches(rows: sparse.csr_array, block: int) -> Iterator[Batch]:
    if rows.shape[0] <= block:
        yield make_batch(rows)
        return
    for start in range(0, rows.shape[0], block):
        yield make_batch(rows[start : start + block])
