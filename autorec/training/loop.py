"""The training loop: epochs, validations, early stopping, the best weights back at the end."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from autorec import progress
from autorec.errors import DivergedError
from autorec.training.checkpoint import begin_training

if TYPE_CHECKING:
    import torch

    from autorec.training.state import State

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

    def to_records(self, training: str, validation: str, factor: float = 1.0) -> list[dict[str, float | None]]:
        """The curve, JSON-ready: epoch, seconds, and the two scores under these names, times the factor."""
        return [
            {
                "epoch": point.epoch,
                "seconds": point.seconds,
                training: point.training * factor,
                validation: None if point.validation is None else point.validation * factor,
            }
            for point in self.curve
        ]


@dataclass
class _Course:
    """Where a training is. best [modules]: the weights of the best validation; since_best: validations since that."""

    best: "list[dict[str, torch.Tensor]]"
    log: TrainingLog = field(default_factory=TrainingLog)
    epoch: int = 0
    since_best: int = 0

    def to_tree(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"best": self.best, "log": asdict(self.log), "epoch": self.epoch, "since_best": self.since_best}

    def put_back(self, tree: dict[str, Any]) -> None:
        """Set everything as it was when `to_tree` was called."""
        log = dict(tree["log"])
        log["curve"] = [Point(**point) for point in log["curve"]]
        self.best, self.log = tree["best"], TrainingLog(**log)
        self.epoch, self.since_best = tree["epoch"], tree["since_best"]


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
    state: "State | None" = None,
) -> TrainingLog:
    """Train modules [n], up to `epochs` epochs; they end with the weights of the best validation, else with the last
    ones.

    epoch(number), numbers from 1, trains once over the data and returns its score. score(): any measure of the modules
    on validation data; `lower_is_better` says which of two is better. patience: stop after so many validations without
    a better score. state: all that an epoch changes, for `autorec.training.checkpoint`, which keeps none without.
    Ctrl-C ends the training with the best weights so far. DivergedError: the score of an epoch is not finite.
    """
    course = _Course([{} for _ in modules])
    recording = begin_training(state)
    kept, ended = (None, False) if recording is None else recording.resume()
    if kept is not None:
        course.put_back(kept)
    log = course.log
    if ended:
        return log
    every = min(max(1, epochs // VALIDATIONS), LONGEST)
    start = time.perf_counter() - log.seconds
    with progress.bar(title, epochs) as update:
        try:
            for number in range(course.epoch + 1, epochs + 1):
                training = epoch(number)
                _refuse_divergence(training, number)
                course.epoch, log.seconds = number, time.perf_counter() - start
                if number % every and number != epochs:
                    update(number, _line(training, log.best_score))
                else:
                    validation = score() if score is not None else None
                    log.curve.append(Point(number, log.seconds, training, validation))
                    update(number, _line(training, validation))
                    _judge(course, validation, modules, lower_is_better)
                    if validation is not None and on_validation is not None:
                        on_validation(number, validation)
                    if course.since_best >= patience:
                        log.stopped = "patience"
                        break
                if recording is not None:
                    recording.keep(number, course.to_tree())
        except KeyboardInterrupt:
            log.stopped = "interrupted"
    for module, weights in zip(modules, course.best, strict=True):
        if weights:
            module.load_state_dict(weights)
    log.seconds = time.perf_counter() - start
    if recording is not None and log.stopped != "interrupted":
        course.best = [{} for _ in modules]  # the modules have them
        recording.finish(course.to_tree())
    return log


def _judge(
    course: _Course, validation: float | None, modules: "Sequence[torch.nn.Module]", lower_is_better: bool
) -> None:
    """Keep the weights where the validation is the best so far; without any, the last epoch is the best."""
    log = course.log
    if validation is None:
        log.best_epoch = course.epoch
    elif _is_better(validation, log.best_score, lower_is_better):
        log.best_epoch, log.best_score, course.since_best = course.epoch, validation, 0
        _copy_weights(modules, course.best)
    else:
        course.since_best += 1


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
