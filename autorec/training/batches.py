"""The examples of an epoch, made from rows of ratings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from autorec.array_types import Float32, IntArray
from autorec.network.batch import Batch
from autorec.network.encoding import LENGTH
from autorec.network.example import Example
from autorec.network.rows import Rows
from autorec.network.shard import WHOLE_MESH, Mesh
from autorec.training.steps import Examples

BATCHES, BATCH_MOST = 4, 4096  # "auto": this many batches, of at most so many rows; of more where these hold
PER_COLUMN, ENTRIES_MOST = 2, 2**18  # fewer ratings for each column than this, up to so many ratings in all

MakeExample = Callable[[Batch, IntArray], Example]  # (batch, the rows it holds) → what is learned from it


@dataclass(frozen=True, eq=False)
class Streamed:
    """A sequence of n examples, each made again at each use: only the one in use is in memory."""

    make: Callable[[int], Example]
    n: int

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int, /) -> Example:
        return self.make(index)


def batch_size(shape: tuple[int, int], n_ratings: int, batch: int | str) -> int:
    """Rows of a batch of ratings [n × m], at most. batch: rows, "full" (parts of at most 4096) or "auto": a quarter, at
    most 4096, or as many as hold two ratings for each column.

    A step passes over the weights of all columns, which for fewer ratings takes nearly all of its time. More than 2¹⁸
    ratings are never asked for: what is kept of a batch stays small beside these weights.
    """
    n_rows, n_columns = shape
    if isinstance(batch, int):
        return min(batch, n_rows)
    if batch == "full":
        return min(BATCH_MOST, n_rows)
    wanted = min(PER_COLUMN * n_columns, ENTRIES_MOST)
    return min(max(BATCH_MOST, wanted * n_rows // max(n_ratings, 1)), -(-n_rows // BATCHES))


def partition(n_rows: int, size: int, rng: np.random.Generator, *, in_order: bool = False) -> list[IntArray]:
    """[batches] of row indices [at most `size`], ascending: random parts of nearly equal size; in order, for a full
    batch, the next `size` rows each."""
    if in_order:  # parts that fit the caches; their gradients are summed
        return [np.arange(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]
    return [np.sort(part) for part in np.array_split(rng.permutation(n_rows), -(-n_rows // size))]


def make_examples(
    rows: Rows, parts: Sequence[IntArray], make: MakeExample, *, stream: bool, mesh: Mesh = WHOLE_MESH
) -> Examples:
    """[parts] examples of rows [N × m], one of each part, indices [n]; stream: made again at each use, else kept.

    mesh: the rows' columns are those of mesh.columns; of each part the rows of mesh.rows are taken."""

    def at(index: int) -> Example:
        part = parts[index]
        own = part[mesh.rows.own]
        share = len(part) / max(rows.shape[0], 1)
        return replace(make(rows.batch(own), own), share=share, mesh=mesh, of_rows=len(part))

    return Streamed(at, len(parts)) if stream else [at(index) for index in range(len(parts))]


def reconstruct(
    offset: Float32,
    device: torch.device,
    head: str = "rating",
    centre: Float32 | None = None,
    lengths: IntArray | None = None,
) -> MakeExample:
    """A function (batch [n × m], its rows [n]) → example whose target is the batch, and whose inputs are `read_inputs`.

    offset [N], lengths [N]: of all rows. centre [m], lengths: see `read_inputs`.
    """

    def make(batch: Batch, rows: IntArray) -> Example:
        share = len(rows) / max(len(offset), 1)
        inputs = read_inputs(batch, offset[rows], centre, None if lengths is None else lengths[rows])
        return Example(inputs, {head: batch}, torch.from_numpy(offset[rows]), share).to(device)

    return make


def read_inputs(
    batch: Batch, offset: Float32, centre: Float32 | None, lengths: IntArray | None = None
) -> tuple[Batch, ...]:
    """What the encoder reads of a batch [n × m], offset [n]: its values, or with centre [m] their `residuals`.

    lengths [n], the number of ratings of each row: adds an input of ones where there is a rating, and both are times
    √(100 / length), so that the sums of long rows and of short ones spread alike and are held against the same
    weights (as Koren's SVD++, KDD 2008, has it).
    """
    values = batch if centre is None else residuals(batch, offset, centre)
    if lengths is None:
        return (values,)
    ones = torch.from_numpy(np.sqrt(LENGTH / np.maximum(lengths, 1)).astype(np.float32))[batch.rows()]
    return values.with_values(values.values * ones), batch.with_values(ones)


def residuals(batch: Batch, offset: Float32, centre: Float32) -> Batch:
    """[n × m] each value less the offset [n] of its row and the centre [m] of its column, so that a missing entry, 0,
    is an expected rating, not one below the lowest."""
    expected = torch.from_numpy(offset)[batch.rows()] + torch.from_numpy(centre)[batch.indices]
    return batch.with_values(batch.values - expected)
