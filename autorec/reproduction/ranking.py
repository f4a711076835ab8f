"""Top-N of held-out users on MovieLens 1M."""

from collections.abc import Iterator
from pathlib import Path

from autorec.evaluation.compare import compare
from autorec.ratings.read import read_ratings
from autorec.reproduction.lines import tell


def ranking(datasets: Path) -> Iterator[str]:
    """Strong generalisation on MovieLens 1M, 500 users held out, EASE and the baselines."""
    ratings = read_ratings(datasets / "ml-1m")
    compared = compare(ratings, ["ease"], by="strong:500", seed=98765, k=(20, 50, 100))
    wanted = ("recall_truncated@20", "recall_truncated@50", "ndcg@100")
    yield from tell("MovieLens 1M, strong generalisation, 500 users held out", compared, wanted)
