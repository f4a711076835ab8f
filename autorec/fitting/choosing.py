"""The settings that a fit chooses by validation RMSE: inputs, λ, number of epochs."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from autorec.fitting.biases import Biases
from autorec.fitting.form import HEAD, has_mask
from autorec.fitting.one_training import Data, train_once
from autorec.fitting.settings import L2_RATED, LONGEST, Settings
from autorec.network.autoencoder import Autoencoder
from autorec.training.loop import OnValidation, TrainingLog
from autorec.training.validation import validation_errors

L2_START = {"ratings": 250.0, "residuals": 125.0, "residuals+rated": 125.0}  # smaller inputs want larger weights
L2_STEP, L2_LEAST, L2_MOST = 2.0, 15.0, 32_000.0
L2_QUARTER, L2_GAIN = 4.0, 0.005  # a step down with many ratings, and the share of the RMSE from which it is taken
# How much lower the RMSE of residuals has to be in a short training: in one they learn faster than ratings, less so
# where they are scaled by the length of the row.
RESIDUALS_GAIN = {"residuals": 0.01, "residuals+rated": 0.005}
SAME = 0.0005  # share of the RMSE of damped biases within which a training has learned no more than they say
WORTH = 0.001  # fall of the RMSE in the last quarter of a training from which a longer one is tried

Errors = npt.NDArray[np.float64]  # [validation ratings] prediction less rating


def clearly_better(one: Errors, other: Errors) -> bool:
    """Whether the squared errors `one` [n] are lower than `other` [n] by more than a standard error of the
    difference."""
    gain = np.square(other) - np.square(one)
    return bool(gain.mean() > gain.std() / np.sqrt(len(gain)))


def choose_l2(errors: Callable[[float], Errors], start: float, biases_rmse: float = math.nan) -> float:
    """λ: `start`, halved or else doubled as long as that is clearly better. errors: λ → [validation ratings].

    biases_rmse: of damped biases, which a network comes close to as λ grows: from them on it is not doubled.
    """
    least = errors(start)
    for factor in (1 / L2_STEP,) if is_same(_rmse(least), biases_rmse) else (1 / L2_STEP, L2_STEP):
        best = start
        while L2_LEAST <= best * factor <= L2_MOST and clearly_better(found := errors(best * factor), least):
            best, least = best * factor, found
        if best != start:
            return best
    return start


def is_same(rmse: float, biases_rmse: float) -> bool:
    """Whether a training is no better and no worse than damped biases; False where one is NaN."""
    return abs(rmse - biases_rmse) <= SAME * biases_rmse


def residuals_pay(of_ratings: Errors, of_residuals: Errors, inputs: str) -> bool:
    """Validation errors [n] of two short trainings → whether to use residuals, as these `inputs`."""
    gains = _rmse(of_residuals) < _rmse(of_ratings) * (1 - RESIDUALS_GAIN[inputs])
    return gains and clearly_better(of_residuals, of_ratings)


def still_falls(log: TrainingLog) -> bool:
    """Whether the validation RMSE fell to the end of a training, by more than 0.1 % in its last quarter."""
    scores = {point.epoch: point.validation for point in log.curve if point.validation is not None}
    if not scores or log.best_epoch < max(scores):
        return False
    earlier = [score for epoch, score in scores.items() if epoch <= 0.75 * max(scores)]
    return bool(earlier) and scores[log.best_epoch] < min(earlier) * (1 - WORTH)


def overfits(log: TrainingLog, epochs: int) -> bool:
    """Whether a training by a schedule of `epochs` was stopped for want of a better validation RMSE since its first
    half."""
    return log.stopped == "patience" and log.best_epoch <= epochs / 2


def lower_l2(errors: Callable[[float], Errors], start: float, of_start: Errors) -> float:
    """λ of many ratings: `start`, quartered as long as that lowers the RMSE of a short training by more than 0.5 %.

    Short trainings favour small λ, but by less than that. errors: λ → [validation ratings]; of_start: those of `start`.
    """
    l2, least = start, _rmse(of_start)
    while l2 / L2_QUARTER >= L2_LEAST and (found := _rmse(errors(l2 / L2_QUARTER))) < least * (1 - L2_GAIN):
        l2, least = l2 / L2_QUARTER, found
    return l2


def raise_l2(
    train: Callable[[float], TrainingLog], l2: float, log: TrainingLog, epochs: int
) -> tuple[float, TrainingLog]:
    """(λ, log of its training): `l2` doubled as long as whole trainings overfit and have lower validation RMSEs.

    train: λ → log by a schedule of `epochs`; log: that of `l2`.
    """
    while overfits(log, epochs) and l2 * L2_STEP <= L2_MOST:
        further = train(l2 * L2_STEP)
        if not further.best_score < log.best_score:
            break
        l2, log = l2 * L2_STEP, further
    return l2, log


def _rmse(errors: Errors) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))


@dataclass(frozen=True, eq=False)
class Training:
    """A finished training. inputs: as in `Data`; centre: [columns] as in `reconstruct`; epochs: of its schedule."""

    network: Autoencoder
    log: TrainingLog
    biases: Biases
    inputs: str
    centre: npt.NDArray[np.float32] | None
    l2: float
    epochs: int


class Interrupted(Exception):
    """Ctrl-C ended a training, and with it the search."""


class Trainings:
    """The trainings of a fit. tried: a record of each; best: the best full one, after Ctrl-C the best of all.

    biases_rmse  of damped biases, NaN where the network learns without
    settled      λ of trainings that have learned no more than these and do not get better; `best` may be one of them
    """

    def __init__(self, settings: Settings, on_validation: OnValidation | None, biases_rmse: float) -> None:
        self.settings = settings
        self.on_validation = on_validation
        self.biases_rmse = biases_rmse
        self.settled: set[float] = set()
        self.tried: list[dict[str, Any]] = []
        self.seconds = 0.0
        self.best: Training | None = None

    def short(self, data: Data, l2: float, epochs: int, *, for_l2: bool = False) -> Errors:
        """[validation ratings] errors of a training whose validations are not reported. for_l2: whether it is to choose
        λ, and so long enough to be the last where it is settled."""
        assert data.validation is not None
        made = self._train(data, l2, epochs, None)
        if for_l2 and is_same(made.log.best_score, self.biases_rmse) and not still_falls(made.log):
            self.settled.add(l2)
            self._keep_better(made)
        return validation_errors(made.network, data.validation, HEAD)

    def whole(self, data: Data, l2: float, epochs: int) -> TrainingLog:
        """The log of a training whose validations are reported."""
        made = self._train(data, l2, epochs, self.on_validation)
        self._keep_better(made)
        return made.log

    def repeat_best(self, data: Data) -> Training:
        """The best training again with other data, up to its best epoch; itself where Ctrl-C ends that."""
        assert self.best is not None
        best = self.best
        network, log = train_once(data, best.l2, self.settings, best.epochs, best.log.best_epoch, None)
        self.seconds += log.seconds
        if log.stopped == "interrupted":
            best.log.stopped = "interrupted"
            return best
        return Training(network, log, data.biases, data.inputs, data.centre, best.l2, best.epochs)

    def _train(self, data: Data, l2: float, epochs: int, on_validation: OnValidation | None) -> Training:
        network, log = train_once(data, l2, self.settings, epochs, epochs, on_validation)
        made = Training(network, log, data.biases, data.inputs, data.centre, l2, epochs)
        record = {"inputs": made.inputs, "l2": l2, "epochs": epochs}
        self.tried.append({**record, "validation_rmse": log.best_score, "seconds": log.seconds})
        self.seconds += log.seconds
        if log.stopped == "interrupted":
            self._keep_better(made).log.stopped = "interrupted"  # whichever it is
            raise Interrupted
        return made

    def _keep_better(self, made: Training) -> Training:
        if self.best is None or made.log.best_score < self.best.log.best_score:
            self.best = made
        return self.best


def search(trainings: Trainings, make_data: Callable[[str], Data], many: bool) -> None:
    """Choose, in turn, inputs, λ and the number of epochs by the validation RMSE of trainings.

    make_data: inputs → data. Trainings for the first choice have a quarter of the epochs, those for λ half. With many
    ratings both have an eighth, λ starts at l2_large and is only lowered by them (`lower_l2`); then whole trainings
    raise it where they overfit (`raise_l2`). Else a whole training is left out where that with half the epochs has
    learned no more than damped biases say. Interrupted: by Ctrl-C.
    """
    settings, epochs = trainings.settings, trainings.settings.epochs

    def l2_for(inputs: str) -> float:
        large = L2_RATED if has_mask(inputs) else settings.l2_large
        chosen = large if many else L2_START[inputs]
        return chosen if settings.l2 is None else settings.l2

    inputs = "ratings" if settings.inputs == "auto" else settings.inputs
    data = make_data(inputs)
    validates = data.validation is not None
    fewer = max(epochs // (8 if many else 4), 1)
    of_inputs: Errors | None = None  # of a short training with the first λ
    if settings.inputs == "auto" and validates:
        of_ratings = trainings.short(data, l2_for("ratings"), fewer)
        del data  # before the next is made: of one's batches there is room
        data = make_data(settings.try_inputs)
        of_residuals = trainings.short(data, l2_for(settings.try_inputs), fewer)
        if residuals_pay(of_ratings, of_residuals, settings.try_inputs):
            inputs, of_inputs = settings.try_inputs, of_residuals
        else:
            of_inputs = of_ratings
            del data
            data = make_data("ratings")
    l2 = l2_for(inputs)
    chooses = settings.l2 is None and validates
    if chooses and many:
        of_inputs = trainings.short(data, l2, fewer) if of_inputs is None else of_inputs
        l2 = lower_l2(lambda tried: trainings.short(data, tried, fewer), l2, of_inputs)
    elif chooses:
        half = max(epochs // 2, 1)
        l2 = choose_l2(lambda tried: trainings.short(data, tried, half, for_l2=True), l2, trainings.biases_rmse)
        if l2 in trainings.settled:
            return
    log = trainings.whole(data, l2, epochs)
    if chooses and many:
        l2, log = raise_l2(lambda tried: trainings.whole(data, tried, epochs), l2, log, epochs)
    while settings.longer and still_falls(log) and 2 * epochs <= LONGEST:
        epochs *= 2
        log = trainings.whole(data, l2, epochs)
