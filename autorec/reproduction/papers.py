"""CF-NADE and GLocal-K with the settings of their papers; the epoch is chosen on validation ratings."""

from collections.abc import Iterator
from pathlib import Path

from autorec.evaluation.compare import compare
from autorec.models.cf_nade import CFNade
from autorec.models.glocal_k import GlocalK
from autorec.ratings.read import read_ratings
from autorec.reproduction.lines import tell

# RMSE as published; GLocal-K's epochs were chosen on the test part.
PUBLISHED = {"cf-nade, ml-1m": 0.829, "glocal-k, ml-100k u1": 0.8889, "glocal-k, ml-1m": 0.8227}


def papers(datasets: Path) -> Iterator[str]:
    """RMSE on MovieLens 100K, u1, and on MovieLens 1M, random 90/10, seed 0."""
    yield f"published: {PUBLISHED}"
    files = f"given:{datasets / 'ml-100k' / 'u1.base'},{datasets / 'ml-100k' / 'u1.test'}"
    models = [CFNade(), GlocalK(epochs=30, global_epochs=60, global_start="random")]
    yield from tell("MovieLens 100K, u1", compare(None, models, by=files, baselines="none"), ("rmse",))
    large = GlocalK(
        l2=70.0,
        sparsity=0.018,
        iterations=50,
        epochs=20,
        global_start="random",
        global_scale=0.5,
        global_iterations=10,
        global_epochs=30,
    )
    # weight decay 0.015 of the mean cost of 3,706 items is λ = 2 · 0.015 · 3,706 of its sum
    models = [CFNade(penalty="l2:111", batch=512, epochs=150, patience=3), large]
    compared = compare(read_ratings(datasets / "ml-1m"), models, baselines="none")
    yield from tell("MovieLens 1M, random 90/10, seed 0", compared, ("rmse",))
