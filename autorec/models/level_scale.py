"""The distinct ratings of a file as levels 0 … K − 1, and back."""

import numpy as np
from scipy import sparse

from autorec.array_types import Float32, FloatArray
from autorec.errors import InputError
from autorec.fitting.scale import rows_inside
from autorec.network.activations import HIGH, LOW
from autorec.network.rows import Rows
from autorec.ratings.matrix import Ratings

MOST = 20  # levels; a network has weights for each


def distinct_ratings(ratings: Ratings) -> Float32:
    """[K] the distinct ratings, ascending; where all are the same, with the ends of the scale. InputError: more than
    20."""
    values = np.unique(ratings.csr.data)
    if len(values) > MOST:
        raise InputError(
            f"the probability of each rating is learned, and {len(values):,} different ones are given; "
            f"at most {MOST} are allowed: round the ratings, or use i-autorec"
        )
    return values if len(values) > 1 else np.unique([values[0], *ratings.scale]).astype(np.float32)


def nearest_levels(csr: sparse.csr_array, values: Float32) -> sparse.csr_array:
    """Ratings [users × items] → the index of the nearest of `values` [K], float32."""
    levels = np.searchsorted((values[1:] + values[:-1]) / 2, csr.data).astype(np.float32)
    return sparse.csr_array((levels, csr.indices, csr.indptr), shape=csr.shape)


def level_rows(levels: sparse.csr_array) -> Rows:
    """Levels [n × m] as rows from which batches are cut."""
    return rows_inside(levels, (LOW, HIGH))  # the same numbers


def starting_log_odds(rows: Rows, n_levels: int, damping: float) -> Float32:
    """[m × (K − 1)] the log-odds of each level against the one below in each column of the rows [n × m].

    A column counts `damping` ratings more, distributed as those of all columns.
    """
    batch = rows.batch()
    cells = batch.indices.numpy().astype(np.int64) * n_levels + batch.values.numpy().astype(np.int64)
    counts = np.bincount(cells, minlength=rows.n_columns * n_levels).reshape(rows.n_columns, n_levels)
    overall = (counts.sum(axis=0) + 1) / (counts.sum() + n_levels)  # [K], each level once more, so that none is 0
    log_odds: Float32 = np.diff(np.log(counts + damping * overall), axis=1).astype(np.float32)
    return log_odds


def expected_ratings(outputs: FloatArray, values: Float32) -> Float32:
    """[… × (K − 1)] log-odds of neighbouring levels → [… ] Σ p(k) · values[k]."""
    scores = np.zeros((*outputs.shape[:-1], len(values)), dtype=np.float32)
    np.cumsum(outputs, axis=-1, out=scores[..., 1:])
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    found: Float32 = np.einsum("...k,k", scores, values) / scores.sum(axis=-1)
    return found
