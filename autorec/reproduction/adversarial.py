"""How stable the adversarial members are: ten seeds of each on MovieLens 100K."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.preprocessing import normalize

from autorec.evaluation.evaluate import evaluate
from autorec.models.adversarial import AdversarialAutoencoder
from autorec.models.baselines import Popularity
from autorec.models.presets import create
from autorec.ranking.positives import positives
from autorec.ratings.read import read_ratings
from autorec.ratings.split import Split, split

SEEDS, SEGMENTS = 10, 10
MEMBERS = ("aae", "wgan-ae", "vae-gan", "ali", "hali", "alice")


def adversarial(datasets: Path) -> Iterator[str]:
    """MovieLens 100K, random:0.1, split of seed 0, ten seeds of each member; a training that diverges raises."""
    (one,) = split(read_ratings(datasets / "ml-100k"), "random:0.1", 0)
    segments = Segments(positives(one.train.csr, one.train.scale))
    yield f"model, seed: NDCG@10; variance of the codes; segments of {SEGMENTS} reached, overlap of shares; fit seconds"
    yield f"  popularity: {_ndcg(Popularity().fit(one.train), one):.4f}"
    for name in MEMBERS:
        for seed in range(SEEDS):
            yield f"  {name} {seed}: {measure(name, seed, one, segments)}"


def measure(name: str, seed: int, one: Split, segments: "Segments") -> str:
    """A member of that name, fitted with that seed, as a line."""
    model: AdversarialAutoencoder = create(name, random_state=seed).fit(one.train)
    reached, overlap = segments.compare(model.sample(segments.n_users, random_state=seed))
    variance = model.draw_codes(random_state=seed).var(axis=0).mean()
    seconds = model.summary_["seconds"]
    return f"{_ndcg(model, one):.4f}; {variance:.2f}; {reached} {overlap:.2f}; {seconds:.0f}"


class Segments:
    """Segments of users by their choices [users × items], and how made users are spread over them."""

    def __init__(self, chosen: sparse.csr_array) -> None:
        self.counts = np.diff(chosen.indptr)
        self.n_users = len(self.counts)
        self.space = TruncatedSVD(20, random_state=0).fit(normalize(chosen))
        self.means = KMeans(SEGMENTS, n_init=3, random_state=0).fit(self.space.transform(normalize(chosen)))
        self.shares = np.bincount(self.means.labels_, minlength=SEGMENTS) / self.n_users

    def compare(self, chances: npt.NDArray[np.float32]) -> tuple[int, float]:
        """Probabilities of choices [users × items] → (segments that at least a fifth as many made users as known ones
        are in, Σ over segments of the smaller share: 1 where all are as frequent).

        Of each row as many choices are drawn as a known user has, none twice.
        """
        rng = np.random.default_rng(0)
        keys = np.log(np.maximum(chances, 1e-30)) + rng.gumbel(size=chances.shape)  # the highest are a draw
        order = np.argsort(-keys, axis=1)
        made = np.zeros(chances.shape, dtype=np.float32)
        for row, count in enumerate(self.counts):
            made[row, order[row, :count]] = 1
        labels = self.means.predict(self.space.transform(normalize(made)))
        shares = np.bincount(labels, minlength=SEGMENTS) / len(made)
        return int((shares >= self.shares / 5).sum()), float(np.minimum(shares, self.shares).sum())


def _ndcg(model: AdversarialAutoencoder | Popularity, one: Split) -> float:
    return float(evaluate(model, one.test, k=10).metrics["ndcg@10"])
