"""Checks of ratings for what makes a measured error misleading.

Each check is one function in RATINGS_CHECKS (those of a split: `autorec.audits.of_split`) that returns a Finding or
None; its docstring states the threshold and what the share is of.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from autorec.array_types import IntArray
from autorec.audits.finding import (
    CERTAIN,
    COPIED,
    MANY_COPIES,
    Finding,
    many,
    named,
    percent,
    row_hashes,
    worst_first,
)
from autorec.audits.of_split import audit_split
from autorec.ratings import sentinels
from autorec.ratings.convert import as_ratings
from autorec.ratings.matrix import Ratings
from autorec.ratings.split import Split
from autorec.ratings.values import LATEST

CONSTANT = 20  # ratings from which "always the same rating" says something of a user
BURST = 20  # ratings of a user in the same second
SMALL_CATALOGUE = 50  # items; of fewer than these a person may well rate most

_DAY = 86_400  # seconds
_1990 = 631_152_000  # seconds


def audit(data: Any) -> list[Finding]:
    """Findings about a Split (do its parts leak into one another?) or about ratings: Ratings, DataFrame user, item,
    rating, or a sparse matrix [users × items].

    Leaks come first, then warnings, then notes; an empty list when nothing is suspicious. InputError: another type.

    >>> ratings = pd.DataFrame({"user": [1, 1, 2], "item": [1, 2, 1], "rating": [5, 4, 3], "timestamp": [0, 1, 2]})
    >>> [finding.name for finding in autorec.audit(ratings)]
    ['old-dates', 'single-rating-users', 'single-rating-items']
    """
    return audit_split(data) if isinstance(data, Split) else audit_ratings(as_ratings(data))


def audit_ratings(ratings: Ratings) -> list[Finding]:
    """Findings of RATINGS_CHECKS, worst first."""
    return worst_first(check(ratings) for check in RATINGS_CHECKS) if len(ratings) else []


def _same_users(ratings: Ratings) -> Finding | None:
    """Users with CONSTANT ratings or more, all equal; share of all users. Warning from a tenth of the users up.

    None when all ratings of the file are equal, which `_one_value` reports.
    """
    starts = ratings.csr.indptr[:-1][np.diff(ratings.csr.indptr) >= CONSTANT]
    ends = ratings.csr.indptr[1:][np.diff(ratings.csr.indptr) >= CONSTANT]
    changes = np.concatenate(([0, 0], np.cumsum(ratings.csr.data[1:] != ratings.csr.data[:-1])))  # before entry i: [i]
    count = int(np.count_nonzero(changes[ends] == changes[starts + 1]))
    if not count or not changes[-1]:
        return None
    share = count / ratings.n_users
    return Finding(
        "warning" if share >= 0.1 else "note",
        "same-rating-users",
        count,
        share,
        f"{many(count, 'user')} with {CONSTANT} ratings or more ({percent(share)} of all) gave every item the same "
        "rating: this shows what was rated, not what was liked; leave out those that are programs.",
    )


def _copied_users(ratings: Ratings) -> Finding | None:
    """Users with COPIED ratings or more whose items and ratings are all those of another user; share of all users.

    Warning when one such row has CERTAIN ratings or more, or from MANY_COPIES up; else a note. Rows are
    compared by 64-bit hashes.
    """
    sizes = np.diff(ratings.csr.indptr)
    hashes = row_hashes(ratings.rows(), ratings.csr.indices, ratings.csr.data, ratings.n_users)
    long = np.flatnonzero(sizes >= COPIED)
    _, group, members = np.unique(hashes[long], return_inverse=True, return_counts=True)
    copied = long[members[group] > 1]
    if not len(copied):
        return None
    share = len(copied) / ratings.n_users
    twins = copied[hashes[copied] == hashes[copied[0]]][:2]
    return Finding(
        "warning" if share >= MANY_COPIES or sizes[copied].max() >= CERTAIN else "note",
        "copied-users",
        len(copied),
        share,
        f"{many(len(copied), 'user')} ({percent(share)} of all) gave exactly the ratings of another user, up to "
        f"{int(sizes[copied].max()):,} each: a split puts one copy into training and tests on the other; keep one of "
        "each unless they are different people.",
        " and ".join(named("user", ratings.user_ids[twin]) for twin in twins),
    )


def _huge_users(ratings: Ratings) -> Finding | None:
    """Users who rated over half of SMALL_CATALOGUE items or more; share of all users.

    None above a tenth of the users: where many rate most of the items, it is the kind of data.
    """
    sizes = np.diff(ratings.csr.indptr)
    count = int(np.count_nonzero(sizes > ratings.n_items / 2))
    share = count / ratings.n_users
    if not count or share > 0.1 or ratings.n_items < SMALL_CATALOGUE:
        return None
    most = int(sizes.argmax())
    return Finding(
        "note",
        "huge-users",
        count,
        share,
        f"{many(count, 'user')} rated more than half of all {ratings.n_items:,} items: look whether a program or "
        "several people stand behind the name.",
        f"{named('user', ratings.user_ids[most])}: {sizes[most]:,} ratings",
    )


def _bursts(ratings: Ratings) -> Finding | None:
    """Users with BURST ratings or more in the same second; share of the ratings given so.

    None without timestamps, or when these are whole days.
    """
    times = ratings.timestamps
    if times is None or not (times % _DAY).any():
        return None
    users = ratings.rows()
    order = np.lexsort((times, users))
    users, times = users[order], times[order]
    starts = np.flatnonzero(np.concatenate(([True], (users[1:] != users[:-1]) | (times[1:] != times[:-1]))))
    sizes = np.diff(np.append(starts, len(times)))
    big = sizes >= BURST
    if not big.any():
        return None
    count, share = len(np.unique(users[starts[big]])), float(sizes[big].sum() / len(times))
    return Finding(
        "note",
        "bursts",
        count,
        share,
        f"{many(count, 'user')} gave {BURST} ratings or more in the same second (up to {int(sizes.max()):,}; "
        f"{percent(share)} of all ratings): such dates say when ratings were entered or imported, so their order "
        "within such a user says little.",
    )


def _single_users(ratings: Ratings) -> Finding | None:
    """Users with one rating, share of all users. A note from 5 % up, a warning from half up."""
    return _single("user", np.diff(ratings.csr.indptr))


def _single_items(ratings: Ratings) -> Finding | None:
    """Items with one rating, share of all items. A note from 5 % up, a warning from half up."""
    return _single("item", ratings.item_counts)


def _single(what: str, sizes: IntArray) -> Finding | None:
    count = int(np.count_nonzero(sizes == 1))
    share = count / len(sizes)
    if share < 0.05:
        return None
    return Finding(
        "warning" if share >= 0.5 else "note",
        f"single-rating-{what}s",
        count,
        share,
        f"{many(count, what)} with one rating only ({percent(share)} of all): where that rating is tested, training "
        f"knows nothing of the {what}, and means answer for the model.",
    )


def _one_value(ratings: Ratings) -> Finding | None:
    """Ratings that have the most frequent value, above 90 % of all; share of all ratings."""
    values, counts = np.unique(ratings.csr.data, return_counts=True)
    count = int(counts.max())
    share = count / len(ratings)
    if share <= 0.9:
        return None
    return Finding(
        "warning",
        "one-value",
        count,
        share,
        f"{count:,} of {len(ratings):,} ratings ({percent(share)}) are {values[counts.argmax()]:g}: a model that "
        "always says so has a small error too; judge by ranking, and by the distance to the baselines.",
    )


def _sentinel(ratings: Ratings) -> Finding | None:
    """A value that may stand for no rating (see `sentinels.find_suspect`); share of all ratings."""
    found = sentinels.find_suspect(ratings)
    if found is None:
        return None
    return Finding("warning", "sentinel", found[1], found[1] / len(ratings), f"{sentinels.describe_suspect(*found)}.")


def _milliseconds(ratings: Ratings) -> Finding | None:
    """Timestamps beyond the year 2100; share of the ratings."""
    return _find_dates(
        ratings, LATEST, None, "milliseconds", "lie beyond the year 2100 when read as seconds: they may be "
        "milliseconds; divide them, or every time-based split and date is wrong.",
    )  # fmt: skip


def _future(ratings: Ratings) -> Finding | None:
    """Timestamps later than tomorrow and not beyond 2100; share of the ratings."""
    return _find_dates(
        ratings, int(time.time()) + _DAY, LATEST, "future-dates",
        "lie in the future: a clock or a conversion is wrong, and a split by time tests on them first.",
    )  # fmt: skip


def _before_1990(ratings: Ratings) -> Finding | None:
    """Timestamps before 1990; share of the ratings."""
    return _find_dates(
        ratings, None, _1990, "old-dates", "lie before 1990 when read as seconds since 1970: they may be a mark for "
        "an unknown date, or numbers that only count; a split by time takes them as the oldest.",
    )  # fmt: skip


def _find_dates(ratings: Ratings, low: int | None, high: int | None, name: str, meaning: str) -> Finding | None:
    if ratings.timestamps is None:
        return None
    inside = np.ones(len(ratings), dtype=bool)
    if low is not None:
        inside &= ratings.timestamps > low
    if high is not None:
        inside &= ratings.timestamps < high
    count = int(np.count_nonzero(inside))
    share = count / len(ratings)
    sentence = f"The timestamps of {many(count, 'rating')} ({percent(share)}) {meaning}"
    return Finding("warning", name, count, share, sentence) if count else None


RATINGS_CHECKS: tuple[Callable[[Ratings], Finding | None], ...] = (
    _copied_users,
    _same_users,
    _one_value,
    _sentinel,
    _milliseconds,
    _future,
    _before_1990,
    _huge_users,
    _bursts,
    _single_users,
    _single_items,
)
