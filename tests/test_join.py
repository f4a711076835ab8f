"""Ratings and later ones, joined: against a dict of pairs."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import random_frame

from autorec.errors import InputError
from autorec.ratings.convert import as_ratings
from autorec.ratings.join import find_changed, join
from autorec.ratings.matrix import Ratings


def pairs_of(ratings: Ratings) -> dict[tuple[object, object], float]:
    frame = ratings.to_frame()
    return dict(zip(zip(frame["user"], frame["item"], strict=True), frame["rating"], strict=True))


def later_frame() -> pd.DataFrame:
    """New users and items, and other ratings of old pairs."""
    frame = random_frame(users=12, items=9, seed=5)
    return frame.assign(user=frame["user"] + 22, item=frame["item"] + 14)


def test_old_ids_stay_in_front_and_new_ratings_win() -> None:
    old, new = as_ratings(random_frame(seed=1)), as_ratings(later_frame())
    joined = join(old, new)
    assert pairs_of(joined.ratings) == pairs_of(old) | pairs_of(new)
    assert joined.ratings.user_ids.tolist() == [*range(30), *range(30, 34)]
    assert joined.ratings.item_ids.tolist() == [*range(20), *range(20, 23)]
    assert joined.replaced == len(pairs_of(old).keys() & pairs_of(new).keys()) > 0
    entries = joined.ratings.rows()[joined.given], joined.ratings.csr.indices[joined.given]
    np.testing.assert_array_equal(joined.ratings.user_ids[entries[0]], new.user_ids[new.rows()])
    np.testing.assert_array_equal(joined.ratings.csr.data[joined.given], new.csr.data)


def test_what_took_the_place_of_an_earlier_rating_is_told() -> None:
    old, new = as_ratings(random_frame(seed=1)), as_ratings(later_frame())
    joined = join(old, new)
    frame = joined.ratings.to_frame()  # in the order of the entries
    pairs = list(zip(frame["user"], frame["item"], strict=True))
    both = pairs_of(old).keys() & pairs_of(new).keys()
    assert sorted(joined.replacing) == [place for place, pair in enumerate(pairs) if pair in both]


def test_changed_users_and_items_are_those_with_other_ratings() -> None:
    old = as_ratings(random_frame(seed=1))
    new = join(old, as_ratings(later_frame())).ratings
    users, items = find_changed(old, new)
    before, after = pairs_of(old), pairs_of(new)
    different = [pair for pair in before.keys() | after.keys() if before.get(pair) != after.get(pair)]
    assert set(new.user_ids[users]) == {user for user, _ in different}
    assert set(new.item_ids[items]) == {item for _, item in different}
    rest = new.select(new.rows() != 3)
    users, items = find_changed(new, rest)
    assert not users.any() and set(rest.item_ids[items]) == {item for user, item in after if user == 3}


def test_of_two_timestamps_the_later_wins() -> None:
    frame = pd.DataFrame({"user": [1, 1], "item": [1, 2], "rating": [1.0, 2.0], "timestamp": [100, 100]})
    later = frame.assign(rating=[4.0, 5.0], timestamp=[50, 150])
    old = as_ratings(frame)
    with pytest.warns(UserWarning, match="2 new ratings lie outside the training scale"):
        joined = join(old, as_ratings(later))
    assert joined.ratings.csr.data.tolist() == [1, 2] and joined.given.tolist() == [-1, 1]  # 5 is clipped to 2
    assert joined.ratings.timestamps is not None and joined.ratings.timestamps.tolist() == [100, 150]
    without = join(replace(old, timestamps=None, given_scale=(1.0, 5.0)), as_ratings(later))
    assert without.ratings.csr.data.tolist() == [4, 5] and without.ratings.timestamps is None


def test_titles_and_attributes_are_those_of_both() -> None:
    texts = [np.array(names, dtype=object) for names in (["a", "b"], ["z", "c"])]
    old = as_ratings(pd.DataFrame({"user": [1, 1], "item": [1, 2], "rating": [1.0, 5.0]}))
    new = as_ratings(pd.DataFrame({"user": [1, 1], "item": [2, 3], "rating": [2.0, 4.0]}))
    joined = join(replace(old, titles=texts[0]), replace(new, titles=texts[1], attributes={"genre": texts[1]})).ratings
    assert joined.titles is not None and joined.titles.tolist() == ["a", "b", "c"]
    assert joined.attributes["genre"].tolist() == ["", "", "c"]


def test_text_ids_behind_whole_numbers_are_refused() -> None:
    old = as_ratings(random_frame())
    with pytest.raises(InputError, match="user 'x' is text, and the users of the model are whole numbers"):
        join(old, as_ratings(pd.DataFrame({"user": ["x"], "item": ["1"], "rating": [5.0]})))
    texts = as_ratings(random_frame().assign(user=lambda frame: "u" + frame["user"].astype(str)))
    joined = join(texts, as_ratings(pd.DataFrame({"user": [7], "item": [1], "rating": [5.0]})))
    assert joined.ratings.user_ids[-1] == "7"


def test_the_entry_of_each_pair_is_that_of_a_dict() -> None:
    old, new = as_ratings(random_frame(seed=1)), as_ratings(later_frame())
    where = dict(zip(pairs_of(replace(old, order=None)), range(len(old)), strict=True))
    rows, columns = new.user_ids[new.rows()], new.item_ids[new.csr.indices]
    expected = [where.get(pair, -1) for pair in zip(rows, columns, strict=True)]
    assert min(expected) == -1 < max(expected)
    assert old.find_ratings(new).tolist() == expected
    assert old.select(np.zeros(len(old), dtype=bool), compact=False).find_ratings(new).tolist() == [-1] * len(new)
