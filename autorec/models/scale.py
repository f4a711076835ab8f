"""The way between the scale of the ratings and 1 … 5, on which the constants of models mean the same for every file."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec.network.activations import HIGH, LOW

FloatArray = npt.NDArray[np.floating[Any]]


def inside(csr: sparse.csr_array, scale: tuple[float, float]) -> sparse.csr_array:
    """Ratings on their own scale → 1 … 5. Stored entries stay stored."""
    low, high = scale
    data = LOW + (csr.data.astype(np.float64) - low) * ((HIGH - LOW) / (high - low))
    return sparse.csr_array((data.astype(np.float32), csr.indices, csr.indptr), shape=csr.shape)


def outside(scores: FloatArray, scale: tuple[float, float]) -> FloatArray:
    """1 … 5 → the scale of the ratings."""
    low, high = scale
    return np.asarray(low + (scores - LOW) * ((high - low) / (HIGH - LOW)))
