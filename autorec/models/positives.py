"""Ratings → choices: 1 where a rating says that the item was liked. For models of choice."""

import numpy as np
from scipy import sparse

from autorec.models.base import IntArray
from autorec.ratings.matrix import Ratings, liked_from


def positives(ratings: Ratings, relevant: float | None = None, rows: IntArray | None = None) -> sparse.csr_array:
    """[users × items] (or [rows × items]) float32 ones where the rating is `relevant` or above; None: `liked_from`."""
    csr = ratings.csr if rows is None else ratings.csr[rows]
    entries = csr.data >= (liked_from(ratings.scale) if relevant is None else relevant)
    indptr = np.concatenate(([0], np.cumsum(entries)))[csr.indptr]
    ones = np.ones(int(indptr[-1]), dtype=np.float32)
    return sparse.csr_array((ones, csr.indices[entries], indptr), shape=csr.shape)
