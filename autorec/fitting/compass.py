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
    """The point [k] of least error, reached from `start` [k] by moves to the best neighbour as long as one is better.

    steps: the factors by which a number is moved up and down, one after the other. bounds: (lowest, highest) of each
    number. free: [k] which numbers may move, by default all. Each point is tried once (Hooke and Jeeves, JACM 8(2),
    1961, without the pattern move).
    """
    known = {start: error(start)}
    best = start
    free = [True] * len(start) if free is None else free

    def try_point(point: Point) -> float:
        if point not in known:
            known[point] = error(point)
        return known[point]

    for step in steps:
        while True:
            found = min(_list_neighbours(best, step, bounds, free), key=try_point, default=best)
            if not known[found] < known[best]:
                break
            best = found
    return best


def _list_neighbours(point: Point, step: float, bounds: tuple[float, float], free: Sequence[bool]) -> Iterator[Point]:
    low, high = bounds
    for index, value in enumerate(point):
        for moved in (value * step, value / step):
            if free[index] and low <= moved <= high:
                yield (*point[:index], moved, *point[index + 1 :])
