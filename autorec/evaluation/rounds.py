"""The splits of a comparison, each with the seed of its models."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from autorec import checks
from autorec.errors import ParameterError, shown
from autorec.models.base import Recommender
from autorec.ratings.matrix import Ratings
from autorec.ratings.split import Split, split
from autorec.report.comparison_report import SplitFacts

_MOST = 10_000  # repeats

By = str | Split | Sequence[Split] | Callable[[Any, int], Split | Sequence[Split]]


@dataclass(frozen=True)
class Round:
    """One split and the seed of its models."""

    seed: int
    split: Split

    def parts(self, model: Recommender) -> Split:
        """The split that this model is trained and tested on: of a split of choices, the ratings for a rating model."""
        return self.split.rated or self.split if model.rates else self.split


def make_rounds(
    ratings: Ratings | None, by: By, seed: int, repeats: int, read: Callable[[str], Ratings]
) -> list[Round]:
    """The splits of `repeats` repeats, repeat i by seed + i. by: as for `autorec.compare`. ParameterError: it gives no
    splits, or gives the same ones each time."""
    if checks.whole("repeats", repeats, most=_MOST) > 1 and not (isinstance(by, str) or callable(by)):
        raise ParameterError(f"repeats is {repeats}, but the splits are given; leave repeats out, or give a function")
    checks.function("read", read, "the name of a file")
    first = checks.whole("seed", seed, least=0)
    seeds = range(first, first + repeats)
    return [Round(one, part) for one in seeds for part in _make_splits(ratings, by, one, read)]


def describe_rounds(rounds: Sequence[Round], by: By, seed: int, repeats: int) -> SplitFacts:
    """How the splits were made, and into what sizes, for a report."""
    splits = [one.split for one in rounds]
    name = by if isinstance(by, str) else getattr(by, "__name__", "") or splits[0].name or "given"
    return SplitFacts(name, int(seed), repeats, len(splits), tuple((len(s.train), len(s.test)) for s in splits))


def _make_splits(ratings: Ratings | None, by: By, seed: int, read: Callable[[str], Ratings]) -> Sequence[Split]:
    if isinstance(by, str):
        return split(ratings, by, seed, read)
    made = by(ratings, seed) if callable(by) else by
    splits = list(made) if isinstance(made, Sequence) else [made]
    if not splits or not all(isinstance(one, Split) for one in splits):
        raise ParameterError(f"by gives {shown(made)}; allowed: a word such as random:0.1, one Split or several")
    return splits
