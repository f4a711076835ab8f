"""Days of users: what all that a user rates on one day has in common, beside the user's own level.

    r̂(u, i, t) = r̂(u, i) + c(u, day of t),   c ~ N(0, 1/τ),  τ ~ Gamma

as b_u(t) in timeSVD++ (Koren, KDD 2009), and drawn by Gibbs sampling as all else is. A day is one of UTC. It has an
effect where the user rated twice or more on it: of one rating, effect and noise are not told apart. The mean of the
effects over a user's ratings is part of the user's level, which a pair without a date, or of another day, gets.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec.array_types import BoolArray, Float32, FloatArray, IntArray
from autorec.ratings.matrix import Ratings
from autorec.storage.arrays import Expected, Shape

DAY = 86_400  # seconds
FEWEST = 2  # ratings of a user on a day that has an effect
_CERTAINTY = 20.0  # τ to start from, on 1 … 5
_VAGUE = 1e-2  # shape and rate of the prior of τ


@dataclass(frozen=True)
class UserDays:
    """numbers [days]  of the days since 1970, ascending
    keys [k]        row of the user · days + index of the day into `numbers`, ascending
    effects [k + 1] on 1 … 5, the last 0: that of all other pairs
    """

    numbers: IntArray
    keys: IntArray
    effects: FloatArray

    def find(self, rows: IntArray, timestamps: IntArray) -> IntArray:
        """[pairs] index into `effects` of these users [pairs] at these times [pairs], seconds since 1970."""
        day, known = _look_up(self.numbers, timestamps // DAY)
        index, found = _look_up(self.keys, rows.astype(np.int64) * len(self.numbers) + day)
        return np.where(known & found, index, len(self.keys))

    def at(self, rows: IntArray, timestamps: IntArray) -> FloatArray:
        """[pairs] effects; as `find`."""
        return np.asarray(self.effects[self.find(rows, timestamps)], dtype=np.float64)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """For the file of a model; none without effects."""
        if not len(self.keys):
            return {}
        users, day = np.divmod(self.keys, len(self.numbers))
        return {"days.users": users, "days.numbers": self.numbers[day], "days.effects": self.effects[:-1]}


NO_DAYS = UserDays(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(1, np.float32))


def find_days(ratings: Ratings) -> UserDays:
    """The days of all users, without effects; none where ratings have no timestamps."""
    if ratings.timestamps is None:
        return NO_DAYS
    numbers, day = np.unique(ratings.timestamps // DAY, return_inverse=True)
    keys, counts = np.unique(ratings.rows().astype(np.int64) * len(numbers) + day, return_counts=True)
    keys = keys[counts >= FEWEST]
    return UserDays(numbers, keys, np.zeros(len(keys) + 1, np.float32))


class Sampler:
    """Draws of the effects of days, and the targets of both sides without them.

    days: of `find_days`; by_user [users × items] and by_item [items × users]: ratings on 1 … 5 less their mean, from
    whose values the last draw is subtracted from then on.
    """

    def __init__(self, days: UserDays, ratings: Ratings, by_user: sparse.csr_array, by_item: sparse.csr_array) -> None:
        self.days, self.n_ratings = days, np.diff(by_user.indptr)
        csr, size = ratings.csr, len(days.effects)
        group: IntArray = np.zeros(len(ratings), np.int64)  # [ratings] of each, its index into the effects
        if size > 1:
            group = days.find(ratings.rows(), np.asarray(ratings.timestamps))
        self.counts = np.bincount(group, minlength=size)[:-1]
        of_items = sparse.csr_array((group, csr.indices, csr.indptr), shape=csr.shape).T.tocsr().data
        self._sides = [(side, side.data.copy(), of) for side, of in ((by_user, group), (by_item, of_items))]
        self._effects, self._certainty = np.zeros(size, np.float32), _CERTAINTY
        self._mean, self._sum, self._kept = np.zeros(size - 1), np.zeros(size - 1), 0

    def draw(self, residuals: Float32, noise_certainty: float, rng: np.random.Generator) -> None:
        """New effects and τ given the residuals of by_item [ratings] and α."""
        if not len(self.counts):
            return
        group = self._sides[1][2]
        sums = np.bincount(group, residuals + self._effects[group], len(self._effects))[:-1]
        precision = noise_certainty * self.counts + self._certainty
        self._mean = noise_certainty * sums / precision
        drawn = self._mean + rng.standard_normal(len(sums)) / np.sqrt(precision)
        self._certainty = rng.gamma(_VAGUE + len(drawn) / 2, 1 / (_VAGUE + np.square(drawn).sum() / 2))
        self._effects[:-1] = drawn
        for side, targets, of in self._sides:
            np.subtract(targets, self._effects[of], out=side.data)

    def keep(self) -> None:
        """Count the posterior means of the last draw as a sample."""
        self._sum, self._kept = self._sum + self._mean, self._kept + 1

    def average(self) -> tuple[UserDays, FloatArray]:
        """(the days with the mean of the samples, less that of each user; these means [users], for their levels)."""
        effects, users = self._sum / max(self._kept, 1), self.days.keys // max(len(self.days.numbers), 1)
        levels = np.bincount(users, effects * self.counts, len(self.n_ratings)) / np.maximum(self.n_ratings, 1)
        centred = np.append(effects - levels[users], 0).astype(np.float32)
        return UserDays(self.days.numbers, self.days.keys, centred), levels


def on_scale(effects: FloatArray, to_ratings: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Effects [n] on 1 … 5 as differences of ratings, by an affine map of scores."""
    return to_ratings(effects) - to_ratings(np.zeros(1))


def expected_arrays(shapes: Mapping[str, Shape], n_users: int) -> dict[str, Expected]:
    """Of `UserDays.arrays`."""
    if "days.users" not in shapes:
        return {}
    return {
        "days.users": Expected("int64", ("days",), least=0, most=n_users - 1),
        "days.numbers": Expected("int64", ("days",)),
        "days.effects": Expected("float32", ("days",)),
    }


def from_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> UserDays:
    """The inverse of `UserDays.arrays`. ValueError: days that do not ascend."""
    if "days.users" not in arrays:
        return NO_DAYS
    numbers, day = np.unique(arrays["days.numbers"], return_inverse=True)
    keys = arrays["days.users"] * len(numbers) + day
    if not (np.diff(keys) > 0).all():
        raise ValueError("the days of its users do not ascend")
    return UserDays(numbers, keys, np.append(arrays["days.effects"], np.float32(0)))


def _look_up(known: IntArray, wanted: IntArray) -> tuple[IntArray, BoolArray]:
    """(indices [n] into `known`, ascending, of what is wanted [n]; whether [n] it is there)."""
    if not len(known):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
    indices = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return indices, known[indices] == wanted
