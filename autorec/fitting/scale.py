"""Mapping between the scale of the ratings and 1 … 5, on which the constants of models mean the same for every file."""

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec.array_types import FloatArray
from autorec.network.activations import HIGH, LOW
from autorec.network.rows import Rows, to_levels
from autorec.ratings.entries import with_entries

_BLOCK = 2**20  # ratings mapped at once, in float64


def inside(csr: sparse.csr_array, scale: tuple[float, float]) -> sparse.csr_array:
    """Ratings [users × items] on `scale` → the same entries on 1 … 5, float32."""
    return with_entries(csr, map_inside(csr.data, scale), csr.indices, csr.indptr)


def rows_inside(csr: sparse.csr_array, scale: tuple[float, float]) -> Rows:
    """`inside`, bit for bit, as Rows [users × items]; one new byte a rating where few values occur."""
    indptr, indices = csr.indptr.astype(np.int64, copy=False), csr.indices.astype(np.int32, copy=False)
    found = to_levels(csr.data)
    if found is None:
        values = map_inside(csr.data, scale)
        return Rows(csr.shape[1], indptr, indices, values, values[:0])
    levels, table = found
    return Rows(csr.shape[1], indptr, indices, levels, map_inside(table, scale))


def map_inside(values: FloatArray, scale: tuple[float, float]) -> npt.NDArray[np.float32]:
    """Ratings [n] on `scale` → on 1 … 5."""
    low, high = scale
    mapped = np.empty(len(values), dtype=np.float32)
    for start in range(0, len(values), _BLOCK):
        block = slice(start, start + _BLOCK)
        mapped[block] = LOW + (values[block].astype(np.float64) - low) * ((HIGH - LOW) / (high - low))
    return mapped


def outside(scores: FloatArray, scale: tuple[float, float]) -> FloatArray:
    """Scores of any shape on 1 … 5 → the same on `scale`."""
    low, high = scale
    return np.asarray(low + (scores - LOW) * ((high - low) / (HIGH - LOW)))
