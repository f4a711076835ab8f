"""Taste segments: k-means on the profiles of users or items, each segment described by what is typical of it."""

import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autorec import checks, words
from autorec.array_types import Float32
from autorec.errors import ParameterError
from autorec.insight.joint_segments import divide_jointly
from autorec.insight.profiles import profiles
from autorec.models.base import Recommender
from autorec.models.vector_tables import ids_of
from autorec.ranking.positives import positives

TYPICAL = 5  # items that describe a segment
LIKED_BY = 0.1  # of a segment's users, and at least
LEAST = 3  # of them, like an item that is typical of it
SAMPLE = 5000  # users or items, at most, that the silhouette is measured on
_STARTS = 10  # of k-means; the best counts

Labels = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Typical:
    """An item that describes a segment. value: its lift (of users) or cosine (of items), see `cluster`."""

    item: Any
    title: str | None
    value: float


@dataclass(frozen=True)
class Segment:
    """One segment: its number from 1, how many users or items are in it, their share of all, what is typical."""

    segment: int
    size: int
    share: float
    typical: tuple[Typical, ...]


@dataclass(frozen=True, repr=False)
class Clusters:
    """The segments of a model's users or items, the largest first.

    labels      id → number of its segment
    silhouette  mean over `sample` of them, in −1 … 1: how much nearer each is to its own segment than to the next

    >>> ratings = autorec.load_sample()
    >>> clusters = autorec.cluster(autorec.PureSVD(factors=4).fit(ratings), k=5)
    >>> clusters.to_frame().head(2)
       user  segment
    0     1        3
    1     2        1
    >>> [segment.size for segment in clusters.segments]
    [159, 117, 113, 108, 103]
    """

    of: str
    segments: tuple[Segment, ...]
    labels: "pd.Series[int]"
    silhouette: float
    sample: int

    def __repr__(self) -> str:
        lines = [f"{len(self.segments)} segments of {len(self.labels):,} {self.of}, silhouette {self.silhouette:.3f}"]
        for one in self.segments:
            names = ", ".join(str(typical.title or typical.item) for typical in one.typical)
            lines.append(f"{one.segment:>3}  {one.size:,} ({one.share:.0%})  {names}")
        return "\n".join(lines)

    def to_frame(self) -> pd.DataFrame:
        """DataFrame user, or item, segment: one row each, in the order of the model."""
        return self.labels.reset_index()

    def to_dict(self) -> dict[str, Any]:
        """Everything but the labels, JSON-ready; a typical item has `lift` or `cosine`."""
        measure = "lift" if self.of == "users" else "cosine"
        segments = [asdict(segment) for segment in self.segments]
        for segment in segments:
            segment["typical"] = [
                {"item": one["item"], "title": one["title"], measure: one["value"]} for one in segment["typical"]
            ]
        return {"of": self.of, "silhouette": self.silhouette, "silhouette_sample": self.sample, "segments": segments}


def cluster(
    model: Recommender, of: words.Side = "users", k: int = 8, random_state: Any = 0, *, joint: bool = False
) -> Clusters:
    """The k segments of users, or items, that the model scores alike: the best of 10 k-means of `profiles`.

    joint: these are where an autoencoder of choices begins that is trained on for reconstruction and clusters at once,
    see `autorec.insight.joint_segments`; of users alone. The model stays as it is.

    Typical of a segment of users are the 5 items of the highest lift: the share of its users who like the item (rate
    it in the upper quarter of the scale) over the share of all users who do, of items that 10 % of its users, and 3,
    like. Typical of a segment of items are the 5 nearest to its centre, by cosine, of the more often rated half.

    The silhouette is scikit-learn's, of profiles, of at most 5000 drawn at random. random_state: as in `AutoRec`.
    ParameterError: the model has no vectors, or k is not from 2 up to one less than there are different profiles.

    >>> ratings = autorec.load_sample()
    >>> autorec.cluster(autorec.PureSVD(factors=4).fit(ratings), of="items", k=5).labels.nunique()
    5
    """
    checks.flag("joint", joint)
    points = profiles(model, of)
    k = checks.whole("k", k, least=2)
    seed = checks.seed("random_state", random_state) % 2**32  # the range that scikit-learn takes
    labels, centres = _run_k_means(points, k, seed)
    if joint:
        if of != "users":
            raise ParameterError(f"of is {of!r}; joint segments are those of users: give of='users', or joint=False")
        labels = _number_by_size(divide_jointly(model, labels, seed), k)[0]
    typical = _typical_of_users(model, labels) if of == "users" else _typical_of_items(model, labels, points, centres)
    sizes = np.bincount(labels, minlength=k)
    segments = [Segment(n + 1, int(sizes[n]), sizes[n] / len(labels), typical(n)) for n in range(k)]
    ids = pd.Index(ids_of(model, of), name=of.removesuffix("s"))
    silhouette, sample = _measure_silhouette(points, labels, seed)
    return Clusters(of, tuple(segments), pd.Series(labels + 1, index=ids, name="segment"), silhouette, sample)


