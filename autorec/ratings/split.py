"""Ratings → training and test parts: deterministic by seed, disjoint, together the whole.

Each part holds its own users and items only: what trains knows nothing of the ids, ratings or scale of what tests.
"""

import numbers
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from autorec import checks
from autorec.array_types import BoolArray
from autorec.errors import InputError, ParameterError, nearest, shown
from autorec.ratings.convert import as_ratings
from autorec.ratings.matrix import Ratings, liked_from
from autorec.ratings.read import read_ratings

FOLD_IN_SHARE = 0.8  # of the ratings of a held-out user


@dataclass(frozen=True, eq=False)
class Split:
    """Ratings to train on and ratings to test on.

    train, test  Ratings [users × items] each, of their own users and items only
    fold_in      ratings of held-out users that a model is given, where `test` has their other ratings; else None
    name         how the split was made, e.g. "random:0.1"
    rated        of a split of choices, the same pairs with their ratings, for models that predict ratings; else None

    >>> ratings = autorec.load_sample()
    >>> (one,) = autorec.split(ratings, "last:1")
    >>> len(one.train), len(one.test), one.name
    (23401, 599, 'last:1')
    """

    train: Ratings
    test: Ratings
    fold_in: Ratings | None = None
    name: str = ""
    rated: "Split | None" = None


def random_split(ratings: Any, fraction: float = 0.1, seed: int = 0) -> Split:
    """Of `default_rng(seed).permutation(n)` over the n rows of the source, the first ⌊n·fraction⌋ are test.

    ratings: as `as_ratings` takes them, DataFrame user, item, rating or [users × items]; so in all splits. 0 < fraction
    < 1. InputError: a part is left empty.

    >>> ratings = autorec.load_sample()
    >>> one = autorec.random_split(ratings, 0.1, seed=0)
    >>> len(one.train), len(one.test)
    (21600, 2400)
    """
    ratings = as_ratings(ratings)
    _check_fraction(fraction)
    n = len(ratings)
    test = np.zeros(n, dtype=bool)
    test[_make_generator(seed).permutation(n)[: int(n * fraction)]] = True
    return _make_split(ratings, test[ratings.ranks()], f"random:{fraction:g}")


def per_user_split(ratings: Any, fraction: float = 0.1, seed: int = 0) -> Split:
    """Of the n ratings of each user, [users × items], a random ⌊n·fraction⌋ are test; 0 < fraction < 1.

    >>> ratings = autorec.load_sample()
    >>> autorec.per_user_split(ratings, 0.2).test.n_users
    596
    """
    ratings = as_ratings(ratings)
    _check_fraction(fraction)
    rank = _rank_by_user(ratings, _make_generator(seed).random(len(ratings)))
    return _make_split(ratings, rank < (_count_by_user(ratings) * fraction).astype(np.int64), f"per-user:{fraction:g}")


def last_out_split(ratings: Any, n: int = 1) -> Split:
    """Each user's last n ratings, [users × items], are test: by timestamp if there, then by the order of the source.

    A user with n ratings or fewer keeps the first in training.

    >>> ratings = autorec.load_sample()
    >>> autorec.last_out_split(ratings, n=1).test.n_users
    599
    """
    ratings = as_ratings(ratings)
    checks.whole("last", n)
    sizes = _count_by_user(ratings)
    return _make_split(ratings, _rank_by_user(ratings, _rank_by_time(ratings)) >= np.maximum(sizes - n, 1), f"last:{n}")


def time_split(ratings: Any, fraction: float = 0.1) -> Split:
    """The latest ⌊n·fraction⌋ of n ratings, [users × items], are test; equal times by the order of the source.

    0 < fraction < 1. InputError: no timestamps.

    >>> ratings = autorec.load_sample()
    >>> one = autorec.time_split(ratings, 0.1)
    >>> bool(one.train.timestamps.max() <= one.test.timestamps.min())
    True
    """
    ratings = as_ratings(ratings)
    _check_fraction(fraction)
    if ratings.timestamps is None:
        raise InputError("a split by time needs timestamps and the ratings have none; use random or per-user")
    n = len(ratings)
    return _make_split(ratings, _rank_by_time(ratings) >= n - int(n * fraction), f"time:{fraction:g}")


def user_split(ratings: Any, n: int, seed: int = 0) -> Split:
    """n random users of [users × items] are held out; a random 80 % of the ratings of each folds in, the rest is test.

    Only users with two ratings or more are held out; each has at least one in `fold_in` and one in `test`. InputError:
    fewer than n such users.

    >>> ratings = autorec.load_sample()
    >>> one = autorec.user_split(ratings, n=50)
    >>> one.fold_in.n_users
    50
    """
    ratings = as_ratings(ratings)
    checks.whole("users", n)
    rng = _make_generator(seed)
    eligible = np.flatnonzero(np.diff(ratings.csr.indptr) >= 2)
    if n > len(eligible):
        raise InputError(f"{n} users to hold out and {len(eligible)} with two ratings or more; ask for fewer")
    held_out = np.isin(ratings.rows(), rng.permutation(eligible)[:n])
    sizes = _count_by_user(ratings)
    given = np.clip((sizes * FOLD_IN_SHARE).astype(np.int64), 1, sizes - 1)
    folds_in = held_out & (_rank_by_user(ratings, rng.random(len(ratings))) < given)
    split = _make_split(ratings, held_out & ~folds_in, f"users:{n}", train=~held_out)
    return Split(split.train, split.test, ratings.select(folds_in), split.name)


