"""The search for settings: each trial fits on a training part and is scored on a validation part; Optuna chooses what
to try.

A trial has a place, 0 for the defaults, and draws with a seed of its own made of the task's seed and its place. So a
search that goes on from its storage tries what it would have tried without the break.
"""

import contextlib
import contextvars
import functools
import json
import math
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from autorec import progress
from autorec.errors import AutoRecError, DivergedError, InputError, NotEnoughMemoryError
from autorec.evaluation.evaluate import evaluate
from autorec.evaluation.workers import side_by_side
from autorec.models.base import Recommender
from autorec.models.presets import create
from autorec.models.spaces import Space, setting, space_of
from autorec.ratings.matrix import Ratings
from autorec.training.loop import Watcher, watching

if TYPE_CHECKING:
    import optuna

STUDY = "autorec"
STARTUP = 5  # trials that finish before any is pruned
WARMUP = 4  # the part of its epochs in which a trial is not pruned: one in so many


@dataclass(frozen=True, eq=False)
class Task:
    """What is searched. fixed: settings that every trial has, the defaults too. metric: rmse or ndcg@K."""

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


@dataclass(frozen=True)
class Trial:
    """state: complete, pruned or failed. value: of the metric on the validation part, None unless complete."""

    place: int
    state: str
    value: float | None
    settings: dict[str, Any]
    seconds: float
    error: str | None


