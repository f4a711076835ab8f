"""Ratings and later ones of the same source, as one matrix."""

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from autorec.array_types import BoolArray, FloatArray, IntArray
from autorec.errors import InputError
from autorec.ratings.ids import Ids
from autorec.ratings.matrix import Parsed, Ratings, build
from autorec.ratings.sorting import find_pairs


@dataclass(frozen=True, eq=False)
class Joined:
    """ratings: of both; given: [ratings of the later part] the entry of each in `ratings.csr`, in the order of the
    later part's own CSR; −1 where the earlier part has a newer rating of the pair. replacing: entries
    of later ratings that took the place of earlier ones. replaced: how many of all are of pairs that the earlier part
    had."""

    ratings: Ratings
    given: IntArray
    replacing: IntArray
    replaced: int


def join(old: Ratings, new: Ratings) -> Joined:
    """Old ratings [users × items] and new ones as one: first the old users and items in their order, then those that
    are new, [users + new users × items + new items].

    Of a pair that both have the newer rating stays: by timestamp where both have timestamps, else that of `new`. The
    scale is that of `old`; new ratings outside are clipped to it, with a warning. Titles and attributes are those of
    `old`; of new items those of `new`. InputError: new ids are text where those of `old` are whole numbers.
    """
    user_ids, rows = _extend(old.user_ids, old.find_users(new.user_ids), new.user_ids, "user")
    item_ids, columns = _extend(old.item_ids, old.find_items(new.item_ids), new.item_ids, "item")
    users = np.concatenate((old.rows(), rows[new.rows()]))
    items = np.concatenate((old.csr.indices, columns[new.csr.indices]))
    values = np.concatenate((old.csr.data, clip_to_scale(new.csr.data, old.scale)))
    times = None
    if old.timestamps is not None and new.timestamps is not None:
        times = np.concatenate((old.timestamps, new.timestamps))
    built = build(Parsed(users, items, user_ids, item_ids, values, times), scale=old.scale)
    source = np.arange(len(built)) if built.order is None else built.order
    entry = np.full(len(users), -1, dtype=np.int64)
    entry[source] = np.arange(len(built))
    ratings = replace(built, order=None, duplicates=0, **_describe_items(old, new, len(item_ids)))
    gone = np.flatnonzero(entry[: len(old)] < 0)
    return Joined(ratings, entry[len(old) :], find_pairs(built.csr, users[gone], items[gone]), built.duplicates)


def find_changed(old: Ratings, new: Ratings) -> tuple[BoolArray, BoolArray]:
    """([users], [items] of `new`) which of them have other ratings in `new` than in `old`, or are not in `old`."""
    users, items = new.find_users(old.user_ids)[old.rows()], new.find_items(old.item_ids)[old.csr.indices]
    entries = find_pairs(new.csr, users, items)
    same = (entries >= 0) & (new.csr.data[entries] == old.csr.data)
    kept = np.zeros(len(new), dtype=bool)
    kept[entries[same]] = True
    changed = np.zeros(new.n_users, dtype=bool), np.zeros(new.n_items, dtype=bool)
    for of, now, before in zip(changed, (new.rows(), new.csr.indices), (users, items), strict=True):
        of[now[~kept]] = True
        of[before[~same & (before >= 0)]] = True
    return changed


def clip_to_scale(values: FloatArray, scale: tuple[float, float]) -> FloatArray:
    """New ratings [n], clipped to the scale of a training; a warning counts those outside."""
    outside = int(((values < scale[0]) | (values > scale[1])).sum())
    if not outside:
        return values
    warnings.warn(
        f"{outside} new ratings lie outside the training scale {scale[0]:g}…{scale[1]:g} and are clipped to it",
        stacklevel=5,
    )
    return np.clip(values, *scale)


def _extend(known: Ids, found: IntArray, asked: Ids, what: str) -> tuple[Ids, IntArray]:
    """(known ids and, behind them, those asked for that are not; the position of each asked one)."""
    new = asked[found < 0]
    if known.dtype != new.dtype and len(new):
        if known.dtype.kind == "i":
            raise InputError(
                f"{what} {new[0]!r} is text, and the {what}s of the model are whole numbers; give ids as they were in "
                "its training"
            )
        new = np.array(list(map(str, new.tolist())), dtype=object)
    positions = found.copy()
    positions[found < 0] = len(known) + np.arange(len(new))
    return np.concatenate((known, new)), positions


def _describe_items(old: Ratings, new: Ratings, n_items: int) -> dict[str, Any]:
    """Titles and attributes [n_items] of the joined items."""
    unknown = np.flatnonzero(old.find_items(new.item_ids) < 0)

    def extend(of_old: npt.NDArray[Any] | None, of_new: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
        texts = np.full(n_items, "", dtype=object)
        texts[: old.n_items] = "" if of_old is None else of_old
        texts[old.n_items :] = "" if of_new is None else of_new[unknown]
        return texts

    titled = old.titles is not None or new.titles is not None
    names = dict.fromkeys((*old.attributes, *new.attributes))
    attributes = {name: extend(old.attributes.get(name), new.attributes.get(name)) for name in names}
    return {"titles": extend(old.titles, new.titles) if titled else None, "attributes": attributes}
