"""λ of a linear autoencoder of choices, chosen on held-out users, coarse to fine.

A tenth of the users, at most 500, are kept aside, and a fifth of what they like is wanted: by the rest of their ratings
all items are ranked as the joint model does, by choices learned from the others. Only λ is chosen on these users: how
they would like an item is told by the rating model as it is, which knows all ratings.

From a first λ on, the search goes to the better neighbour at 4 times and a quarter as long as there is one, then at 2
and at √2. What it finds is taken where it is better by more than the standard error of the difference. The Gram matrix
is the same for all λ.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone

from autorec import progress
from autorec.models.base import FloatArray, Scores
from autorec.models.ease import Ease
from autorec.ranking.held_out_users import HeldOut, hold_out_users, is_better, ndcg_of_users
from autorec.ranking.positives import positives, select_entries
from autorec.ratings.matrix import Ratings
from autorec.ratings.sorting import find_pairs

LEAST, MOST = 5.0, 20_000.0  # of λ
STEPS = (4.0, 2.0, math.sqrt(2))
FITS = 9  # of a search, and the last one, about
MOST_ITEMS = 8_000  # beyond, an inverse takes more than some ten seconds, and the first λ is taken


def choose_l2(
    model: Ease,
    ratings: Ratings,
    relevant: float | None,
    weigh: Callable[[sparse.csr_array], Callable[[Scores], Scores]],
) -> dict[str, Any]:
    """{"l2": λ}, and where it was chosen "tried": λ → NDCG@100; model: unfitted, its λ the first to try. relevant: the
    lowest rating that is liked, None as for `positives`. weigh: ratings [B × items] of some users → a function of the
    scores [B × items] of their choices, those by which items are ranked.

    With more than 8,000 items, or too few users to hold some out, it is the first λ.
    """
    liked = positives(ratings.csr, ratings.scale, relevant)
    learned, held_out = hold_out_users(liked, "auto", np.random.default_rng(0))
    if held_out is None or ratings.n_items > MOST_ITEMS:
        return {"l2": model.l2}
    aside = np.setdiff1d(np.flatnonzero(np.diff(liked.indptr)), learned)  # rows in the order of `held_out`
    theirs = ratings.csr[aside]
    wanted = held_out.wanted.tocoo()
    left = np.ones(theirs.nnz, dtype=bool)
    left[find_pairs(theirs, wanted.row, wanted.col)] = False
    given = select_entries(theirs, left)
    asked = HeldOut(positives(given, ratings.scale, model.relevant), held_out.wanted)
    finish = weigh(given)
    others = ratings.select(~np.isin(ratings.rows(), aside), compact=False)
    fit_with = clone(model).set_params(half_life=None)._fitter(others)
    tried: dict[float, FloatArray] = {}  # λ → NDCG@100 [held-out users]

    def score(l2: float) -> float:
        if l2 not in tried:
            fitted = fit_with(l2=l2)
            tried[l2] = ndcg_of_users(lambda chosen: finish(fitted._score(chosen)), asked)
        return float(tried[l2].mean())

    best = model.l2
    for step in STEPS:
        best = _climb(score, best, step)
    if not is_better(tried[best], tried[model.l2]):
        best = model.l2
    progress.note(f"The model of choices: λ {best:.4g}, NDCG@100 {score(best):.4f} of {len(aside)} held-out users.")
    return {"l2": best, "tried": {f"{l2:.4g}": round(score(l2), 4) for l2 in sorted(tried)}}


def _climb(score: Callable[[float], float], start: float, step: float) -> float:
    """The λ from which neither λ · step nor λ / step is better, first looked for from `start`."""
    best = start
    while True:
        near = [l2 for l2 in (best / step, best * step) if LEAST <= l2 <= MOST]
        found: float = max([best, *near], key=score)
        if found == best:
            return best
        best = found
