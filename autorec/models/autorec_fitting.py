"""The fit of an AutoRec, and what it takes: all of the model that needs torch, which scoring does without."""

from typing import Any

import torch

from autorec import group
from autorec.fitting.fit import Fitted, fit_network, summarise, warn_if_worse
from autorec.fitting.settings import SEARCH_MOST, Settings
from autorec.fitting.stored import from_store
from autorec.models.warm_start import continue_network, extend_model
from autorec.network.activations import HIGH, LOW
from autorec.ratings.matrix import Ratings
from autorec.ratings.stored import Stored
from autorec.training.batches import batch_size
from autorec.training.distributed import meshed
from autorec.training.loop import OnValidation
from autorec.training.memory import training_memory
from autorec.training.part import Source, from_rows

Model = Any  # autorec.models.autorec.AutoRec, which imports this file


def fit(model: Model, ratings: Ratings | Stored, on_validation: OnValidation | None) -> dict[str, Any]:
    """See `AutoRec._fit`."""
    settings = model._check_settings()
    factor = _factor(ratings)
    watch = None if on_validation is None else lambda epoch, rmse: on_validation(epoch, rmse * factor)
    with meshed() as mesh, torch.inference_mode(False), torch.enable_grad():  # whatever the caller has set
        fitted = fit_network(_source_of(model, ratings), settings, watch, mesh)
    return {} if group.place()[0] else _keep(model, ratings.whole, fitted)


def _source_of(model: Model, ratings: Ratings | Stored) -> Source:
    if isinstance(ratings, Stored):
        return from_store(ratings, model.orientation)
    return from_rows(model._rows_of(ratings.csr, ratings.scale))


def fit_further(model: Model, old: Model, ratings: Ratings, epochs: int) -> dict[str, Any]:
    """See `AutoRec._fit_from`."""
    inputs = old.summary_["inputs"]
    with torch.inference_mode(False), torch.enable_grad():
        biases = extend_model(model, old, ratings)
        rows = model._rows_of(ratings.csr, ratings.scale)
        further = (model.network_, biases, inputs, model.l2_, model._check_settings(), epochs)
        fitted = continue_network(rows, *further)
    return _keep(model, ratings, fitted) | {"how": f"trained on from the earlier weights, {epochs} epochs"}


def _keep(model: Model, ratings: Ratings, fitted: Fitted) -> dict[str, Any]:
    """Give the model what was learned; the summary of it."""
    model.network_, model.l2_ = fitted.network, fitted.l2
    model.user_damping_, model.item_damping_ = model._flipped(fitted.dampings)
    model.mean_, model.row_bias_, model.centre_ = fitted.mean, fitted.row_bias, fitted.centre
    model._solved = model._codes = model._products = None
    if model.orientation == "item":
        model._codes = model._encode_rows(model._rows_of(ratings.csr, ratings.scale), model.row_bias_)
    factor = _factor(ratings)
    warn_if_worse(fitted, factor, f"AutoRec, orientation {model.orientation}")
    dampings = {"user_damping": model.user_damping_, "item_damping": model.item_damping_}
    return summarise(fitted, factor) | dampings | {"batches": "streamed" if fitted.streamed else "kept"}


def memory(settings: Settings, rows: int, columns: int, n_ratings: int) -> int:
    """See `Hooks._memory`."""
    batch = batch_size((rows, columns), n_ratings, settings.batch)
    network = (rows, columns, settings.hidden, batch, settings.optimizer)
    return sum(training_memory(n_ratings, *network, own_inputs=settings.own_inputs).values())


def seconds(settings: Settings, rows: int, columns: int, n_ratings: int) -> float:
    """See `Hooks._seconds`."""
    units, weights = sum(settings.hidden), columns * (settings.hidden[0] + settings.hidden[-1])
    steps = 1 if settings.batch == "full" else rows / batch_size((rows, columns), n_ratings, settings.batch)
    epoch = 2e-10 * units * n_ratings + 6e-10 * weights * steps
    searched = 4 if n_ratings <= SEARCH_MOST else 1.5  # whole trainings; see `choosing.search`
    trainings = searched if settings.l2 is None else 1.25
    return float(0.6 * trainings * settings.epochs * epoch)  # most trainings end before their last epoch


def _factor(ratings: Ratings | Stored) -> float:
    """From errors on 1 … 5 to the scale of the ratings."""
    return (ratings.scale[1] - ratings.scale[0]) / (HIGH - LOW)
