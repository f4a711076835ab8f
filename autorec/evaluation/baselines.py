"""The baselines of every comparison, with tuned settings: a weak baseline makes any model look good.

Settings are chosen on validation ratings cut from a training part; nothing of its test part is seen. Then the baseline
learns from the whole training part.
"""

import itertools
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from sklearn.base import clone

from autorec import checks
from autorec.errors import InputError, NotEnoughMemoryError
from autorec.evaluation.evaluate import value_of
from autorec.models.base import Recommender
from autorec.models.presets import create
from autorec.models.registry import MODELS
from autorec.models.row import Grid, Space
from autorec.ratings.matrix import Ratings
from autorec.ratings.split import per_user_split, random_split
from autorec.report.comparison_report import Choice, Tried

BASELINES = {
    "all": tuple(name for name, row in MODELS.items() if row.baseline),
    "simple": tuple(name for name, row in MODELS.items() if row.baseline == "simple"),
    "none": (),
}
VALIDATION = 0.1  # of the training ratings; of those of each user where lists are judged
BEYOND = 4  # values of a setting tried beyond the ends of its grid, at most
QUICK = 5.0  # expected seconds of a fit with such a value, at most
GAIN = 0.001  # share of the loss by which such a value has to be better
ROUNDS = 3  # over the settings, at most

GRIDS = {name: row.grid for name, row in MODELS.items() if row.grid}

Settings = Mapping[str, Any]


def baselines(which: str, ratings: Ratings) -> list[tuple[str, Recommender]]:
    """A list of (name, model) for `which`: all, simple or none; rating models only where ratings vary. ParameterError:
    another word."""
    checks.one_of("baselines", which, tuple(BASELINES))
    models = [(name, create(name)) for name in BASELINES[which]]
    varies = not len(ratings) or ratings.scale[0] < ratings.scale[1]
    return [(name, model) for name, model in models if varies or not model.rates]


def choose(
    name: str, model: Recommender, grid: Grid, train: Ratings, k: int, seed: int, relevant: float | None
) -> Choice | None:
    """The settings of `model`, a preset of this name, that are best on validation ratings: by RMSE for models that
    rate, else by NDCG@k, of ratings of `relevant` or more.

    One setting after the other is searched over its values in the grid, the others held. Where the best lies at an
    end, the values beyond follow in the same ratio, within the search space of the model, as long as they are clearly
    better and quick to fit; see BEYOND, QUICK and GAIN. None without a grid, and where validation ratings cannot be
    cut, fitted or judged.
    """
    if not grid:
        return None
    began = time.perf_counter()
    tried: dict[tuple[Any, ...], Tried] = {}
    metric, sign = ("rmse", 1) if model.rates else (f"ndcg@{k}", -1)

    def loss(settings: Settings) -> float:
        key = tuple(settings.values())
        if key not in tried:
            tried[key] = Tried(settings, value_of(metric, fitted(**settings), split.test, relevant))
        value = sign * tried[key].value
        return math.inf if math.isnan(value) else value

    try:
        split = random_split(train, VALIDATION, seed) if model.rates else per_user_split(train, VALIDATION, seed)
        fitted = model._fitter(split.train)
        best = search(grid, _start(model, grid), MODELS[name].space, loss, _quick_enough(model, train))
    except (InputError, NotEnoughMemoryError):
        return None  # the training on all of the ratings will say why
    if math.isinf(loss(best)):
        return None
    return Choice(best, metric, tuple(tried.values()), time.perf_counter() - began)


def rehearse(name: str, model: Recommender, grid: Grid, train: Ratings) -> list[list[Settings]]:
    """The settings that `choose` would try, in order, by where the best lies: at the start, or beyond an end of each
    setting's grid, for all combinations of ends. Without a grid [[{}]]."""
    if not grid:
        return [[{}]]
    start = _start(model, grid)

    def run(loss: Callable[[Settings], float]) -> list[Settings]:
        tried: list[Settings] = []

        def keep(settings: Settings) -> float:
            if settings not in tried:
                tried.append(settings)
            return loss(settings)

        search(grid, start, MODELS[name].space, keep, _quick_enough(model, train))
        return tried

    def falls_to(ends: tuple[int, ...]) -> Callable[[Settings], float]:
        return lambda settings: math.prod(settings[setting] ** -end for setting, end in zip(grid, ends, strict=True))

    losses = [falls_to(ends) for ends in itertools.product((1, -1), repeat=len(grid))]
    return [run(loss) for loss in (lambda settings: float(settings != start), *losses)]


def _start(model: Recommender, grid: Grid) -> dict[str, Any]:
    return {setting: model.get_params()[setting] for setting in grid}


def _quick_enough(model: Recommender, train: Ratings) -> Callable[[Settings], bool]:
    def is_quick(settings: Settings) -> bool:
        candidate: Recommender = clone(model).set_params(**settings)
        return candidate._seconds(train.n_users, train.n_items, len(train)) <= QUICK

    return is_quick


def search(
    grid: Grid,
    start: Settings,
    space: Space,
    loss: Callable[[Settings], float],
    is_quick: Callable[[Settings], bool] = lambda settings: True,
) -> Settings:
    """Settings of a low loss, by line searches in turn, see `choose`; of equal ones the first. start: of each setting
    of the grid the value that it has while others are searched first."""
    best = dict(start)
    lines = {name: sorted({*values, start[name]}) for name, values in grid.items()}
    most = {name: len(line) + BEYOND for name, line in lines.items()}
    for _ in range(ROUNDS):
        before = best
        for name, line in lines.items():
            best = min((best | {name: value} for value in line), key=loss)
            while len(line) < most[name] and (value := _beyond(line, best[name], space[name])) is not None:
                further = best | {name: value}
                if not (is_quick(further) and loss(further) < loss(best) - GAIN * abs(loss(best))):
                    break
                line.append(value)
                line.sort()
                best = further
        if best == before:
            break
    return best


def _beyond(line: list[Any], end: Any, bounds: Any) -> Any:
    """The value that continues ascending positive values beyond one of their ends, in the ratio of the last two and
    within the bounds of the search space; None where `end` lies inside, and at the bound."""
    if len(line) < 2 or end not in (line[0], line[-1]):
        return None
    _, low, high, _ = bounds
    value = min(max(end * end / (line[1] if end == line[0] else line[-2]), low), high)
    value = round(value) if isinstance(end, int) else float(f"{value:.4g}")
    return None if value in line else value
