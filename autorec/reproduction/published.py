"""Published RMSE on MovieLens, measured again: of AutoRec, the table of its paper, and of CF-NADE and GLocal-K."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from autorec.evaluation.compare import compare
from autorec.evaluation.comparison import Comparison
from autorec.models.cf_nade import CFNade
from autorec.models.glocal_k import GlocalK
from autorec.ratings.read import read_ratings
from autorec.report.tables import number

PUBLISHED = {"i-autorec": 0.831, "u-autorec": 0.874}  # Sedhain et al., WWW 2015, MovieLens 1M
# GLocal-K's epochs were chosen on the test part.
OTHERS = {"cf-nade, ml-1m": 0.829, "glocal-k, ml-100k u1": 0.8889, "glocal-k, ml-1m": 0.8227}


def table(datasets: Path) -> Iterator[str]:
    """RMSE on MovieLens 1M, random 90/10, five seeds, and on MovieLens 100K, u1 to u5, all baselines beside."""
    compared = compare(read_ratings(datasets / "ml-1m"), list(PUBLISHED), repeats=5)
    yield from tell("MovieLens 1M, random 90/10, seeds 0 to 4", compared, ("rmse", "ndcg@10"))
    files = ",".join(f"{datasets / 'ml-100k' / f'u{fold}.{part}'}" for fold in range(1, 6) for part in ("base", "test"))
    folds = compare(None, list(PUBLISHED), by=f"given:{files}")
    yield from tell("MovieLens 100K, u1 to u5", folds, ("rmse", "ndcg@10"))
    for model in folds.to_dict()["models"]:
        if "rmse" in model["metrics"]:
            each = " ".join(f"{value:.4f}" for value in model["metrics"]["rmse"]["values"])
            yield f"  {model['name']}, each: {each}"


def paper(datasets: Path) -> Iterator[str]:
    """The same on MovieLens 1M with the paper's settings to the letter; unknown pairs are answered by 3."""
    models = [f"{name}-paper" for name in PUBLISHED]
    ratings = read_ratings(datasets / "ml-1m")
    compared = compare(ratings, models, repeats=5, cold=3.0, baselines="none")
    yield from tell(f"MovieLens 1M, random 90/10, seeds 0 to 4; published: {PUBLISHED}", compared, ("rmse",))


def papers(datasets: Path) -> Iterator[str]:
    """RMSE of CF-NADE and GLocal-K with the settings of their papers on MovieLens 100K, u1, and on MovieLens 1M, random
    90/10, seed 0; the epoch is chosen on validation ratings."""
    yield f"published: {OTHERS}"
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


def tell(title: str, compared: Comparison, metrics: Sequence[str]) -> Iterator[str]:
    """The title, then a line for each model: mean and standard deviation of each metric, seconds of a fit."""
    yield f"{title}: {', '.join(f'{name} mean, sd' for name in metrics)}, fit seconds"
    for model in compared.to_dict()["models"]:
        cells = [model["metrics"].get(name, {}) for name in metrics]
        shown = " ".join(f"{number(cell.get('mean')):>8} {number(cell.get('sd')):>6}" for cell in cells)
        yield f"  {model['name']:<16} {shown} {model['fit_seconds']:6.1f}"
