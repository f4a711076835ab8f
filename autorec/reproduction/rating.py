"""Ratings alone: the blend and its members on MovieLens, and what each part is worth."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from autorec.models.blend import Blend
from autorec.models.presets import create
from autorec.models.scoring import rmse
from autorec.ratings.read import read_ratings
from autorec.ratings.split import Split, given_split, random_split

FIRST, SECOND = range(5), range(5, 10)  # seeds: those of the table, those that confirm it
PARTS: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("bayesian-mf", {"features": 0}),
    ("bayesian-mf", {}),
    ("u-autorec", {"inputs": "ratings"}),
    ("u-autorec", {"inputs": "residuals"}),
    ("u-autorec", {"inputs": "residuals+rated"}),
    ("i-autorec", {"inputs": "residuals+rated"}),
    ("blend", {"members": "i-autorec+u-autorec+bayesian-mf"}),
)


def ratings(datasets: Path) -> Iterator[str]:
    """RMSE of the blend and of its members on MovieLens 1M and 100K, random 90/10 over ten seeds and u1 to u5, and of
    models with and without a part on the first split of each. Members are those of the blend: they learn from all but
    its held-out ratings."""
    large, small = read_ratings(datasets / "ml-1m"), read_ratings(datasets / "ml-100k")
    for title, whole in (("MovieLens 1M", large), ("MovieLens 100K", small)):
        for seeds in (FIRST, SECOND):
            where = f"{title}, random 90/10, seeds {seeds[0]} to {seeds[-1]}"
            yield from measure(where, (random_split(whole, 0.1, seed) for seed in seeds))
    files = [[datasets / "ml-100k" / f"u{fold}.{part}" for part in ("base", "test")] for fold in range(1, 6)]
    folds = (given_split(*map(read_ratings, pair)) for pair in files)
    yield from measure("MovieLens 100K, u1 to u5", folds)
    yield "Parts, MovieLens 1M, random 90/10, seed 0: RMSE, fit seconds"
    for name, settings in PARTS:
        began = time.perf_counter()
        split = random_split(large, 0.1, 0)
        model = create(name, **settings).fit(split.train)
        yield f"  {name} {settings or ''}: {rmse(model, split.test):.4f} {time.perf_counter() - began:.1f}"


def measure(where: str, splits: Iterable[Split]) -> Iterator[str]:
    """Lines of the blend on each split, with and without the dates of the test ratings, and of its members with them;
    then mean and standard deviation."""
    names, found = Blend().members.split("+"), []
    yield f"{where}: RMSE of blend, without dates, {', '.join(names)}; weights; fit seconds"
    for one in splits:
        began = time.perf_counter()
        model = Blend().fit(one.train)
        seconds = time.perf_counter() - began
        undated = replace(one.test, timestamps=None)
        found.append([rmse(model, one.test), rmse(model, undated), *(rmse(each, one.test) for each in model.members_)])
        numbers, weights = (" ".join(f"{each:.4f}" for each in values) for values in (found[-1], model.weights_))
        yield f"  {numbers}; {weights}; {seconds:.1f}"
    mean, sd = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
    yield f"  mean ± sd: {', '.join(f'{one:.4f} ± {other:.4f}' for one, other in zip(mean, sd, strict=True))}"