def _run_k_means(points: Float32, k: int, seed: int) -> tuple[Labels, Float32]:
    """([n] labels 0 … k − 1, those of the largest segment 0; [k × d] centres)."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    if len(points) < 3:
        raise ParameterError(f"there are {len(points)} to divide; allowed: 3 or more, in 2 segments")
    if k >= len(points):
        raise ParameterError(f"k is {k}; allowed: 2 to {len(points) - 1}, one less than there are to divide")
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            found = KMeans(k, n_init=_STARTS, random_state=seed).fit(points)
        except ConvergenceWarning:
            raise ParameterError(f"k is {k}, and there are fewer different profiles; give a smaller k") from None
    labels, order = _number_by_size(found.labels_, k)
    return labels, found.cluster_centers_[order]


def _number_by_size(labels: Labels, k: int) -> tuple[Labels, Labels]:
    """([n] labels, those of the largest segment 0; [k] what each of them was)."""
    order = np.argsort(-np.bincount(labels, minlength=k), kind="stable")
    return np.argsort(order)[labels], order


def _measure_silhouette(points: Float32, labels: Labels, seed: int) -> tuple[float, int]:
    """(mean silhouette, measured on how many) of points [n × d] with labels [n]."""
    from sklearn.metrics import silhouette_score

    chosen = np.random.default_rng(seed).permutation(len(points))[:SAMPLE]
    return float(silhouette_score(points[chosen], labels[chosen])), len(chosen)


def _typical_of_users(model: Recommender, labels: Labels) -> Callable[[int], tuple[Typical, ...]]:
    """A function: segment of users → its items of the highest lift."""
    ratings = model.ratings_
    likes = positives(ratings.csr, ratings.scale)
    overall = np.bincount(likes.indices, minlength=ratings.n_items) / ratings.n_users

    def typical(segment: int) -> tuple[Typical, ...]:
        inside = np.flatnonzero(labels == segment)
        counts = np.bincount(likes[inside].indices, minlength=ratings.n_items)
        often = np.flatnonzero(counts >= max(LEAST, LIKED_BY * len(inside)))
        lift = counts[often] / len(inside) / overall[often]
        return _take_best(model, often, lift)

    return typical


def _typical_of_items(
    model: Recommender, labels: Labels, points: Float32, centres: Float32
) -> Callable[[int], tuple[Typical, ...]]:
    """A function: segment of items → those nearest to its centre, of the more often rated half."""
    counts = model.ratings_.item_counts

    def typical(segment: int) -> tuple[Typical, ...]:
        inside = np.flatnonzero(labels == segment)
        inside = inside[counts[inside] >= np.median(counts[inside])]
        centre = centres[segment] / max(np.linalg.norm(centres[segment]), np.finfo(np.float32).tiny)
        return _take_best(model, inside, points[inside] @ centre)

    return typical


def _take_best(model: Recommender, columns: Labels, values: npt.NDArray[np.floating[Any]]) -> tuple[Typical, ...]:
    """The 5 items of these columns [n] with the highest values [n], best first."""
    ratings = model.ratings_
    best = np.argsort(-values, kind="stable")[:TYPICAL]
    titles = None if ratings.titles is None else ratings.titles[columns[best]]
    ids = ratings.item_ids[columns[best]].tolist()
    return tuple(
        Typical(item, titles[n] if titles is not None and titles[n] else None, float(values[best[n]]))
        for n, item in enumerate(ids)
    )
