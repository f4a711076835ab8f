"""Checks of a split for test ratings, or copies of them, in its training part.

Users and items of the parts are matched by their raw ids. "Training" in a sentence includes the ratings to fold in.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from autorec.array_types import BoolArray
from autorec.audits.finding import (
    CERTAIN,
    COPIED,
    MANY_COPIES,
    Finding,
    UInt64,
    many,
    named,
    percent,
    row_hashes,
    worst_first,
)
from autorec.ratings import ids as id_tools
from autorec.ratings.ids import Ids
from autorec.ratings.matrix import Parsed, Ratings, build
from autorec.ratings.split import Split

EXAMPLES = 3  # pairs named in a sentence
FEW_UNSEEN = 0.01  # share of the test ratings; every split has some of unknown users and items

Int64 = npt.NDArray[np.int64]


def audit_split(split_: Split) -> list[Finding]:
    """Findings of SPLIT_CHECKS, worst first."""
    if not (len(split_.train) and len(split_.test)):
        return []
    sides = _Sides(split_)
    return worst_first(check(sides) for check in SPLIT_CHECKS)


def whole(split_: Split) -> Ratings:
    """Training, fold-in and test as one [users × items]; of a pair in several the latest, without timestamps the
    test's."""
    sides = _Sides(split_)
    all_ = _concatenate([sides.known, sides.test])
    times = all_.times if sides.dated else None
    return build(Parsed(all_.users, all_.items, sides.user_ids, sides.item_ids, all_.values, times))


class _Entries(NamedTuple):
    """[ratings] each: user and item as indices into the ids of all parts; times are 0 where a part has none."""

    users: Int64
    items: Int64
    values: npt.NDArray[np.float32]
    times: Int64

    def select(self, entries: BoolArray) -> "_Entries":
        return _Entries(self.users[entries], self.items[entries], self.values[entries], self.times[entries])

    def hashes(self, n: int) -> UInt64:
        """[n] of each user's row."""
        return row_hashes(self.users, self.items, self.values, n)


class _Sides:
    """The parts of a split with common user and item indices. known: training, then fold-in."""

    def __init__(self, split_: Split) -> None:
        parts = [part for part in (split_.train, split_.fold_in, split_.test) if part is not None]
        users, self.user_ids = _index_jointly([part.user_ids for part in parts])
        items, self.item_ids = _index_jointly([part.item_ids for part in parts])
        entries = [_index_entries(*of_part) for of_part in zip(parts, users, items, strict=True)]
        self.split = split_
        self.dated = all(part.timestamps is not None for part in parts)
        self.train, self.test = entries[0], entries[-1]
        self.known = _concatenate(entries[:-1])

    @cached_property
    def position(self) -> Int64:
        """[test] the index of each test pair in `known`, −1 where it is not there."""
        keys = [side.users * len(self.item_ids) + side.items for side in (self.known, self.test)]
        order = np.argsort(keys[0], kind="stable")
        found = np.minimum(np.searchsorted(keys[0], keys[1], sorter=order), len(order) - 1)
        return np.where(keys[0][order[found]] == keys[1], order[found], -1)

    @cached_property
    def same(self) -> BoolArray:
        """[test] whether `known` has the pair with the same rating."""
        same: BoolArray = (self.position >= 0) & (self.known.values[self.position] == self.test.values)
        return same


def _index_jointly(parts: Sequence[Ids]) -> tuple[list[Int64], Ids]:
    """(for each part the indices [n] of its ids into all ids, all ids [k]); text equals integers as in
    `ids.look_up`."""
    if len({ids.dtype.kind for ids in parts}) > 1:
        parts = [id_tools.as_ids(list(map(str, ids.tolist()))) for ids in parts]
    codes, known = id_tools.factorize(np.concatenate(parts))
    return np.split(codes, np.cumsum([len(ids) for ids in parts])[:-1]), known


