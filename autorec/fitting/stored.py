"""The part of a store that a process trains on, read a row group at a time: beside it one group is in memory."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from autorec.array_types import BoolArray, IntArray
from autorec.fitting.scale import map_inside
from autorec.network.rows import ABSENT, Rows
from autorec.network.shard import Mesh, Shard
from autorec.ratings.stored import Stored
from autorec.training.part import Part, Source, rows_here


def from_store(stored: Stored, orientation: str) -> Source:
    """Ratings of a store on the scale 1 … 5; orientation: "user" or "item", what a row is."""
    by_user = orientation == "user"
    shape = (stored.n_users, stored.n_items)
    return Source(shape if by_user else shape[::-1], len(stored), partial(_hold, stored, by_user))


class _Kept(NamedTuple):
    """Entries in the order of the store, with room for more than there are: minor [room] item (users are rows) or item
    as it is (items are), levels [room], aside [room] 1 where one is held out; counts [users + 1], from 1 on those of
    each user here."""

    minor: npt.NDArray[np.int32]
    levels: npt.NDArray[Any]
    aside: npt.NDArray[np.uint8]
    counts: IntArray


def _hold(stored: Stored, by_user: bool, mesh: Mesh, parts: list[IntArray], aside: IntArray) -> Part:
    """`Source.hold`."""
    shard, shape = mesh.columns, (stored.n_users, stored.n_items) if by_user else (stored.n_items, stored.n_users)
    table = _make_table(stored)
    kept, n = _read(stored, by_user, shard, rows_here(shape[0], parts, mesh), aside, table)
    indptr = np.cumsum(kept.counts)
    width = shard.count(stored.n_items) if by_user else stored.n_items
    marks = Rows(width, indptr, kept.minor[:n], kept.aside[:n], table[:0])
    rows = Rows(width, indptr, kept.minor[:n], kept.levels[:n], table)
    if not by_user:
        marks = marks.transposed()
    held_out = np.flatnonzero(marks.levels)
    del marks
    return Part(rows if by_user else rows.transposed(), shape, len(stored), held_out, mesh)


def _read(
    stored: Stored, by_user: bool, shard: Shard, here: BoolArray, aside: IntArray, table: npt.NDArray[np.float32]
) -> tuple[_Kept, int]:
    """(the entries of the shard's columns in the rows that are `here` [n], how many they are)."""
    levels, room = stored.levels, int((stored.item_counts if by_user else stored.user_counts)[shard.own].sum())
    n_users = stored.n_users if by_user else shard.count(stored.n_users)
    of_levels = np.empty(room, dtype=np.float32 if levels is None else np.uint8)
    kept = _Kept(np.empty(room, np.int32), of_levels, np.zeros(room, np.uint8), np.zeros(n_users + 1, np.int64))
    following = np.cumsum(stored.item_counts) - stored.item_counts  # [items] where the next rating of each stands
    n = start = 0
    for users, items, values, *_ in stored.groups():
        rows, columns = (users, items) if by_user else (items, users)
        places = np.arange(start, start + len(users)) if by_user else _place(items, following)
        own = np.flatnonzero((columns % shard.size == shard.rank) & here[rows])
        part = slice(n, n + len(own))
        kept.minor[part] = items[own] // shard.size if by_user else items[own]
        of_own = values[own]
        kept.levels[part] = map_inside(of_own, stored.scale) if levels is None else np.searchsorted(levels, of_own)
        kept.aside[part] = _are_among(places[own], aside)
        user = users[own] if by_user else users[own] // shard.size
        if len(own):
            of_users = np.bincount(user - user[0])
            kept.counts[user[0] + 1 : user[0] + 1 + len(of_users)] += of_users
        n, start = part.stop, start + len(users)
    return kept, n


def _place(items: npt.NDArray[np.int32], following: IntArray) -> IntArray:
    """[n] the place of each entry of a row group in the order of items, then users; `following` [items] is where the
    next of each item has its place, and is moved on."""
    order = np.argsort(items, kind="stable")
    _, first, counts = np.unique(items[order], return_index=True, return_counts=True)
    places = np.empty(len(items), dtype=np.int64)
    places[order] = following[items[order]] + np.arange(len(items)) - np.repeat(first, counts)
    following[items[order][first]] += counts
    return places


def _are_among(places: IntArray, aside: IntArray) -> BoolArray:
    """[n] whether each place is one of `aside` [k], ascending."""
    at = np.searchsorted(aside, places)
    return np.asarray(np.append(aside, -1)[at] == places)


def _make_table(stored: Stored) -> npt.NDArray[np.float32]:
    """The table of `Rows`, on the scale 1 … 5."""
    levels = stored.levels
    if levels is None:
        return np.zeros(0, dtype=np.float32)
    table = np.full(ABSENT + 1, np.nan, dtype=np.float32)
    table[: len(levels)] = map_inside(levels, stored.scale)
    return table
