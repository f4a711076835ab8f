"""The dampings of user and item biases, chosen by cross-validation.

A damping is the variance of the noise of a rating over that of the biases: 2 where users differ much, 50 where they
hardly do. So no constant suits every file.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from autorec.fitting.biases import ITEM_DAMPING, USER_DAMPING, bias_fitter
from autorec.fitting.scale import rows_inside
from autorec.ratings.matrix import Ratings
from autorec.training.part import Part, part_of

FOLDS = 10
MOST = 20_000  # ratings: tenths are held out in turn until they have so many
LEAST = 100  # ratings held out; where a tenth has fewer, nothing is chosen
SAMPLE = 2**17  # ratings; of more, random rows with about so many are used
Given = tuple[float | str, float | str]
Dampings = tuple[float, float]
Point = tuple[float, ...]

STEPS = (4.0, 2.0, 2**0.5)  # factors of the search, one after the other
BOUNDS = (2.0**-6, 2.0**16)  # of a damping; where users, or items, do not differ, the best damping is infinite


def choose_dampings(part: Part, given: Given, default: Dampings, seed: int = 0) -> Dampings:
    """(damping of rows, of columns) of ratings [n × m], of which this process has a part; "auto" in `given` becomes
    that of least held-out squared error.

    About thirty pairs are tried, from `default` on, each in closed form on at most 2¹⁷ ratings: a few tenths of a
    second. With fewer than 1,000 ratings "auto" is the default.
    """
    start = tuple(
        known if isinstance(asked, str) else float(asked) for asked, known in zip(given, default, strict=True)
    )
    free = [isinstance(asked, str) for asked in given]
    if any(free) and part.nnz // FOLDS >= LEAST:
        start = compass(_held_out_error(part, np.random.default_rng(seed)), start, free)
    return start[0], start[1]


def dampings_of(ratings: Ratings, given: Given = ("auto", "auto")) -> Dampings:
    """`choose_dampings` (of users, of items) of ratings on their own scale."""
    if all(not isinstance(asked, str) for asked in given):
        return float(given[0]), float(given[1])
    return choose_dampings(part_of(rows_inside(ratings.csr, ratings.scale)), given, (USER_DAMPING, ITEM_DAMPING))


def _held_out_error(part: Part, rng: np.random.Generator) -> Callable[[Point], float]:
    """(damping of rows, of columns) → Σ (r − r̂)² over the ratings kept aside."""
    rows, n = part.rows, part.shape[0]
    if part.nnz > SAMPLE:
        rows = rows.select(np.sort(rng.permutation(n)[: max(n * SAMPLE // part.nnz, 1)]))
    rows = part.gather(rows)
    tenths = np.array_split(rng.permutation(rows.nnz), FOLDS)
    folds = []
    for aside in tenths[: max(MOST // max(len(tenths[0]), 1), 1)]:
        unseen = rows.only(np.sort(aside))
        batch = unseen.batch()
        folds.append((bias_fitter(rows.without(aside)), batch.rows().numpy(), unseen.indices, batch.values.numpy()))

    def error(dampings: Point) -> float:
        return sum(
            float(np.square(fit(*dampings).predict(row, column) - rating).sum()) for fit, row, column, rating in folds
        )

    return error


def compass(error: Callable[[Point], float], start: Point, free: Sequence[bool]) -> Point:
    """The point [k] of least error, reached from `start` [k] by moves to the best neighbour as long as one is better.

    A neighbour has one number times or divided by the step, within BOUNDS. free: [k] which numbers may move. Each point
    is tried once (compass search; Hooke and Jeeves, JACM 8(2), 1961, without the pattern move).
    """
    known = {start: error(start)}
    best = start

    def try_point(point: Point) -> float:
        if point not in known:
            known[point] = error(point)
        return known[point]

    for step in STEPS:
        while True:
            found = min(_list_neighbours(best, step, free), key=try_point, default=best)
            if not known[found] < known[best]:
                break
            best = found
    return best


def _list_neighbours(point: Point, step: float, free: Sequence[bool]) -> Iterator[Point]:
    low, high = BOUNDS
    for index, value in enumerate(point):
        for moved in (value * step, value / step):
            if free[index] and low <= moved <= high:
                yield (*point[:index], moved, *point[index + 1 :])
