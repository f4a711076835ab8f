"""From rows of ratings to a trained network: validation cut, offsets, batches, the choice of λ, one training for each.

Rows and columns as the orientation made them; all ratings on the scale 1 … 5 inside the network.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from autorec.memory import available_memory
from autorec.models import biases as bias_tools
from autorec.models.biases import Biases
from autorec.network.activations import HIGH, LOW
from autorec.network.autoencoder import Autoencoder
from autorec.network.batch import Batch
from autorec.network.rows import Rows
from autorec.threads import torch_on_one_thread
from autorec.training.loop import TrainingLog, train
from autorec.training.memory import streamed, training_memory
from autorec.training.objective import Example, Examples, Objective, Streamed
from autorec.training.optimizers import OPTIMIZERS

VALIDATION_SHARE, VALIDATION_MOST, VALIDATION_LEAST = 0.1, 20_000, 100  # ratings
BATCHES, BATCH_MOST = 4, 4096  # "auto": this many batches, of at most so many rows
STARTING_DAMPING = 10.0  # ratings at the overall mean; only where the training starts, so one for both orientations
SEARCH_MOST = 300_000  # ratings; with more, the λ for large data is taken without a search
_RUN = 2**24  # ratings among which validation ratings are drawn at once

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

    shape: rows × columns; n_ratings to learn from; start: [columns] output biases to start from; given[i]: what the
    rows of looks[i] are encoded from.
    """

    shape: tuple[int, int]
    n_ratings: int
    biases: Biases
    start: FloatArray
    examples: Examples
    given: Examples
    looks: list[Example]


def preflight(n_ratings: int, shape: tuple[int, int], settings: Settings) -> bool:
    """Whether the batches are to be streamed, made anew each time, so that the training fits; see
    `autorec.training.memory`."""
    if settings.device.type != "cpu":
        return False
    sizes = (n_ratings, *shape, settings.hidden, _batch_rows(shape[0], settings), settings.optimizer)
    kept, anew = (training_memory(*sizes, streams=streams) for streams in (False, True))
    return streamed(kept, anew, settings.hidden, available_memory())


def fit_network(rows: Rows, settings: Settings, streams: bool = False) -> Fitted:
    """Train on rows × columns, ratings 1 … 5. streams: batches are made anew each time, else once and kept.

    With several λ to try, the best by validation RMSE is kept. Up to 300,000 ratings, where each counts, a last
    training takes the validation ratings in again: the chosen λ, the same schedule, stopped at the best epoch.
    """
    rng = np.random.default_rng(settings.seed)
    aside = _validation_entries(rows.nnz, settings.validation, rng)
    parts = _partition(rows.shape[0], settings, rng)
    again = rows if len(aside) and rows.nnz <= SEARCH_MOST and settings.validation == "auto" else None
    strengths = _strengths(rows.nnz, settings, bool(len(aside)))
    unseen = rows.only(aside)
    rows = rows.without(aside)
    material = _material(rows, rows.nnz - len(aside), unseen, parts, settings, streams)
    del rows, unseen  # where batches are kept they hold all of it
    network, l2, log, tried = _best_of(material, strengths, settings)
    seconds = sum(one["seconds"] for one in tried)
    if again is not None and log.best_epoch > 0 and log.stopped != "interrupted":
        whole = _material(again, again.nnz, again.only(aside[:0]), parts, settings, streams)
        last, last_log = _train(whole, l2, settings, log.best_epoch)
        seconds += last_log.seconds
        if last_log.stopped == "interrupted":
            log.stopped = "interrupted"
        else:
            network, material = last, whole
    network.sinks = (None, None)
    network.trim()
    biases = material.biases
    counts = (material.n_ratings, len(aside))
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
            best[2].stopped = "interrupted"  # whichever is the best
            break
    assert best is not None  # there is always one λ
    return *best, tried


