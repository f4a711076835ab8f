"""An engineer with a deadline: a model that is served, follows the data, forgets, and leaves the house."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from afternoon import movielens, own_tables
from serving import Asked
from test_cli import refused, run, told

import autorec


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ratings.csv, films.csv and a model of lists in model/."""
    folder = tmp_path_factory.mktemp("engineer")
    ratings, films = own_tables()
    ratings.rename(columns={"customer": "user_id", "film": "movie_id", "score": "stars"}).to_csv(
        folder / "ratings.csv", index=False
    )
    films.to_csv(folder / "films.csv", index=False)
    run("train", folder / "ratings.csv", "-m", "ease", "--items", folder / "films.csv", "-o", folder / "model")
    return folder


def test_what_is_deployed_is_known(place: Path) -> None:
    facts = told("describe", place / "model")
    assert facts["class"] == "Ease" and facts["users"] == 600
    assert not list((place / "model").glob("*.pkl"))


def test_the_service_answers_for_a_history_that_it_never_saw(place: Path) -> None:
    ask = Asked(place / "model")
    body = {"history": [{"item": 1, "rating": 5}, {"item": 6}], "n": 3, "where": {"genre": "Comedy"}, "reasons": True}
    answer = ask.post("/recommend", body)
    model = autorec.load(place / "model")
    expected = model.recommend(history={1: 5.0, 6: None}, n=3, where={"genre": "Comedy"})
    assert [one["item"] for one in answer["items"]] == expected["item"].tolist()
    assert answer["source"] == "model" and answer["items"][0]["reasons"]


def test_new_users_fold_in_without_training(place: Path) -> None:
    line = '{"user": "ann", "ratings": {"1": 5, "6": 4}}\n'
    rows = told("recommend", place / "model", "--new-user", "-", "-n", 2, stdin=line)["rows"]
    assert [row["user"] for row in rows] == ["ann", "ann"]


def test_new_items_fold_in_without_training(tmp_path: Path) -> None:
    ratings, _ = own_tables()
    model = autorec.BiasedMF(factors=4, sweeps=3).fit(autorec.read_ratings(ratings, columns={"item": "film"} | _WHO))
    new = pd.DataFrame({"user": [1, 2, 3], "item": ["new"] * 3, "rating": [5, 4, 5]})
    folded = model.fold_in(new, of="items")
    assert folded.recommend(4, n=1)["item"].tolist() == ["new"] and folded.known(4, "new").all()
    assert folded.predict([4], ["new"])[0] == pytest.approx(folded.recommend(4, n=1)["score"].iloc[0])


_WHO = {"user": "customer", "rating": "score"}


def test_a_day_s_ratings_are_added(place: Path) -> None:
    (place / "today.csv").write_text("user_id,movie_id,stars\n9001,1,5\n9001,6,4\n")
    run("train", place / "today.csv", "--from", place / "model", "-o", place / "tomorrow")
    assert autorec.load(place / "tomorrow").known_users([1, 9001]).all()


def test_a_person_is_forgotten_with_a_certificate(place: Path) -> None:
    run("forget", place / "model", "--user", 7, "-o", place / "without", "--certificate", place / "paper.json")
    assert json.loads((place / "paper.json").read_text())["exact"] is True
    assert autorec.load(place / "model").known_users([7]) == [True]
    assert autorec.load(place / "without").known_users([7]) == [False]


def test_the_model_leaves_the_house(place: Path) -> None:
    pytest.importorskip("onnxruntime")
    found = told("export", place / "model", "-o", place / "model.onnx")
    assert (place / "model.onnx").exists() and found["difference"] < 1e-3
    vectors = told("train", place / "ratings.csv", "-m", "pure-svd", "-o", place / "svd")
    assert vectors["parameters"]["factors"] == 50
    run("embed", place / "svd", "-o", place / "items.parquet")
    assert "v0" in pd.read_parquet(place / "items.parquet")


def test_a_training_that_is_killed_goes_on(place: Path) -> None:
    line = ("train", place / "ratings.csv", "-m", "elsa", "--set", "epochs=2", "--set", "factors=3", "--checkpoint")
    run(*line, place / "kept", "-o", place / "one")
    run(*line, place / "kept", "--resume", "-o", place / "two")
    one, two = (autorec.load(place / name).item_vectors() for name in ("one", "two"))
    np.testing.assert_array_equal(one, two)


def test_what_is_wrong_is_one_sentence_with_the_nearest_name(place: Path) -> None:
    assert "did you mean i-autorec" in refused("train", place / "ratings.csv", "-m", "i-autorek", "-o", place / "x")
    assert "did you mean recommend" in run("recomend", status=2).stderr
    (place / "broken.csv").write_text("user,item,rating\n1,2,five\n")
    assert "line 2" in refused("inspect", place / "broken.csv")
    assert "no model at" in refused("recommend", place / "nowhere", "--all")


@pytest.mark.data
def test_movielens_is_served(tmp_path: Path) -> None:
    run("train", movielens(), "-m", "popularity", "-o", tmp_path / "model")
    answer = Asked(tmp_path / "model").post("/recommend", {"user": 1, "n": 2})
    assert all(one["title"] for one in answer["items"])