def _concatenate(parts: Sequence[_Entries]) -> _Entries:
    return _Entries(
        np.concatenate([part.users for part in parts]),
        np.concatenate([part.items for part in parts]),
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.times for part in parts]),
    )


def _index_entries(part: Ratings, users: Int64, items: Int64) -> _Entries:
    times = np.zeros(len(part), dtype=np.int64) if part.timestamps is None else part.timestamps
    return _Entries(np.repeat(users, np.diff(part.csr.indptr)), items[part.csr.indices], part.csr.data, times)


def _identical(sides: _Sides) -> Finding | None:
    """The test part is the training part, rating by rating."""
    count = len(sides.test.users)
    if count != len(sides.known.users) or not sides.same.all():
        return None
    return Finding(
        "leak",
        "identical-parts",
        count,
        1.0,
        f"Training and test are the same {many(count, 'rating')}: nothing here is unseen; was one file given twice?",
    )


def _pairs_in_both(sides: _Sides) -> Finding | None:
    """Test pairs of user and item that are in training too, whatever the rating; share of the test ratings."""
    found = np.flatnonzero(sides.position >= 0)
    if not len(found):
        return None
    share, same = len(found) / len(sides.test.users), int(np.count_nonzero(sides.same))
    examples = "; ".join(
        f"{named('user', sides.user_ids[sides.test.users[i]])}, {named('item', sides.item_ids[sides.test.items[i]])}"
        for i in found[:EXAMPLES]
    )
    return Finding(
        "leak",
        "pairs-in-both",
        len(found),
        share,
        f"{many(len(found), 'test rating')} ({percent(share)}) of the same user and item as in training, {same:,} of "
        f"them with the same value: the error on them is that of memory, so that of the whole looks "
        "better than it is; take them out of one part.",
        examples,
    )


def _held_out_users(sides: _Sides) -> Finding | None:
    """Users with ratings to fold in whom training holds too; share of the users who fold in."""
    if sides.split.fold_in is None or not len(sides.split.fold_in):
        return None
    held_out = np.unique(sides.known.users[len(sides.train.users) :])
    both = held_out[np.isin(held_out, sides.train.users)]
    if not len(both):
        return None
    share = len(both) / len(held_out)
    return Finding(
        "leak",
        "held-out-users-in-training",
        len(both),
        share,
        f"{many(len(both), 'user')} with ratings to fold in and others to train on ({percent(share)} of those who "
        "fold in): not new to the model, so the error is not that of new users; take them out of training.",
        named("user", sides.user_ids[both[0]]),
    )


def _copied_users(sides: _Sides) -> Finding | None:
    """Test users whose ratings, COPIED or more, are all those of a user of another id in training; share of the test
    users. They leak when one row has CERTAIN ratings or more, or from MANY_COPIES up; else a note.

    A row is what all parts hold of a user; a training user may also match by the training ratings alone.
    """
    n = len(sides.user_ids)
    fresh = sides.test.select(sides.position < 0)
    in_training, everywhere = sides.train.hashes(n), sides.known.hashes(n) + fresh.hashes(n)
    sizes = np.bincount(sides.known.users, minlength=n) + np.bincount(fresh.users, minlength=n)
    trained = np.unique(sides.train.users)
    tested = np.unique(sides.test.users)
    long = tested[sizes[tested] >= COPIED]
    by_training = _find_others(everywhere[long], in_training, long, trained)
    copies = long[by_training | _find_others(everywhere[long], everywhere, long, trained)]
    if not len(copies):
        return None
    twins = trained[(in_training[trained] == everywhere[copies[0]]) | (everywhere[trained] == everywhere[copies[0]])]
    twin = twins[twins != copies[0]][0]
    share, most = len(copies) / len(tested), int(sizes[copies].max())
    return Finding(
        "leak" if most >= CERTAIN or share >= MANY_COPIES else "note",
        "copied-test-users",
        len(copies),
        share,
        f"{many(len(copies), 'test user')} ({percent(share)} of all) with exactly the ratings of another id in "
        f"training, up to {most:,} each: what is tested is known there; keep one of each.",
        f"{named('user', sides.user_ids[copies[0]])} is {named('user', sides.user_ids[twin])} again",
    )


