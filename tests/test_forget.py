"""A model that forgot somebody is the one that never knew them, and its folder does not hold the id."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import random_frame
from sklearn.metrics import roc_auc_score
from test_cli import told

import autorec
from autorec.errors import InputError, ParameterError
from autorec.ranking.positives import positives

MODELS = {
    "ease": {},
    "sansa": {},
    "svd-ae": {},
    "inf-ae": {},
    "item-knn": {},
    "biased-mf": {},
    "bias": {},
    "popularity": {},
    "i-autorec": {"hidden": 8, "epochs": 5},
    "u-autorec": {"hidden": 8, "epochs": 5},
    "mult-vae": {"hidden": 8, "epochs": 3},
    "autorec": {},
}
ID = "Zebediah-Quux"


def named_frame() -> pd.DataFrame:
    """Ratings with text ids; user 5 is called ID and alone rated an item of that name."""
    frame = random_frame(seed=3)
    frame["user"] = np.where(frame["user"] == 5, ID, "user-" + frame["user"].astype(str))
    frame["item"] = "item-" + frame["item"].astype(str)
    return pd.concat([frame, pd.DataFrame({"user": [ID], "item": [f"of-{ID}"], "rating": [4.0]})], ignore_index=True)


def assert_equal(one: autorec.Recommender, other: autorec.Recommender) -> None:
    """Same ids, ratings and arrays, bit for bit."""
    assert one.ratings_.user_ids.tolist() == other.ratings_.user_ids.tolist()
    assert one.ratings_.item_ids.tolist() == other.ratings_.item_ids.tolist()
    assert (one.ratings_.csr != other.ratings_.csr).nnz == 0
    arrays = other._arrays()
    assert one._arrays().keys() == arrays.keys()
    for name, array in one._arrays().items():
        np.testing.assert_array_equal(array, arrays[name])
    np.testing.assert_array_equal(one.fallback_.item, other.fallback_.item)


@pytest.mark.parametrize("name", MODELS)
def test_it_is_the_model_that_never_knew_them(name: str) -> None:
    frame = named_frame()
    model = autorec.create(name, **MODELS[name]).fit(frame)
    assert_equal(autorec.forget(model, ID), autorec.create(name, **MODELS[name]).fit(frame[frame["user"] != ID]))
    rest = frame[~frame["user"].isin([ID, "user-1"]) & (frame["item"] != "item-4")]
    forgot = autorec.forget(model, [ID, "user-1"], "item-4")
    assert_equal(forgot, autorec.create(name, **MODELS[name]).fit(rest))
    assert ID in model.ratings_.user_ids


def test_it_is_the_downdate_of_the_gram_matrix() -> None:
    model = autorec.Ease(l2=5.0).fit(autorec.load_sample())
    user = model.ratings_.user_ids[11]
    X = positives(model.ratings_.csr, model.ratings_.scale).toarray().astype(np.float64)
    P = np.linalg.inv(X.T @ X - np.outer(X[11], X[11]) + 5.0 * np.eye(X.shape[1]))
    B = -P / P.diagonal()
    np.fill_diagonal(B, 0)
    np.testing.assert_allclose(autorec.forget(model, user).weights_, B, atol=1e-5)


@pytest.mark.parametrize("name", ["ease", "i-autorec", "u-autorec", "biased-mf", "autorec"])
def test_users_who_were_folded_in_are_left_out_alone(name: str, tmp_path: Path) -> None:
    model = autorec.create(name, **MODELS[name]).fit(named_frame())
    others = named_frame().query(
        "user in ['user-1', 'user-2', @ID] and item != 'of-Zebediah-Quux'", local_dict={"ID": ID}
    )
    others["user"] = "new-" + others["user"]
    folded = model.fold_in(others)
    forgot = autorec.forget(folded, f"new-{ID}")
    expected = model.fold_in(others[others["user"] != f"new-{ID}"])
    pd.testing.assert_frame_equal(forgot.recommend(), expected.recommend())
    folded.save(tmp_path / "folded")
    assert autorec.forget_saved(tmp_path / "folded", f"new-{ID}")["how"] == "folded in again"
    pd.testing.assert_frame_equal(autorec.load(tmp_path / "folded").recommend(), expected.recommend())
    with pytest.raises(
        ParameterError, match=r"users were folded into this model.*; forget items in the model as it was"
    ):
        autorec.forget(folded, items="item-1")


@pytest.mark.parametrize("name", ["ease", "u-autorec", "autorec"])
def test_no_file_of_the_folder_holds_the_id(name: str, tmp_path: Path) -> None:
    def files_with(text: str) -> list[str]:
        return [file.name for file in (tmp_path / "model").iterdir() if text.encode() in file.read_bytes()]

    model = autorec.create(name, **MODELS[name]).fit(named_frame())
    model.save(tmp_path / "model")
    before = autorec.describe(tmp_path / "model")
    assert "ratings.safetensors" in files_with(ID)
    certificate = autorec.forget_saved(tmp_path / "model", ID)
    assert files_with(ID) == [] and files_with("user-1") != []
    for name_of_table in ("users.parquet", "items.parquet"):
        assert ID not in pd.read_parquet(tmp_path / "model" / name_of_table).to_csv()
    after = autorec.describe(tmp_path / "model")
    assert certificate["removed"]["users"] == [ID] and certificate["exact"]
    assert certificate["removed"]["ratings"] == before["ratings"] - after["ratings"]
    for when, manifest in (("before", before), ("after", after)):
        assert certificate[when] == {key: manifest[key] for key in ("users", "items", "ratings", "sha256", "files")}
    assert json.loads(json.dumps(certificate)) == certificate
    assert_equal(autorec.load(tmp_path / "model"), autorec.forget(model, ID))


def groups_of(ratings: autorec.Ratings) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Ratings of the sample, and a third of its users each: kept in a model, forgotten, never there."""
    parts = np.array_split(np.random.default_rng(0).permutation(ratings.n_users), 3)
    users = [ratings.user_ids[part] for part in parts]
    return ratings.to_frame()[["user", "item", "rating"]], dict(zip(("kept", "forgotten", "never"), users, strict=True))


