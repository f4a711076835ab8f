"""Users held out from a training on choices, and the NDCG of one part of their choices ranked by the other."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec.array_types import IntArray
from autorec.ranking.dcg import ndcg_of_each
from autorec.ranking.positives import select_entries
from autorec.ranking.topn import best_of_rows

SHARE, MOST = 0.1, 500  # "auto": this share of the users, at most so many; their NDCG has a standard error of .01
FEWEST_USERS = 20  # fewer say nothing
FEWEST_CHOICES = 5  # of a user who is held out, so that a fifth of them is at least one
WANTED = 0.2  # the part of their choices that is to be ranked high
LIST = 100  # items

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """given, wanted: CSR [held-out users × items] of ones, the two parts of the choices of each."""

    given: sparse.csr_array
    wanted: sparse.csr_array


def hold_out_users(
    chosen: sparse.csr_array, share: float | str, rng: np.random.Generator
) -> tuple[IntArray, HeldOut | None]:
    """Choices [users × items] → (rows to train on [n], the held-out users; None where they would be fewer than 20).

    share: of the users, or "auto": 10 %, at most 500. Only users with at least 5 choices are held out; a fifth of
    these choices is wanted, the rest given (strong generalisation, as in Liang et al., WWW 2018).
    """
    counts = np.diff(chosen.indptr)
    users = np.flatnonzero(counts)
    able = np.flatnonzero(counts >= FEWEST_CHOICES)
    n = min(int(SHARE * len(users)), MOST) if isinstance(share, str) else int(share * len(users))
    if min(n, len(able)) < FEWEST_USERS or n >= len(users):
        return users, None
    aside = np.sort(rng.permutation(able)[:n])
    return np.setdiff1d(users, aside), split_choices(chosen[aside], rng)


def split_choices(chosen: sparse.csr_array, rng: np.random.Generator) -> HeldOut:
    """Choices [users × items] → a fifth of those of each user, rounded down, is wanted, the rest given."""
    wanted = draw_wanted(chosen, rng)
    return HeldOut(select_entries(chosen, ~wanted), select_entries(chosen, wanted))


def draw_wanted(chosen: sparse.csr_array, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """[choices] True for a random fifth of each row of choices [users × items], rounded down."""
    wanted = np.zeros(chosen.nnz, dtype=bool)
    for start, end in zip(chosen.indptr[:-1], chosen.indptr[1:], strict=True):
        wanted[start + rng.permutation(end - start)[: int(WANTED * (end - start))]] = True
    return wanted


def is_better(ours: npt.NDArray[np.floating[Any]], theirs: npt.NDArray[np.floating[Any]]) -> bool:
    """Whether the mean over the users [users] of one is above that of the other by more than the standard error of
    the difference."""
    gain = ours - theirs
    return bool(gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)))


def mean_ndcg(score: Callable[[sparse.csr_array], Scores], held_out: HeldOut) -> float:
    """Mean of `ndcg_of_users`, a scalar."""
    return float(ndcg_of_users(score, held_out).mean())


def ndcg_of_users(score: Callable[[sparse.csr_array], Scores], held_out: HeldOut) -> npt.NDArray[np.float64]:
    """[held-out users] NDCG@100 of the wanted items; given items are not ranked. Binary gains, ideal cut at min(100,
    wanted).

    score: choices [B × items] → scores [B × items], a new array.
    """
    users, n_items = held_out.given.shape
    k = min(LIST, n_items)
    items, _ = best_of_rows(score(held_out.given), k, np.arange(users), held_out.given)  # [B × k]
    return ndcg_of_each(items, held_out.wanted, np.diff(held_out.wanted.indptr), k)
