"""What there is to tell about a training: what was chosen, what was tried, the learning curve."""

from typing import Any

import numpy as np

from autorec.models.fitting import Fitted


def summarise(fitted: Fitted, factor: float) -> dict[str, Any]:
    """JSON-ready; RMSE on the scale of the ratings (`factor` of the scale inside)."""
    log = fitted.log
    curve = [
        {
            "epoch": point.epoch,
            "seconds": point.seconds,
            "train_rmse": point.training * factor,
            "validation_rmse": None if point.validation is None else point.validation * factor,
        }
        for point in log.curve
    ]
    validated = fitted.n_validation > 0 and log.best_epoch > 0
    tried = [{**one, "validation_rmse": _finite(one["validation_rmse"] * factor)} for one in fitted.tried]
    return {
        "l2": fitted.l2,
        "l2_tried": tried if fitted.n_validation else [],
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


def _finite(value: float) -> float | None:
    """None where no validation was made."""
    return value if np.isfinite(value) else None
