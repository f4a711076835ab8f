"""How much synthetic users are like real ones: statistics side by side, who is nearest to whom, what can be learned."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from autorec.errors import InputError
from autorec.models.baselines import Popularity
from autorec.models.ease import Ease
from autorec.models.histories import align
from autorec.network.all_columns import rows_at_once
from autorec.ranking.held_out_users import FEWEST_CHOICES, mean_ndcg, split_choices
from autorec.ranking.positives import positives
from autorec.ratings.matrix import Ratings

PAIRED = 300  # items, those chosen most, whose pairs are correlated
SAMPLE = 2000  # real users, at most, whose distance to the nearest other is measured

Floats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.integer[Any]]


def compare_choices(real: Ratings, made: Ratings, seed: int) -> pd.DataFrame:
    """Who chose what, real beside synthetic → DataFrame measure, real, synthetic. All entries [users × items] count.

    Of the popularity of items, the rank correlation (Spearman) of the numbers of users who chose each; of pairs, the
    correlation, over the pairs of the 300 most chosen items, of how choosing the one goes with choosing the other (φ).
    Synthetic users are compared with all real ones, and, for what to expect, a random half of the real with the other
    half. The nearest: Jaccard distance, 1 − common items / items of either, to the real user, of a real one to the
    other real user, with the most alike items.
    """
    order = np.random.default_rng(seed).permutation(real.n_users)
    half, other = (real.csr[np.sort(part)] for part in np.array_split(order, 2))
    paired = np.sort(np.argsort(-real.item_counts, kind="stable")[:PAIRED])
    counts = [np.diff(one.csr.indptr) for one in (real, made)]
    activity = [[float(np.quantile(one, q)) for one in counts] for q in (0.1, 0.5, 0.9)]
    sample = order[:SAMPLE]
    among_real, to_real = _nearest(real.csr[sample], real.csr, own=sample)[1], _nearest(made.csr, real.csr)[1]
    rows: dict[str, Sequence[float]] = {
        "users": (real.n_users, made.n_users),
        "items of a user, 10 % quantile": activity[0],
        "items of a user, median": activity[1],
        "items of a user, 90 % quantile": activity[2],
        "items chosen by anybody": [int((one.item_counts > 0).sum()) for one in (real, made)],
        "popularity, rank correlation": (_popularity(half, other), _popularity(real.csr, made.csr)),
        "pairs of items, correlation": (_pairs(half, other, paired), _pairs(real.csr, made.csr, paired)),
        "distance to the nearest, median": [float(np.median(one)) for one in (among_real, to_real)],
        "distance to the nearest, 1 % quantile": [float(np.quantile(one, 0.01)) for one in (among_real, to_real)],
        "share with the items of another": [float((one == 0).mean()) for one in (among_real, to_real)],
    }
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["real", "synthetic"], dtype=float)
    return table.rename_axis("measure").reset_index()


def compare_histograms(real: Ratings, made: Ratings) -> pd.DataFrame:
    """DataFrame rating, real, synthetic: the share of each value of a rating."""
    shares = [pd.Series(one.csr.data).value_counts(normalize=True) for one in (real, made)]
    table = pd.concat(shares, axis=1, keys=["real", "synthetic"]).fillna(0.0).sort_index()
    return table.rename_axis("rating").reset_index()


def find_nearest(made: Ratings, real: Ratings) -> pd.DataFrame:
    """DataFrame user, nearest, distance: of each user of `made` the one of `real` at the least Jaccard distance."""
    rows, distances = _nearest(made.csr, real.csr)
    return pd.DataFrame({"user": made.user_ids, "nearest": real.user_ids[rows], "distance": distances})


def measure_use(real: Ratings, made: Ratings, test: Ratings, relevant: float | None, seed: int) -> pd.DataFrame:
    """DataFrame model, real, synthetic: NDCG@100 of popularity and EASE, learned from the one or the other.

    test: ratings of users, of whose choices (from `relevant` up) a fifth is ranked by the others. InputError: nobody in
    it has 5 choices among the items.
    """
    chosen = positives(align(test, real, "users").csr, real.scale, relevant)
    chosen = chosen[np.diff(chosen.indptr) >= FEWEST_CHOICES]
    if not chosen.shape[0]:
        raise InputError(f"test: nobody has {FEWEST_CHOICES} choices among the items of the model; give more ratings")
    held_out = split_choices(chosen, np.random.default_rng(seed))
    low, high = real.scale

    def measure(learner: Any, ratings: Ratings) -> float:
        model = learner.fit(ratings)  # to which a choice is a rating, not 1
        return mean_ndcg(lambda given: model._score(model.encode_users(given * high)), held_out)

    learners = {"popularity": Popularity(), "ease": Ease(relevant=low)}
    rows = [(name, *(measure(learner, one) for one in (real, made))) for name, learner in learners.items()]
    return pd.DataFrame(rows, columns=["model", "real", "synthetic"])


def _nearest(some: sparse.csr_array, of: sparse.csr_array, own: Indices | None = None) -> tuple[Indices, Floats]:
    """(rows [n] of `of` whose items are most alike, their Jaccard distances [n]) of rows `some` [n × items].

    own: rows [n] of `of` that are not asked, each row itself.
    """
    ours, theirs = (sparse.csr_array((np.ones(one.nnz), one.indices, one.indptr), one.shape) for one in (some, of))
    sizes, n = np.diff(theirs.indptr), ours.shape[0]
    rows, distances = np.empty(n, dtype=np.int64), np.empty(n)
    for part in np.array_split(np.arange(n), 1 + n // rows_at_once(len(sizes))):
        common = (ours[part] @ theirs.T).toarray()  # [part × users]
        share = common / (np.diff(ours.indptr)[part, None] + sizes - common)
        if own is not None:
            share[np.arange(len(part)), own[part]] = -np.inf
        rows[part] = share.argmax(axis=1)
        distances[part] = 1 - share.max(axis=1)
    return rows, distances


def _popularity(one: sparse.csr_array, other: sparse.csr_array) -> float:
    """Spearman's correlation of the numbers of entries of the columns; nan where one has the same in all."""
    counts = [np.bincount(csr.indices, minlength=csr.shape[1]) for csr in (one, other)]
    return float(pd.Series(counts[0]).corr(pd.Series(counts[1]), method="spearman"))


def _pairs(one: sparse.csr_array, other: sparse.csr_array, columns: Indices) -> float:
    """The correlation, over pairs of these columns, of the φ coefficients of the two matrices."""
    pairs = np.triu_indices(len(columns), 1)
    phis = pd.DataFrame({name: _phi(csr[:, columns])[pairs] for name, csr in (("one", one), ("other", other))})
    return float(phis["one"].corr(phis["other"]))  # of pairs where both have a value


def _phi(csr: sparse.csr_array) -> Floats:
    """[m × m] correlations of having an entry, of the columns of [n × m]; nan of a column of all or none."""
    n = csr.shape[0]
    has = sparse.csr_array((np.ones(csr.nnz), csr.indices, csr.indptr), csr.shape)
    covariance = (has.T @ has).toarray() / n - np.outer(has.mean(axis=0), has.mean(axis=0))
    spread = np.sqrt(np.maximum(np.diag(covariance), 0))
    spread[spread < 1e-9] = np.nan
    return np.asarray(covariance / np.outer(spread, spread))
