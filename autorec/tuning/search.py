"""The search for settings: each trial fits on a training part and is scored on a validation part; Optuna chooses what
to try.

A trial has a number, 0 for the defaults, and a seed made of the task's seed and its number. So a search that continues
from its storage tries the same settings as one without a break.
"""

import contextvars
import functools
import math
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autorec import progress
from autorec.errors import DivergedError, InputError, NotEnoughMemoryError
from autorec.evaluation.evaluate import value_of
from autorec.models.base import OnValidation, Recommender
from autorec.models.presets import create
from autorec.models.row import Space
from autorec.models.spaces import setting, space_of
from autorec.network.parts import parse_sum
from autorec.network.penalty import PENALTIES
from autorec.ratings.matrix import Ratings
from autorec.tuning.trials import NUMBER, Trial, best_of, claim, done, finished, mend, open_study, silent_optuna
from autorec.tuning.workers import side_by_side

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True, eq=False)
class Task:
    """What is searched.

    model              name of the preset; fixed: settings that every trial has, the defaults too
    metric             "rmse" or "ndcg@K"
    train, validation  Ratings [users × items] each
    """

    model: str
    fixed: dict[str, Any]
    metric: str
    seed: int
    train: Ratings
    validation: Ratings

    @property
    def by_error(self) -> bool:
        """Whether lower is better."""
        return self.metric == "rmse"

    @property
    def k(self) -> int:
        """Length of the lists."""
        return 10 if self.by_error else int(self.metric.partition("@")[2])

    @property
    def space(self) -> Space:
        return space_of(self.model, self.fixed)

    def estimator(self, settings: dict[str, Any]) -> Recommender:
        model = create(self.model, **(self.fixed | settings))
        if "random_state" in model.get_params() and "random_state" not in self.fixed:
            model.set_params(random_state=self.seed)
        return model


def search(
    task: Task, trials: int, *, storage: Path | None = None, fingerprint: dict[str, Any], jobs: int = 1
) -> tuple[list[Trial], bool]:
    """([trials] the finished ones by number, whether Ctrl-C ended the search before `trials` were finished).

    storage: file of the trials, to continue later. fingerprint: what distinguishes this search from others; InputError
    when the storage holds another. jobs: trials at a time, each in its own process.
    """
    with silent_optuna(), tempfile.TemporaryDirectory(prefix="autorec-tune-") as folder:
        if storage is None and jobs > 1:
            storage = Path(folder) / "trials"
        if storage is not None:
            mend(storage)  # here, where no other process writes to it
        study = _open_study(storage, task)
        claim(study, fingerprint, storage)
        with progress.bar("tuning", trials) as update:

            def report() -> None:
                update(len(done(study)), _describe_best(study, task))

            report()
            try:
                if 0 not in done(study):
                    _run_defaults(study, task)
                    report()
                missing = [number for number in range(1, trials) if number not in done(study)]
                if storage is not None and jobs > 1:
                    side_by_side(functools.partial(_run_elsewhere, task, storage), missing, jobs, report)
                else:
                    for number in missing:
                        run_trial(study, task, number)
                        report()
            except KeyboardInterrupt:
                return finished(study), True
        return finished(study), False


def _open_study(storage: Path | None, task: Task) -> "optuna.Study":
    return open_study(storage, task.by_error, getattr(task.estimator({}), "epochs", 0))


def _describe_best(study: "optuna.Study", task: Task) -> str:
    best = best_of(finished(study), task.by_error)
    if best is None:
        return "the defaults first"
    whose = "the defaults" if best.number == 0 else f"trial {best.number}"
    return f"best {task.metric} {best.value:.4f} by {whose}"


# --- one trial ----------------------------------------------------------------------------------------------


