"""Rows → the means of their codes by the arrays of an autoencoder, with NumPy and the kernels alone.

What `Autoencoder.encode` computes after training, for a model that is only asked: loading torch takes longer than all
else of its start, and of one short history each small operation of torch takes longer than its work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec.array_types import Float32
from autorec.network import kernels
from autorec.network.activations import Activation, activation
from autorec.network.ranges import run_in_ranges
from autorec.network.rows import Rows

LENGTH = 100.0  # ratings of a row whose inputs are taken as they are where what is rated is an input too
_AT_ONCE = 2**17  # ratings

Entries = tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], Float32]  # see `Rows.entries`


@dataclass(frozen=True, eq=False)
class ArrayEncoder:
    """The encoder of an `Autoencoder` without norms and vectors of rows, by its arrays.

    weights  [m × H₁] of each input; biases [units], inner [units × units]: of the layers, first to last
    centre   subtracted from every hidden unit
    drawn    whether the last layer holds the mean of a code and its variance, without an activation
    """

    weights: list[Float32]
    biases: list[Float32]
    inner: list[Float32]
    activation: Activation
    centre: float
    drawn: bool

    def layers(self, sums: Float32) -> Float32:
        """Sums of the first layer [n × H₁], which are overwritten → the means of the codes [n × K]."""
        sums += self.biases[0]
        for weight, bias in zip(self.inner, self.biases[1:], strict=True):
            sums = self._activate(sums) @ weight + bias
        return sums[:, : sums.shape[1] // 2] if self.drawn else self._activate(sums)

    def _activate(self, sums: Float32) -> Float32:
        value = self.activation.of_array(sums)
        return value - np.float32(self.centre) if self.centre else value


def array_shapes(
    n_columns: int, hidden: Sequence[int], n_inputs: int, drawn: bool, head: str
) -> dict[str, tuple[int, ...]]:
    """Name → shape of each array of the network that `build_autoencoder` makes of the same, whose names are torch's."""
    widths = (*hidden[:-1], 2 * hidden[-1]) if drawn else tuple(hidden)
    shapes: dict[str, tuple[int, ...]] = {f"encoder.weights.{n}": (n_columns, widths[0]) for n in range(n_inputs)}
    shapes |= {f"encoder.inner_weights.{n}": pair for n, pair in enumerate(pairwise(widths))}
    shapes |= {f"encoder.inner_biases.{n}": (width,) for n, width in enumerate(widths[1:])}
    of_head = {f"heads.{head}.weight": (n_columns, hidden[-1]), f"heads.{head}.bias": (n_columns,)}
    return shapes | {"encoder.bias": (widths[0],)} | of_head


def encoder_of(arrays: Mapping[str, Float32], name: str, centred: bool, drawn: bool) -> ArrayEncoder:
    """The encoder in the arrays of such a network. name: of its activation; the others as in `build_autoencoder`."""

    def numbered(layers: str) -> list[Float32]:
        return [arrays[key] for n in range(len(arrays)) if (key := f"encoder.{layers}.{n}") in arrays]

    chosen = activation(name)
    biases = [arrays["encoder.bias"], *numbered("inner_biases")]
    centre = chosen.at_zero if centred else 0.0
    return ArrayEncoder(numbered("weights"), biases, numbered("inner_weights"), chosen, centre, drawn)


def encode_rows(
    encoder: ArrayEncoder, rows: Rows, offset: Float32, centre: Float32 | None = None, block: int | None = None
) -> Float32:
    """Rows [rows × columns], ratings 1 … 5 → the means of their codes [rows × K], `block` rows at a time, by default
    those of some hundred thousand ratings. offset [rows] and centre [columns]: as in `training.batches.read_inputs`."""
    n = rows.shape[0]
    block = _rows_at_once(n, rows.nnz) if block is None else block
    parts = (np.arange(start, min(start + block, n)) for start in range(0, n, block))
    return _join(encoder, [_encode(encoder, rows.entries(part), offset[part], centre) for part in parts])


def encode_csr(encoder: ArrayEncoder, csr: sparse.csr_array, offset: Float32, centre: Float32 | None = None) -> Float32:
    """The same of a matrix [rows × columns] whose entries are used as they are: of one row, in half the time."""
    n, codes = csr.shape[0], []
    block = _rows_at_once(n, csr.nnz)
    for start in range(0, n, block):
        ptr = csr.indptr[start : start + block + 1].astype(np.int64)
        entries = slice(int(ptr[0]), int(ptr[-1]))
        columns = csr.indices[entries].astype(np.int32, copy=False)
        part = (ptr - ptr[0], columns, csr.data[entries])
        codes.append(_encode(encoder, part, offset[start : start + block], centre))
    return _join(encoder, codes)


def _rows_at_once(n: int, n_ratings: int) -> int:
    return min(max(_AT_ONCE * n // max(n_ratings, 1), 64), 4096)


def _join(encoder: ArrayEncoder, codes: list[Float32]) -> Float32:
    units = len(encoder.biases[-1]) // (2 if encoder.drawn else 1)
    joined = codes[0] if len(codes) == 1 else np.concatenate([np.empty((0, units), dtype=np.float32), *codes])
    return np.ascontiguousarray(joined)


def _encode(encoder: ArrayEncoder, entries: Entries, offset: Float32, centre: Float32 | None) -> Float32:
    return encoder.layers(_sum_inputs(encoder.weights, entries, offset, centre))


def _sum_inputs(weights: list[Float32], entries: Entries, offset: Float32, centre: Float32 | None) -> Float32:
    """[n × H₁] sums of the first layer of rows whose `entries` these are, for the inputs of `read_inputs`."""
    ptr, columns, values = entries
    lengths = np.diff(ptr)
    if centre is not None:
        values = values - (np.repeat(offset, lengths) + centre[columns])
    if len(weights) == 1:
        return _product(ptr, columns, values, weights[0])
    ones = np.repeat(np.sqrt(LENGTH / np.maximum(lengths, 1)).astype(np.float32), lengths)
    return _product(ptr, columns, values * ones, weights[0]) + _product(ptr, columns, ones, weights[1])


def _product(ptr: Any, columns: Any, values: Float32, weight: Float32) -> Float32:
    """X · W of the CSR arrays of X [n × m], W [m × H]."""
    sums = np.empty((len(ptr) - 1, weight.shape[1]), dtype=np.float32)
    run_in_ranges(kernels.encode, ptr, ptr, columns, values, weight, sums)
    return sums
