"""A data scientist with a CSV: from the file to lists, reasons and a report, each step as it is documented."""

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from afternoon import COLUMNS, movielens, own_tables
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from test_cli import run, told

import autorec


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ratings.csv and films.csv, in columns of one's own; a model of them in model/."""
    folder = tmp_path_factory.mktemp("scientist")
    ratings, films = own_tables()
    ratings.to_csv(folder / "ratings.csv", index=False)
    films.to_csv(folder / "films.csv", index=False)
    train = ("train", folder / "ratings.csv", "--columns", COLUMNS, "-m", "biased-mf")
    run(*train, "--items", folder / "films.csv", "-o", folder / "model")
    return folder


@pytest.fixture(scope="module")
def model(place: Path) -> autorec.Recommender:
    return autorec.load(place / "model")


def test_the_file_is_looked_at(place: Path) -> None:
    facts = told("inspect", place / "ratings.csv", "--columns", COLUMNS)
    assert (facts["users"], facts["items"], facts["ratings"]) == (600, 300, 24_000)


def test_models_are_compared_and_the_report_is_a_page(place: Path) -> None:
    ask = ("compare", place / "ratings.csv", "--columns", COLUMNS, "-m", "ease", "-m", "popularity")
    result = run(*ask, "--baselines", "none", "-o", place / "report.html")
    assert "ease" in result.stdout and "<html" in (place / "report.html").read_text()


def test_lists_have_titles_and_keep_to_what_is_allowed(place: Path) -> None:
    run("recommend", place / "model", "--all", "-n", 5, "-o", place / "lists.csv")
    lists = pd.read_csv(place / "lists.csv")
    assert len(lists) == 600 * 5 and lists["title"].notna().all()
    (place / "deny.txt").write_text("1\n2\n")
    asked = ("recommend", place / "model", "--user", 1, "--deny", place / "deny.txt", "--where", "genre=Comedy")
    films = own_tables()[1].set_index("film")["genre"]
    found = [row["item"] for row in told(*asked)["rows"]]
    assert found and not {1, 2} & set(found) and set(films[found]) == {"Comedy"}


def test_a_list_is_explained_and_neighbours_have_names(place: Path) -> None:
    rows = told("explain", place / "model", "--user", 1)["rows"]
    assert {"item", "rating", "contribution", "title"} <= set(rows[0])
    assert "(" in told("similar", place / "model", "--item", 5, "-n", 2)["rows"][0]["title"]


def test_the_same_in_python_from_a_table(model: autorec.Recommender) -> None:
    table, films = own_tables()
    ratings = autorec.read_ratings(table, columns=COLUMNS, items=films)
    again = clone(model).fit(ratings)
    np.testing.assert_array_equal(again.predict([1, 2], [3, 4]), model.predict([1, 2], [3, 4]))
    assert list(again.recommend(1, n=3).columns) == ["user", "item", "score", "rank", "title"]
    vectors = model.item_vectors()
    assert vectors.index.name == "item" and len(vectors) == 300
    same = pickle.loads(pickle.dumps(model))
    pd.testing.assert_frame_equal(same.recommend([1, 2], n=3), model.recommend([1, 2], n=3))


def test_settings_are_searched_by_scikit_learn() -> None:
    table = own_tables()[0].rename(columns={"customer": "user_id", "film": "movie_id", "score": "stars"})
    ratings = autorec.read_ratings(table)
    search = GridSearchCV(autorec.BiasedMF(factors=4, sweeps=3), {"l2": [0.05, 5.0]}, cv=2).fit(table)
    assert search.best_params_ == {"l2": 0.05} and -2 < search.best_score_ < 0  # −RMSE
    scores = [cross_validate(autorec.Popularity(), data, cv=2)["test_score"] for data in (table, ratings)]
    np.testing.assert_array_equal(*scores)
    assert ((scores[0] > 0) & (scores[0] < 1)).all()  # NDCG@10


def test_results_are_objects_that_people_know(place: Path, model: autorec.Recommender) -> None:
    from matplotlib.figure import Figure

    table = own_tables()[0].head(2000)
    found = autorec.evaluate(model, autorec.read_ratings(table, columns=COLUMNS))
    assert found.to_frame().loc["rmse", "value"] == pytest.approx(found.metrics["rmse"])
    assert "\\toprule" in found.to_latex() and "<table" in found._repr_html_() and len(repr(found)) < 200
    axes = Figure().subplots()
    assert found.plot(ax=axes) is axes
    for suffix in ("json", "md", "html", "csv", "tex"):
        found.save(place / f"found.{suffix}")
    assert json.loads((place / "found.json").read_text())["metrics"]["rmse"] == pytest.approx(found.metrics["rmse"])


@pytest.mark.data
def test_movielens_is_read_as_it_is(tmp_path: Path) -> None:
    folder = movielens()
    assert told("inspect", folder)["ratings"] == 100_000
    run("train", folder, "-m", "ease", "-o", tmp_path / "model")
    rows = told("recommend", tmp_path / "model", "--user", 1, "-n", 3)["rows"]
    assert all(row["title"] for row in rows)
