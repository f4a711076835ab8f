"""Better settings of a model for given ratings: searched on one part of them, judged on another.

A test part is set aside that no trial sees; of the rest, a validation part scores the trials. The best of many values
is better than the settings deserve, so the winner and the defaults are fitted again and compared, on the test part set
aside and on fresh splits. The first is the stricter: fresh splits test on ratings that the search has used.
"""

import hashlib
import json
import math
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autorec import __version__, files
from autorec.errors import ParameterError
from autorec.evaluation.compare import compare
from autorec.evaluation.comparison import Comparison
from autorec.extras import require
from autorec.memory import available_memory
from autorec.models.base import Recommender
from autorec.models.presets import create
from autorec.models.registry import MODELS
from autorec.models.spaces import space_of, training_bytes
from autorec.ratings.convert import as_ratings
from autorec.ratings.matrix import Ratings
from autorec.ratings.read import read_ratings
from autorec.ratings.split import Split, random_split, split
from autorec.report.comparison_report import Verdict
from autorec.tuning.search import Task, search
from autorec.tuning.trials import Trial, best_of
from autorec.tuning.workers import fitting_jobs

VALIDATION = 0.1  # of the outer training part
DRAWN = ("random", "per-user", "users", "strong")  # splits that differ with the seed

_SAID = {"complete": "complete", "pruned": "pruned (behind most others early on)", "failed": "failed"}  # of a state


