"""The baselines of every comparison, each at its best: a weak baseline makes any model look good.

Settings are chosen from a few, GRIDS, on validation ratings cut from the training part of each split; nothing of the
test part is seen. Then the baseline learns from the whole training part.
"""

import math
import time
from collections.abc import Iterator
from itertools import product
from typing import Any

from sklearn.base import clone

from autorec.errors import InputError, NotEnoughMemoryError, ParameterError
from autorec.evaluation.evaluate import value_of
from autorec.models.base import Recommender
from autorec.models.presets import create
from autorec.models.registry import MODELS, Grid
from autorec.ratings.matrix import Ratings
from autorec.ratings.split import per_user_split, random_split
from autorec.report.results import Choice, Tried

BASELINES = {
    "all": tuple(name for name, row in MODELS.items() if row.baseline),
    "simple": tuple(name for name, row in MODELS.items() if row.baseline == "simple"),
    "none": (),
}
VALIDATION = 0.1  # of the training ratings; of those of each user where lists are judged

GRIDS = {name: row.grid for name, row in MODELS.items() if row.grid}  # what is tried, all combinations


def baselines(which: str, ratings: Ratings | None) -> list[tuple[str, Recommender]]:
    """(name, model) of all, simple or none; those that rate only where ratings vary. ParameterError: another word."""
    if which not in BASELINES:
        raise ParameterError(f"baselines is {which!r}; allowed: {', '.join(BASELINES)}")
    models = [(name, create(name)) for name in BASELINES[which]]
    varies = ratings is None or not len(ratings) or ratings.scale[0] < ratings.scale[1]
    return [(name, model) for name, model in models if varies or not model.rates]


def at_its_best(name: str, model: Recommender, train: Ratings, k: int, seed: int) -> tuple[Recommender, Choice | None]:
    """A copy of the model with the settings of its grid that are best on validation ratings, and what was tried.

    By RMSE for models that rate, else by NDCG@k. Without a grid, or with too few ratings to cut any, as it is.
    """
    try:
        split = random_split(train, VALIDATION, seed) if model.rates else per_user_split(train, VALIDATION, seed)
    except InputError:
        return clone(model), None
    metric, sign = ("rmse", 1) if model.rates else (f"ndcg@{k}", -1)
    start = time.perf_counter()
    tried: list[Tried] = []
    for settings in _combinations(GRIDS.get(name, {})):
        try:
            fitted = clone(model).set_params(**settings).fit(split.train)
        except (InputError, NotEnoughMemoryError):
            return clone(model), None  # the training on all of it will say why
        tried.append(Tried(settings, value_of(metric, fitted, split.test)))
    if not tried or any(math.isnan(one.value) for one in tried):
        return clone(model), None
    best = min(tried, key=lambda one: sign * one.value)
    choice = Choice(best.settings, metric, tuple(tried), time.perf_counter() - start)
    return clone(model).set_params(**best.settings), choice


def _combinations(grid: Grid) -> Iterator[dict[str, Any]]:
    if grid:
        yield from (dict(zip(grid, values, strict=True)) for values in product(*grid.values()))
