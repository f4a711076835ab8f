"""The model that is served: loaded with its name and hash, warmed up, and replaced when its folder is.

A request takes `Live.current` once and uses nothing else, so its answer is of one model, also while another is swapped
in. The older model goes when the last request that uses it is done.
"""

import contextlib
import logging
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autorec import threads
from autorec.errors import AutoRecError
from autorec.models.recommending import best_items, score_person
from autorec.models.store import load_described
from autorec.ratings.ids import is_integer
from autorec.ratings.matrix import Ratings
from autorec.storage.folder import MANIFEST
from autorec.storage.manifest import FILES

log = logging.getLogger("autorec.serve")

_INTERVAL = 1.0  # seconds between two looks at the folder
_AGAIN = 60  # looks after which a folder that could not be read is read again, unless it changes before
_PATIENCE = 10  # nice value of the thread that loads a model: those who ask go first

Identity = dict[str, tuple[int, int, int]]  # of each file by its name


@dataclass(frozen=True)
class Served:
    """A loaded model with what every answer says of it."""

    model: Any  # autorec.models.base.Recommender
    facts: dict[str, str]  # name of the folder, class, version of the library that wrote it, hash of the whole model
    loaded: float = field(default_factory=time.time)

    @property
    def ratings(self) -> Ratings:
        ratings: Ratings = self.model.ratings_
        return ratings

    @cached_property
    def item_ids(self) -> list[Any]:
        """[items] raw ids as JSON has them."""
        return list(self.ratings.item_ids.tolist())

    @cached_property
    def columns(self) -> dict[int | str, int]:
        """Raw id as text, and as the integer that is written so → column: quicker than an index of pandas for the ids
        of one request."""
        of_text = {str(item): column for column, item in enumerate(self.item_ids)}
        return of_text | {int(item): column for item, column in of_text.items() if is_integer(item)}

    def find_items(self, ids: list[Any]) -> npt.NDArray[np.int64]:
        """Raw ids [n], integers or text → their columns [n], −1 where unknown."""
        return np.fromiter(map(self.columns.get, ids, repeat(-1)), dtype=np.int64, count=len(ids))

    @cached_property
    def titles(self) -> list[str | None]:
        """[items], None where unknown."""
        if self.ratings.titles is None:
            return [None] * self.ratings.n_items
        return [title or None for title in self.ratings.titles.tolist()]

    @cached_property
    def found_by(self) -> list[str]:
        """[items] what a search looks in, of all items the most rated first; see `by_count`."""
        return [(self.titles[column] or str(self.item_ids[column])).casefold() for column in self.by_count]

    @cached_property
    def by_count(self) -> list[int]:
        """[items] columns, the most rated first."""
        return [int(column) for column in np.argsort(-self.ratings.item_counts, kind="stable")]


def load_served(path: Path) -> Served:
    """The model in the folder `path`, ready: what is compiled or made on first use is there. ModelFileError: `load`."""
    model, manifest = load_described(path)
    facts = {
        "name": path.resolve().name,
        "class": manifest["class"],
        "version": manifest["library"],
        "hash": manifest["sha256"],
    }
    served = Served(model, facts)
    _ = (
        served.columns,
        served.found_by,
        served.ratings.items_by_value,
        served.ratings.find_items([0]),
        served.ratings.find_users([0]),
    )
    with contextlib.suppress(AutoRecError), threads.libraries_on_one_thread():  # a fork copies no others
        model._keep_products()
        _warm_up(model)  # a model that cannot encode says so to each request
    return served


def _warm_up(model: Any) -> None:
    """Score and select once: as a known user, and as anyone with the same history."""
    one, first = model.ratings_.csr[[0]], np.zeros(1, dtype=np.int64)
    known, _ = score_person(model, one, 0)
    score_person(model, one)
    for _ in best_items(model, lambda _: known, first, 10, one):
        pass


class Live:
    """The model of a folder, followed: `current` changes when the folder is replaced."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.swaps = self.failures = 0
        self._identity: Identity | None = None
        self._looks = 0  # left until it is read again; below 0: never
        self._current: Served | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __reduce__(self) -> tuple[type["Live"], tuple[Path]]:
        """Another process that is not forked loads the model anew."""
        return Live, (self.path,)

    @property
    def current(self) -> Served | None:
        """None before `load`."""
        return self._current

    def load(self) -> Served:
        """Load the model unless it is there. ModelFileError, as `autorec.load`."""
        if self._current is None:
            self._identity = self._look()
            self._current = load_served(self.path)
        return self._current

    def follow(self) -> None:
        """Look at the folder every second from a thread of its own, until `close`."""
        self._thread = threading.Thread(target=self._follow, name="autorec-follow", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread of `follow`."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _follow(self) -> None:
        if sys.platform == "linux":  # where the priority is that of a thread
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _PATIENCE)
        while not self._stop.wait(_INTERVAL):
            self.refresh()

    def refresh(self) -> None:
        """Swap in the model of the folder where it is another; one that cannot be read leaves the old one there."""
        identity = self._look()
        self._looks -= 1
        if identity is None or (identity == self._identity and self._looks != 0):
            return  # between two saves there may be no folder for a moment
        self._identity, self._looks = identity, 0
        try:
            served = load_served(self.path)
        except (AutoRecError, OSError, MemoryError) as error:
            self.failures += 1
            self._looks = _AGAIN
            log.error("The older model is served on: %s", error)
            return
        if self._thread is not None:  # which works alone; this model may be the first that has loaded torch
            threads.use_one_thread()
        if self._current is None or served.facts["hash"] != self._current.facts["hash"]:
            self._current = served
            self.swaps += 1
            log.info("Serving the model %s.", served.facts["hash"][:12])

    def _look(self) -> Identity | None:
        """None without a manifest. Of all files, for a copy over them may bring the manifest first."""
        try:
            with os.scandir(self.path) as entries:
                found = {one.name: one.stat() for one in entries if one.name in FILES}
        except OSError:
            return None
        identity = {name: (one.st_ino, one.st_mtime_ns, one.st_size) for name, one in found.items()}
        return identity if MANIFEST in found else None