def attack(model: autorec.Recommender, frame: pd.DataFrame, users: dict[str, np.ndarray]) -> tuple[float, float]:
    """A model reconstructs whom it learned from better than others: AUC of the errors of those kept, and of those
    forgotten, against those who were never in training; each is folded in."""
    found = {}
    for name, those in users.items():
        known = frame[frame["user"].isin(those) & frame["item"].isin(model.ratings_.item_ids)]
        histories = model.fold_in(known).ratings_.csr
        scores = model.score_users(model.encode_users(histories))
        if model.rates:
            errors = histories.copy()
            errors.data = np.square(histories.data - model._to_ratings(scores)[histories.nonzero()])
            found[name] = -errors.sum(axis=1) / np.diff(histories.indptr)
        else:
            found[name] = -np.square(positives(histories, model.ratings_.scale).toarray() - scores).mean(axis=1)
    return tuple(
        roc_auc_score(np.repeat([1, 0], [len(found[name]), len(found["never"])]), [*found[name], *found["never"]])
        for name in ("kept", "forgotten")
    )


def test_who_was_forgotten_looks_like_who_was_never_there() -> None:
    frame, users = groups_of(autorec.load_sample())
    model = autorec.InfAE(l2=0.05, user_weight=0).fit(frame[~frame["user"].isin(users["never"])])
    before = attack(model, frame, users)
    after = attack(autorec.forget(model, users["forgotten"]), frame, users)
    assert min(before) > 0.9 and after[0] > 0.9
    assert after[1] == pytest.approx(0.5, abs=0.07)


def test_the_fast_way_is_nearer_to_that_and_says_that_it_is_not_exact(tmp_path: Path) -> None:
    frame, users = groups_of(autorec.load_sample())
    settings = {
        "hidden": 80,
        "penalty": "l2:1",
        "inputs": "residuals",
        "epochs": 40,
        "learning_rate": 0.01,
        "validation": 0,
    }
    model = autorec.create("u-autorec", **settings, user_damping=10, item_damping=10)
    model.fit(frame[~frame["user"].isin(users["never"])])
    before, exact, fast = (
        attack(one, frame, users)
        for one in (
            model,
            autorec.forget(model, users["forgotten"]),
            autorec.forget(model, users["forgotten"], fast=True),
        )
    )
    assert min(before) > 0.8 and exact[1] == pytest.approx(0.5, abs=0.07)
    assert exact[1] + 0.1 < fast[1] < before[1]
    model.save(tmp_path / "model")
    gone = users["forgotten"][:3].tolist()
    words = ("forget", tmp_path / "model", *(word for user in gone for word in ("--user", user)), "--fast")
    certificate = told(*words, "--certificate", tmp_path / "removed.json")
    assert certificate["how"].startswith("trained on") and not certificate["exact"]
    assert "may still hold traces" in certificate["note"]
    assert (autorec.load(tmp_path / "model").ratings_.find_users(gone) < 0).all()


@pytest.mark.parametrize("name", ["ease", "i-autorec", "autorec"])
def test_the_fast_way_leaves_no_id_and_is_exact_where_a_model_is_fitted_again(name: str, tmp_path: Path) -> None:
    model = autorec.create(name, **MODELS[name]).fit(named_frame())
    model.save(tmp_path / "model")
    certificate = autorec.forget_saved(tmp_path / "model", ID, fast=True)
    assert certificate["exact"] == (name == "ease")
    assert not [file for file in (tmp_path / "model").iterdir() if ID.encode() in file.read_bytes()]
    if name == "ease":
        assert_equal(autorec.load(tmp_path / "model"), autorec.forget(model, ID))
    with pytest.raises(InputError, match="there are no ratings to learn from"):
        autorec.forget(model, items=model.ratings_.item_ids, fast=True)


def test_what_it_refuses(ratings: autorec.Ratings) -> None:
    model = autorec.Ease().fit(ratings)
    with pytest.raises(InputError, match="nothing to forget: give ids of users or of items"):
        autorec.forget(model)
    with pytest.raises(InputError, match="unknown user 99"):
        autorec.forget(model, [3, 99])
    with pytest.raises(InputError, match="there are no ratings to learn from"):
        autorec.forget(model, items=range(20))
    with pytest.raises(InputError, match="no one would be left in the model; delete its folder instead"):
        autorec.forget(model.fold_in(pd.DataFrame({"user": [1], "item": [1], "rating": [5.0]})), 1)


def test_the_verb(tmp_path: Path) -> None:
    autorec.Ease().fit(named_frame()).save(tmp_path / "model")
    words = ("forget", tmp_path / "model", "--user", ID)
    answer = told(*words, "-o", tmp_path / "new", "--certificate", tmp_path / "removed.json")
    assert json.loads((tmp_path / "removed.json").read_text()) == answer
    assert answer["before"]["sha256"] == autorec.describe(tmp_path / "model")["sha256"]
    assert answer["after"]["sha256"] == autorec.describe(tmp_path / "new")["sha256"]
    told(*words)
    assert autorec.describe(tmp_path / "model")["files"] == answer["after"]["files"]
