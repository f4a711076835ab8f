"""Rows in the order of the source → row groups by user, then item: a counting sort into buckets of users on disk, each
of which is then sorted in memory, by the function that sorts ratings which fit."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autorec.preparation.blocks import Update
from autorec.preparation.gather import Gathered
from autorec.preparation.spill import Column
from autorec.ratings.matrix import arrange
from autorec.ratings.sorting import count_repeats
from autorec.ratings.store import Group

_BINS = 2**20  # of neighbouring users, the most of which ratings are counted

IntArray = npt.NDArray[np.int64]


def code_rows(found: Gathered) -> tuple[IntArray, int, bool]:
    """Replace the codes within the block, on disk, by those of the dictionaries.

    (how many rows each bin of users has [bins], the bits that the number of a user has more than that of its bin,
    whether the rows are sorted by user, then item, each pair once).
    """
    users, items = (found.dictionaries[side] for side in ("user", "item"))
    shift = max(0, (users.n - 1).bit_length() - _BINS.bit_length() + 1)
    counts = np.zeros(((users.n - 1) >> shift) + 1, dtype=np.int64)
    in_order, last, start = True, np.array([-1, -1]), 0
    for n, *codes in zip(found.sizes, users.codes(), items.codes(), strict=True):
        coded = []
        for side, of_block in zip(("user", "item"), codes, strict=True):
            coded.append(of_block[found.columns[side].read(start, start + n)])
            found.columns[side].write(start, coded[-1])
        counts += np.bincount(coded[0] >> shift, minlength=len(counts))
        first = np.array([coded[0][0], coded[1][0]])
        in_order = in_order and tuple(last) < tuple(first) and count_repeats(*coded) == 0
        last, start = np.array([coded[0][-1], coded[1][-1]]), start + n
    return counts, shift, in_order


def sort_rows(found: Gathered, most: int, folder: Path, update: Update) -> Iterator[Group]:
    """The rows by user, then item, of a pair the latest, in parts that hold all rows of their users, of about `most`
    rows. The row of the source is None where it follows from the order. update: called with the rows that are done."""
    counts, shift, in_order = code_rows(found)
    bucket_of_bin = (np.cumsum(counts) - counts) // most
    sizes = np.bincount(bucket_of_bin, weights=counts).astype(np.int64)
    starts = np.concatenate(([0], np.cumsum(sizes)))
    columns = _distribute(found, bucket_of_bin, shift, starts[:-1], folder, in_order)
    n_items = found.dictionaries["item"].n
    for bucket in np.flatnonzero(sizes).tolist():
        part = {name: column.read(starts[bucket], starts[bucket + 1]) for name, column in columns.items()}
        first = int(np.searchsorted(bucket_of_bin, bucket)) << shift
        stop = int(np.searchsorted(bucket_of_bin, bucket, "right")) << shift
        users, items, order = arrange(part["user"] - first, part["item"], stop - first, n_items, part.get("timestamp"))
        further: list[Any] = [part.get(name) for name in ("rating", "timestamp", "row")]
        if order is not None:
            further = [None if values is None else values[order] for values in further]
        yield Group((users + first).astype(np.int32), items.astype(np.int32), *further)
        update(float(starts[bucket + 1]), "")


def _distribute(
    found: Gathered, bucket_of_bin: IntArray, shift: int, starts: IntArray, folder: Path, in_order: bool
) -> dict[str, Column]:
    """The columns with the rows of each bucket together, in the order of the source; unless they are in order already,
    also "row"."""
    if in_order:
        return found.columns
    columns = {name: Column(folder / f"{name}-by-bucket", column.dtype) for name, column in found.columns.items()}
    columns["row"] = Column(folder / "row-by-bucket", np.int64)
    buckets = bucket_of_bin.astype(np.min_scalar_type(int(bucket_of_bin[-1])))
    next_free, start = starts.copy(), 0
    for n in found.sizes:
        block = {name: column.read(start, start + n) for name, column in found.columns.items()}
        block["row"] = np.arange(start, start + n)
        of_row = buckets[block["user"] >> shift]
        order = np.argsort(of_row, kind="stable")
        ends = np.cumsum(np.bincount(of_row, minlength=len(starts)))
        for name, values in block.items():
            moved = values[order]
            for bucket in np.flatnonzero(np.diff(ends, prepend=0)).tolist():
                begin = ends[bucket - 1] if bucket else 0
                columns[name].write(next_free[bucket], moved[begin : ends[bucket]])
        next_free += np.diff(ends, prepend=0)
        start += n
    for column in found.columns.values():
        column.remove()
    return columns
