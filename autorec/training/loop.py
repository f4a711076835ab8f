"""The training loop: epochs, a look at the validation ratings, early stopping, the best weights back at the end."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch

from autorec import progress
from autorec.errors import DivergedError
from autorec.training.optimizers import Epoch

LOOKS = 20  # at the validation ratings in a training, about; each costs a pass of the encoder
LONGEST = 25  # epochs between two looks

Watcher = Callable[[int, float], None]  # gets (epoch, validation RMSE on the scale inside the network)

_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextlib.contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Within the block `watcher` is told of each look at validation ratings; what it raises ends the training."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


@dataclass
class TrainingLog:
    """What happened. `stopped` is one of: epochs (all done), patience (early stopping), interrupted (Ctrl-C).

    curve: one entry a look: epoch, seconds, train_rmse (of the epoch, on moving weights), validation_rmse (None
    without). RMSE are on the scale inside the network.
    """

    curve: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    best_validation_rmse: float = math.inf
    stopped: str = "epochs"
    seconds: float = 0.0


def train(
    network: torch.nn.Module,
    epoch: Epoch,
    *,
    epochs: int,
    train_rmse: Callable[[float], float],
    validate: Callable[[], float] | None,
    patience: int,
    title: str = "training",
) -> TrainingLog:
    """Run up to `epochs` epochs; leave the weights of the best look (the last ones without validation) in `network`.

    epoch(number) trains once over the data and returns its loss, `train_rmse` turns that into an RMSE. `patience`:
    stop after so many looks without a better validation RMSE. Ctrl-C ends the training with the best weights so far.
    DivergedError: the loss is not finite.
    """
    log = TrainingLog()
    best: dict[str, torch.Tensor] = {}
    every = min(max(1, epochs // LOOKS), LONGEST)
    since_best = 0
    start = time.perf_counter()
    with progress.bar(title, epochs) as update:
        try:
            for number in range(1, epochs + 1):
                loss = epoch(number)
                _refuse_divergence(loss, number)
                if number % every and number != epochs:
                    update(number, _line(train_rmse(loss), log.best_validation_rmse))
                    continue
                rmse = validate() if validate is not None else None
                log.curve.append(_entry(number, time.perf_counter() - start, train_rmse(loss), rmse))
                if rmse is None or rmse < log.best_validation_rmse:
                    log.best_epoch, since_best = number, 0
                    if rmse is not None:
                        log.best_validation_rmse = rmse
                        _keep(best, network)
                else:
                    since_best += 1
                update(number, _line(train_rmse(loss), rmse))
                if rmse is not None and (watcher := _watcher.get()) is not None:
                    watcher(number, rmse)
                if since_best >= patience:
                    log.stopped = "patience"
                    break
        except KeyboardInterrupt:
            log.stopped = "interrupted"
    if best:
        network.load_state_dict(best)
    log.seconds = time.perf_counter() - start
    return log


def _keep(best: dict[str, torch.Tensor], network: torch.nn.Module) -> None:
    """Copy the weights into `best`, into the same memory each time."""
    for name, value in network.state_dict().items():
        if name in best:
            best[name].copy_(value)
        else:
            best[name] = value.clone()


def _entry(number: int, seconds: float, train: float, validation: float | None) -> dict[str, Any]:
    return {"epoch": number, "seconds": seconds, "train_rmse": train, "validation_rmse": validation}


def _line(train: float, validation: float | None) -> str:
    shown = "" if validation is None or math.isinf(validation) else f"  validation {validation:.4f}"
    return f"train {train:.4f}{shown}"


def _refuse_divergence(loss: float, number: int) -> None:
    if not math.isfinite(loss):
        raise DivergedError(
            f"the loss is {loss} in epoch {number}: the training diverged; lower learning_rate or raise the penalty"
        )
