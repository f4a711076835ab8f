"""Ratings held out from a training, to validate on."""

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

SHARE, MOST, LEAST = 0.1, 20_000, 100  # ratings: "auto" holds out this share, at most so many; fewer than 100: none
_RUN = 2**24  # ratings from which a part is drawn at once

IntArray = npt.NDArray[np.integer[Any]]


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
