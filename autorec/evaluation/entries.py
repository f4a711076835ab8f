"""What a comparison compares: the models asked for with their settings, and the baselines that it can afford."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sklearn.base import clone

from autorec import checks
from autorec.errors import ParameterError, shown
from autorec.evaluation.baselines import GRIDS, baselines, rehearse
from autorec.memory import available_memory, readable
from autorec.models.base import Recommender
from autorec.models.own import wrap
from autorec.models.presets import create, short_name
from autorec.models.row import Grid
from autorec.ratings.matrix import Ratings
from autorec.ratings.split import Split

Model = Any  # a name, an estimator, a model of one's own, or (what to call it, one of these models)
Settings = Mapping[str, Mapping[str, Any]]
Seconds = tuple[float, float]  # at least, at most

AFFORDED = 60.0  # expected seconds that a baseline may take in any comparison
_SCORE = 1.5e-9  # seconds of ranking one item for one user


@dataclass(frozen=True)
class Entry:
    """A model to compare. grid: name → values of the settings to search first; empty for a model taken as it is."""

    model: Recommender
    grid: Grid = field(default_factory=dict)
    baseline: bool = False

    def seconds(self, name: str, splits: Sequence[Split]) -> Seconds:
        """Expected (at least, at most): a search on the first of `splits`, which is longer where the best lies beyond
        the ends of a grid, then a training and an evaluation on each."""
        train = splits[0].train
        ranked = [min(split.test.n_users, len(split.test)) * split.train.n_items * _SCORE for split in splits]
        low, high = math.inf, 0.0
        for tried in rehearse(name, self.model, self.grid, train):
            fits = [self._fit_seconds(settings, train) for settings in tried]
            searched = sum(fits) + len(fits) * ranked[0] if self.grid else 0.0
            low = min(low, searched + len(splits) * min(fits))
            high = max(high, searched + len(splits) * max(fits))
        return low + sum(ranked), high + sum(ranked)

    def _fit_seconds(self, settings: Mapping[str, Any], train: Ratings) -> float:
        model: Recommender = clone(self.model).set_params(**settings)
        return model._seconds(*train.csr.shape, len(train))


def entries_of(
    models: Model | Sequence[Model], settings: Settings | None, which: str, train: Ratings
) -> dict[str, Entry]:
    """Name → entry of the models asked for, then of the baselines (`which`: all, simple or none) beside them.

    settings: name → settings of a model asked for by name, those of "" of all of them; what is set is not searched.
    ParameterError: a name twice, settings of a model that is not asked for, settings that it does not have or allow.
    """
    settings = checks.mapping("settings", settings, "model: settings")
    if not all(isinstance(name, str) for name in settings):
        raise ParameterError(f"settings is {shown(settings)}; allowed: a dict of names of models and their settings")
    entries: dict[str, Entry] = {}
    for asked in [models] if isinstance(models, str) or not isinstance(models, Sequence) else models:
        label = _name(asked)
        if label in entries:
            raise ParameterError(f"two models are named {label}; give each its own name, as in (name, model)")
        entries[label] = _asked(asked, dict(settings.get("", {})) | dict(settings.get(label, {})))
    if unknown := set(settings) - set(entries) - {""}:
        raise ParameterError(
            f"there are settings for {', '.join(sorted(unknown))}, which is not asked for; "
            f"allowed: {', '.join(entries) or 'none'}"
        )
    for name, model in baselines(which, train):
        if name not in entries:
            entries[name] = Entry(model, GRIDS.get(name, {}), baseline=True)
    if not entries:
        raise ParameterError("there is no model to compare; name one")
    return entries


def _name(asked: Model) -> str:
    """What tables call it: the name of a preset, the name that was given, or the class."""
    if isinstance(asked, str):
        return short_name(asked)
    return str(asked[0]) if isinstance(asked, tuple) else type(asked).__name__


def _asked(asked: Model, settings: Mapping[str, Any]) -> Entry:
    grid: Grid = {}
    if isinstance(asked, str):
        model, grid = create(asked, **settings), GRIDS.get(asked, {})
    else:
        model = clone(wrap(asked[1] if isinstance(asked, tuple) else asked)).set_params(**settings)
    model._check_parameters()
    return Entry(model, {name: values for name, values in grid.items() if name not in settings})


def afforded(entries: Mapping[str, Entry], splits: Sequence[Split]) -> tuple[dict[str, Entry], dict[str, str], Seconds]:
    """(the entries to run, name → why a baseline is left out, expected seconds of the entries to run).

    A baseline is left out where it needs more memory than is free, or is expected to take at least as long as AFFORDED
    and as all models asked for together.
    """
    seconds = {name: entry.seconds(name, splits) for name, entry in entries.items()}
    asked = _sum_up(seconds[name] for name, entry in entries.items() if not entry.baseline)
    free, left_out = available_memory(), {}
    for name, entry in entries.items():
        needed = entry.model._memory(*splits[0].train.csr.shape, len(splits[0].train))
        if entry.baseline and free is not None and needed > free:
            left_out[name] = f"it needs about {readable(needed)} of memory and {readable(free)} are free"
        elif entry.baseline and seconds[name][0] > max(asked[0], AFFORDED):
            left_out[name] = (
                f"it would take {duration(seconds[name])}, the models asked for {duration(asked)}; -m {name} adds it"
            )
    kept = {name: entry for name, entry in entries.items() if name not in left_out}
    return kept, left_out, _sum_up(seconds[name] for name in kept)


def _sum_up(seconds: Iterable[Seconds]) -> Seconds:
    pairs = list(seconds)
    return sum(low for low, _ in pairs), sum(high for _, high in pairs)


def duration(seconds: Seconds) -> str:
    """Seconds (at least, at most) in words: about 5 s, about 2 to 3 min, about 50 s to 2.5 h."""
    (low, unit), (high, last) = map(_in_words, seconds)
    if (low, unit) == (high, last):
        return f"about {low} {unit}"
    return f"about {low} to {high} {unit}" if unit == last else f"about {low} {unit} to {high} {last}"


def _in_words(seconds: float) -> tuple[str, str]:
    if seconds < 90:
        return f"{max(round(seconds), 1)}", "s"
    return (f"{seconds / 60:.0f}", "min") if seconds < 5400 else (f"{seconds / 3600:.1f}", "h")
