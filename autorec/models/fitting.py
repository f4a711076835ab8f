"""How AutoRec is trained: held-out ratings, biases to start from, the choice of λ, one training for each.

Rows and columns as the orientation made them; all ratings on the scale 1 … 5 inside the network.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from autorec.memory import available_memory
from autorec.models import biases as bias_tools
from autorec.models.biases import Biases
from autorec.models.dampings import Dampings, Given, choose_dampings
from autorec.network.autoencoder import Autoencoder, build_autoencoder
from autorec.network.corruption import Corruption
from autorec.network.likelihood import LIKELIHOODS
from autorec.network.padding import pad, trim
from autorec.network.parts import Part, parse
from autorec.network.penalty import PENALTIES, Penalty
from autorec.network.rows import Rows
from autorec.threads import torch_on_one_thread
from autorec.training.adam import Adam
from autorec.training.batches import batch_size, make_examples, partition, reconstruct
from autorec.training.full_batch import lbfgs_epoch, rprop_epoch
from autorec.training.held_out import held_out_entries
from autorec.training.loop import OnValidation, TrainingLog, train
from autorec.training.memory import streamed, training_memory
from autorec.training.objective import Loss, objective
from autorec.training.schedule import warm_cosine
from autorec.training.steps import Epoch, Examples, descend, stochastic_epoch
from autorec.training.validation import Validation, prepare_validation, validation_rmse

OPTIMIZERS = ("adam", "rprop", "lbfgs")
STARTING_DAMPING = 10.0  # ratings at the overall mean; only where the training starts, so one for both orientations
SEARCH_MOST = 300_000  # ratings; with more, the λ for large data is taken without a search
ENCODED_AT_ONCE = 2**17  # ratings
HEAD = "rating"

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Settings:
    """What `fit_network` needs, checked. l2 None: choose among l2_candidates, or take l2_large.

    penalties: but an l2 that is chosen. biases: learn deviations from damped biases; dampings: of rows and of columns,
    "auto" where they are chosen. centred: the hidden units, and the output bias starts at the columns' means; else it
    starts at 0. batch: rows, "auto" or "full".
    """

    hidden: tuple[int, ...]
    encoder: str
    decoder: str
    l2: float | None
    l2_candidates: tuple[float, ...]
    l2_large: float
    penalties: Mapping[str, Part[Penalty]]
    corruption: Part[Corruption]
    biases: bool
    centred: bool
    dampings: Given
    default_dampings: Dampings
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
    """mean, row_bias: the offset, on the scale 1 … 5. tried: λ, validation RMSE and seconds of each."""

    network: Autoencoder
    mean: float
    row_bias: FloatArray
    dampings: Dampings
    l2: float
    log: TrainingLog
    n_train: int
    n_validation: int
    tried: list[dict[str, float]]
    seconds: float


@dataclass(frozen=True, eq=False)
class _Data:
    """What one training works on.

    shape: rows × columns; n_ratings to learn from; start: [columns] output biases to start from; validation: None
    without ratings kept aside.
    """

    shape: tuple[int, int]
    n_ratings: int
    dampings: Dampings
    biases: Biases
    start: FloatArray
    examples: Examples
    validation: Validation | None


def choose_streaming(n_ratings: int, shape: tuple[int, int], settings: Settings) -> bool:
    """Whether batches are to be made anew at each use, so that the training fits; see `autorec.training.memory`."""
    if settings.device.type != "cpu":
        return False
    sizes = (n_ratings, *shape, settings.hidden, batch_size(shape[0], settings.batch), settings.optimizer)
    kept, anew = (training_memory(*sizes, streams=streams) for streams in (False, True))
    return streamed(kept, anew, settings.hidden, available_memory())


def fit_network(
    rows: Rows, settings: Settings, stream: bool = False, on_validation: OnValidation | None = None
) -> Fitted:
    """Train on rows × columns, ratings 1 … 5. stream: batches are made anew each time, else once and kept.

    With several λ to try, the best by validation RMSE is kept. Up to 300,000 ratings, where each counts, a last
    training takes the validation ratings in again: the chosen λ, the same schedule, stopped at the best epoch.
    """
    dampings = (0.0, 0.0)
    if settings.biases:
        dampings = choose_dampings(rows, settings.dampings, settings.default_dampings, settings.seed)
    rng = np.random.default_rng(settings.seed)
    aside = held_out_entries(rows.nnz, settings.validation, rng)
    parts = partition(rows.shape[0], settings.batch, rng)
    again = rows if len(aside) and rows.nnz <= SEARCH_MOST and settings.validation == "auto" else None
    candidates = _candidates(rows.nnz, settings, bool(len(aside)))
    unseen = rows.only(aside)
    rows = rows.without(aside)
    data = _prepare(rows, rows.nnz - len(aside), unseen, parts, dampings, settings, stream)
    del rows, unseen  # where batches are kept they hold all of it
    network, l2, log, tried = _best_of(data, candidates, settings, on_validation)
    seconds = sum(one["seconds"] for one in tried)
    if again is not None and log.best_epoch > 0 and log.stopped != "interrupted":
        whole = _prepare(again, again.nnz, again.only(aside[:0]), parts, dampings, settings, stream)
        last, last_log = _train(whole, l2, settings, log.best_epoch, None)
        seconds += last_log.seconds
        if last_log.stopped == "interrupted":
            log.stopped = "interrupted"
        else:
            network, data = last, whole
    trim(network)
    for parameter in network.parameters():
        parameter.grad = None
    counts = (data.n_ratings, len(aside))
    return Fitted(network.cpu(), data.biases.mean, data.biases.user, dampings, l2, log, *counts, tried, seconds)


def _best_of(
    data: _Data, candidates: Sequence[float], settings: Settings, on_validation: OnValidation | None
) -> tuple[Autoencoder, float, TrainingLog, list[dict[str, float]]]:
    """A training for each λ; the one best by validation RMSE, and what was tried. Ctrl-C ends the search."""
    tried: list[dict[str, float]] = []
    best: tuple[Autoencoder, float, TrainingLog] | None = None
    for l2 in candidates:
        network, log = _train(data, l2, settings, settings.epochs, on_validation)
        tried.append({"l2": l2, "validation_rmse": log.best_score, "seconds": log.seconds})
        if best is None or log.best_score < best[2].best_score:
            best = (network, l2, log)
        if log.stopped == "interrupted":
            best[2].stopped = "interrupted"  # whichever is the best
            break
    assert best is not None  # there is always one λ
    return *best, tried


def _prepare(
    seen: Rows,
    n_ratings: int,
    unseen: Rows,
    parts: list[IntArray],
    dampings: Dampings,
    settings: Settings,
    stream: bool,
) -> _Data:
    biases = _biases(seen, dampings, settings)
    make = reconstruct((biases.mean + biases.user).astype(np.float32), settings.device, HEAD)
    examples = make_examples(seen, parts, make, stream=stream)
    validation = prepare_validation(seen, unseen, parts, examples, make, stream=stream)
    return _Data(seen.shape, n_ratings, dampings, biases, _start(seen, biases, settings), examples, validation)


def _train(
    data: _Data, l2: float, settings: Settings, last_epoch: int, on_validation: OnValidation | None
) -> tuple[Autoencoder, TrainingLog]:
    """A fresh network, trained; the schedule is that of all epochs, whichever is the last."""
    network = _new_network(data, settings)
    penalties = {"l2": parse("penalty", f"l2:{l2!r}", PENALTIES), **settings.penalties}
    if data.dampings[1] > 0:
        penalties["bias"] = parse("penalty", f"bias:{data.dampings[1]!r}", PENALTIES)
    generator = torch.Generator(settings.device).manual_seed(settings.seed)
    likelihoods = {HEAD: parse("likelihood", "gaussian", LIKELIHOODS)}
    loss = objective(network, likelihoods, penalties, settings.corruption, generator)
    epoch = _make_epoch(network, loss, data.examples, settings)
    validation = data.validation
    factor = data.shape[0] / max(data.n_ratings, 1)  # Σ (r − r̂)² / N → mean over the ratings
    with _threads(settings):
        log = train(
            [network],
            lambda number: float(np.sqrt(epoch(number)[HEAD] * factor)),
            epochs=last_epoch,
            score=None if validation is None else lambda: validation_rmse(network, validation, HEAD),
            patience=settings.patience,
            on_validation=on_validation,
            title=f"training, l2:{l2:g}",
        )
    return network, log


def _make_epoch(network: Autoencoder, loss: Loss, examples: Examples, settings: Settings) -> Epoch:
    parameters = list(network.parameters())
    if settings.optimizer == "rprop":
        return rprop_epoch(loss, parameters, examples, settings.learning_rate)
    if settings.optimizer == "lbfgs":
        return lbfgs_epoch(loss, parameters, examples)
    total = settings.epochs * len(examples)
    optimizer = Adam(parameters, lambda step: settings.learning_rate * warm_cosine(step, total))
    # Each λ draws the same batches: what differs between two trainings is λ alone.
    return stochastic_epoch(descend(loss, optimizer), examples, np.random.default_rng(settings.seed))


def _threads(settings: Settings) -> contextlib.AbstractContextManager[None]:
    """Dense layers in the middle are torch's work and worth its threads; without them the kernels do nearly all."""
    shallow = len(settings.hidden) == 1 and settings.device.type == "cpu"
    return torch_on_one_thread() if shallow else contextlib.nullcontext()


