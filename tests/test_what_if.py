"""Lists with other ratings are those of that history; the sets that overturn a first place are those of brute force."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import random_frame
from test_cli import told

import autorec
from autorec.errors import InputError
from autorec.insight import what_if as module

MODELS = {
    "ease": {"l2": 5.0},
    "item-knn": {},
    "svd-ae": {"rank": 0.3},
    "i-autorec": {"hidden": 8, "epochs": 10, "penalty": "l2:5"},
    "u-autorec": {"hidden": 8, "epochs": 10, "penalty": "l2:5"},
    "biased-mf": {"factors": 5},
}


def fitted(name: str, users: int = 40, items: int = 15) -> autorec.Recommender:
    return autorec.create(name, **MODELS[name]).fit(random_frame(users, items, 0.4, seed=2))


def history_of(model: autorec.Recommender, user: int) -> dict:
    frame = model.ratings_.to_frame()
    return dict(frame[frame["user"] == user][["item", "rating"]].itertuples(index=False, name=None))


def first_of(model: autorec.Recommender, history: dict, rated: dict) -> object:
    """The first place for a history, without the items in `rated`, by `recommend`."""
    return model.recommend(history=history, n=1, deny=list(rated))["item"].iloc[0]


def loses(model: autorec.Recommender, history: dict, rated: dict, first: object) -> bool:
    """Whether another item that is not rated scores higher than `first` for a history."""
    scores = model.recommend(history=history, n=15, deny=list(rated)).set_index("item")["score"]
    return bool(scores.max() > scores[first])


@pytest.mark.parametrize("name", MODELS)
def test_the_list_is_that_of_the_edited_history(name: str) -> None:
    model = fitted(name)
    history = history_of(model, 4)
    removed, changed, *_ = history
    added = next(item for item in range(15) if item not in history)
    edits = {"remove": removed, "change": {changed: 2.0}, "add": {added: 5.0}}
    after = {**{i: r for i, r in history.items() if i != removed}, changed: 2.0, added: 5.0}
    table = autorec.what_if(model, 4, 5, **edits)
    pd.testing.assert_frame_equal(
        table[["item", "score", "rank"]], model.recommend(history=after, n=5)[["item", "score", "rank"]]
    )
    pd.testing.assert_frame_equal(table, autorec.what_if(model, n=5, history=history, **edits))
    before = model.recommend(history=history, n=15).set_index("item")["rank"]
    there = table[table["item"].isin(before.index)]
    assert there["rank_before"].tolist() == before.loc[there["item"]].tolist()


def test_without_an_edit_no_rank_changes() -> None:
    table = autorec.what_if(fitted("ease"), 4, 5)
    assert table["rank"].tolist() == table["rank_before"].tolist()


@pytest.mark.parametrize("name", MODELS)
def test_the_smallest_set_is_that_of_brute_force(name: str) -> None:
    model = fitted(name)
    sizes = []
    for user in range(8):
        history = history_of(model, user)
        first = first_of(model, history, history)
        found = autorec.overturn(model, history=history, most=3)
        assert found.first == first and found.smallest
        for size in range(1, min(3, len(history) - 1) + 1):
            sets = itertools.combinations(history, size)
            turning = [
                set(gone)
                for gone in sets
                if loses(model, {i: r for i, r in history.items() if i not in gone}, history, first)
            ]
            if turning:
                break
        sizes.append(len(found.removed))
        if turning:
            assert set(found.removed["item"]) in turning
            rest = {i: r for i, r in history.items() if i not in set(found.removed["item"])}
            assert found.then == first_of(model, rest, history)
        else:
            assert found.then is None and found.removed.empty
    assert max(sizes) > 1 or name in ("svd-ae", "biased-mf")


def test_a_greedy_search_says_that_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fitted("i-autorec")
    exact = [autorec.overturn(model, user, most=3) for user in range(8)]
    monkeypatch.setattr(module, "SETS_MOST", 1)
    for user, one in enumerate(exact):
        found = autorec.overturn(model, user, most=3)
        assert not found.smallest and found.first == one.first
        if len(found.removed):
            history = history_of(model, user)
            rest = {i: r for i, r in history.items() if i not in set(found.removed["item"])}
            assert first_of(model, rest, history) == found.then != found.first
            assert len(found.removed) >= len(one.removed)


def test_what_it_refuses() -> None:
    model = fitted("ease")
    history = history_of(model, 4)
    rated = next(iter(history))
    free = next(item for item in range(15) if item not in history)
    with pytest.raises(InputError, match=f"item {free} is not rated by this person: nothing to remove"):
        autorec.what_if(model, 4, remove=[free])
    with pytest.raises(InputError, match=f"item {free} is not rated by this person: nothing to change"):
        autorec.what_if(model, 4, change={free: 3})
    with pytest.raises(InputError, match=f"item {rated} is rated by this person: nothing to add"):
        autorec.what_if(model, 4, add=[rated])
    with pytest.raises(InputError, match=r"the rating of item .* is 9; allowed: 1 to 5"):
        autorec.what_if(model, 4, change={rated: 9})
    with pytest.raises(InputError, match=f"item {rated} is to be removed and to be changed; give one of the two"):
        autorec.what_if(model, 4, remove=rated, change={rated: 3})
    with pytest.raises(InputError, match="no rating is left"):
        autorec.what_if(model, history=[3], remove=3)
    with pytest.raises(InputError, match="the first place has no rival"):
        autorec.overturn(model, history=list(range(14)))


def test_the_verb(tmp_path: Path) -> None:
    model = autorec.Ease().fit(autorec.load_sample())
    model.save(tmp_path / "model")
    user = model.ratings_.user_ids[7]
    rated = model.ratings_.to_frame().query("user == @user")["item"].tolist()
    words = ("what-if", tmp_path / "model", "--user", user)
    rows = told(*words, "--remove", rated[0], "--change", f"{rated[1]}=1", "-n", 4)["rows"]
    expected = autorec.what_if(model, user, 4, remove=rated[0], change={rated[1]: 1})
    assert rows == expected.astype({"score": float}).to_dict("records") and len(rows) == 4
    answer = told(*words, "--overturn", 40)
    found = autorec.overturn(model, user, most=40)
    assert (answer["first"], answer["then"], answer["smallest"]) == (found.first, found.then, True)
    assert [row["item"] for row in answer["rows"]] == found.removed["item"].tolist() != []
    assert np.isin(found.removed["item"], rated).all()
