"""Taste segments: profiles are cosines of scores, planted groups are found, segments are told by their titles."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import checkerboard
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score, silhouette_score
from test_cli import run, told

import autorec
from autorec.errors import ParameterError
from autorec.insight.profiles import profiles


@pytest.fixture(scope="module")
def model() -> autorec.BiasedMF:
    return autorec.BiasedMF(factors=8).fit(autorec.load_sample())


@pytest.mark.parametrize(
    "model",
    [
        autorec.AutoRec("item", hidden=6, penalty="l2:1", epochs=30),
        autorec.AutoRec("user", hidden=6, penalty="l2:1", epochs=30),
        autorec.PureSVD(factors=5),
        autorec.ChoiceAutoencoder(hidden=6),
    ],
)
def test_products_of_profiles_are_cosines_of_doubly_centred_scores(model: Any, ratings: autorec.Ratings) -> None:
    model = clone(model).fit(ratings)
    scores = model.score_users(model._users(np.arange(ratings.n_users))).astype(float)
    centred = scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + scores.mean()
    for of, rows in (("users", centred), ("items", centred.T)):
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        found = profiles(model, of)
        np.testing.assert_allclose(found @ found.T, unit @ unit.T, atol=2e-3)


@pytest.mark.parametrize("of", ["users", "items"])
def test_planted_groups_are_found(model: autorec.BiasedMF, of: str) -> None:
    found = autorec.cluster(model, of, k=5)
    planted = dict(zip(("users", "items"), autorec.sample_groups(), strict=True))[of]
    assert adjusted_rand_score(planted.loc[found.labels.index], found.labels) > 0.9
    assert found.silhouette == pytest.approx(silhouette_score(profiles(model, of), found.labels), abs=1e-6)
    sizes = found.labels.value_counts()
    assert [segment.size for segment in found.segments] == [sizes[n] for n in range(1, 6)]
    assert sizes.sort_index().is_monotonic_decreasing and sizes.sum() == len(planted)


@pytest.mark.parametrize("of", ["users", "items"])
def test_segments_are_told_by_titles_of_their_genre(model: autorec.BiasedMF, of: str) -> None:
    groups, genres = autorec.sample_groups()
    found = autorec.cluster(model, of, k=5)
    own = groups if of == "users" else genres
    for segment in found.segments:
        (genre,) = own.loc[found.labels.index[found.labels == segment.segment]].mode()
        assert len(segment.typical) == 5
        assert [genres[typical.item] for typical in segment.typical] == [genre] * 5
        assert all(typical.title for typical in segment.typical)


def test_lift_is_a_ratio_of_shares(model: autorec.BiasedMF) -> None:
    found = autorec.cluster(model, k=5)
    frame = model.ratings_.to_frame()
    liked = frame[frame["rating"] >= 4]
    inside = liked["user"].map(found.labels) == 1
    first = found.segments[0]
    for typical in first.typical:
        likes = liked["item"] == typical.item
        expected = ((likes & inside).sum() / first.size) / (likes.sum() / model.ratings_.n_users)
        assert typical.value == pytest.approx(expected)
        assert (likes & inside).sum() >= max(3, 0.1 * first.size)


def test_the_same_seed_gives_the_same_segments(model: autorec.BiasedMF) -> None:
    first, again = (autorec.cluster(model, k=6, random_state=3) for _ in range(2))
    pd.testing.assert_series_equal(first.labels, again.labels)
    assert repr(first) == repr(again) and repr(first).startswith("6 segments of 600 users, silhouette 0.")
    assert first.to_frame().columns.tolist() == ["user", "segment"]


def test_what_k_may_be(ratings: autorec.Ratings) -> None:
    model = autorec.PureSVD(factors=3).fit(ratings)
    for k in (1, 0, 2.5, "3"):
        with pytest.raises(ParameterError, match=r"k is .*; allowed: a whole number from 2 up"):
            autorec.cluster(model, k=k)
    with pytest.raises(ParameterError, match="k is 30; allowed: 2 to 29"):
        autorec.cluster(model, k=30)
    pair = autorec.PureSVD(factors=1).fit(pd.DataFrame({"user": [1, 2], "item": [1, 2], "rating": [5, 4]}))
    with pytest.raises(ParameterError, match="there are 2 to divide; allowed: 3 or more, in 2 segments"):
        autorec.cluster(pair, k=2)
    two = autorec.PureSVD(factors=2).fit(checkerboard(20).query("rating == 5"))
    with pytest.raises(ParameterError, match="fewer different profiles; give a smaller k"):
        autorec.cluster(two, k=15)
    with pytest.raises(ParameterError, match="has no vectors"):
        autorec.cluster(autorec.Ease().fit(ratings))


def test_the_verb(model: autorec.BiasedMF, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    out = tmp_path / "segments.csv"
    told_segments = told("cluster", tmp_path / "model", "-k", 5, "-o", out)
    expected = autorec.cluster(model, k=5)
    assert told_segments["segments"] == expected.to_dict()["segments"]
    assert pd.read_csv(out).equals(expected.to_frame())
    text = run("cluster", tmp_path / "model", "-k", 5).stdout
    assert expected.segments[2].typical[1].title in text and f"Silhouette {expected.silhouette:.3f}" in text
    items = told("cluster", tmp_path / "model", "--of", "items", "-k", 5)["segments"]
    assert items[0]["typical"][0]["cosine"] > 0.9
