"""The training loop: epochs, validations, early stopping, the best weights back at the end."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autorec import progress
from autorec.errors import DivergedError

if TYPE_CHECKING:
    import torch

VALIDATIONS = 20  # in a training, about; each costs a pass of the encoder
LONGEST = 25  # epochs between two validations

OnValidation = Callable[[int, float], None]  # (epoch, from 1; score); what it raises ends the training


@dataclass(frozen=True)
class Point:
    """A point of the learning curve. seconds: since the training began. training: score of the epoch, whose weights
    change meanwhile; validation: score on validation data, None without."""

    epoch: int
    seconds: float
    training: float
    validation: float | None


@dataclass
class TrainingLog:
    """The course of a training. stopped: "epochs" (all done), "patience" (early stopping) or "interrupted" (Ctrl-C).

    best_score: of the best validation; NaN without any.
    """

    curve: list[Point] = field(default_factory=list)
    best_epoch: int = 0
    best_score: float = math.nan
    stopped: str = "epochs"
    seconds: float = 0.0


def train(
    modules: "Sequence[torch.nn.Module]",
    epoch: Callable[[int], float],
    *,
    epochs: int,
    score: Callable[[], float] | None,
    lower_is_better: bool = True,
    patience: int,
    on_validation: OnValidation | None = None,
    title: str = "training",
) -> TrainingLog:
    """Train modules [n], up to `epochs` epochs; they end with the weights of the best validation, else with the last
    ones.

    epoch(number), numbers from 1, trains once over the data and returns its score. score(): any measure of the modules
    on validation data; `lower_is_better` says which of two is better. patience: stop after so many validations without
    a better score. Ctrl-C ends the training with the best weights so far. DivergedError: the score of an epoch is not
    finite.
    """
    log = TrainingLog()
    best: list[dict[str, torch.Tensor]] = [{} for _ in modules]
    every = min(max(1, epochs // VALIDATIONS), LONGEST)
    since_best = 0
    start = time.perf_counter()
    with progress.bar(title, epochs) as update:
        try:
            for number in range(1, epochs + 1):
                training = epoch(number)
                _refuse_divergence(training, number)
                if number % every and number != epochs:
                    update(number, _line(training, log.best_score))
                    continue
                validation = score() if score is not None else None
                log.curve.append(Point(number, time.perf_counter() - start, training, validation))
                update(number, _line(training, validation))
                if validation is None:
                    log.best_epoch = number
                    continue
                if _is_better(validation, log.best_score, lower_is_better):
                    log.best_epoch, log.best_score, since_best = number, validation, 0
                    _copy_weights(modules, best)
                else:
                    since_best += 1
                if on_validation is not None:
                    on_validation(number, validation)
                if since_best >= patience:
                    log.stopped = "patience"
                    break
        except KeyboardInterrupt:
            log.stopped = "interrupted"
    for module, weights in zip(modules, best, strict=True):
        if weights:
            module.load_state_dict(weights)
    log.seconds = time.perf_counter() - start
    return log


def _is_better(score: float, best: float, lower_is_better: bool) -> bool:
    if math.isnan(best):
        return not math.isnan(score)
    return score < best if lower_is_better else score > best


def _copy_weights(modules: "Sequence[torch.nn.Module]", into: "list[dict[str, torch.Tensor]]") -> None:
    """Into the same memory each time."""
    for module, kept in zip(modules, into, strict=True):
        for name, value in module.state_dict().items():
            if name in kept:
                kept[name].copy_(value)
            else:
                kept[name] = value.clone()


def _line(training: float, validation: float | None) -> str:
    shown = "" if validation is None or math.isnan(validation) else f"  validation {validation:.4f}"
    return f"train {training:.4f}{shown}"


def _refuse_divergence(score: float, number: int) -> None:
    if not math.isfinite(score):
        raise DivergedError(
            f"the loss is {score} in epoch {number}: the training diverged; lower learning_rate or raise the penalty"
        )
