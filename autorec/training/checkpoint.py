"""Checkpoints: a fit that was killed goes on where it was, and ends with the same bits.

A fit is a fixed sequence of trainings, calls of `autorec.training.loop.train`. The folder of a checkpoint is their
journal:

    fit.json                         what is fitted, so that no other fit goes on from it
    training-1.safetensors           a finished training: its weights and its log
    training-2-epoch-34.safetensors  the running one after an epoch: weights, best so far, optimisers, generators, log

A resumed fit reads what was finished instead of training it again, and the running training goes on after its last
epoch in the folder. Each file is written whole or not at all; of the running training the last two are kept, and a
damaged one is passed over. Everything else of a fit follows from data, parameters and seed.

Of several processes (`autorec.group`) each writes what it has, training-2-epoch-34.0-of-2.safetensors, after the same
epochs. They go on from the last epoch that all have written, and so does any other number of processes, which then
reads the files of all (`autorec.training.tensor_tree.read_part`). The folder has to be one that all processes see.
"""

import contextlib
import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autorec import checks, files, group, locks, progress
from autorec.errors import InputError

if TYPE_CHECKING:
    from autorec.training.state import State

KEPT = 2  # files of the running training

_FIT = "fit.json"


@dataclass(frozen=True)
class Checkpoint:
    """Where a `fit` keeps its state, and how often.

    folder  made when missing; a finished fit leaves it there: it may then be deleted
    every   seconds from one state to the next, each at the end of an epoch; 0: after every epoch
    resume  whether to go on from what is in the folder; where there is nothing, the fit begins

    >>> ratings = autorec.load_sample()
    >>> model = autorec.AutoRec(hidden=4, epochs=2, penalty="l2:50")
    >>> model = model.fit(ratings, checkpoint=autorec.Checkpoint("kept", every=10))
    >>> again = model.fit(ratings, checkpoint=autorec.Checkpoint("kept", resume=True))  # nothing is left to do
    """

    folder: files.PathLike
    every: float = 60.0
    resume: bool = False

    def __post_init__(self) -> None:
        checks.number("every", self.every, least=0)


class Journal:
    """The trainings of one fit in a folder. begun: how many of them have begun."""

    def __init__(self, folder: Path, every: float) -> None:
        self.folder = folder
        self.every = every
        self.begun = 0


_journal: ContextVar[Journal | None] = ContextVar("journal", default=None)


@contextlib.contextmanager
def keeping(checkpoint: Checkpoint, fit: Mapping[str, Any]) -> Iterator[Journal]:
    """Within the block trainings are kept in the folder, or read from it. fit: what is fitted, JSON-ready.

    InputError: the folder holds something else, or a checkpoint that is not to be resumed, or that of another fit.
    """
    folder = files.resolved(checkpoint.folder)
    path, first = folder / _FIT, group.place()[0] == 0
    there = _is_there(folder, path)
    if there:
        if not checkpoint.resume:
            raise InputError(f"{folder} holds a checkpoint; resume it, delete it, or give another folder")
        _require_same(path, fit)
    group.wait()  # all have looked
    if first and not there:
        files.write_text(path, json.dumps(fit, indent=2))
    # The lock of the folder itself is that of each file written there.
    with locks.locked(path) if first else contextlib.nullcontext():
        journal = Journal(folder, checkpoint.every)
        token = _journal.set(journal)
        try:
            yield journal
        finally:
            _journal.reset(token)


def _is_there(folder: Path, path: Path) -> bool:
    if path.exists():
        return True
    if folder.exists() and (not folder.is_dir() or any(not one.name.startswith(".") for one in folder.iterdir())):
        raise InputError(f"{folder} is there and holds no checkpoint; give an empty or a new folder")
    return False


def _require_same(path: Path, fit: Mapping[str, Any]) -> None:
    """InputError names what differs between this fit and that of the checkpoint."""
    try:
        kept = json.loads(path.read_bytes())
        differing = [name for name in fit if kept[name] != fit[name]]
    except (ValueError, LookupError, TypeError):
        raise InputError(f"{path} is damaged; delete {path.parent} and train from the start") from None
    if differing:
        name = differing[0]
        what = f"{name} was {kept[name]!r} and is {fit[name]!r}"
        raise InputError(f"the checkpoint {path.parent} is of another fit: {what}; fit the same again, or without it")


