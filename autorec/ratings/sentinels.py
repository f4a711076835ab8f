"""Ratings that stand for a missing one, such as Jester's 99 on −10 … 10: dropped where the user names them, else
reported where a value looks like one."""

import numbers
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autorec import checks
from autorec.errors import InputError, ParameterError, shown
from autorec.ratings.matrix import Parsed, Ratings

LEAST, LEAST_COUNT = 0.01, 20  # share of the ratings, and their number, from which a value is suspected
_SAMPLE = 2**16  # ratings checked first


def parse_missing(missing: Any) -> list[float]:
    """The option `missing`: None, a number, or several. ParameterError: anything else."""
    if missing is None:
        return []
    values = [missing] if isinstance(missing, numbers.Real) else checks.listed("missing", missing, "ratings")
    if not all(map(is_finite, values)):
        raise ParameterError(f"missing is {shown(missing)}; allowed: a rating that stands for none, as 99, or several")
    return [float(value) for value in values]


def is_finite(value: Any) -> bool:
    """Whether a value is a finite real number; True and False are none."""
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_real and bool(-sys.float_info.max <= value <= sys.float_info.max)


def leave_out(source: str, parsed: Parsed, sentinels: Sequence[float]) -> tuple[Parsed, int]:
    """(the rows whose rating is none of the sentinels, how many rows are left out). InputError: all are."""
    chosen, missing = drop(parsed, sentinels)
    if missing and not len(chosen.users):
        raise InputError(f"{source}: all {missing:,} ratings are among those that stand for none; check missing")
    return chosen, missing


def drop(parsed: Parsed, sentinels: Sequence[float]) -> tuple[Parsed, int]:
    """`leave_out`, where all may be."""
    if not sentinels or parsed.ratings is None:
        return parsed, 0
    kept = ~np.isin(parsed.ratings, np.array(sentinels, dtype=parsed.ratings.dtype))
    chosen = replace(
        parsed,
        users=parsed.users[kept],
        items=parsed.items[kept],
        ratings=parsed.ratings[kept],
        timestamps=None if parsed.timestamps is None else parsed.timestamps[kept],
    )
    return chosen, len(kept) - int(np.count_nonzero(kept))


def warn_of_suspect(source: str, ratings: Ratings) -> None:
    """Warn of what `find_suspect` finds, unless the user gives the scale.

    A sample is checked first. It shows any frequent value, so most files need no pass over all ratings.
    """
    values = ratings.csr.data
    sample = values[np.random.default_rng(0).integers(len(values), size=_SAMPLE)] if len(values) > _SAMPLE else values
    if ratings.given_scale is None and _find_suspect(sample) and (found := _find_suspect(values)):
        warn(source, *found)


def warn(source: str, value: float, count: int) -> None:
    """Warn of a suspect."""
    warnings.warn(f"{source}: {describe_suspect(value, count)}", stacklevel=4)


def find_suspect(ratings: Ratings) -> tuple[float, int] | None:
    """A rating that may stand for none, and how often it occurs; None without one.

    The lowest or highest value, where it is frequent, three other values or more are there, and it lies farther from
    them than they from each other (99 on −10 … 10), or where it alone is below 0 (−1 on 1 … 10).
    """
    return None if ratings.given_scale is not None else _find_suspect(ratings.csr.data)


def describe_suspect(value: float, count: int) -> str:
    """What to say of a suspect."""
    return (
        f"{count:,} ratings are {value:g}, apart from all others: if that stands for a missing rating, leave it out by "
        f"missing={value:g} (--missing {value:g})"
    )


def _find_suspect(ratings: Any) -> tuple[float, int] | None:
    return judge(*np.unique(ratings, return_counts=True))


def judge(values: Any, counts: Any) -> tuple[float, int] | None:
    """`find_suspect` among distinct values [k], ascending, and how often each occurs [k]."""
    if len(values) < 4:
        return None
    values = values.astype(np.float64)
    for edge, nearest, others in ((-1, -2, values[:-1]), (0, 1, values[1:])):
        apart = abs(values[edge] - values[nearest]) > others[-1] - others[0]
        negative = edge == 0 and values[0] <= -1 and values[1] >= 0
        if (apart or negative) and counts[edge] >= max(LEAST * counts.sum(), LEAST_COUNT):
            return float(values[edge]), int(counts[edge])
    return None
