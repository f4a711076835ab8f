"""Splits as the literature draws them, so that a number may stand beside a published one."""

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from autorec.errors import InputError
from autorec.ratings.matrix import Ratings, as_ratings
from autorec.ratings.split import Split


def strong_generalisation(
    ratings: Any, *, relevant: float = 4.0, held_out: int = 500, validation: int = 0, least: int = 5, seed: int = 98765
) -> Split:
    """Held-out users, ranked on choices (Liang et al., Variational Autoencoders for Collaborative Filtering, WWW 2018).

    Only ratings of `relevant` or more stay, each as a choice (1), of users with `least` of them. Users are permuted by
    `default_rng(seed)`; the last `held_out` are the test users, `validation` before them left out, the others train.
    Items are those of the training users. Of a test user's n choices a random ⌊0.2·n⌋ are targets (`test`), the others
    are given (`fold_in`) and left out of the ranking.

    Evaluate with `evaluate(model.fit(split.train), split.test, fold_in=split.fold_in)`; the papers' Recall@k is
    `recall_truncated@k`. InputError: too few users.
    """
    ratings = as_ratings(ratings)
    chosen = ratings.select(ratings.csr.data >= relevant)
    busy = np.diff(chosen.csr.indptr) >= least
    chosen = chosen.select(np.repeat(busy, np.diff(chosen.csr.indptr)))
    if chosen.n_users <= held_out + validation:
        raise InputError(f"{chosen.n_users} users have {least} choices or more: too few to hold out {held_out}")
    chosen = replace(chosen, csr=_ones(chosen.csr), given_scale=None)
    rng = np.random.default_rng(seed)
    users = rng.permutation(chosen.n_users)
    train = chosen.select(np.isin(chosen.rows(), users[: -held_out - validation]))
    known = np.isin(chosen.item_ids, train.item_ids)[chosen.csr.indices]
    rest = chosen.select(np.isin(chosen.rows(), users[-held_out:]) & known)
    target = _targets(rest, rng)
    return Split(train, rest.select(target), rest.select(~target), f"strong-generalisation:{held_out}")


def _ones(csr: sparse.csr_array) -> sparse.csr_array:
    return sparse.csr_array((np.ones_like(csr.data), csr.indices, csr.indptr), shape=csr.shape)


def _targets(ratings: Ratings, rng: np.random.Generator) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """[ratings] True for a random ⌊0.2·n⌋ of each user's n."""
    target = np.zeros(len(ratings), dtype=bool)
    for start, stop in zip(ratings.csr.indptr[:-1], ratings.csr.indptr[1:], strict=True):
        n = int(stop - start)
        target[start + rng.permutation(n)[: int(0.2 * n)]] = True
    return target
