"""Ratings → choices: 1 where an item was liked. For models of choice."""

import numpy as np
from scipy import sparse

from autorec.ratings.matrix import liked_from


def positives(csr: sparse.csr_array, scale: tuple[float, float], relevant: float | None = None) -> sparse.csr_array:
    """Ratings [users × items] → [users × items] float32 ones where a rating is `relevant` (None: `liked_from(scale)`)
    or more; no other entries."""
    chosen = csr.data >= (liked_from(scale) if relevant is None else relevant)
    indptr = np.concatenate(([0], np.cumsum(chosen)))[csr.indptr]
    ones = np.ones(int(indptr[-1]), dtype=np.float32)
    return sparse.csr_array((ones, csr.indices[chosen], indptr), shape=csr.shape)
