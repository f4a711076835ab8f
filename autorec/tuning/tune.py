"""Better settings of a model for given ratings: searched on one part of them, judged on another.

A test part is set aside that no trial sees; of the rest, a validation part scores the trials. The best of many values
is better than the settings deserve, so the winner and the defaults are fitted again and compared, on the test part set
aside and on fresh splits. The first is the stricter: fresh splits test on ratings that the search has used.
"""

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from autorec import checks
from autorec.errors import ParameterError, shown
from autorec.evaluation.compare import compare
from autorec.evaluation.comparison import Comparison
from autorec.extras import require
from autorec.memory import available_memory
from autorec.models.presets import create
from autorec.models.registry import MODELS
from autorec.models.spaces import space_of, training_bytes
from autorec.ratings.convert import as_ratings
from autorec.ratings.matrix import Ratings
from autorec.ratings.read import read_ratings
from autorec.ratings.split import Split, random_split, split
from autorec.tuning.search import Task, search
from autorec.tuning.trials import Trial, best_of
from autorec.tuning.tuning import Tuning
from autorec.tuning.workers import fitting_jobs

VALIDATION = 0.1  # of the outer training part
_MOST = 100_000  # trials, and the like
DRAWN = ("random", "per-user", "users", "strong")  # splits that differ with the seed


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
    name: str = "",
) -> Tuning:
    """Search settings of a preset for ratings [users × items] with Optuna (`pip install 'autorec-cf[tune]'`).

    trials    how many, the defaults among them as trial 0
    by, seed  the split that sets the test part aside, as in `autorec.split`; one split, so not folds
    metric    "rmse" or "ndcg@K" on the validation part; None: rmse for models that rate, else ndcg@10
    settings  fixed for every trial, for the defaults too
    storage   a file that keeps the trials: the same call continues with those that are missing
    jobs      trials at a time, each in its own process; fewer, with a warning, when their memory is not free.
              Results repeat with the same seed at jobs=1
    repeats   fresh splits on which the winner and the defaults are compared
    name      of the ratings, for titles

    Trials of rmse that learn in epochs are pruned by the median of the others' learning curves. Ctrl-C keeps what was
    found once a trial is complete. InputError: a storage made by another search. ParameterError: what is not allowed,
    with what is.

    >>> ratings = autorec.load_sample()
    >>> tuning = autorec.tune(ratings, "ease", trials=2, repeats=1)
    >>> tuning.trials.columns.tolist()
    ['trial', 'state', 'ndcg@10', 'l2', 'seconds', 'error']
    """
    fixed = dict(checks.mapping("settings", settings, "names and values"))
    space_of(model, fixed)
    metric = _choose_metric(model, metric)
    for name, number in (("trials", trials), ("jobs", jobs), ("repeats", repeats)):
        checks.whole(name, number, most=_MOST)
    checks.whole("seed", seed, least=0)
    checks.function("read", read, "the name of a file")
    require("tune", "tuning")
    data = None if ratings is None else as_ratings(ratings)
    outer, inner = _split_twice(data, by, seed, read)
    task = Task(model, fixed, metric, seed, inner.train, inner.test)
    jobs, lowered = fitting_jobs(min(jobs, trials), training_bytes(model, fixed, inner.train), available_memory())
    if lowered:
        warnings.warn(lowered, stacklevel=2)
    kept = checks.optional(checks.path, "storage", storage)
    found, interrupted = search(task, trials, storage=kept, fingerprint=_make_fingerprint(task, outer, by), jobs=jobs)
    best = best_of(found, task.by_error)
    if best is None:  # only where the defaults were interrupted
        raise KeyboardInterrupt
    held_out = comparison = None
    if not interrupted:
        held_out, comparison, interrupted = _compare_with_defaults(
            task, best, data, by=by, repeats=repeats, read=read, name=name
        )
    sizes = {"test": len(outer.test), "validation": len(inner.test), "train": len(inner.train)}
    how = {"by": by, "seed": seed, "validation": f"random:{VALIDATION:g}", "sizes": sizes}
    return _make_result(task, found, best, how, (held_out, comparison), interrupted)


