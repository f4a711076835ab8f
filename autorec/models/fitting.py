"""From rows of ratings to a trained network: validation cut, offsets, batches, the choice of λ, one training for each.

Rows and columns as the orientation made them; all ratings on the scale 1 … 5 inside the network.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from autorec.models import biases as bias_tools
from autorec.models.biases import Biases
from autorec.network.autoencoder import Autoencoder
from autorec.network.batch import Batch, make_batch
from autorec.threads import torch_on_one_thread
from autorec.training.loop import TrainingLog, train
from autorec.training.objective import Example, Objective
from autorec.training.optimizers import OPTIMIZERS

VALIDATION_SHARE, VALIDATION_MOST, VALIDATION_LEAST = 0.05, 20_000, 100  # ratings
BATCHES, BATCH_MOST = 4, 4096  # "auto": this many batches, of at most so many rows
SEARCH_MOST = 300_000  # ratings; with more, the λ for large data is taken without a search

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Settings:
    """What `fit_network` needs, checked. l2 None: choose among l2_candidates; the last of them is for large data.

    biases: learn deviations from damped biases, `dampings` = (row, column). batch: rows, "auto" or "full".
    """

    hidden: tuple[int, ...]
    encoder: str
    decoder: str
    l2: float | None
    l2_candidates: tuple[float, ...]
    l2_large: float
    biases: bool
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
    offset: Biases
    l2: float
    log: TrainingLog
    n_train: int
    n_validation: int
    tried: list[dict[str, float]]


@dataclass(frozen=True, eq=False)
class _Look:
    """The validation ratings of one batch of rows."""

    batch: Batch
    targets: FloatArray  # [nnz], on the scale 1 … 5
    offset: torch.Tensor | float


def fit_network(rows: sparse.csr_array, settings: Settings) -> Fitted:
    """Train on rows × columns, ratings 1 … 5. With several λ to try, the best by validation RMSE is kept."""
    rng = np.random.default_rng(settings.seed)
    aside = _validation_entries(rows.nnz, settings.validation, rng)
    seen, unseen = _part(rows, ~aside), _part(rows, aside)
    offset = _offset(seen, settings)
    parts = _partition(rows.shape[0], settings, rng)
    examples = [_example(seen, offset, part, settings) for part in parts]
    looks = [_look(unseen, offset, part, settings) for part in parts] if aside.any() else None
    tried: list[dict[str, float]] = []
    best: tuple[Autoencoder, float, TrainingLog] | None = None
    for l2 in _strengths(rows.nnz, settings, looks is not None):
        start = time.perf_counter()
        network = _new_network(seen, settings)
        with _threads(settings):
            log = _train(network, examples, looks, l2, settings)
        tried.append({"l2": l2, "validation_rmse": log.best_validation_rmse, "seconds": time.perf_counter() - start})
        if best is None or log.best_validation_rmse < best[2].best_validation_rmse:
            best = (network, l2, log)
        if log.stopped == "interrupted":
            break
    assert best is not None  # there is always one λ
    return Fitted(best[0].cpu(), offset, best[1], best[2], seen.nnz, unseen.nnz, tried)


def _train(
    network: Autoencoder, examples: list[Example], looks: list[_Look] | None, l2: float, settings: Settings
) -> TrainingLog:
    n_rows = sum(example.batch.n_rows for example in examples)
    n_entries = max(sum(len(example.targets) for example in examples), 1)
    damping = settings.dampings[1] if settings.biases else 0.0
    objective = Objective(network, n_rows, l2, damping)
    # Each λ draws the same batches: what differs between two trainings is λ alone.
    epoch = OPTIMIZERS[settings.optimizer](
        objective, examples, settings.epochs, settings.learning_rate, np.random.default_rng(settings.seed)
    )
    return train(
        network,
        epoch,
        epochs=settings.epochs,
        train_rmse=lambda loss: float(np.sqrt(loss * n_rows / n_entries)),
        validate=None if looks is None else lambda: _validation_rmse(network, examples, looks),
        patience=settings.patience,
        title=f"training, l2:{l2:g}",
    )


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


def _part(rows: sparse.csr_array, entries: npt.NDArray[np.bool_]) -> sparse.csr_array:
    """The entries where True, same shape."""
    if entries.all():
        return rows
    indptr = np.concatenate(([0], np.cumsum(entries)))[rows.indptr]
    return sparse.csr_array((rows.data[entries], rows.indices[entries], indptr), shape=rows.shape)


def _offset(rows: sparse.csr_array, settings: Settings) -> Biases:
    if settings.biases:
        row_damping, column_damping = settings.dampings
        return bias_tools.fit_biases(rows, user_damping=row_damping, item_damping=column_damping)
    return Biases(0.0, np.zeros(rows.shape[0]), np.zeros(rows.shape[1]))


def _partition(n_rows: int, settings: Settings, rng: np.random.Generator) -> list[IntArray]:
    """Random parts of the rows, all of them in one part each, sizes equal within one."""
    if settings.batch == "full":
        return [np.arange(n_rows)]
    size = settings.batch
    if isinstance(size, str):
        size = min(BATCH_MOST, -(-n_rows // BATCHES))
    return [np.sort(part) for part in np.array_split(rng.permutation(n_rows), -(-n_rows // size))]


def _entry_offsets(part: sparse.csr_array, offset: Biases, rows: IntArray) -> npt.NDArray[np.float32]:
    over = np.repeat(rows, np.diff(part.indptr))
    return offset.predict(over, part.indices).astype(np.float32)


def _example(rows: sparse.csr_array, offset: Biases, part: IntArray, settings: Settings) -> Example:
    chosen = rows[part]
    batch = make_batch(chosen).to(settings.device)
    if not settings.biases:
        return Example(batch, batch.values)
    targets = batch.values - torch.from_numpy(_entry_offsets(chosen, offset, part)).to(settings.device)
    return Example(batch, targets)  # the offset is taken off once here, not in each epoch


def _look(rows: sparse.csr_array, offset: Biases, part: IntArray, settings: Settings) -> _Look:
    chosen = rows[part]
    batch = make_batch(chosen).to(settings.device)
    shift = torch.from_numpy(_entry_offsets(chosen, offset, part)).to(settings.device) if settings.biases else 0.0
    return _Look(batch, chosen.data.astype(np.float64), shift)


def _validation_rmse(network: Autoencoder, examples: list[Example], looks: list[_Look]) -> float:
    """One root over all validation ratings, predictions clipped to 1 … 5 as `predict` does."""
    total, count = 0.0, 0
    with torch.no_grad():
        for example, look in zip(examples, looks, strict=True):
            predicted = network.ratings(look.batch, network.codes(example.batch), look.offset)
            error = predicted.clamp(1, 5).cpu().numpy() - look.targets
            total += float(error @ error)
            count += len(error)
    return float(np.sqrt(total / count))


def _new_network(rows: sparse.csr_array, settings: Settings) -> Autoencoder:
    """Fresh weights; without biases taken off, the output starts at the damped means of the columns."""
    generator = torch.Generator().manual_seed(settings.seed)
    network = Autoencoder(rows.shape[1], settings.hidden, settings.encoder, settings.decoder, generator)
    if not settings.biases:
        sums = np.bincount(rows.indices, rows.data, rows.shape[1])
        counts = np.bincount(rows.indices, minlength=rows.shape[1])
        mean = rows.data.mean(dtype=np.float64)
        damping = settings.dampings[1]
        means = torch.from_numpy((sums + damping * mean) / (counts + damping)).float()
        with torch.no_grad():
            network.bias_out.copy_(network.decoder.inverse(means))
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