def strong_generalisation(
    ratings: Any,
    *,
    held_out: int = 500,
    validation: int = 0,
    relevant: float | None = None,
    least: int = 5,
    seed: int = 98765,
) -> Split:
    """Held-out users, ranked on choices: the protocol of the Mult-VAE notebook (Liang et al., WWW 2018).

    Only ratings of `relevant` or more stay (None: `liked_from` of the scale, 4 on 1 … 5), each as a choice, 1, of users
    with `least` of them. The users, sorted by id, are permuted by NumPy's RandomState(seed); the last `held_out` are
    the test users, `validation` before them are left out, the others train. Items are those of the training users. Of
    each test user's n ≥ 5 choices, in the order of the source, the first ⌊0.2·n⌋ of a permutation are targets (`test`),
    drawn by another RandomState(seed); the rest are given (`fold_in`) and left out of the ranking. `rated` has the same
    users, items and test pairs with their ratings, and the lower ratings of the training users too.

    The paper's MovieLens 20M: held_out=10_000, validation=10_000. Evaluate with `evaluate(model.fit(split.train),
    split.test, fold_in=split.fold_in)`; its Recall@k is `recall_truncated@k`. InputError: too few users.

    >>> ratings = autorec.load_sample()
    >>> one = autorec.strong_generalisation(ratings, held_out=50)
    >>> one.test.n_users, one.fold_in.n_users
    (50, 50)
    """
    ratings = as_ratings(ratings)
    checks.whole("held_out", held_out)
    checks.whole("validation", validation, least=0)
    checks.whole("least", least)
    checks.optional(checks.number, "relevant", relevant)
    if checks.whole("seed", seed, least=0) >= 2**32:
        raise ParameterError(f"seed is {seed}; allowed: below 2**32, as NumPy's RandomState takes it")
    chosen = ratings.select(ratings.csr.data >= (liked_from(ratings.scale) if relevant is None else relevant))
    chosen = chosen.select(_count_by_user(chosen) >= least)
    if chosen.n_users <= held_out + validation:
        raise InputError(
            f"{chosen.n_users} users have {least} choices or more: too few to hold out {held_out + validation}"
        )
    liked = chosen
    csr = chosen.csr.copy()
    csr.data[:] = 1
    chosen = replace(chosen, csr=csr, given_scale=None)
    users = np.random.RandomState(seed).permutation(chosen.n_users)
    train = chosen.select(np.isin(chosen.rows(), users[: -held_out - validation]))
    known = np.isin(chosen.item_ids, train.item_ids)[chosen.csr.indices]
    tested = np.isin(chosen.rows(), users[-held_out:]) & known
    rest = chosen.select(tested)
    target = _draw_targets(rest, np.random.RandomState(seed))
    if not target.any():
        raise InputError(f"none of the {held_out} users held out has five choices of items that training knows")
    rated = liked.select(tested)
    trained = np.isin(ratings.user_ids, train.user_ids)[ratings.rows()]
    trained &= np.isin(ratings.item_ids, train.item_ids)[ratings.csr.indices]
    with_ratings = Split(ratings.select(trained), rated.select(target), rated.select(~target))
    return Split(train, rest.select(target), rest.select(~target), f"strong:{held_out}", with_ratings)


def _draw_targets(ratings: Ratings, rng: np.random.RandomState) -> BoolArray:
    """[ratings] True for the targets of each user of five ratings or more."""
    target = np.zeros(len(ratings), dtype=bool)
    ranks = ratings.ranks()
    for start, stop in zip(ratings.csr.indptr[:-1], ratings.csr.indptr[1:], strict=True):
        n = int(stop - start)
        if n >= 5:
            in_order = start + np.argsort(ranks[start:stop])
            target[in_order[rng.permutation(n)[: int(0.2 * n)]]] = True
    return target


def kfold(ratings: Any, k: int = 5, seed: int = 0) -> list[Split]:
    """[k] splits of `default_rng(seed).permutation(n)` over the n rows of the source; each rating is test once.

    ParameterError: k is not within 2 … n.

    >>> ratings = autorec.load_sample()
    >>> [len(one.test) for one in autorec.kfold(ratings, k=5)]
    [4800, 4800, 4800, 4800, 4800]
    """
    ratings = as_ratings(ratings)
    checks.whole("folds", k)
    if not 2 <= k <= len(ratings):
        raise ParameterError(f"folds is {k}; allowed: 2 … {len(ratings)}, the number of ratings")
    fold = np.empty(len(ratings), dtype=np.int64)
    for number, positions in enumerate(np.array_split(_make_generator(seed).permutation(len(ratings)), k)):
        fold[positions] = number
    of_entry = fold[ratings.ranks()]
    return [_make_split(ratings, of_entry == number, f"folds:{k}/{number + 1}") for number in range(k)]


