"""Compass search: the least error over a few positive numbers, each moved up and down by factors."""

from collections.abc import Callable, Iterator, Sequence

Point = tuple[float, ...]


def compass(
    error: Callable[[Point], float],
    start: Point,
    steps: Sequence[float],
    bounds: tuple[float, float],
    free: Sequence[bool] | None = None,
) -> Point:
    """From `start` to the neighbour of least error, as long as one is better, by each factor of `steps` in turn.

    No grid, so no edge: a number moves as far as it pays, within `bounds`. free: which numbers may move, all by
    default. Each point is tried once (Hooke and Jeeves, JACM 8(2), 1961, without the pattern move).
    """
    known = {start: error(start)}
    best = start
    free = [True] * len(start) if free is None else free

    def tried(point: Point) -> float:
        if point not in known:
            known[point] = error(point)
        return known[point]

    for step in steps:
        while True:
            found = min(_neighbours(best, step, bounds, free), key=tried, default=best)
            if not known[found] < known[best]:
                break
            best = found
    return best


def _neighbours(point: Point, step: float, bounds: tuple[float, float], free: Sequence[bool]) -> Iterator[Point]:
    low, high = bounds
    for index, value in enumerate(point):
        for moved in (value * step, value / step):
            if free[index] and low <= moved <= high:
                yield (*point[:index], moved, *point[index + 1 :])