def run_trial(study: "optuna.Study", task: Task, number: int, stopped: Callable[[], bool] | None = None) -> None:
    """Ask Optuna for settings, measure them, report to Optuna. An interrupted trial is reported as failed, without an
    error, so that the next search repeats it. stopped: whether to stop; None where no other trial runs."""
    import optuna

    seed = int(np.random.SeedSequence([task.seed, number]).generate_state(1)[0])
    with warnings.catch_warnings():  # constant_liar, which counts what others are trying, was long experimental
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=stopped is not None)
    trial = study.ask(_make_distributions(task.space))
    settings = {name: setting(what, trial.params[name]) for name, what in task.space.items()}
    trial.set_user_attr(NUMBER, number)
    trial.set_user_attr("settings", settings)
    start = time.perf_counter()
    state, value = optuna.trial.TrialState.FAIL, None
    try:
        value = _measure(task, task.estimator(settings), _make_reporter(trial, task, stopped))
        state = optuna.trial.TrialState.COMPLETE
    except optuna.TrialPruned:
        state = optuna.trial.TrialState.PRUNED
    except (DivergedError, NotEnoughMemoryError) as error:
        trial.set_user_attr("error", str(error))
    finally:
        trial.set_user_attr("seconds", time.perf_counter() - start)
        study.tell(trial, value, state)


def _run_elsewhere(task: Task, storage: Path, number: int, stopped: Callable[[], bool]) -> None:
    """A trial in another process."""
    with silent_optuna():
        run_trial(_open_study(storage, task), task, number, stopped)


def _measure(task: Task, model: Recommender, on_validation: OnValidation) -> float:
    """Fit on the training part, quietly; the metric on the validation part."""

    def work() -> float:
        progress.show(False)
        model.fit(task.train, on_validation=on_validation)
        if model.summary_.get("stopped") == "interrupted":
            raise KeyboardInterrupt
        return value_of(task.metric, model, task.validation)

    value = contextvars.copy_context().run(work)
    if not math.isfinite(value):
        if task.by_error:
            raise DivergedError("the predictions are not finite: the training diverged")
        raise InputError(
            f"the validation part gives no {task.metric}: none of its users has a relevant item; give more ratings"
        )
    return value


def _make_reporter(trial: "optuna.Trial", task: Task, stopped: Callable[[], bool] | None) -> OnValidation:
    """Reports the learning curve to Optuna, and prunes, but no rankings: a curve of errors says little of them.

    With λ fixed to auto there are several curves, the first of which is reported."""
    import optuna

    epochs: list[int] = []

    def report(epoch: int, rmse: float) -> None:
        if stopped is not None and stopped():
            raise KeyboardInterrupt
        epochs.append(epoch)
        is_first = epochs == sorted(set(epochs))
        if task.by_error and is_first:
            trial.report(rmse, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

    return report


def _run_defaults(study: "optuna.Study", task: Task) -> None:
    """Trial 0. It is reported when it is done: what "auto" chose is known only then."""
    import optuna

    curves: list[dict[int, float]] = []  # one a training

    def keep(epoch: int, rmse: float) -> None:
        if not curves or epoch <= max(curves[-1]):
            curves.append({})
        curves[-1][epoch] = rmse

    model = task.estimator({})
    start = time.perf_counter()
    value = _measure(task, model, keep)
    seconds = time.perf_counter() - start
    settings = {name: model.get_params()[name] for name in task.space}
    drawn = {name: _find_drawn(model, name, what) for name, what in task.space.items()}
    best = min(curves, key=lambda curve: min(curve.values()), default={})
    finished_trial = optuna.trial.create_trial(
        params=drawn,
        distributions=_make_distributions(task.space),
        value=value,
        intermediate_values=best if task.by_error else {},
        user_attrs={NUMBER: 0, "settings": settings, "seconds": seconds},
    )
    study.add_trial(finished_trial)


def _find_drawn(model: Recommender, name: str, what: Any) -> Any:
    """The value of a setting as trials draw it, of "auto" the chosen one, within the range."""
    value = model.get_params()[name]
    if not isinstance(what, tuple):
        return value
    if what[0] == "l2":
        value = model.l2_ if hasattr(model, "l2_") else parse_sum(name, value, PENALTIES)["l2"].value
    elif value == "auto":
        value = getattr(model, f"{name}_")
    return min(max(value, what[1]), what[2])


def _make_distributions(space: Space) -> "dict[str, optuna.distributions.BaseDistribution]":
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, BaseDistribution] = {}
    for name, what in space.items():
        if isinstance(what, list):
            found[name] = CategoricalDistribution(what)
        else:
            kind, low, high, log = what
            made = IntDistribution(int(low), int(high), log) if kind == "int" else FloatDistribution(low, high, log)
            found[name] = made
    return found
