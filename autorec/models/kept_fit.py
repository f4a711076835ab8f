"""A fit with a checkpoint, what this has to know of it, so that no other fit goes on from it, and a fit that fails."""

import contextlib
import hashlib
import numbers
import os
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from autorec import __version__
from autorec.errors import ParameterError
from autorec.models.store import to_json
from autorec.ratings.matrix import Ratings
from autorec.ratings.stored import Stored
from autorec.training.checkpoint import Checkpoint, keeping


@contextlib.contextmanager
def kept(
    model: BaseEstimator, ratings: Ratings | Stored, checkpoint: Checkpoint | os.PathLike[str] | str | None
) -> Iterator[None]:
    """Within the block, the fit of a model, trainings are kept where `checkpoint` says; None: nowhere."""
    if checkpoint is None:
        yield
        return
    where = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
    with keeping(where, describe_fit(model, ratings)) as journal:
        yield
    if not journal.begun:
        warnings.warn(f"{type(model).__name__} learns without epochs: nothing was kept to go on from", stacklevel=4)


@contextlib.contextmanager
def unchanged_by_errors(model: BaseEstimator) -> Iterator[None]:
    """Within the block, the fit of a model, which sets one attribute after the other: where it ends in an error, or by
    Ctrl-C, the model has those from before. New weights beside the ratings of an earlier fit would score nonsense."""
    before = vars(model).copy()
    try:
        yield
    except BaseException:
        vars(model).clear()
        vars(model).update(before)
        raise


def describe_fit(model: BaseEstimator, ratings: Ratings | Stored) -> dict[str, Any]:
    """Class, parameters, ratings as a hash, and version, JSON-ready: all that a fit from a seed depends on.

    ParameterError: the random state is no seed, or a parameter is an object.
    """
    name, parameters = type(model).__name__, model.get_params(deep=False)
    seed = parameters.get("random_state", 0)
    if not isinstance(seed, numbers.Integral):
        raise ParameterError(
            f"random_state is {seed!r}; allowed with a checkpoint: a whole number, so that a resumed fit draws the same"
        )
    described = {"class": name, **to_json(parameters, f"{name} parameters")}
    return described | {"SHA-256 of the ratings": _hash(ratings), "version of autorec": __version__}


def _hash(ratings: Ratings | Stored) -> str:
    """Of rows, columns, values and scale; ids change nothing."""
    digest = hashlib.sha256(repr(((ratings.n_users, ratings.n_items), ratings.scale)).encode())
    for array in ratings.csr_arrays():
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
