"""Splits: disjoint, together the whole, deterministic, of the stated sizes; nothing of the test part in training."""

import numpy as np
import pandas as pd
import pytest
from conftest import random_frame
from hypothesis import given, settings
from hypothesis import strategies as st

from autorec import Ratings, read_ratings, split
from autorec.errors import InputError, ParameterError
from autorec.ratings.convert import as_ratings


def table(pairs: set[tuple[int, int]], seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(pairs))
    rows = np.array(sorted(pairs))[order]
    times = rng.integers(0, 50, len(rows))
    return pd.DataFrame(
        {"user": rows[:, 0], "item": rows[:, 1], "rating": rng.integers(1, 6, len(rows)), "timestamp": times}
    )


def rows_of(ratings: Ratings) -> set[tuple[int, ...]]:
    return set(ratings.to_frame()[["user", "item", "rating", "timestamp"]].itertuples(index=False, name=None))


pairs = st.sets(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=12)


@settings(max_examples=40, deadline=None)
@given(
    pairs,
    st.integers(0, 99),
    st.sampled_from(["random:0.3", "per-user:0.5", "last:1", "time:0.25", "folds:4", "users:1"]),
)
def test_parts_are_disjoint_whole_and_repeatable(found: set[tuple[int, int]], seed: int, by: str) -> None:
    frame = table(found, seed)
    if by == "users:1" and frame["user"].value_counts().max() < 2:
        return
    try:
        splits, again = split(frame, by, seed), split(frame, by, seed)
    except InputError as error:  # per-user:0.5 of users with one rating each
        assert "empty" in str(error)
        return
    whole = set(frame.itertuples(index=False, name=None))
    for one, same in zip(splits, again, strict=True):
        parts = [rows_of(part) for part in (one.train, one.test, one.fold_in) if part is not None]
        assert set().union(*parts) == whole
        assert sum(map(len, parts)) == len(whole)
        assert rows_of(one.test) == rows_of(same.test)
        for part in (one.train, one.test):
            assert set(part.user_ids) == {row[0] for row in rows_of(part)}  # no id that has no rating
            assert set(part.item_ids) == {row[1] for row in rows_of(part)}


def test_random_is_the_stated_permutation_of_the_rows_of_the_file() -> None:
    frame = table({(u, i) for u in range(10) for i in range(9)}, 3)
    (one,) = split(frame, "random:0.1", seed=7)
    first = np.random.default_rng(7).permutation(90)[:9]
    expected = set(frame.iloc[first].itertuples(index=False, name=None))
    assert rows_of(one.test) == expected


def test_the_order_of_the_file_survives_a_round_trip(tmp_path) -> None:
    frame = table({(u, i) for u in range(6) for i in range(5)}, 1)
    frame.to_csv(tmp_path / "r.csv", index=False)
    of_file = split(read_ratings(tmp_path / "r.csv"), "random:0.2", 5)[0]
    assert rows_of(of_file.test) == rows_of(split(frame, "random:0.2", 5)[0].test)


def test_last_takes_the_latest_and_leaves_one() -> None:
    frame = pd.DataFrame(
        {"user": [1, 1, 1, 2, 2], "item": [1, 2, 3, 1, 2], "rating": 3.0, "timestamp": [30, 10, 20, 5, 5]}
    )
    (one,) = split(frame, "last:2")
    assert {(u, i) for u, i, *_ in rows_of(one.test)} == {(1, 1), (1, 3), (2, 2)}  # equal times: the later row


def test_time_is_one_cut_for_all() -> None:
    frame = table({(u, i) for u in range(10) for i in range(10)}, 0)
    (one,) = split(frame, "time:0.2")
    assert one.test.timestamps is not None and one.train.timestamps is not None
    assert len(one.test) == 20
    assert one.train.timestamps.max() <= one.test.timestamps.min()


def test_held_out_users_are_unknown_to_training() -> None:
    frame = table({(u, i) for u in range(10) for i in range(10)}, 0)
    (one,) = split(frame, "users:3", 1)
    assert one.fold_in is not None
    assert set(one.fold_in.user_ids) == set(one.test.user_ids)
    assert not set(one.train.user_ids) & set(one.test.user_ids)
    assert (len(one.test.user_ids), len(one.fold_in), len(one.test)) == (3, 24, 6)