def _candidates(n_ratings: int, settings: Settings, has_validation: bool) -> tuple[float, ...]:
    """The values of λ to try."""
    if settings.l2 is not None:
        return (settings.l2,)
    if n_ratings > SEARCH_MOST:
        return (settings.l2_large,)
    return settings.l2_candidates if has_validation else (max(settings.l2_candidates),)


def _biases(rows: Rows, dampings: Dampings, settings: Settings) -> Biases:
    """Damped biases of rows (`user`) and columns (`item`); zeros where the model learns without."""
    if settings.biases:
        return bias_tools.fit_biases(rows, user_damping=dampings[0], item_damping=dampings[1])
    return Biases(0.0, np.zeros(rows.shape[0]), np.zeros(rows.shape[1]))


def _start(rows: Rows, biases: Biases, settings: Settings) -> FloatArray:
    """[columns] the columns' damped biases, without an offset their damped means: the first epochs need not learn
    them."""
    return biases.item if settings.biases else bias_tools.item_means(rows, STARTING_DAMPING)


def _new_network(data: _Data, settings: Settings) -> Autoencoder:
    """Fresh weights, the output bias at its start, padded for the kernels."""
    generator = torch.Generator().manual_seed(settings.seed)
    shape = (data.shape[1], settings.hidden, settings.encoder, settings.decoder)
    network = build_autoencoder(*shape, generator, centred=settings.centred, head=HEAD)
    if settings.centred:
        head = network.head(HEAD)
        with torch.no_grad():
            head.bias.copy_(head.activation.inverse(torch.from_numpy(data.start).float()))
    pad(network)
    return network.to(settings.device)


def encode_rows(network: Autoencoder, rows: Rows, block: int | None = None) -> npt.NDArray[np.float32]:
    """[rows × H] codes of rows × columns (ratings 1 … 5), `block` rows at a time; by default as many as hold some
    hundred thousand ratings."""
    n = rows.shape[0]
    block = min(max(ENCODED_AT_ONCE * n // max(rows.nnz, 1), 64), 4096) if block is None else block
    codes = np.empty((n, network.encoder.widths[-1]), dtype=np.float32)
    with torch.no_grad():
        for start in range(0, n, block):
            chosen = slice(start, start + block)
            codes[chosen] = network.encode(rows.batch(chosen)).numpy()
    return codes
