"""Ratings of a store that stay on the disk: a process reads what it needs of them, a row group at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autorec.array_types import IntArray
from autorec.ratings.matrix import Ratings, check_and_cast
from autorec.ratings.store import Group, Manifest, check_hashes, damage_told, read_groups, read_manifest


@dataclass(frozen=True, eq=False)
class Stored:
    """The ratings of a store.

    reads  reads all of them into memory; see `whole`
    scale  lowest and highest possible rating: as given, else as observed
    user_counts [users], item_counts [items]: how many ratings each has
    """

    folder: Path
    manifest: Manifest
    reads: Callable[[], Ratings]
    scale: tuple[float, float]
    user_counts: IntArray
    item_counts: IntArray

    def __len__(self) -> int:
        return int(self.manifest["ratings"])

    def __repr__(self) -> str:
        return f"Ratings({self.n_users} users × {self.n_items} items, {len(self)} ratings)"

    @property
    def n_users(self) -> int:
        return len(self.user_counts)

    @property
    def n_items(self) -> int:
        return len(self.item_counts)

    @cached_property
    def whole(self) -> Ratings:
        """All of them in memory, read when first asked for."""
        return self.reads()

    @property
    def levels(self) -> npt.NDArray[np.float32] | None:
        """[k] the values that occur, ascending; None where they are more than a byte counts."""
        levels = self.manifest["levels"]
        return None if levels is None else np.array(levels, dtype=np.float32)

    def groups(self) -> Iterator[Group]:
        """The row groups in order of users, without dates. InputError: the store is damaged."""
        with damage_told(self.folder):
            yield from read_groups(self.folder, self.manifest, dated=False)

    def csr_arrays(self) -> Iterator[npt.NDArray[Any]]:
        """The bytes of indptr, indices and data of `whole.csr`, in this order, the last two a row group at a time."""
        index: Any = np.int32 if len(self) < 2**31 else np.int64
        yield np.concatenate(([0], np.cumsum(self.user_counts))).astype(index)
        for group in self.groups():
            yield group.items.astype(index)
        for group in self.groups():
            yield group.values


def open_store(folder: Path, scale: tuple[float, float] | None, reads: Callable[[], Ratings]) -> Stored:
    """The ratings of a store, of which numbers are counted and nothing is kept. scale, reads: as in `Stored`, scale
    None for that of `prepare`. InputError: the store is damaged, or ratings lie outside the scale."""
    manifest = read_manifest(folder)
    check_hashes(folder, manifest)
    users, items = (np.zeros(manifest[side], dtype=np.int64) for side in ("users", "items"))
    scale = scale if scale is not None else manifest["scale"] and tuple(manifest["scale"])
    low, high = np.inf, -np.inf
    with damage_told(folder):
        for group in read_groups(folder, manifest, dated=False):
            first = int(group.users[0])
            of_users = np.bincount(group.users - first)
            users[first : first + len(of_users)] += of_users
            items += np.bincount(group.items, minlength=len(items))
            low, high = min(low, float(group.values.min())), max(high, float(group.values.max()))
    if scale is not None:
        check_and_cast(np.array([low, high], dtype=np.float32), scale)
    return Stored(folder, manifest, reads, scale or (low, high), users, items)
