"""A map of users or items: their profiles in two dimensions, how far it can be trusted, as a page."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autorec import checks, words
from autorec.array_types import Float32
from autorec.insight.cluster import Clusters, Segment, cluster
from autorec.insight.profiles import profiles
from autorec.models.base import Recommender
from autorec.report.map_page import Dot, map_page

DRAWN = 4000  # points, at most; a page of more would be slow, and larger than 1 MB
NEIGHBOURS = 10  # of a point, that trustworthiness asks for
SAMPLE = 2000  # points, at most, that trustworthiness is measured on
_PERPLEXITY = 30.0  # of t-SNE, as is usual
_NAMES = {"pca": "principal component analysis", "tsne": "t-SNE"}

Coordinates = npt.NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Map:
    """Points, those with most ratings first.

    points           DataFrame with raw ids as index: x, y, ratings, segment, and title of an item when known
    by               "pca" or "tsne"
    known            how many users or items the model has; at most 4000 are on the map
    variance         share of the profiles' variance that the two axes of "pca" hold; None of "tsne"
    trustworthiness  0 … 1, of `sample` points: 1 when the 10 nearest on the map are near in the model too, about ½ when
                     they have nothing to do with it; None of fewer than 21 points
    clusters         the segments that give the colours

    >>> ratings = autorec.load_sample()
    >>> drawn = autorec.draw_map(autorec.BiasedMF(factors=4).fit(ratings), k=5)
    >>> drawn.to_frame().columns.tolist()
    ['item', 'x', 'y', 'ratings', 'segment', 'title']
    >>> page = drawn.to_html()
    """

    of: str
    by: str
    points: pd.DataFrame
    known: int
    variance: float | None
    trustworthiness: float | None
    sample: int
    clusters: Clusters

    def __repr__(self) -> str:
        trust = "not measured" if self.trustworthiness is None else f"{self.trustworthiness:.3f}"
        return f"Map of {len(self.points):,} {self.of} by {_NAMES[self.by]}, trustworthiness {trust}"

    def to_frame(self) -> pd.DataFrame:
        """DataFrame user, or item, then the columns of `points`."""
        return self.points.reset_index()

    def to_html(self, *, user_ids: bool = False) -> str:
        """One page that fetches nothing. user_ids: whether a map of users names them."""
        named = self.of == "items" or user_ids
        dots = [self._dot(row, named) for row in self.points.itertuples()]
        most = "" if len(dots) == self.known else f", the most rated of {self.known:,}"
        facts = [f"{len(dots):,} {self.of}{most}", f"by {_NAMES[self.by]}", f"{len(self.clusters.segments)} segments"]
        groups = [_describe(segment, self.of) for segment in self.clusters.segments]
        return map_page(f"Map of {self.of}", dots, groups, facts, self._notes())

    def _dot(self, row: Any, named: bool) -> Dot:
        """A point that says its title, else its id, and its number of ratings."""
        one = self.of.removesuffix("s")
        name = getattr(row, "title", "") or f"{one} {row.Index}"
        text = f"{name if named else one} · ratings: {row.ratings:,}"
        return Dot(row.x, row.y, row.ratings, row.segment - 1, text)

    def _notes(self) -> list[str]:
        ones, others = ("items", "users") if self.of == "items" else ("users", "items")
        notes = [
            f"Two {ones} are near where the model scores them alike over all {others}, after the means are taken off.",
            "The larger a dot, the more ratings. Colours are the segments that k-means finds before the map is made: "
            f"silhouette {self.clusters.silhouette:.3f}, of {self.clusters.sample:,}.",
        ]
        if self.variance is not None:
            notes.append(f"The two directions hold {self.variance:.0%} of the variance.")
        else:
            notes.append("Distances between groups that lie far apart, and the sizes of groups, say nothing in t-SNE.")
        if self.trustworthiness is not None:
            notes.append(
                f"Trustworthiness {self.trustworthiness:.3f}, of {self.sample:,}: 1 where the {NEIGHBOURS} nearest on "
                "the map are near in the model too, about 0.5 where they have nothing to do with it."
            )
        return notes


def draw_map(
    model: Recommender, of: words.Side = "items", k: int = 8, by: words.Projection = "pca", random_state: Any = 0
) -> Map:
    """The `profiles` of items, or users, in two dimensions, in the colours of k segments; see `Map` and `cluster`.

    by: "pca", scikit-learn's principal component analysis, whose axes are directions of taste, or "tsne", which keeps
    neighbours together and takes longer. Of more than 4000 those with most ratings are on the map.
    ParameterError: the model has no vectors, or k does not fit.

    >>> ratings = autorec.load_sample().to_frame()[:3000]
    >>> drawn = autorec.draw_map(autorec.BiasedMF(factors=4).fit(ratings), of="users", k=3)
    >>> len(drawn.points)
    562
    """
    checks.one_of("by", by, tuple(_NAMES))
    seed = checks.seed("random_state", random_state) % 2**32  # the range that scikit-learn takes
    clusters = cluster(model, of, k, seed)
    ratings = model.ratings_
    counts = ratings.item_counts if of == "items" else np.diff(ratings.csr.indptr)
    kept = np.argsort(-counts, kind="stable")[:DRAWN]
    vectors = profiles(model, of)[kept]
    coordinates, variance = _reduce(vectors, by, seed)
    points = pd.DataFrame(coordinates, columns=["x", "y"], index=clusters.labels.index[kept])
    points = points.assign(ratings=counts[kept], segment=clusters.labels.iloc[kept])
    if of == "items" and ratings.titles is not None:
        points["title"] = ratings.titles[kept]
    trust, sample = _measure_trustworthiness(vectors, coordinates, seed)
    return Map(of, by, points, len(counts), variance, trust, sample, clusters)


def _reduce(vectors: Float32, by: str, seed: int) -> tuple[Coordinates, float | None]:
    """([n × 2], share of the variance that the two principal components hold, None of t-SNE). A missing second
    direction is 0."""
    if by == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(_PERPLEXITY, (len(vectors) - 1) / 3)
        start = "pca" if vectors.shape[1] > 1 else "random"
        return TSNE(perplexity=perplexity, init=start, random_state=seed).fit_transform(vectors), None
    from sklearn.decomposition import PCA

    pca = PCA(min(2, *vectors.shape), svd_solver="full", random_state=seed)
    found = pca.fit_transform(vectors)
    return np.pad(found, ((0, 0), (0, 2 - found.shape[1]))), float(pca.explained_variance_ratio_.sum())


def _measure_trustworthiness(vectors: Float32, coordinates: Coordinates, seed: int) -> tuple[float | None, int]:
    """(scikit-learn's trustworthiness, measured on how many points) of vectors [n × d] and coordinates [n × 2];
    (None, 0) of too few points."""
    from sklearn.manifold import trustworthiness

    chosen = np.random.default_rng(seed).permutation(len(vectors))[:SAMPLE]
    if len(chosen) <= 2 * NEIGHBOURS:
        return None, 0
    return float(trustworthiness(vectors[chosen], coordinates[chosen], n_neighbors=NEIGHBOURS)), len(chosen)


def _describe(segment: Segment, of: str) -> str:
    """The size of a segment and its typical items, for the legend."""
    names = "; ".join(str(typical.title or typical.item) for typical in segment.typical)
    return f"{segment.size:,} {of}, typical: {names}" if names else f"{segment.size:,} {of}"
