"""Ratings held out from a training, and the error on them, whose rows are encoded from the other ratings."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch

from autorec.array_types import IntArray
from autorec.network.activations import HIGH, LOW
from autorec.network.autoencoder import Autoencoder
from autorec.network.example import Example
from autorec.network.rows import Rows
from autorec.network.shard import WHOLE_MESH, Mesh
from autorec.training.batches import MakeExample, make_examples
from autorec.training.steps import Examples

SHARE, MOST, LEAST = 0.1, 20_000, 100  # ratings: "auto" holds out this share, at most so many; fewer than 100: none
_RUN = 2**24  # ratings from which a part is drawn at once


def held_out_entries(n: int, share: float | str, rng: np.random.Generator) -> IntArray:
    """[k] ascending indices of the held-out entries of n: a random part of each 2²⁴ entries.

    share: of the entries, or "auto": a tenth, at most 20,000. Where that is fewer than 100, k = 0.
    """
    part = min(SHARE, MOST / max(n, 1)) if isinstance(share, str) else share
    count = int(n * part)
    if count < LEAST:
        return np.zeros(0, dtype=np.int64)
    if n <= _RUN:
        return np.sort(rng.permutation(n)[:count])
    bounds = [*range(0, n, _RUN), n]
    runs = [
        first + np.sort(rng.choice(end - first, count * end // n - count * first // n, replace=False, shuffle=False))
        for first, end in pairwise(bounds)
    ]
    return np.concatenate(runs)


@dataclass(frozen=True, eq=False)
class Validation:
    """given [parts]: examples to encode; wanted [parts]: the same rows, with the held-out ratings as targets. mesh:
    which rows of the parts, and which columns, are here."""

    given: Examples
    wanted: Sequence[Example]
    mesh: Mesh = WHOLE_MESH


def prepare_validation(
    seen: Rows,
    unseen: Rows,
    parts: Sequence[IntArray],
    examples: Examples,
    make: MakeExample,
    *,
    stream: bool,
    mesh: Mesh = WHOLE_MESH,
) -> Validation | None:
    """A Validation of the rows with unseen ratings; None where nothing is unseen.

    seen: rows [N × own columns of the mesh], unseen: rows [N × m]. parts: row indices [n] of each batch, of which those
    of the mesh are taken. examples [parts]: as trained on; an example is used again where most of its rows have unseen
    ratings.
    """
    if not unseen.nnz:
        return None
    parts = [part[mesh.rows.own] for part in parts]
    chosen = rows_to_encode(parts, unseen)
    own = unseen.of(mesh.columns)
    wanted = [make(own.batch(rows), rows) for rows in chosen]
    if stream:
        return Validation(make_examples(seen, chosen, make, stream=True), wanted, mesh)
    given = [
        examples[index] if rows is parts[index] else make(seen.batch(rows), rows) for index, rows in enumerate(chosen)
    ]
    return Validation(given, wanted, mesh)


def rows_to_encode(parts: Sequence[IntArray], unseen: Rows) -> list[IntArray]:
    """[parts] of each part, row indices [n], those with unseen ratings; where they are most, the part itself."""
    has = np.diff(unseen.indptr) > 0
    return [part if 2 * np.count_nonzero(has[part]) > len(part) else part[has[part]] for part in parts]


def validation_rmse(network: Autoencoder, validation: Validation, head: str = "rating") -> float:
    """RMSE over all held-out ratings, a scalar; predictions are clipped to 1 … 5, as by `predict`."""
    return float(np.sqrt(np.mean(np.square(validation_errors(network, validation, head)))))


def validation_errors(network: Autoencoder, validation: Validation, head: str = "rating") -> npt.NDArray[np.float64]:
    """[held-out ratings] prediction, clipped to 1 … 5, less rating; always in the same order, in every process."""
    errors = []
    for index, wanted in enumerate(validation.wanted):
        target = wanted.targets[head]
        with torch.no_grad():
            code = network.encode(*validation.given[index].inputs)  # [n × H]
            predicted = network.head(head).at(target, code, wanted.offset).clamp(LOW, HIGH)  # [nnz]
        errors.append(predicted.cpu().numpy().astype(np.float64) - target.values.cpu().numpy())
    mesh = validation.mesh
    return mesh.rows.join(mesh.columns.join(np.concatenate(errors)))