def _make_result(
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
        trials=_make_table(found, task.metric),
        split=how,
        how=_describe_method(),
        held_out=measured[0],
        comparison=measured[1],
        interrupted=interrupted,
    )


def _split_twice(data: Ratings | None, by: str, seed: int, read: Callable[[str], Ratings]) -> tuple[Split, Split]:
    """(the split that sets the test part aside, the split of its training part, with another seed)."""
    parts = split(data, by, seed, read)
    if len(parts) != 1:
        raise ParameterError(f"split by {by!r} gives {len(parts)} test parts and tune sets one aside; use random:0.1")
    inner_seed = int(np.random.SeedSequence([seed, 1]).generate_state(1)[0])
    return parts[0], random_split(parts[0].train, VALIDATION, inner_seed)


def _make_fingerprint(task: Task, outer: Split, by: str) -> dict[str, Any]:
    """What distinguishes one search from another; the keys are words of the error where a storage holds another."""
    return {
        "ratings": _hash_ratings(outer.train, outer.test),
        "model": task.model,
        "settings": task.fixed,
        "search space": task.space,
        "split": [by, task.seed],
        "metric": task.metric,
    }


def _compare_with_defaults(
    task: Task, best: Trial, data: Ratings | None, *, repeats: int, **asked: Any
) -> tuple[Comparison | None, Comparison | None, bool]:
    """(comparison on the test part set aside, comparison on fresh splits, whether Ctrl-C ended them). asked: by, read
    and name, as for `compare`."""
    models = [("defaults", create(task.model, **task.fixed))]
    if best.number != 0:
        models.insert(0, ("tuned", create(task.model, **(task.fixed | best.settings))))

    def measured(seed: int, repeats: int) -> Comparison:
        made = compare(data, models, repeats=repeats, seed=seed, k=(task.k,), baselines="none", **asked)
        if any(summary.get("stopped") == "interrupted" for result in made.results for summary in result.summaries):
            raise KeyboardInterrupt  # a training that was cut short compares nothing
        return made

    try:
        held_out = measured(task.seed, 1)
        drawn = asked["by"].partition(":")[0] in DRAWN
        return held_out, measured(task.seed + 1, repeats) if drawn else None, False
    except KeyboardInterrupt:
        return None, None, True


def _choose_metric(model: str, metric: str | None) -> str:
    rates = MODELS[model].rates
    if metric is None:
        return "rmse" if rates else "ndcg@10"
    metric, asked = metric if isinstance(metric, str) else "", metric
    name, _, k = metric.partition("@")
    if metric != "rmse" and not (name == "ndcg" and k.isascii() and k.isdigit() and int(k) >= 1):
        raise ParameterError(f"metric is {shown(asked)}; allowed: rmse, or ndcg@K such as ndcg@10")
    if metric == "rmse" and not rates:
        raise ParameterError(f"{model} ranks items and predicts no ratings; use the metric ndcg@10")
    return metric


def _hash_ratings(*parts: Ratings) -> str:
    """SHA-256 of all that a search depends on of the ratings: pairs, values, order, timestamps, ids, scale."""
    digest = hashlib.sha256()
    for part in parts:
        csr = part.csr
        for array in (csr.indptr, csr.indices, csr.data, part.ranks(), part.timestamps):
            digest.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
        for ids in (part.user_ids, part.item_ids):
            digest.update(json.dumps(np.asarray(ids).tolist()).encode())
        digest.update(repr(part.scale).encode())
    return digest.hexdigest()


def _make_table(found: list[Trial], metric: str) -> pd.DataFrame:
    rows = []
    for trial in found:
        row = asdict(trial)
        value = float("nan") if trial.value is None else trial.value
        rows.append({"trial": row["number"], "state": row["state"], metric: value, **row["settings"]})
        rows[-1] |= {"seconds": row["seconds"], "error": row["error"]}
    return pd.DataFrame(rows)


def _describe_method() -> str:
    import optuna

    return f"autorec tune: TPE and median pruning of Optuna {optuna.__version__}, trial 0 the defaults"