@dataclass(frozen=True, eq=False)
class Tuning:
    """What a search found.

    settings     the best trial's, those that were fixed among them; the defaults' when no trial did better
    value        its metric on the validation part; default_value: that of the defaults
    trials       DataFrame: trial (0 is the defaults), state (complete, pruned, failed), the metric, settings, seconds
    held_out     "tuned" and "defaults" on the test part that no trial saw; "defaults" alone when these are the best
    comparison   the same on fresh splits; None for splits that a seed does not change
    interrupted  Ctrl-C ended it; held_out and comparison are None then
    """

    model: str
    settings: dict[str, Any]
    metric: str
    value: float
    default_value: float
    trials: pd.DataFrame
    split: dict[str, Any]
    how: str
    held_out: Comparison | None
    comparison: Comparison | None
    interrupted: bool

    def estimator(self) -> Recommender:
        """A fresh model with the settings found."""
        return create(self.model, **self.settings)

    @property
    def improved(self) -> bool | None:
        """Whether the tuned settings beat the defaults: better on the test part set aside, and told apart from them on
        fresh splits, or where there are none on that test part. None when that was not measured."""
        if self.held_out is None:
            return None
        if not self._differs():
            return False
        values = self._means(self.held_out)
        tuned, defaults = values["tuned"], values["defaults"]
        ahead = tuned is not None and defaults is not None and (tuned < defaults) == (self.metric == "rmse")
        verdict = self._verdict(self.comparison or self.held_out)
        return ahead and verdict is not None and verdict.winner == "tuned"

    def sentences(self) -> list[str]:
        """What was measured and what follows, the verdict last."""
        tried = ", ".join(f"{count} {_SAID[state]}" for state, count in self._counts().items() if count)
        better = "lower" if self.metric == "rmse" else "higher"
        found = [
            f"{_plural(len(self.trials), 'trial')}: {tried}.",
            f"On the validation part, {self.metric}, {better} is better: best {self.value:.4f}, "
            f"defaults {self.default_value:.4f}.",
        ]
        failed = self.trials[self.trials["state"] == "failed"]
        if len(failed):
            found.append(f"The first that failed is trial {failed['trial'].iloc[0]}: {failed['error'].iloc[0]}.")
        for comparison, where in ((self.held_out, "the test part set aside"), (self.comparison, "fresh splits")):
            if comparison is not None:
                found.append(self._measured(comparison, where))
        return [*found, self._conclusion()]

    def _measured(self, comparison: Comparison, where: str) -> str:
        means = self._means(comparison)
        if None in means.values():
            return f"On {where}: no {self.metric}, for none of the users there has a relevant item."
        known = ", ".join(f"{name} {value:.4f}" for name, value in means.items())
        verdict = self._verdict(comparison)
        count = comparison.split.splits
        mean = f" (mean of {count})" if count > 1 else ""
        return f"On {where}{mean}: {known}.{' ' + verdict.sentence if verdict else ''}"

    def _conclusion(self) -> str:
        if self.interrupted:
            return "Interrupted: the settings are the best so far, not compared with the defaults on test ratings."
        if self.improved:
            return "The tuned settings beat the defaults."
        if not self._differs():
            return "No trial did better than the defaults: the preset holds the defaults."
        return "The tuned settings do not beat the defaults: keep the defaults."

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; what is not known is None."""
        return {
            "model": self.model,
            "settings": self.settings,
            "metric": self.metric,
            "value": self.value,
            "default_value": self.default_value,
            "improved": self.improved,
            "interrupted": self.interrupted,
            "sentences": self.sentences(),
            "trials": self.trials.astype(object).where(self.trials.notna(), None).to_dict("records"),
            "split": self.split,
            "how": self.how,
            "held_out": self.held_out and self.held_out.to_dict(),
            "fresh": self.comparison and self.comparison.to_dict(),
        }

    def preset(self) -> dict[str, Any]:
        """{"model", "settings", "tuned": how they were found}: what `save` writes and `create` reads."""
        tuned = {
            "how": self.how,
            "metric": self.metric,
            "trials": self._counts(),
            "values": {
                "validation": {"tuned": self.value, "defaults": self.default_value},
                "held_out": self.held_out and self._means(self.held_out),
                "fresh": self.comparison and self._means(self.comparison),
            },
            "conclusion": self._conclusion(),
            "split": self.split,
            "version": __version__,
        }
        return {"model": self.model, "settings": self.settings, "tuned": tuned}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the preset file. ParameterError: the name does not end in .json, so nothing would read it."""
        if not str(path).endswith(".json"):
            raise ParameterError(f"{path} does not end in .json; that is how a preset file is recognised")
        with files.atomic_file(path) as temporary:
            text = json.dumps(self.preset(), indent=2, ensure_ascii=False, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")

    def _differs(self) -> bool:
        return self.value != self.default_value

    def _counts(self) -> dict[str, int]:
        """Trials by state."""
        counts = self.trials["state"].value_counts()
        return {state: int(counts.get(state, 0)) for state in _SAID}

    def _means(self, comparison: Comparison) -> dict[str, float | None]:
        """Over the splits where the metric is defined; None where it is on none."""
        known = {
            result.name: [value for value in result.values(self.metric) if not math.isnan(value)]
            for result in comparison.results
        }
        return {name: float(np.mean(values)) if values else None for name, values in known.items()}

    def _verdict(self, comparison: Comparison) -> Verdict | None:
        """The paired test of the metric; None without two models."""
        return next((verdict for verdict in comparison.significance if verdict.metric == self.metric.upper()), None)


def tune(
    ratings: Any,
    model: str = "i-autorec",
    *,
    trials: int = 20,
    by: str = "random:0.1",
    seed: int = 0,
    metric: str | None = None,
    settings: Mapping[str, Any] | None = None,
    storage: str | os.PathLike[str] | None = None,
    jobs: int = 1,
    repeats: int = 3,
    read: Callable[[str], Ratings] = read_ratings,
) -> Tuning:
    """Search settings of a preset with Optuna (`pip install 'autorec-cf[tune]'`).

    trials    how many, the defaults among them as trial 0
    by, seed  the split that sets the test part aside, as in `autorec.split`; one split, so not folds
    metric    "rmse" or "ndcg@K" on the validation part; None: rmse for models that rate, else ndcg@10
    settings  fixed for every trial, for the defaults too
    storage   a file that keeps the trials: the same call goes on with those that are missing
    jobs      trials at a time, in processes of their own; fewer, with a warning, when their memory is not free.
              Results repeat with the same seed at jobs=1
    repeats   fresh splits on which the winner and the defaults are compared

    Trials of rmse that learn in epochs are pruned by the median of the others' learning curves. Ctrl-C keeps what was
    found once a trial is complete. InputError: a storage made by another search. ParameterError: what is not allowed,
    with what is.
    """
    fixed = dict(settings or {})
    space_of(model, fixed)
    metric = _checked_metric(model, metric)
    _check_whole(trials=trials, jobs=jobs, repeats=repeats)
    _check_whole(0, seed=seed)
    require("tune", "tuning")
    data = None if ratings is None else as_ratings(ratings)
    outer, inner = _parts(data, by, seed, read)
    task = Task(model, fixed, metric, seed, inner.train, inner.test)
    jobs, lowered = fitting_jobs(min(jobs, trials), training_bytes(model, fixed, inner.train), available_memory())
    if lowered:
        warnings.warn(lowered, stacklevel=2)
    kept = None if storage is None else Path(storage)
    found, interrupted = search(task, trials, storage=kept, fingerprint=_fingerprint(task, outer, by), jobs=jobs)
    best = best_of(found, task.by_error)
    if best is None:  # only where the defaults were broken off
        raise KeyboardInterrupt
    held_out = comparison = None
    if not interrupted:
        held_out, comparison, interrupted = _compare(task, best, data, by, repeats, read)
    sizes = {"test": len(outer.test), "validation": len(inner.test), "train": len(inner.train)}
    how = {"by": by, "seed": seed, "validation": f"random:{VALIDATION:g}", "sizes": sizes}
    return _told(task, found, best, how, (held_out, comparison), interrupted)


def _told(
    task: Task,
    found: list[Trial],
    best: Trial,
    how: dict[str, Any],
    measured: tuple[Comparison | None, Comparison | None],
    interrupted: bool,
) -> Tuning:
    return Tuning(
        model=task.model,
        settings=task.fixed | best.settings,
        metric=task.metric,
        value=float(best.value or 0.0),
        default_value=float(found[0].value or 0.0),
        trials=_table(found, task.metric),
        split=how,
        how=_how(),
        held_out=measured[0],
        comparison=measured[1],
        interrupted=interrupted,
    )


def _parts(data: Ratings | None, by: str, seed: int, read: Callable[[str], Ratings]) -> tuple[Split, Split]:
    """The split that sets the test part aside, and that of its training part, with a seed of its own."""
    parts = split(data, by, seed, read)
    if len(parts) != 1:
        raise ParameterError(f"split by {by!r} gives {len(parts)} test parts and tune sets one aside; use random:0.1")
    inner_seed = int(np.random.SeedSequence([seed, 1]).generate_state(1)[0])
    return parts[0], random_split(parts[0].train, VALIDATION, inner_seed)


def _fingerprint(task: Task, outer: Split, by: str) -> dict[str, Any]:
    """What distinguishes one search from another; the names stand in the message of a storage that does not fit."""
    return {
        "ratings": _digest(outer.train, outer.test),
        "model": task.model,
        "settings": task.fixed,
        "search space": task.space,
        "split": [by, task.seed],
        "metric": task.metric,
    }


def _compare(
    task: Task, best: Trial, data: Ratings | None, by: str, repeats: int, read: Callable[[str], Ratings]
) -> tuple[Comparison | None, Comparison | None, bool]:
    """On the test part set aside, on fresh splits; whether Ctrl-C kept it from being done."""
    models = [("defaults", create(task.model, **task.fixed))]
    if best.number != 0:
        models.insert(0, ("tuned", create(task.model, **(task.fixed | best.settings))))

    def measured(seed: int, repeats: int) -> Comparison:
        made = compare(data, models, by=by, repeats=repeats, seed=seed, k=(task.k,), baselines="none", read=read)
        if any(summary.get("stopped") == "interrupted" for result in made.results for summary in result.summaries):
            raise KeyboardInterrupt  # a training that was cut short compares nothing
        return made

    try:
        held_out = measured(task.seed, 1)
        drawn = by.partition(":")[0] in DRAWN
        return held_out, measured(task.seed + 1, repeats) if drawn else None, False
    except KeyboardInterrupt:
        return None, None, True


def _plural(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _checked_metric(model: str, metric: str | None) -> str:
    rates = MODELS[model].rates
    if metric is None:
        return "rmse" if rates else "ndcg@10"
    name, _, k = metric.partition("@")
    if metric != "rmse" and not (name == "ndcg" and k.isascii() and k.isdigit() and int(k) >= 1):
        raise ParameterError(f"metric is {metric!r}; allowed: rmse, or ndcg@K such as ndcg@10")
    if metric == "rmse" and not rates:
        raise ParameterError(f"{model} ranks items and predicts no ratings; use the metric ndcg@10")
    return metric


def _check_whole(least: int = 1, **numbers: Any) -> None:
    for name, value in numbers.items():
        if not (isinstance(value, (int, np.integer)) and value >= least):
            raise ParameterError(f"{name} is {value!r}; allowed: a whole number from {least} up")


def _digest(*parts: Ratings) -> str:
    """SHA-256 of everything about the ratings that a search depends on."""
    digest = hashlib.sha256()
    for part in parts:
        csr = part.csr
        for array in (csr.indptr, csr.indices, csr.data, part.ranks(), part.timestamps):
            digest.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
        for ids in (part.user_ids, part.item_ids):
            digest.update(json.dumps(np.asarray(ids).tolist()).encode())
        digest.update(repr(part.scale).encode())
    return digest.hexdigest()


def _table(found: list[Trial], metric: str) -> pd.DataFrame:
    rows = []
    for trial in found:
        row = asdict(trial)
        value = float("nan") if trial.value is None else trial.value
        rows.append({"trial": row["number"], "state": row["state"], metric: value, **row["settings"]})
        rows[-1] |= {"seconds": row["seconds"], "error": row["error"]}
    return pd.DataFrame(rows)


def _how() -> str:
    import optuna

    return f"autorec tune: TPE and median pruning of Optuna {optuna.__version__}, trial 0 the defaults"
