"""Filters, boosts and diversity of lists, against a naive second implementation; attributes of items in files."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import random_frame

import autorec
from autorec.errors import InputError, ParameterError
from autorec.ranking.rerank import candidates, rerank

SAMPLE = autorec.load_sample()
MODELS: dict[str, Any] = {
    "item": autorec.AutoRec(hidden=8, epochs=2, validation=0, penalty="l2:10"),
    "user": autorec.AutoRec(orientation="user", hidden=8, epochs=2, validation=0, penalty="l2:10"),
    "curved": autorec.AutoRec(hidden=8, epochs=2, validation=0, penalty="l2:10", decoder="sigmoid", offset="means"),
    "ease": autorec.Ease(l2=50),
    "knn": autorec.ItemKNN(),
    "popularity": autorec.Popularity(),
}


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> Any:
    return MODELS[request.param].fit(SAMPLE)


def naive(model: Any, history: dict[int, float], n: int, **wishes: Any) -> list[tuple[int, float]]:
    """(item, score) of one person, item by item in plain Python."""
    ratings = model.ratings_
    csr = np.zeros((1, ratings.n_items))
    for item, rating in history.items():
        csr[0, ratings.item_ids.tolist().index(item)] = rating
    scores = model._to_ratings(model.score_users(model.encode_users(csr)))[0]
    found = []
    for column, item in enumerate(ratings.item_ids.tolist()):
        genres = ratings.attributes["genre"][column].split("|")
        allowed = wishes.get("allow") is None or item in wishes["allow"]
        allowed = allowed and item not in (wishes.get("deny") or ()) and item not in history
        wanted = (wishes.get("where") or {}).get("genre")
        if allowed and (wanted is None or set(genres) & set(wanted)):
            found.append((item, float(scores[column]) + (wishes.get("boost") or {}).get(item, 0.0)))
    return sorted(found, key=lambda pair: -pair[1])[:n]


WISHES: list[dict[str, Any]] = [
    {},
    {"allow": list(range(5, 60))},
    {"allow": list(range(5, 60)), "deny": [7, 9, 30]},
    {"where": {"genre": ["Comedy"]}},
    {"where": {"genre": ["Comedy", "Crime"]}, "deny": list(range(1, 100))},
    {"boost": {1: 3.0, 2: -10.0, 17: 0.5}},
    {"boost": {1: 30.0}, "where": {"genre": ["Romance"]}, "allow": list(range(1, 200))},
]


@pytest.mark.parametrize("wishes", WISHES)
def test_lists_are_those_of_a_naive_implementation(model: Any, wishes: dict[str, Any]) -> None:
    history = {10: 5.0, 15: 4.5, 20: 1.0, 200: 5.0}
    table = model.recommend(n=12, history=history, **wishes)
    expected = naive(model, history, 12, **wishes)
    np.testing.assert_allclose(table["score"], [score for _, score in expected], rtol=2e-4, atol=1e-5)
    scores = [score for _, score in expected]
    if min(np.diff(scores) * -1, default=1) > 1e-4:  # without near ties the order is one
        assert table["item"].tolist() == [item for item, _ in expected]
    assert table["rank"].tolist() == list(range(1, len(expected) + 1))


def test_a_filter_of_known_users_comes_before_the_choice(model: Any) -> None:
    """All of what is left is in the list of a filter, in the order of the list without one."""
    whole = model.recommend([3, 8], n=300)
    table = model.recommend([3, 8], n=300, where={"genre": "Crime"}, deny=[2, 7])
    genre = pd.Series(SAMPLE.attributes["genre"], index=SAMPLE.item_ids)
    expected = whole[(genre.loc[whole["item"]].to_numpy() == "Crime") & ~whole["item"].isin([2, 7])]
    assert table[["user", "item", "title"]].values.tolist() == expected[["user", "item", "title"]].values.tolist()


def test_a_history_is_a_fold_in(model: Any) -> None:
    rated = pd.DataFrame({"user": 0, "item": [10, 15, 20], "rating": [5.0, 1.0, 3.0]})
    folded = model.fold_in(rated).recommend(0, n=20)
    table = model.recommend(history=dict(zip(rated["item"], rated["rating"], strict=True)), n=20)
    np.testing.assert_allclose(table["score"], folded["score"], rtol=1e-5, atol=1e-6)
    assert list(table) == ["item", "score", "rank", "title"]


def test_a_history_of_a_known_user_adds_to_the_training(model: Any) -> None:
    row = SAMPLE.csr[[SAMPLE.find_users([3])[0]]]
    own = dict(zip(SAMPLE.item_ids[row.indices].tolist(), row.data.tolist(), strict=True))
    new = next(item for item in SAMPLE.item_ids.tolist() if item not in own)
    joined = model.recommend(3, n=20, history={new: 5.0, next(iter(own)): 1.0})
    alone = model.recommend(n=20, history=own | {new: 5.0, next(iter(own)): 1.0})
    assert joined.drop(columns="user").equals(alone) and set(joined["user"]) == {3}
    assert not set(joined["item"]) & {new, *own}


def test_an_item_without_a_rating_counts_as_the_highest() -> None:
    model = MODELS["ease"].fit(SAMPLE)
    assert model.recommend(history=[10, 15]).equals(model.recommend(history={10: 5.0, 15: None}))


def test_a_history_may_have_the_ends_of_a_scale_that_float32_rounds() -> None:
    ratings = random_frame()
    model = autorec.Bias().fit(ratings.assign(rating=ratings["rating"] / 5 - 0.1))
    assert len(model.recommend(history={0: 0.1, 1: 0.9}, n=3)) == 3
    with pytest.raises(InputError, match=r"the rating of item 0 is 1e\+300; allowed: 0.1 to 0.9"):
        model.recommend(history={0: 1e300})


def test_a_history_of_unknown_items_gets_the_fallback() -> None:
    model = MODELS["item"].fit(SAMPLE)
    with pytest.warns(UserWarning) as notes:
        table = model.recommend(history={9999: 5.0}, where={"genre": "Crime"})
    assert "1 items of the history are not known" in str(notes[0].message)
    assert "the list is that of any new person" in str(notes[1].message)
    unknown = autorec.recommend_unknown(model, ["new"], where={"genre": "Crime"})
    assert table["item"].tolist() == unknown["item"].tolist()
    np.testing.assert_allclose(unknown["score"], model.predict(["x"] * 10, unknown["item"]), rtol=1e-6)


def test_what_cannot_be_is_refused_with_what_can() -> None:
    model = MODELS["ease"].fit(SAMPLE)
    refusals: list[tuple[type, str, dict[str, Any]]] = [
        (ParameterError, "no item has an attribute 'genres'; items have genre; did", {"where": {"genres": "x"}}),
        (ParameterError, "no item has genre 'Comdy'; there are .*did you mean Comedy", {"where": {"genre": "Comdy"}}),
        (ParameterError, "diversify is 1; allowed: a share from 0", {"diversify": 1}),
        (ParameterError, "boost is 'much'", {"boost": {1: "much"}}),
        (ParameterError, r"boost is 1e\+300; allowed: numbers from -1e\+06", {"boost": {1: 1e300}}),
        (InputError, "the rating of item 10 is 7; allowed: 1 to 5", {"history": {10: 7}}),
        (InputError, "a history is that of one person; got 2 users", {"users": [1, 2], "history": {10: 5}}),
    ]  # fmt: skip
    for kind, said, wishes in refusals:
        with pytest.raises(kind, match=said):
            model.recommend(**wishes)
    bare = model.fit(replace(SAMPLE, attributes={}))
    with pytest.raises(ParameterError, match="the items have no attributes"):
        bare.recommend(where={"genre": "Comedy"})


def test_ids_that_are_no_items_are_counted() -> None:
    model = MODELS["ease"].fit(SAMPLE)
    with pytest.warns(UserWarning, match="2 ids of allow, deny and boost are no items"):
        table = model.recommend(3, allow=[10, 20, 4711], boost={4712: 1.0})
    assert set(table["item"]) <= {10, 20}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not len(model.recommend(3, allow=[]))


# --- diversity ---------------------------------------------------------------------------------------------------


def naive_rerank(scores: Any, similarities: Any, n: int, diversify: float) -> list[int]:
    """Maximal marginal relevance, term by term."""
    relevance = [(s - min(scores)) / (max(scores) - min(scores)) for s in scores]
    size = len(scores)
    most = max(similarities[i][j] for i in range(size) for j in range(size) if i != j)
    picked: list[int] = []
    while len(picked) < min(n, size):
        gains = {
            i: (1 - diversify) * relevance[i]
            - diversify * max((max(similarities[i][j], 0) / most for j in picked), default=0)
            for i in range(size)
            if i not in picked
        }
        picked.append(max(gains, key=lambda i: gains[i]))
    return picked


@pytest.mark.parametrize("diversify", [0.0, 0.3, 0.7, 0.99])
def test_reranking_is_that_of_the_formula(diversify: float) -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(40, 5))
    scores, similarities = np.sort(rng.normal(size=40))[::-1], vectors @ vectors.T
    assert rerank(scores, similarities, 15, diversify).tolist() == naive_rerank(scores, similarities, 15, diversify)
    if not diversify:
        assert rerank(scores, similarities, 15, diversify).tolist() == list(range(15))


def test_edges_of_reranking() -> None:
    assert rerank(np.empty(0), np.empty((0, 0)), 5, 0.5).tolist() == []
    assert rerank(np.ones(3), np.full((3, 3), -np.inf), 2, 0.5).tolist() == [0, 1]
    assert candidates(10, 1000) == 100 and candidates(50, 1000) == 500 and candidates(10, 30) == 30


def test_diverse_lists_are_less_alike_and_begin_with_the_best() -> None:
    model = MODELS["item"].fit(SAMPLE)
    similarities = model._similarities()

    def alike(table: pd.DataFrame) -> float:
        columns = SAMPLE.find_items(table["item"])
        return float(similarities(columns, columns).mean())

    plain, diverse = (model.recommend([3], diversify=λ) for λ in (0.0, 0.7))
    assert plain["item"][0] == diverse["item"][0]
    assert alike(diverse) < alike(plain) - 0.05
    scores = model.recommend([3], n=300).set_index("item")["score"]
    np.testing.assert_allclose(diverse["score"], scores.loc[diverse["item"]], rtol=1e-6)
    with pytest.raises(ParameterError, match="knows nothing of an item but one number"):
        MODELS["popularity"].fit(SAMPLE).recommend([3], diversify=0.5)


def test_similarities_to_some_items_are_those_to_all(model: Any) -> None:
    if isinstance(model, autorec.Popularity):
        return
    similarities, columns, others = model._similarities(), np.array([3, 5, 8]), np.array([1, 2, 5, 9])
    np.testing.assert_allclose(similarities(columns, others), similarities(columns)[:, others], rtol=1e-5, atol=1e-6)


# --- attributes --------------------------------------------------------------------------------------------------


def test_attributes_of_the_known_files(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_text("".join(f"1::{item}::{item}::0\n" for item in (1, 2, 3)))
    (tmp_path / "movies.dat").write_text("1::A (2001)::Comedy|Romance\n3::B::Crime\n")
    ratings = autorec.read_ratings(tmp_path / "ratings.dat")
    assert {name: values.tolist() for name, values in ratings.attributes.items()} == {
        "genre": ["Comedy|Romance", "", "Crime"]
    }
    assert {value: columns.tolist() for value, columns in ratings.items_by_value["genre"].items()} == {
        "Comedy": [0], "Romance": [0], "Crime": [2]
    }  # fmt: skip
    flags = ["0"] * 19
    flags[5] = flags[14] = "1"
    (tmp_path / "u.item").write_text("|".join(["2", "A (1995)", "01-Jan-1995", "", "http://x", *flags]) + "\n")
    ratings = autorec.read_ratings(tmp_path / "ratings.dat", items=tmp_path / "u.item")
    assert ratings.attributes["genre"].tolist() == ["", "Comedy|Romance", ""]
    assert list(ratings.attributes) == ["released", "imdb", "genre"]


def test_further_columns_are_attributes(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("user,item,rating\n1,a,1\n1,b,2\n2,b,3\n")
    (tmp_path / "i.csv").write_text('id,Year,Title,genres,,year,item\na,1999,"A, or",X | Y,p,q,r\nb,,B\n')
    ratings = autorec.read_ratings(tmp_path / "r.csv", items=tmp_path / "i.csv")
    assert ratings.titles is not None and ratings.titles.tolist() == ["A, or", "B"]
    assert {name: values.tolist() for name, values in ratings.attributes.items()} == {
        "year": ["1999", ""], "genre": ["X | Y", ""],
        "column 5": ["p", ""], "column 6": ["q", ""], "column 7": ["r", ""],
    }  # fmt: skip
    assert list(ratings.items_by_value["genre"]) == ["X", "Y"]
    (tmp_path / "n.csv").write_text("a,A,1999\nb,B,2000\n")
    ratings = autorec.read_ratings(tmp_path / "r.csv", items=tmp_path / "n.csv")
    assert ratings.attributes["column 3"].tolist() == ["1999", "2000"]


def test_attributes_are_saved_and_follow_their_items(tmp_path: Path) -> None:
    ratings = replace(SAMPLE, attributes=SAMPLE.attributes | {"ünder|name": SAMPLE.titles})
    autorec.Bias().fit(ratings).save(tmp_path / "m")
    loaded = autorec.load(tmp_path / "m").ratings_
    assert {name: values.tolist() for name, values in loaded.attributes.items()} == {
        name: values.tolist() for name, values in ratings.attributes.items()
    }
    part = ratings.select(ratings.csr.indices < 7)
    assert part.attributes["genre"].tolist() == SAMPLE.attributes["genre"][:7].tolist()
