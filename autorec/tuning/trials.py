"""The trials of a search as Optuna keeps them: in memory, or in a file that a later search continues."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from autorec.errors import InputError

if TYPE_CHECKING:
    import optuna

STUDY = "autorec"
NUMBER = "number"  # attribute of a trial in storages: 0 for the defaults, then 1, 2, …
STARTUP = 5  # trials that finish before any is pruned
WARMUP = 4  # the part of its epochs in which a trial is not pruned: one in so many


@dataclass(frozen=True)
class Trial:
    """state: complete, pruned or failed. value: of the metric on the validation part, None unless complete."""

    number: int
    state: str
    value: float | None
    settings: dict[str, Any]
    seconds: float
    error: str | None


def open_study(storage: Path | None, by_error: bool, epochs: Any) -> "optuna.Study":
    """The study of a file, made when missing; without a file one that lives as long as the process. epochs: of the
    defaults, 0 where there are none."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    direction: Literal["minimize", "maximize"] = "minimize" if by_error else "maximize"
    warmup = epochs // WARMUP if isinstance(epochs, int) else 0  # the model refuses other types itself
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


def mend(storage: Path) -> None:
    """Remove a last line that a kill has cut: lines appended to it would be unreadable. InputError: no storage."""
    if not storage.exists():
        return
    written = storage.read_bytes()
    if written and not written.startswith(b'{"op_code"'):
        raise InputError(f"{storage} is no storage of a search; name another file")
    if written and not written.endswith(b"\n"):
        with storage.open("r+b") as file:
            file.truncate(written.rfind(b"\n") + 1)


def claim(study: "optuna.Study", fingerprint: dict[str, Any], storage: Path | None) -> None:
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


def done(study: "optuna.Study") -> dict[int, "optuna.trial.FrozenTrial"]:
    """Number → finished trial, without interrupted ones."""
    found: dict[int, optuna.trial.FrozenTrial] = {}
    for trial in study.get_trials(deepcopy=False):
        state = trial.state.name
        if state in ("COMPLETE", "PRUNED") or (state == "FAIL" and "error" in trial.user_attrs):
            found[trial.user_attrs[NUMBER]] = trial
    return found


def finished(study: "optuna.Study") -> list[Trial]:
    """[trials] the finished ones, by number."""
    states = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    return [
        Trial(
            number=number,
            state=states[trial.state.name],
            value=trial.value if trial.state.name == "COMPLETE" else None,
            settings=trial.user_attrs["settings"],
            seconds=trial.user_attrs["seconds"],
            error=trial.user_attrs.get("error"),
        )
        for number, trial in sorted(done(study).items())
    ]


def best_of(trials: Sequence[Trial], by_error: bool) -> Trial | None:
    """The best complete one of `trials` [n], of equals the earliest; None without one."""
    complete = [trial for trial in trials if trial.value is not None]
    sign = 1 if by_error else -1
    return min(complete, key=lambda trial: sign * (trial.value or 0.0), default=None)


@contextlib.contextmanager
def silent_optuna() -> Iterator[None]:
    """Optuna's log is off within the block."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
