"""The blocks of a rating file → columns on disk in the order of the source, ids gathered aside."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autorec.errors import InputError
from autorec.preparation.dictionaries import Dictionary
from autorec.preparation.spill import Column
from autorec.ratings.ids import Codes, Ids
from autorec.ratings.matrix import Parsed, check_and_cast
from autorec.ratings.sentinels import drop
from autorec.ratings.store import MOST_LEVELS


@dataclass
class Gathered:
    """What is on disk of a file.

    columns       "user", "item" (codes within the block), "rating" and, where there is one, "timestamp"
    dictionaries  of "user" and "item"
    sizes         rows of each block
    levels        the bits of the distinct ratings; None when they are more than MOST_LEVELS
    """

    columns: dict[str, Column]
    dictionaries: dict[str, Dictionary]
    sizes: list[int] = field(default_factory=list)
    levels: set[int] | None = field(default_factory=set)
    skipped: int = 0
    missing: int = 0

    def __len__(self) -> int:
        return sum(self.sizes)


def gather(
    source: str, blocks: Iterable[Parsed], sentinels: list[float], scale: tuple[float, float] | None, folder: Path
) -> Gathered:
    """All rows of the blocks, in `folder`. InputError: there are none, or a rating is outside the scale."""
    columns = {name: Column(folder / name, dtype) for name, dtype in (("user", "i4"), ("item", "i4"), ("rating", "f4"))}
    found = Gathered(columns, {side: Dictionary(side, folder) for side in ("user", "item")})
    for block in blocks:
        found.skipped += block.skipped
        kept, missing = drop(block, sentinels)
        found.missing += missing
        if len(kept.users):
            try:
                _append(found, block, kept, scale, folder)
            except InputError as error:
                raise InputError(f"{source}: {error}") from None
    if not len(found):
        if found.missing:
            raise InputError(
                f"{source}: all {found.missing:,} ratings are among those that stand for none; check missing"
            )
        what = "no row that can be read" if found.skipped else "no ratings below its header"
        raise InputError(f"{source} has {what}")
    return found


def _append(found: Gathered, block: Parsed, kept: Parsed, scale: tuple[float, float] | None, folder: Path) -> None:
    assert kept.ratings is not None and block.ratings is not None  # asked for
    values = check_and_cast(kept.ratings, scale)
    sides: dict[str, tuple[Codes, Ids]] = {
        "user": (kept.users, kept.user_ids),
        "item": (kept.items, kept.item_ids),
    }
    for side, (codes, ids) in sides.items():
        as_text = ids.dtype.kind != "i"
        if len(kept.users) < len(block.users):
            codes, ids = _leave_out_unused(codes, ids)
        found.dictionaries[side].add(ids, as_text)
        found.columns[side].append(codes)
    found.columns["rating"].append(values)
    if kept.timestamps is not None:
        if "timestamp" not in found.columns:
            found.columns["timestamp"] = Column(folder / "timestamp", "i8")
        found.columns["timestamp"].append(kept.timestamps)
    found.sizes.append(len(values))
    if found.levels is not None:
        found.levels |= set(pd.unique(values.view(np.uint32)).tolist())
        found.levels = found.levels if len(found.levels) <= MOST_LEVELS else None


def _leave_out_unused(codes: npt.NDArray[Any], ids: Ids) -> tuple[Codes, Ids]:
    used = np.zeros(len(ids), dtype=bool)
    used[codes] = True
    return (np.cumsum(used) - 1)[codes], ids[used]