def _find_others(wanted: UInt64, hashes: UInt64, of: Int64, among: Int64) -> BoolArray:
    """[of] whether a user of `among`, other than oneself, has the wanted hash."""
    pool = np.sort(hashes[among])
    found = np.searchsorted(pool, wanted, side="right") - np.searchsorted(pool, wanted)
    oneself = np.isin(of, among) & (hashes[of] == wanted)
    more: BoolArray = found > oneself
    return more


def _past(sides: _Sides) -> Finding | None:
    """Test ratings older than the latest training rating of the same user, in a split by time than that of anybody;
    share of the test ratings. They leak in a split by time or of each user's last; elsewhere they are a note.

    None without timestamps.
    """
    if not sides.dated:
        return None
    latest = np.full(len(sides.user_ids), np.iinfo(np.int64).min)
    np.maximum.at(latest, sides.known.users, sides.known.times)
    by = sides.split.name.partition(":")[0]
    if by == "time":
        latest[:] = latest.max()
    count = int(np.count_nonzero(sides.test.times < latest[sides.test.users]))
    if not count:
        return None
    share = count / len(sides.test.users)
    begin = f"{many(count, 'test rating')} ({percent(share)}) older than the latest training rating"
    if by in ("time", "last"):
        whose = "" if by == "time" else " of the same user"
        meaning = f"{whose}: a split that should test the future trains on it; look at the dates."
        return Finding("leak", "future-in-training", count, share, begin + meaning)
    meaning = (
        " of the same user, as usual where a split does not go by time: the error says how well gaps are filled, not "
        "how well the future is predicted; the splits time:F and last:N test that."
    )
    return Finding("note", "future-in-training", count, share, begin + meaning)


def _unseen_users(sides: _Sides) -> Finding | None:
    """Test users without training ratings; share of the test ratings that are theirs.

    A note from FEW_UNSEEN up, a warning from half up.
    """
    return _unseen("user", sides.test.users, sides.known.users, sides.split.name == "given")


def _unseen_items(sides: _Sides) -> Finding | None:
    """Test items without training ratings; share of the test ratings that are theirs. Levels as for users."""
    return _unseen("item", sides.test.items, sides.known.items, sides.split.name == "given")


def _unseen(what: str, tested: Int64, known: Int64, is_given: bool) -> Finding | None:
    seen = np.zeros(max(tested.max(), known.max()) + 1, dtype=bool)
    seen[known] = True
    unseen = tested[~seen[tested]]
    count, share = len(np.unique(unseen)), len(unseen) / len(tested)
    if share < FEW_UNSEEN:
        return None
    meaning = "means answer there for the model"
    if share >= 0.5:
        meaning += ", so the error is mostly theirs; " + (
            "are the ids written the same way in both parts?" if is_given else "per-user:F and last:N test known users."
        )
    else:
        meaning += "."
    return Finding(
        "warning" if share >= 0.5 else "note",
        f"unseen-{what}s",
        count,
        share,
        f"{many(count, f'test {what}')} without a training rating, with {many(len(unseen), 'test rating')} "
        f"({percent(share)}): {meaning}",
    )


def _test_larger(sides: _Sides) -> Finding | None:
    """More test than training ratings; count and share of the test's among all."""
    count, known = len(sides.test.users), len(sides.known.users)
    if count <= known:
        return None
    return Finding(
        "warning",
        "test-larger",
        count,
        count / (count + known),
        f"{many(count, 'test rating')}, more than the {known:,} to learn from: were the two parts swapped?",
    )


SPLIT_CHECKS: tuple[Callable[[_Sides], Finding | None], ...] = (
    _identical,
    _pairs_in_both,
    _copied_users,
    _held_out_users,
    _past,
    _unseen_users,
    _unseen_items,
    _test_larger,
)