def given_split(train: Any, test: Any) -> Split:
    """Two parts that are already apart, each Ratings, DataFrame user, item, rating or sparse matrix [users × items].

    >>> frame = pd.DataFrame({"user": [1, 1, 2], "item": [1, 2, 1], "rating": [5, 4, 3]})
    >>> one = autorec.given_split(frame[:2], frame[2:])
    >>> len(one.train), len(one.test)
    (2, 1)
    """
    return Split(as_ratings(train), as_ratings(test), None, "given")


def split(
    ratings: Any, by: str = "random:0.1", seed: int = 0, read: Callable[[str], Ratings] = read_ratings
) -> list[Split]:
    """Splits by a word: random:F, per-user:F, last:N, time:F, users:N, strong:N, folds:K, given:TRAIN,TEST.

    [1] split, [K] for folds, one for each pair of files for given. ratings: as in `random_split`. strong:N,M is
    `strong_generalisation` with N held-out and M validation users. given reads the files by `read` and needs no
    ratings: None is enough.

    >>> ratings = autorec.load_sample()
    >>> [one.name for one in autorec.split(ratings, "folds:3")]
    ['folds:3/1', 'folds:3/2', 'folds:3/3']
    """
    if not isinstance(by, str):
        raise ParameterError(f"by is {shown(by)}; allowed: text such as random:0.1")
    name, _, value = by.partition(":")
    makers: dict[str, Callable[[], list[Split]]] = {
        "random": lambda: [random_split(ratings, _parse_fraction(by, value), seed)],
        "per-user": lambda: [per_user_split(ratings, _parse_fraction(by, value), seed)],
        "last": lambda: [last_out_split(ratings, _parse_whole(by, value))],
        "time": lambda: [time_split(ratings, _parse_fraction(by, value))],
        "users": lambda: [user_split(ratings, _parse_whole(by, value), seed)],
        "folds": lambda: kfold(ratings, _parse_whole(by, value), seed),
        "strong": lambda: [_split_strongly(ratings, by, value, seed)],
        "given": lambda: _read_given(by, value, read),
    }
    if name not in makers:
        raise ParameterError(
            f"split by {by!r}; allowed: random:F, per-user:F, last:N, time:F, users:N, strong:N, folds:K, "
            f"given:TRAIN,TEST{nearest(name, makers)}"
        )
    return makers[name]()


def _read_given(by: str, value: str, read: Callable[[str], Ratings]) -> list[Split]:
    files = value.split(",")
    if len(files) % 2 or not all(files):
        raise ParameterError(
            f"split by {by!r}; give two files, as in given:u1.base,u1.test, or more pairs, all with commas between"
        )
    pairs = list(zip(files[::2], files[1::2], strict=True))
    name = "given" if len(pairs) == 1 else "given:{}"
    return [replace(given_split(read(a), read(b)), name=name.format(number)) for number, (a, b) in enumerate(pairs, 1)]


def _split_strongly(ratings: Any, by: str, value: str, seed: int) -> Split:
    held_out, _, validation = value.partition(",")
    return strong_generalisation(
        ratings,
        held_out=_parse_whole(by, held_out),
        validation=_parse_whole(by, validation) if validation else 0,
        seed=seed,
    )


def _make_split(ratings: Ratings, test: BoolArray, name: str, train: BoolArray | None = None) -> Split:
    train = ~test if train is None else train
    for part, entries in (("training", train), ("test", test)):
        if not entries.any():
            raise InputError(f"{name} of {len(ratings)} ratings leaves the {part} part empty; choose another split")
    return Split(ratings.select(train), ratings.select(test), None, name)


def _count_by_user(ratings: Ratings) -> npt.NDArray[np.int64]:
    """[ratings] how many ratings the user of each entry has."""
    sizes = np.diff(ratings.csr.indptr).astype(np.int64)
    return np.repeat(sizes, sizes)


def _rank_by_user(ratings: Ratings, keys: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """[ratings] rank from 0 of each entry among those of its user, ordered by key."""
    order = np.lexsort((keys, ratings.rows()))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - np.repeat(ratings.csr.indptr[:-1], np.diff(ratings.csr.indptr))
    return rank


def _rank_by_time(ratings: Ratings) -> npt.NDArray[np.int64]:
    """[ratings] rank from 0, oldest first."""
    ranks = ratings.ranks()
    order = np.argsort(ranks) if ratings.timestamps is None else np.lexsort((ranks, ratings.timestamps))
    age = np.empty(len(order), dtype=np.int64)
    age[order] = np.arange(len(order))
    return age


def _make_generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(checks.whole("seed", seed, least=0))


def _check_fraction(fraction: float) -> None:
    if not isinstance(fraction, numbers.Real) or not 0 < fraction < 1:
        raise ParameterError(f"fraction is {shown(fraction)}; allowed: above 0 and below 1")


def _parse_fraction(by: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ParameterError(f"split by {by!r}; after the colon comes a share between 0 and 1, as in 0.1") from None


def _parse_whole(by: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ParameterError(f"split by {by!r}; after the colon comes a whole number") from None
