"""What makes the numbers of an evaluation misleading: test ratings that the model knows, and those of another scale."""

import warnings

import numpy as np

from autorec.array_types import BoolArray
from autorec.ratings.matrix import Ratings, liked_from


def caution(test: Ratings, *known: Ratings) -> str | None:
    """A sentence that counts pairs of user and item of the test among `known`; None without any.

    known: Ratings that the model has, of its training and folded in; test: Ratings; both [users × items].
    """
    seen = np.zeros(len(test), dtype=bool)
    for ratings in known:
        seen |= ratings.find_ratings(test) >= 0
    if not seen.any():
        return None
    return (
        f"Caution: {np.count_nonzero(seen):,} of {len(test):,} test ratings are of pairs that the model was given: the "
        "error on them is not one of unseen ratings, and no list can hold their items; test on ratings kept apart."
    )


def caution_of_strangers(test: Ratings, trained: Ratings, known: BoolArray) -> str | None:
    """A sentence where the model knows user and item of no test rating [users × items]; None otherwise.

    known: [test ratings] whether the model knows both; trained: its ratings.
    """
    if known.any():
        return None
    here, there = (
        f"user {ratings.user_ids[:1].tolist()[0]!r}, item {ratings.item_ids[:1].tolist()[0]!r}"
        for ratings in (test, trained)
    )
    return (
        f"Caution: the model knows user and item of none of the {len(test):,} test ratings, so that no number is about "
        f"what it learned: is it the right file? Its ids are such as {here}; those of the training, {there}."
    )


def relevant_from(test: Ratings, scale: tuple[float, float], asked: float | None) -> float:
    """The lowest rating of a relevant item of the test [users × items]: as asked, or `liked_from` of the model's scale.

    Where test ratings lie outside that scale, a warning says so, and if none of them would be relevant, the threshold
    is that of their own scale. A model that learned from ratings all alike, which are choices, has no scale. A warning
    says, too, that no rating reaches what was asked for.
    """
    values, (low, high) = test.csr.data, scale
    threshold = liked_from(scale) if asked is None else float(asked)
    outside = int(np.count_nonzero((values < low) | (values > high)))
    if not outside or low == high:
        if asked is not None and not (values >= threshold).any():
            highest = f"the highest of the test ratings is {values.max():g}"
            warnings.warn(f"{highest}, none reaches relevant={asked:g}: no list is judged; give less", stacklevel=3)
        return threshold
    sentence = (
        f"{outside:,} of {len(test):,} test ratings lie outside {low:g} … {high:g}, the scale of the training ratings: "
        "is it the right file?"
    )
    if asked is None and not (values >= threshold).any():
        sentence += f" None reaches {threshold:g}; relevant are those of {liked_from(test.scale):g} or more"
        threshold = liked_from(test.scale)
    warnings.warn(sentence, stacklevel=3)
    return threshold
