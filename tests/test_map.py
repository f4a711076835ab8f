"""The map: axes of a principal component analysis, how far it is to be trusted, a page that fetches nothing."""

import re
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.manifold import trustworthiness
from test_cli import refused, told
from test_page import Tags

import autorec
from autorec.errors import ParameterError
from autorec.insight import map as map_module
from autorec.insight.profiles import profiles
from autorec.report.map_page import HEIGHT, WIDTH


@pytest.fixture(scope="module")
def model() -> autorec.BiasedMF:
    return autorec.BiasedMF(factors=8).fit(autorec.load_sample())


@pytest.fixture(scope="module")
def drawn(model: autorec.BiasedMF) -> autorec.Map:
    return autorec.draw_map(model, k=5)


def test_the_axes_are_the_largest_singular_vectors_of_the_centred_profiles(model: Any, drawn: autorec.Map) -> None:
    points = drawn.points.loc[model.ratings_.item_ids]
    vectors = profiles(model, "items")
    left, values, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(points[["x", "y"]]), np.abs(left[:, :2] * values[:2]), atol=1e-4)
    assert drawn.variance == pytest.approx((values[:2] ** 2).sum() / (values**2).sum(), abs=1e-5)
    assert drawn.trustworthiness == pytest.approx(
        trustworthiness(vectors, points[["x", "y"]], n_neighbors=10), abs=1e-3
    )
    assert points["ratings"].tolist() == model.ratings_.item_counts.tolist()
    assert points["segment"].tolist() == drawn.clusters.labels.tolist()
    assert points["title"].tolist() == model.ratings_.titles.tolist()


def test_the_page_names_every_item_and_loads_nothing(model: Any, drawn: autorec.Map) -> None:
    page = drawn.to_html()
    tags = Tags(page)
    assert tags.open == [] and tags.loaded == [] and "http" not in page and len(page.encode()) < 2**20
    assert tags.count["circle"] == 300 and tags.count["svg"] == 1
    for title in model.ratings_.titles:
        assert f"<title>{escape(title, quote=False)} · ratings: ".replace("'", "&#39;") in page
    assert f"Trustworthiness {drawn.trustworthiness:.3f}, of 300" in page
    centres = np.array(re.findall(r'cx="([^"]+)" cy="([^"]+)"', page), dtype=float)
    assert (centres >= 0).all() and (centres <= (WIDTH, HEIGHT)).all()
    spread = centres.max(axis=0) - centres.min(axis=0)  # one scale for both directions
    own = drawn.points[["x", "y"]].max() - drawn.points[["x", "y"]].min()
    assert spread[0] / spread[1] == pytest.approx(own["x"] / own["y"], rel=0.01)


def test_users_are_named_only_where_asked(model: autorec.BiasedMF) -> None:
    users = autorec.draw_map(model, "users", k=5)
    assert "<title>user · ratings: " in users.to_html() and "<title>user 17 · " not in users.to_html()
    assert "<title>user 17 · ratings: " in users.to_html(user_ids=True)


def test_neighbours_on_a_map_by_tsne_are_of_one_genre(model: autorec.BiasedMF) -> None:
    drawn = autorec.draw_map(model, k=5, by="tsne")
    assert drawn.variance is None and drawn.trustworthiness > 0.9
    places = drawn.points[["x", "y"]].to_numpy()
    distances = np.linalg.norm(places[:, None] - places[None], axis=2) + np.diag(np.full(len(places), np.inf))
    genres = autorec.sample_groups()[1].loc[drawn.points.index].to_numpy()
    assert (genres == genres[distances.argmin(axis=1)]).mean() > 0.9


def test_of_many_those_with_most_ratings_are_drawn(model: autorec.BiasedMF, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_module, "DRAWN", 40)
    drawn = autorec.draw_map(model, k=5)
    counts = np.sort(model.ratings_.item_counts)[::-1]
    assert drawn.points["ratings"].tolist() == counts[:40].tolist()
    assert "40 items, the most rated of 300" in drawn.to_html()


def test_a_map_of_one_direction_and_few_points(ratings: autorec.Ratings) -> None:
    model = autorec.PureSVD(factors=1).fit(ratings)
    drawn = autorec.draw_map(model, k=2)
    assert (drawn.points["y"] == 0).all() and drawn.trustworthiness is None
    assert '"nan"' not in drawn.to_html() and "title" not in drawn.points
    with pytest.raises(ParameterError, match="by is 'umap'; allowed: pca, tsne"):
        autorec.draw_map(model, by="umap")


def test_the_verb(model: autorec.BiasedMF, drawn: autorec.Map, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    made = told("map", tmp_path / "model", "-k", 5, "-o", tmp_path / "map.html")
    assert made["trustworthiness"] == pytest.approx(drawn.trustworthiness) and made["points"] == 300
    assert (tmp_path / "map.html").read_text(encoding="utf-8") == drawn.to_html()
    told("map", tmp_path / "model", "-k", 5, "-o", tmp_path / "map.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "map.csv"), drawn.to_frame(), check_dtype=False)
    autorec.Ease().fit(model.ratings_).save(tmp_path / "ease")
    assert "Ease has no vectors" in refused("map", tmp_path / "ease", "-o", tmp_path / "no.html")
