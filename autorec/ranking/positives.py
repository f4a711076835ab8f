"""Ratings → choices: 1 where an item was liked. For models of choice."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec.ratings.entries import with_entries
from autorec.ratings.matrix import liked_from


def positives(
    csr: sparse.csr_array,
    scale: tuple[float, float],
    relevant: float | None = None,
    weights: npt.NDArray[np.float32] | None = None,
) -> sparse.csr_array:
    """Ratings [users × items] → [users × items] float32 ones where a rating is `relevant` (None: `liked_from(scale)`)
    or more; no other entries. weights [nnz]: of the ratings, in place of the ones."""
    entries = csr.data >= (liked_from(scale) if relevant is None else relevant)
    return select_entries(csr, entries, np.ones(len(entries), dtype=np.float32) if weights is None else weights)


def select_entries(
    csr: sparse.csr_array, entries: npt.NDArray[np.bool_], values: npt.NDArray[Any] | None = None
) -> sparse.csr_array:
    """The entries of a CSR matrix [n × m] where entries [nnz] is true; no others are stored. values [nnz]: in place of
    those of the matrix."""
    before = np.zeros(len(entries) + 1, dtype=csr.indptr.dtype)  # how many of the entries before each are selected
    np.cumsum(entries, out=before[1:])
    values = csr.data if values is None else values
    return with_entries(csr, values[entries], csr.indices[entries], before[csr.indptr])
