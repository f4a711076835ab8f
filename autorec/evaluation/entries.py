"""What a comparison compares: the models asked for with their settings, and the baselines that it can afford."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sklearn.base import clone

from autorec.errors import ParameterError
from autorec.evaluation.baselines import GRIDS, baselines
from autorec.models.base import Recommender
from autorec.models.own import wrap
from autorec.models.presets import create, short_name
from autorec.models.row import Grid
from autorec.ratings.matrix import Ratings
from autorec.ratings.split import Split

Model = Any  # a name, an estimator, a model of one's own, or (what to call it, one of these models)
Settings = Mapping[str, Mapping[str, Any]]

AFFORDED = 60.0  # expected seconds that a baseline may take in any comparison
_SCORE = 1.5e-9  # seconds of ranking one item for one user


@dataclass(frozen=True)
class Entry:
    """A model to compare. grid: name → values of the settings to search first; empty for a model taken as it is."""

    model: Recommender
    grid: Grid = field(default_factory=dict)
    baseline: bool = False

    def seconds(self, splits: Sequence[Split]) -> float:
        """Expected seconds: a search on the first of `splits`, then a training and an evaluation on each."""
        train = splits[0].train
        choices = [{name: value} for name, values in self.grid.items() for value in values]
        fits = [self._fit_seconds(one, train) for one in choices]
        ranked = [min(split.test.n_users, len(split.test)) * split.train.n_items * _SCORE for split in splits]
        return (
            sum(fits)
            + len(fits) * ranked[0]
            + len(splits) * max(fits, default=self._fit_seconds({}, train))
            + sum(ranked)
        )

    def _fit_seconds(self, settings: Mapping[str, Any], train: Ratings) -> float:
        model: Recommender = clone(self.model).set_params(**settings)
        return model._seconds(*train.csr.shape, len(train))


def entries_of(models: Model | Sequence[Model], settings: Settings, which: str, train: Ratings) -> dict[str, Entry]:
    """Name → entry of the models asked for, then of the baselines (`which`: all, simple or none) beside them.

    settings: name → settings of a model asked for by name, those of "" of all of them; what is set is not searched.
    ParameterError: a name twice, settings of a model that is not asked for, settings that it does not have or allow.
    """
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


def afforded(entries: Mapping[str, Entry], splits: Sequence[Split]) -> tuple[dict[str, Entry], dict[str, str], float]:
    """(the entries to run, name → why a baseline is left out, expected seconds of the entries to run).

    A baseline is left out where it is expected to take longer than AFFORDED and than all models asked for together.
    """
    seconds = {name: entry.seconds(splits) for name, entry in entries.items()}
    asked = sum(seconds[name] for name, entry in entries.items() if not entry.baseline)
    left_out = {
        name: f"it would take {duration(seconds[name])}, the models asked for {duration(asked)}; -m {name} adds it"
        for name, entry in entries.items()
        if entry.baseline and seconds[name] > max(asked, AFFORDED)
    }
    kept = {name: entry for name, entry in entries.items() if name not in left_out}
    return kept, left_out, sum(seconds[name] for name in kept)


def duration(seconds: float) -> str:
    """About 5 s, about 3 min, about 2.5 h."""
    if seconds < 90:
        return f"about {max(round(seconds), 1)} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"