def begin_training(state: "State | None") -> "Recording | None":
    """The record of the next training of the running fit; None where nothing is to be kept."""
    journal = _journal.get()
    if journal is None or state is None:
        return None
    journal.begun += 1
    return Recording(journal, f"training-{journal.begun}", state)


class Recording:
    """One training in the folder. A tree `course` is what the loop itself has to remember; see `tensor_tree`."""

    def __init__(self, journal: Journal, name: str, state: "State") -> None:
        self._folder, self._every, self._name, self._state = journal.folder, journal.every, name, state
        self._size = group.shape()[1]  # files: of several groups the first writes, the others have the same
        self._rank = group.place()[0] % self._size
        self._writes = group.place()[0] < self._size
        self._last = time.monotonic()

    def resume(self) -> tuple[dict[str, Any] | None, bool]:
        """Put the newest state of this training back; (its course, None where there is none; whether it had ended)."""
        from autorec.network.shard import Shard  # these need torch, which not every model does
        from autorec.training.tensor_tree import read_part

        for epoch, paths in group.broadcast(self._states()):
            tree: Any = None
            try:
                tree = read_part(paths, Shard(self._rank, self._size))
            except ValueError as error:
                progress.announce(f"{error}; it is passed over")
            if not group.all_agree(tree is not None):
                continue
            self._state.put_back(tree["state"])
            if epoch is None:
                self._clear()  # the process may have been killed before it did
            else:
                progress.announce(f"Resumed from {paths[min(self._rank, len(paths) - 1)]}.")
            return tree["course"], epoch is None
        return None, False

    def keep(self, epoch: int, course: dict[str, Any]) -> None:
        """Write the state after an epoch, if the last time is long enough ago."""
        if group.broadcast(time.monotonic() - self._last >= self._every):
            self._write(f"-epoch-{epoch}", course, finished=False)
            self._clear(KEPT)
            self._last = time.monotonic()

    def finish(self, course: dict[str, Any]) -> None:
        """Write the end of the training, which takes the place of its states."""
        self._write("", course, finished=True)
        group.wait()  # until all have written it, the states before are what there is
        self._clear()

    def _states(self) -> list[tuple[int | None, list[Path]]]:
        """(epoch, the files of all processes that wrote it) of each whole state, the best to go on from first; epoch
        None: the end."""
        found: dict[tuple[int | None, int], dict[int, Path]] = {}
        for path, epoch, rank, size in self._files():
            found.setdefault((epoch, size), {})[rank] = path
        whole = [
            (epoch, [ranks[rank] for rank in range(size)])
            for (epoch, size), ranks in found.items()
            if len(ranks) == size
        ]
        return sorted(whole, key=lambda one: (one[0] is not None, -(one[0] or 0), len(one[1]) != self._size))

    def _files(self) -> Iterator[tuple[Path, int | None, int, int]]:
        """(path, epoch, rank, number of processes) of each file of the training."""
        name = re.compile(rf"{self._name}(?:-epoch-(\d+))?(?:\.(\d+)-of-(\d+))?\.safetensors")
        for path in self._folder.iterdir():
            if match := name.fullmatch(path.name):
                epoch, rank, size = (None if text is None else int(text) for text in match.groups())
                yield path, epoch, rank or 0, size or 1

    def _clear(self, kept: int = 0) -> None:
        """Delete the states before the last `kept` of this process, its own, and in the first process those of another
        number of processes."""
        if not self._writes:
            return
        states = [one for one in self._files() if one[1] is not None]
        own = sorted(epoch or 0 for _, epoch, rank, size in states if (rank, size) == (self._rank, self._size))
        oldest = own[-kept] if 0 < kept <= len(own) else -1 if kept else math.inf
        for path, epoch, rank, size in states:
            mine = rank == self._rank if size == self._size else self._rank == 0
            if mine and epoch is not None and epoch < oldest:
                path.unlink(missing_ok=True)

    def _write(self, suffix: str, course: dict[str, Any], finished: bool) -> None:
        from autorec.training.tensor_tree import write_tree

        if not self._writes:
            return
        part = "" if self._size == 1 else f".{self._rank}-of-{self._size}"
        course = {**course, "best": self._state.mark(course["best"])}
        tree = {"course": course, "state": self._state.to_tree(finished=finished)}
        write_tree(self._folder / f"{self._name}{suffix}{part}.safetensors", tree)
