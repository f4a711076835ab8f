"""Filters and boosts of a list: which items may be in it, and what is added to their scores.

A filter is a mask over the items, applied before the n best are taken: a list is as long as it would be without it, as
long as enough items are left.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from autorec import checks
from autorec.array_types import FloatArray, IntArray
from autorec.errors import ParameterError, nearest
from autorec.ratings.ids import as_collection
from autorec.ratings.matrix import Ratings

_LARGEST = 1e6  # boost in size


@dataclass(frozen=True)
class Filters:
    """allowed [items] bool, None: all; boosts [items] float32, None: none; unknown: ids given that no item has."""

    allowed: npt.NDArray[np.bool_] | None = None
    boosts: npt.NDArray[np.float32] | None = None
    unknown: int = 0

    def apply(self, scores: FloatArray) -> FloatArray:
        """Scores [… × items] on the scale of the ratings, with the boosts, and −inf where an item is not allowed;
        `scores` itself may be changed."""
        if self.boosts is not None:
            scores = scores + self.boosts
        if self.allowed is not None:
            scores[..., ~self.allowed] = -np.inf
        return scores


NO_FILTERS = Filters()


def make_filters(
    ratings: Ratings,
    *,
    allow: Any = None,
    deny: Any = None,
    where: Mapping[str, Any] | None = None,
    boost: Mapping[Any, float] | None = None,
) -> Filters:
    """Filters over the items of `ratings`; an item has to pass all of them.

    allow   raw ids of the only items that may be in the list; None: any
    deny    raw ids of items that may not
    where   attribute → value, or several of which an item needs one: {"genre": ["Comedy", "Romance"]}
    boost   raw id → number added to the item's score

    Ids that are no item are counted in `unknown`. ParameterError: an attribute, or a value, that no item has.
    """
    allowed, unknown = None, 0
    if allow is not None:
        columns = ratings.find_items(as_collection(allow))
        allowed = _mark(columns[columns >= 0], ratings.n_items)
        unknown += int((columns < 0).sum())
    for name, values in checks.mapping("where", where, "attribute: values").items():
        marked = _mark(_columns_where(ratings, name, as_collection(values)), ratings.n_items)
        allowed = marked if allowed is None else allowed & marked
    if deny is not None and len(deny := as_collection(deny)):
        columns = ratings.find_items(deny)
        allowed = np.ones(ratings.n_items, dtype=bool) if allowed is None else allowed
        allowed[columns[columns >= 0]] = False
        unknown += int((columns < 0).sum())
    boosts = None
    if boost := checks.mapping("boost", boost, "item: amount"):
        columns = ratings.find_items(list(boost))
        amounts = np.array([_check_amount(amount) for amount in boost.values()])
        boosts = np.zeros(ratings.n_items, dtype=np.float32)
        boosts[columns[columns >= 0]] = amounts[columns >= 0]
        unknown += int((columns < 0).sum())
    return Filters(allowed, boosts, unknown)


def _check_amount(amount: Any) -> float:
    number = checks.number("boost", amount)
    if abs(number) > _LARGEST:
        raise ParameterError(f"boost is {amount:g}; allowed: numbers from {-_LARGEST:g} to {_LARGEST:g}")
    return number


def _mark(columns: IntArray, n_items: int) -> npt.NDArray[np.bool_]:
    marked = np.zeros(n_items, dtype=bool)
    marked[columns] = True
    return marked


def _columns_where(ratings: Ratings, name: str, values: Collection[Any]) -> IntArray:
    """The items that have one of the values of attribute `name`."""
    known = ratings.items_by_value
    if name not in known:
        has = f"items have {', '.join(known)}{nearest(name, known)}" if known else "the items have no attributes"
        raise ParameterError(f"no item has an attribute {name!r}; {has}")
    for value in values:
        if value not in known[name]:
            shown = ", ".join(sorted(known[name])[:20])
            raise ParameterError(f"no item has {name} {value!r}; there are {shown}{nearest(value, known[name])}")
    return np.concatenate([known[name][value] for value in values] or [np.empty(0, dtype=np.int64)])