def require_optuna() -> None:
    """AutoRecError, saying what to install, when Optuna is missing."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise AutoRecError(
            "tuning needs Optuna, which is not installed: python -m pip install 'autorec-cf[tune]', or optuna alone"
        ) from None


def search(
    task: Task, trials: int, *, storage: Path | None = None, fingerprint: dict[str, Any], jobs: int = 1
) -> tuple[list[Trial], bool]:
    """All finished trials by place, and whether Ctrl-C ended the search before `trials` of them were there.

    storage: where trials are kept and taken up again. fingerprint: what tells this search from others; InputError
    when the storage holds another. jobs: trials at a time, each in a process of its own.
    """
    require_optuna()
    with _silent_optuna(), tempfile.TemporaryDirectory(prefix="autorec-tune-") as folder:
        if storage is None and jobs > 1:
            storage = Path(folder) / "trials"
        if storage is not None:
            _mend(storage)  # here, where no other process writes to it
        study = open_study(storage, task)
        _claim(study, fingerprint, storage)
        with progress.bar("tuning", trials) as update:

            def told() -> None:
                update(len(_done(study)), _line(study, task))

            told()
            try:
                if 0 not in _done(study):
                    _run_defaults(study, task)
                    told()
                missing = [place for place in range(1, trials) if place not in _done(study)]
                if storage is not None and jobs > 1:
                    side_by_side(functools.partial(_run_elsewhere, task, storage), missing, jobs, told)
                else:
                    for place in missing:
                        run_trial(study, task, place)
                        told()
            except KeyboardInterrupt:
                return _finished(study), True
        return _finished(study), False


# --- one trial ----------------------------------------------------------------------------------------------


def run_trial(
    study: "optuna.Study", task: Task, place: int, stopped: Callable[[], bool] | None = None, alone: bool = True
) -> None:
    """Ask Optuna for settings, measure them, tell Optuna. What is broken off is told as failed, without an error, and
    so is done again by the next search."""
    import optuna

    seed = int(np.random.SeedSequence([task.seed, place]).generate_state(1)[0])
    with warnings.catch_warnings():  # constant_liar, which counts what others are trying, was long experimental
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=not alone)
    trial = study.ask(_distributions(task.space))
    settings = {name: setting(what, trial.params[name]) for name, what in task.space.items()}
    trial.set_user_attr("place", place)
    trial.set_user_attr("settings", settings)
    start = time.perf_counter()
    state, value = optuna.trial.TrialState.FAIL, None
    try:
        value = _measured(task, task.estimator(settings), _reporter(trial, task, stopped))
        state = optuna.trial.TrialState.COMPLETE
    except optuna.TrialPruned:
        state = optuna.trial.TrialState.PRUNED
    except (DivergedError, NotEnoughMemoryError) as error:
        trial.set_user_attr("error", str(error))
    finally:
        trial.set_user_attr("seconds", time.perf_counter() - start)
        study.tell(trial, value, state)


def _run_elsewhere(task: Task, storage: Path, place: int, stopped: Callable[[], bool]) -> None:
    """A trial in a process of its own."""
    with _silent_optuna():
        run_trial(open_study(storage, task), task, place, stopped, alone=False)


def _measured(task: Task, model: Recommender, watcher: Watcher) -> float:
    """Fit on the training part, quietly; the metric on the validation part."""

    def work() -> float:
        progress.show(False)
        with watching(watcher):
            model.fit(task.train)
        if model.summary_.get("stopped") == "interrupted":
            raise KeyboardInterrupt
        return evaluate(model, task.validation, k=task.k).metrics[task.metric]

    value = contextvars.copy_context().run(work)
    if not math.isfinite(value):
        if task.by_error:
            raise DivergedError("the predictions are not finite: the training diverged")
        raise InputError(
            f"the validation part gives no {task.metric}: none of its users has a relevant item; give more ratings"
        )
    return value


def _reporter(trial: "optuna.Trial", task: Task, stopped: Callable[[], bool] | None) -> Watcher:
    """Tells Optuna the learning curve, and prunes. A curve of errors says little of rankings: these are not pruned.
    With λ fixed to auto there are several curves, the first of which is told."""
    import optuna

    looks: list[int] = []

    def watcher(epoch: int, rmse: float) -> None:
        if stopped is not None and stopped():
            raise KeyboardInterrupt
        looks.append(epoch)
        is_first = looks == sorted(set(looks))
        if task.by_error and is_first:
            trial.report(rmse, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

    return watcher


def _run_defaults(study: "optuna.Study", task: Task) -> None:
    """Trial 0. It is told when it is done: the λ that `l2:auto` chose is known only then."""
    import optuna

    curves: list[dict[int, float]] = []  # one a training

    def watcher(epoch: int, rmse: float) -> None:
        if not curves or epoch <= max(curves[-1]):
            curves.append({})
        curves[-1][epoch] = rmse

    model = task.estimator({})
    start = time.perf_counter()
    value = _measured(task, model, watcher)
    seconds = time.perf_counter() - start
    settings = {name: model.get_params()[name] for name in task.space}
    drawn = {name: model.l2_ if task.space[name][0] == "l2" else value for name, value in settings.items()}
    best = min(curves, key=lambda curve: min(curve.values()), default={})
    told = optuna.trial.create_trial(
        params=drawn,
        distributions=_distributions(task.space),
        value=value,
        intermediate_values=best if task.by_error else {},
        user_attrs={"place": 0, "settings": settings, "seconds": seconds},
    )
    study.add_trial(told)


def _distributions(space: Space) -> "dict[str, optuna.distributions.BaseDistribution]":
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


# --- what was tried -----------------------------------------------------------------------------------------


def open_study(storage: Path | None, task: Task) -> "optuna.Study":
    """The study of a file, made when missing; without a file one that lives as long as the process."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    direction: Literal["minimize", "maximize"] = "minimize" if task.by_error else "maximize"
    epochs = getattr(task.estimator({}), "epochs", 0)
    warmup = epochs // WARMUP if isinstance(epochs, int) else 0  # what is no number the model itself refuses
    pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=warmup)
    if storage is None:
        return optuna.create_study(direction=direction, pruner=pruner)
    path = str(storage)
    try:
        kept = JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path)))
        return optuna.create_study(
            storage=kept, study_name=STUDY, direction=direction, pruner=pruner, load_if_exists=True
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{storage} is damaged or no storage of a search ({error}); name another file") from None


def _mend(storage: Path) -> None:
    """A kill can cut the last line; what is written after it would be unreadable, so it goes."""
    if not storage.exists():
        return
    written = storage.read_bytes()
    if written and not written.startswith(b'{"op_code"'):
        raise InputError(f"{storage} is no storage of a search; name another file")
    if written and not written.endswith(b"\n"):
        with storage.open("r+b") as file:
            file.truncate(written.rfind(b"\n") + 1)


def _claim(study: "optuna.Study", fingerprint: dict[str, Any], storage: Path | None) -> None:
    """InputError when the storage belongs to another search."""
    known = study.user_attrs.get("fingerprint")
    if known is None and not study.trials:
        study.set_user_attr("fingerprint", fingerprint)
        return
    wanted = json.loads(json.dumps(fingerprint))
    other = [name for name, value in wanted.items() if not isinstance(known, dict) or known.get(name) != value]
    if other:
        raise InputError(
            f"{storage} holds a search with other {', '.join(other)}; name another storage, or ask as before"
        )


def _done(study: "optuna.Study") -> dict[int, "optuna.trial.FrozenTrial"]:
    """Place → finished trial. Not those that were broken off."""
    found: dict[int, optuna.trial.FrozenTrial] = {}
    for trial in study.get_trials(deepcopy=False):
        state = trial.state.name
        if state in ("COMPLETE", "PRUNED") or (state == "FAIL" and "error" in trial.user_attrs):
            found[trial.user_attrs["place"]] = trial
    return found


def _finished(study: "optuna.Study") -> list[Trial]:
    states = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    return [
        Trial(
            place=place,
            state=states[trial.state.name],
            value=trial.value if trial.state.name == "COMPLETE" else None,
            settings=trial.user_attrs["settings"],
            seconds=trial.user_attrs["seconds"],
            error=trial.user_attrs.get("error"),
        )
        for place, trial in sorted(_done(study).items())
    ]


def best_of(trials: Sequence[Trial], by_error: bool) -> Trial | None:
    """The best complete trial, of equals the earliest; None without one."""
    complete = [trial for trial in trials if trial.value is not None]
    sign = 1 if by_error else -1
    return min(complete, key=lambda trial: sign * (trial.value or 0.0), default=None)


def _line(study: "optuna.Study", task: Task) -> str:
    finished = _finished(study)
    best = best_of(finished, task.by_error)
    if best is None:
        return "the defaults first"
    whose = "the defaults" if best.place == 0 else f"trial {best.place}"
    return f"best {task.metric} {best.value:.4f} by {whose}"


@contextlib.contextmanager
def _silent_optuna() -> Iterator[None]:
    """Optuna's log is off within the block."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
