"""The table of the AutoRec paper: RMSE on MovieLens, with the presets as they are and with the paper's settings."""

from collections.abc import Iterator
from pathlib import Path

from autorec.evaluation.compare import compare
from autorec.ratings.read import read_ratings
from autorec.reproduction.lines import tell

PUBLISHED = {"i-autorec": 0.831, "u-autorec": 0.874}  # Sedhain et al., WWW 2015, MovieLens 1M


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
