"""What a fitted model is used for beside predicting: its vectors as tables and files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_cli import refused, run, told

import autorec
from autorec.errors import NotFittedError, ParameterError


@pytest.fixture(scope="module")
def model() -> autorec.BiasedMF:
    return autorec.BiasedMF(factors=8).fit(autorec.load_sample())


@pytest.fixture(scope="module")
def saved(model: autorec.BiasedMF, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("insight") / "model"
    model.save(path)
    return path


@pytest.mark.parametrize("name", ["i-autorec", "u-autorec", "biased-mf", "pure-svd", "mult-dae"])
def test_the_products_of_the_vectors_are_the_scores_without_biases(name: str, ratings: autorec.Ratings) -> None:
    model = autorec.create(name).fit(ratings)
    users, items = autorec.embed(model, "users"), autorec.embed(model)
    assert users.index.tolist() == ratings.user_ids.tolist() and users.index.name == "user"
    assert items.index.tolist() == ratings.item_ids.tolist() and items.index.name == "item"
    without = users.to_numpy() @ items.to_numpy().T
    rest = model.score_users(model._users(np.arange(ratings.n_users))) - without  # bias_u + bias_i
    np.testing.assert_allclose(rest - rest[:1], (rest[:, :1] - rest[0, 0]).repeat(20, axis=1), atol=1e-4)


def test_a_model_without_vectors_says_so(ratings: autorec.Ratings) -> None:
    for name in ("ease", "bias", "popularity", "item-knn", "inf-ae"):
        with pytest.raises(ParameterError, match=r"has no vectors of users and items; models that have: i-autorec, u-"):
            autorec.embed(autorec.create(name).fit(ratings))
    with pytest.raises(ParameterError, match="of is 'films'; allowed: users, items"):
        autorec.embed(autorec.Bias().fit(ratings), "films")
    with pytest.raises(NotFittedError):
        autorec.embed(autorec.BiasedMF())


def test_embed_writes_vectors_with_ids(model: autorec.BiasedMF, saved: Path, tmp_path: Path) -> None:
    expected = autorec.embed(model)
    made = told("embed", saved, "-o", tmp_path / "items.parquet")
    assert (made["rows"], made["width"], made["of"]) == (300, 8, "items")
    table = pd.read_parquet(tmp_path / "items.parquet")
    assert table.columns[:3].tolist() == ["item", "title", "v0"]
    assert table["title"].tolist() == model.ratings_.titles.tolist()
    pd.testing.assert_frame_equal(table.set_index("item").drop(columns="title"), expected)
    run("embed", saved, "--of", "users", "-o", tmp_path / "users.csv")
    users = pd.read_csv(tmp_path / "users.csv", index_col="user")
    np.testing.assert_allclose(users, autorec.embed(model, "users"), rtol=1e-6)


def test_an_array_has_its_ids_beside_it(model: autorec.BiasedMF, saved: Path, tmp_path: Path) -> None:
    run("embed", saved, "-o", tmp_path / "items.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "items.npy"), autorec.embed(model))
    ids = pd.read_csv(tmp_path / "items.ids.csv")
    assert ids["item"].tolist() == model.ratings_.item_ids.tolist() and ids["title"].notna().all()
    (tmp_path / "taken.ids.csv").mkdir()
    assert "is a folder" in refused("embed", saved, "-o", tmp_path / "taken.npy")
    assert not (tmp_path / "taken.npy").exists()


def test_similar_tells_the_titles_of_the_nearest(model: autorec.BiasedMF, saved: Path, tmp_path: Path) -> None:
    rows = told("similar", saved, "--item", "7", "--item", "12", "-n", "3")["rows"]
    assert [(row["item"], row["rank"]) for row in rows] == [(item, rank) for item in (7, 12) for rank in (1, 2, 3)]
    titles = pd.Series(model.ratings_.titles, index=model.ratings_.item_ids)
    assert [row["title"] for row in rows] == titles.loc[[row["similar"] for row in rows]].tolist()
    _, genre = autorec.sample_groups()
    assert sum(genre[row["item"]] == genre[row["similar"]] for row in rows) >= 5
    run("similar", saved, "--item", "7", "-o", tmp_path / "similar.csv")
    assert len(pd.read_csv(tmp_path / "similar.csv")) == 10
    assert "unknown item 'nothing'" in refused("similar", saved, "--item", "nothing")


def test_a_model_gives_its_vectors_and_its_learning_curve_as_tables() -> None:
    ratings = autorec.load_sample()
    model = autorec.AutoRec(hidden=8, epochs=4, penalty="l2:100", inputs="ratings").fit(ratings)
    users, items = model.user_vectors(), model.item_vectors()
    assert list(users.index) == list(ratings.user_ids) and list(items.index) == list(ratings.item_ids)
    assert items.equals(autorec.embed(model, "items")) and users.shape[1] == items.shape[1]
    curve = model.learning_curve()
    assert list(curve["epoch"]) == [1, 2, 3, 4] and curve["validation_rmse"].notna().all()
    assert autorec.Bias().fit(ratings).learning_curve().empty
