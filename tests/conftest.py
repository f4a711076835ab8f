"""What many tests share: small ratings with a known shape."""

import signal
import tracemalloc
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings

from autorec import Ratings
from autorec.ratings.convert import as_ratings

# A shell starts what it runs in the background with Ctrl-C ignored, and what tests start and interrupt inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no fault of what is tested.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


def random_frame(users: int = 30, items: int = 20, density: float = 0.4, seed: int = 0) -> pd.DataFrame:
    """Each user rates a random part of the items with 1 … 5; every user and item has at least one rating."""
    rng = np.random.default_rng(seed)
    observed = rng.random((users, items)) < density
    observed[np.arange(users), np.arange(users) % items] = True
    observed[np.arange(items) % users, np.arange(items)] = True
    rows, columns = np.nonzero(observed)
    return pd.DataFrame({"user": rows, "item": columns, "rating": rng.integers(1, 6, len(rows)).astype(float)})


@pytest.fixture
def frame() -> pd.DataFrame:
    return random_frame()


@pytest.fixture
def ratings(frame: pd.DataFrame) -> Ratings:
    return as_ratings(frame)


def checkerboard(size: int = 50) -> pd.DataFrame:
    """Even users like even items, odd users odd ones: 5 on the own colour, 1 on the other.

    The diagonal, on everyone's own colour, is held out.
    """
    user, item = (side.ravel() for side in np.indices((size, size)))
    rating = np.where((user + item) % 2 == 0, 5.0, 1.0)
    return pd.DataFrame({"user": user, "item": item, "rating": rating})[user != item].reset_index(drop=True)


def bytes_at_most(work: Callable[[], object]) -> int:
    """The most that NumPy and Python held at once during `work`, beyond what was there before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
