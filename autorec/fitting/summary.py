"""The summary of a training: what was chosen, what was tried, the learning curve."""

import warnings
from typing import Any

import numpy as np

from autorec import progress
from autorec.fitting.fit import TOLERANCE, Fitted

WARN_FROM = 0.01  # relative gap to the RMSE of damped biases from which a warning says so; below it a note


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
        warnings.warn(f"{sentence} A lower learning_rate or a higher penalty may help.", stacklevel=4)
    else:
        progress.note(sentence)


def _finite(value: float) -> float | None:
    """None where no validation was made."""
    return value if np.isfinite(value) else None