def notebook(frame: pd.DataFrame, held_out: int, seed: int) -> tuple[set[tuple[int, int]], ...]:
    """Training, fold-in and target pairs as the Mult-VAE notebook makes them, with pandas and NumPy's legacy draws."""
    liked = frame[frame["rating"] > 3.5]
    liked = liked[liked.groupby("user")["item"].transform("size") >= 5]
    users = np.sort(liked["user"].unique())
    users = users[np.random.RandomState(seed).permutation(users.size)]
    train = liked[liked["user"].isin(users[: users.size - held_out * 2])]
    rest = liked[liked["user"].isin(users[users.size - held_out :]) & liked["item"].isin(train["item"].unique())]
    rng = np.random.RandomState(seed)
    given_, targets = [], []
    for _, group in rest.groupby("user"):
        chosen = np.zeros(len(group), dtype=bool)
        if len(group) >= 5:
            chosen[rng.choice(len(group), size=int(0.2 * len(group)), replace=False)] = True
        given_.append(group[~chosen])
        targets.append(group[chosen])
    return tuple(set(zip(f["user"], f["item"], strict=True)) for f in (train, pd.concat(given_), pd.concat(targets)))


@pytest.mark.parametrize("seed", [0, 98765])
def test_strong_generalisation_draws_as_the_notebook_does(seed: int) -> None:
    frame = random_frame(80, 40, 0.5, seed).sample(frac=1, random_state=seed)
    (one,) = split(frame, "strong:15,15", seed)
    assert one.fold_in is not None
    found = tuple(
        {(u, i) for u, i, *_ in part.to_frame().itertuples(index=False)} for part in (one.train, one.fold_in, one.test)
    )
    assert found == notebook(frame, 15, seed)
    assert all(found)


def test_folds_take_each_rating_once() -> None:
    frame = table({(u, i) for u in range(7) for i in range(7)}, 0)
    tests = [rows_of(one.test) for one in split(frame, "folds:5", 2)]
    assert sum(map(len, tests)) == 49
    assert len(set().union(*tests)) == 49


def test_given_reads_two_files(tmp_path) -> None:
    (tmp_path / "a.csv").write_text("user,item,rating\n1,1,5\n")
    (tmp_path / "b.csv").write_text("user,item,rating\n1,2,3\n")
    (one,) = split(None, f"given:{tmp_path}/a.csv,{tmp_path}/b.csv")
    assert (one.train.item_ids.tolist(), one.test.item_ids.tolist()) == ([1], [2])
    first, second = split(None, f"given:{tmp_path}/a.csv,{tmp_path}/b.csv,{tmp_path}/b.csv,{tmp_path}/a.csv")
    assert (first.name, second.name, len({one.name, first.name, second.name})) == ("given:1", "given:2", 3)
    assert (second.train.item_ids.tolist(), second.test.item_ids.tolist()) == ([2], [1])


def test_the_scale_of_the_training_part_is_its_own() -> None:
    ratings = as_ratings(pd.DataFrame({"user": range(4), "item": 0, "rating": [1, 2, 3, 9]}))
    assert ratings.select(ratings.csr.data < 9).scale == (1, 3)


@pytest.mark.parametrize(
    ("by", "told"),
    [
        ("randomly:0.1", "allowed: random:F"),
        ("random:2", "above 0 and below 1"),
        ("random:x", "share between 0 and 1"),
        ("last:0", "from 1 up"),
        ("last:x", "whole number"),
        ("folds:1", "allowed: 2 …"),
        ("given:a", "two files"),
    ],
)
def test_words_that_are_not_allowed(by: str, told: str) -> None:
    with pytest.raises(ParameterError, match=told):
        split(table({(u, i) for u in range(4) for i in range(4)}, 0), by)


@pytest.mark.parametrize("by", ["random:0.3", "per-user:0.5", "users:1", "folds:2", "strong:1"])
@pytest.mark.parametrize("seed", [-1, "0", 0.5, None, True])
def test_a_seed_is_a_whole_number_from_0_up(by: str, seed: object) -> None:
    with pytest.raises(ParameterError, match=r"seed is .*; allowed: a whole number from 0 up"):
        split(table({(u, i) for u in range(4) for i in range(4)}, 0), by, seed)  # type: ignore[arg-type]


def test_what_cannot_be_split() -> None:
    tiny = pd.DataFrame({"user": [1, 2], "item": [1, 2], "rating": [1, 2]})
    with pytest.raises(InputError, match="test part empty"):
        split(tiny, "random:0.1")
    with pytest.raises(InputError, match="needs timestamps"):
        split(tiny, "time:0.5")
    with pytest.raises(InputError, match="two ratings or more"):
        split(tiny, "users:1")
