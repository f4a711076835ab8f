"""What the family is used for, on MovieLens 100K: synthetic users, a label from few, segments that are trained for."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
from sklearn.metrics import adjusted_rand_score

from autorec import words
from autorec.datasets.sample import load_sample, sample_groups
from autorec.insight.classify import classify
from autorec.insight.cluster import cluster
from autorec.insight.generate import generate
from autorec.models.presets import create
from autorec.ratings.labels import read_labels
from autorec.ratings.matrix import Ratings
from autorec.ratings.read import read_ratings

ASIDE = 100  # users whom the generating model does not know


def uses(datasets: Path) -> Iterator[str]:
    """Presets as they are, one seed; 100 users kept aside from the model that generates."""
    ratings = read_ratings(datasets / "ml-100k")
    yield from _generate(ratings)
    genders = read_labels(str(datasets / "ml-100k" / "u.user"), 3)
    for name in ("mult-vae", "i-autorec"):
        model = create(name).fit(ratings)
        yield f"gender of users, profiles of {name}"
        yield from repr(classify(model, genders, joint=name == "mult-vae")).splitlines()
        if name == "mult-vae":
            for joint in (False, True):
                found = cluster(model, joint=joint)
                sizes = ", ".join(str(segment.size) for segment in found.segments)
                yield f"8 segments of users, joint {joint}: silhouette {found.silhouette:.3f}, sizes {sizes}"
    yield from _find_planted()


def _generate(ratings: Ratings) -> Iterator[str]:
    """Two models, codes of users and of the prior."""
    frame = ratings.to_frame()
    aside = frame["user"].isin(np.random.default_rng(0).permutation(ratings.user_ids)[:ASIDE])
    for name in ("mult-vae", "aae"):
        model = create(name).fit(frame[~aside])
        for codes in get_args(words.DrawnFrom):
            found = generate(model, codes=codes, test=frame[aside])
            yield f"users of {name}, codes of {codes}"
            for table in (found.measures, found.histogram, found.use):
                yield from ([] if table is None else table.round(4).to_string(index=False).splitlines())


def _find_planted() -> Iterator[str]:
    """The sample, and halves of its ratings: how well k-means and the joint loss find the groups."""
    frame, groups = load_sample().to_frame(), sample_groups()[0]
    for seed in range(4):
        kept = np.random.default_rng(seed).random(len(frame)) < (0.5 if seed else 1)
        model = create("mult-vae", hidden=20, batch=100).fit(frame[kept])
        labels = [cluster(model, k=5, joint=joint).labels for joint in (False, True)]
        plain, joint = (adjusted_rand_score(groups.loc[one.index], one) for one in labels)
        yield f"sample, {kept.sum():,} ratings: ARI of k-means {plain:.3f}, joint {joint:.3f}"
