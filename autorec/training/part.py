"""What one process has of the ratings that several train on: the entries of its columns, in the rows of its group.

A `Source` gives each process its part, so that none has to hold more. What is made of all entries, damped biases and
lengths of rows, is summed over the processes; held-out ratings, and a sample from which dampings are chosen, are
gathered in all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from autorec import group
from autorec.array_types import BoolArray, IntArray
from autorec.network.rows import Rows
from autorec.network.shard import WHOLE_MESH, Mesh


@dataclass(frozen=True, eq=False)
class Part:
    """rows [n × own columns]: its entries; nnz: the entries of all processes; shape (n, columns of all); aside [k]:
    which entries of `rows` are held out, ascending."""

    rows: Rows
    shape: tuple[int, int]
    nnz: int
    aside: IntArray
    mesh: Mesh = WHOLE_MESH

    def gather(self, rows: Rows) -> Rows:
        """Rows [k × own columns] of each process → [k × columns of all], in every process."""
        if self.mesh.size == 1:
            return rows
        shard = self.mesh.columns
        numbers = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
        found = group.gather((numbers, rows.indices * shard.size + shard.rank, rows.levels))
        numbers, columns, levels = map(np.concatenate, zip(*found, strict=True))
        order = np.lexsort((columns, numbers))
        indptr = np.searchsorted(numbers[order], np.arange(rows.shape[0] + 1))
        return Rows(self.shape[1], indptr, columns[order], levels[order], rows.table)


def part_of(rows: Rows) -> Part:
    """The part of a process that has all rows [n × m], of which nothing is held out."""
    return Part(rows, rows.shape, rows.nnz, np.zeros(0, dtype=np.int64))


class Source(NamedTuple):
    """Ratings [n × m] with nnz entries, of which `hold(mesh, parts, aside)` gives a process its part.

    parts: rows [n] of each batch, dealt out to the groups of the mesh; aside [k]: held-out entries, in CSR order of
    all.
    """

    shape: tuple[int, int]
    nnz: int
    hold: Callable[[Mesh, Sequence[IntArray], IntArray], Part]


def from_rows(rows: Rows) -> Source:
    """Rows [n × m] that this process has."""

    def hold(mesh: Mesh, parts: Sequence[IntArray], aside: IntArray) -> Part:
        if mesh.size == 1:
            return Part(rows, rows.shape, rows.nnz, aside)
        shard, here = mesh.columns, rows_here(rows.shape[0], parts, mesh)
        entries = np.flatnonzero((rows.indices % shard.size == shard.rank) & np.repeat(here, np.diff(rows.indptr)))
        own = rows.only(entries).numbered(shard)
        held_out = np.flatnonzero(np.isin(entries, aside, assume_unique=True))
        return Part(own, rows.shape, rows.nnz, held_out, mesh)

    return Source(rows.shape, rows.nnz, hold)


def rows_here(n_rows: int, parts: Sequence[IntArray], mesh: Mesh) -> BoolArray:
    """[n] whether a row is one that the mesh takes of the parts, row indices [n] of each batch."""
    here = np.full(n_rows, mesh.rows.size == 1)
    for part in parts:
        here[part[mesh.rows.own]] = True
    return here