def _material(
    seen: Rows, n_ratings: int, unseen: Rows, parts: list[IntArray], settings: Settings, streams: bool
) -> _Material:
    biases = _biases(seen, settings)
    offset = (biases.mean + biases.user).astype(np.float32)  # [rows]

    looked_at = _looked_at(parts, unseen) if unseen.nnz else []

    def example(part: IntArray, rows: Rows = seen) -> Example:
        return Example(rows.batch(part), torch.from_numpy(offset[part])).to(settings.device)

    examples: Examples
    given: Examples
    if streams:
        examples = Streamed(lambda place: example(parts[place]), len(parts))
        given = Streamed(lambda place: example(looked_at[place]), len(looked_at))
    else:
        examples = kept = [example(part) for part in parts]
        pairs = zip(kept, parts, looked_at, strict=False)
        given = [whole if rows is part else example(rows) for whole, part, rows in pairs]
    looks = [example(rows, unseen) for rows in looked_at]
    start = _start(seen, biases, settings)
    return _Material(seen.shape, n_ratings, biases, start, examples, given, looks)


def _looked_at(parts: list[IntArray], unseen: Rows) -> list[IntArray]:
    """Of each part the rows with validation ratings, the only ones to encode; where they are most, the part itself."""
    has = np.diff(unseen.indptr) > 0
    return [part if 2 * np.count_nonzero(has[part]) > len(part) else part[has[part]] for part in parts]


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


def _validation_entries(n: int, validation: float | str, rng: np.random.Generator) -> IntArray:
    """Places of the ratings kept aside, ascending: a random part of each run of 2²⁴."""
    share = min(VALIDATION_SHARE, VALIDATION_MOST / n) if isinstance(validation, str) else validation
    count = int(n * share)
    if count < VALIDATION_LEAST:
        return np.zeros(0, dtype=np.int64)
    if n <= _RUN:
        return np.sort(rng.permutation(n)[:count])
    bounds = [*range(0, n, _RUN), n]
    runs = [
        first + np.sort(rng.choice(end - first, count * end // n - count * first // n, replace=False, shuffle=False))
        for first, end in pairwise(bounds)
    ]
    return np.concatenate(runs)


def _batch_rows(n_rows: int, settings: Settings) -> int:
    """Rows of a batch, at most."""
    if isinstance(settings.batch, int):
        return min(settings.batch, n_rows)
    return min(BATCH_MOST, n_rows if settings.batch == "full" else -(-n_rows // BATCHES))


def _biases(rows: Rows, settings: Settings) -> Biases:
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


def _validation_rmse(network: Autoencoder, material: _Material) -> float:
    """One root over all validation ratings, predictions clipped to 1 … 5 as `predict` does."""
    places = range(len(material.looks))
    total = sum(_squared_error(network, material.given[place].batch, material.looks[place]) for place in places)
    return float(np.sqrt(total / sum(len(look.batch.values) for look in material.looks)))


def _squared_error(network: Autoencoder, given: Batch, look: Example) -> float:
    """Σ (r − r̂)² over the ratings of `look`, their rows encoded from `given`."""
    with torch.no_grad():
        predicted = network.ratings(look.batch, network.codes(given), look.offset)
        error = predicted.clamp(LOW, HIGH).cpu().numpy().astype(np.float64) - look.batch.values.cpu().numpy()
    return float(error @ error)


def _start(rows: Rows, biases: Biases, settings: Settings) -> FloatArray:
    """[columns] the columns' damped biases, without an offset their damped means: the first epochs need not learn
    them."""
    return biases.item if settings.biases else bias_tools.item_means(rows, STARTING_DAMPING)


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


def encode_rows(network: Autoencoder, rows: Rows, block: int = 4096) -> npt.NDArray[np.float32]:
    """[rows × H] codes of rows × columns (ratings 1 … 5), `block` rows at a time."""
    codes = np.empty((rows.shape[0], network.weight_out.shape[1]), dtype=np.float32)
    with torch.no_grad():
        for start in range(0, len(codes), block):
            chosen = slice(start, start + block)
            codes[chosen] = network.codes(rows.batch(chosen)).numpy()
    return codes
