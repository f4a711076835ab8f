"""Coverage and width of split-conformal intervals on MovieLens 1M."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from autorec.insight.intervals import calibrate
from autorec.models.presets import create
from autorec.ratings.read import read_ratings
from autorec.ratings.split import Split, random_split, time_split

SEEDS = range(5)
INTERVAL = 0.9
KEPT = 0.2  # of the ratings: half of these calibrate, half are counted


def intervals(datasets: Path) -> Iterator[str]:
    """Intervals of 0.9 for i-autorec on MovieLens 1M: 80 % train, 10 % calibrate, 10 % are counted, drawn at random
    with five seeds; then by time, where the later ratings are unlike the earlier ones."""
    ratings = read_ratings(datasets / "ml-1m")
    tables = [cover(random_split(ratings, KEPT, seed), seed) for seed in SEEDS]
    yield f"MovieLens 1M, random, {len(SEEDS)} seeds, intervals of {INTERVAL:g}: mean and sd of coverage, mean width"
    for index, group in enumerate(tables[0]["group"]):
        coverage, width = (np.array([table[name].iloc[index] for table in tables]) for name in ("coverage", "width"))
        of = group.partition(" with")[0] + f" {(index - 1) % 3 + 1}/3" if index else group
        yield f"  {of:<10} {coverage.mean():.4f} {coverage.std(ddof=1):.4f}  {width.mean():.3f}"
    split = time_split(ratings, KEPT)
    halves = time_split(split.test, 0.5)
    table = calibrate(create("i-autorec").fit(split.train), halves.train).coverage(halves.test, INTERVAL)
    yield f"by time, the latest tenth counted: {table['coverage'].iloc[0]:.4f}, width {table['width'].iloc[0]:.3f}"


def cover(split: Split, seed: int) -> pd.DataFrame:
    """`Intervals.coverage` of i-autorec: a random half of the test ratings calibrates, the other is counted."""
    halves = random_split(split.test, 0.5, seed)
    return calibrate(create("i-autorec").fit(split.train), halves.train).coverage(halves.test, INTERVAL)
