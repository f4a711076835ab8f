"""What the defaults of AutoRec cost against settings that were chosen on the test part."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np

from autorec import words
from autorec.models.autorec import AutoRec
from autorec.models.baselines import Bias
from autorec.models.scoring import rmse
from autorec.ratings.read import read_ratings
from autorec.ratings.split import Split, split

GRID = (60, 125, 250, 350, 500, 750, 1000)


def defaults(datasets: Path) -> Iterator[str]:
    """MovieLens 100K and 1M, halves and tenths of them: the default against the best λ of a grid, and damped biases.

    That λ is chosen on the test part, which is what it could have cost to choose without one.
    """
    yield "set, share, model: ratings; RMSE of damped biases, of the default, gap to the best λ of the grid; seconds"
    for name in ("ml-100k", "ml-1m"):
        whole = read_ratings(datasets / name)
        for share in (0.1, 0.5, 1.0):
            chosen = np.random.default_rng(7).random(len(whole)) < share
            (one,) = split(whole.select(chosen), "random:0.1", 0)
            biases = rmse(Bias().fit(one.train), one.test)
            for orientation in get_args(words.Orientation):
                yield f"  {name} {share:g} {orientation}: {len(one.train):,}; {biases:.4f} {_gap(one, orientation)}"


def _gap(one: Split, orientation: words.Orientation) -> str:
    start = time.perf_counter()
    model = AutoRec(orientation).fit(one.train)
    seconds = time.perf_counter() - start
    default = rmse(model, one.test)
    grid = {l2: rmse(AutoRec(orientation, penalty=f"l2:{l2}").fit(one.train), one.test) for l2 in GRID}
    best = min(grid, key=grid.__getitem__)
    return f"{default:.4f} {default - grid[best]:+.4f} (λ {model.l2_:g}, best {best}); {seconds:.1f}"
