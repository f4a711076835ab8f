"""Injected profiles and mistaken ratings are found, better than by statistics without a model."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from test_cli import told

import autorec
from autorec.errors import ParameterError
from autorec.reproduction.attacks import KINDS, attack

ATTACKERS, FILLER = 30, 40  # of 600 users, who have 40 ratings each on average


def i_autorec() -> autorec.AutoRec:
    return autorec.AutoRec("item", hidden=64, penalty="l2:60", random_state=0)


@pytest.mark.parametrize("kind", KINDS)
def test_injected_profiles_are_found(kind: str) -> None:
    frame = autorec.load_sample().to_frame()[["user", "item", "rating"]]
    table = autorec.anomalies(i_autorec().fit(attack(frame, kind, ATTACKERS, FILLER)))
    auc = {name: roc_auc_score(table["user"] < 0, table[name]) for name in ("z", "ratings", "mean_deviation", "rdma")}
    assert auc["z"] > 0.98
    assert auc["z"] > max(auc["ratings"], auc["mean_deviation"], auc["rdma"])


def test_mistaken_ratings_are_found() -> None:
    frame = autorec.load_sample().to_frame()[["user", "item", "rating"]]
    extreme = np.flatnonzero((frame["rating"] <= 1.5) | (frame["rating"] >= 4.5))
    wrong = np.random.default_rng(1).choice(extreme, 200, replace=False)
    frame.loc[wrong, "rating"] = 6 - frame.loc[wrong, "rating"]
    frame["wrong"] = frame.index.isin(wrong)
    table = autorec.anomalies(i_autorec().fit(frame[["user", "item", "rating"]]), "ratings").merge(frame)
    deviation = (table["rating"] - table.groupby("item")["rating"].transform("mean")).abs()
    found, plain = (roc_auc_score(table["wrong"], score) for score in (table["error"].abs(), deviation))
    assert found > 0.97 and found > plain + 0.05


def test_the_columns_are_what_they_are_said_to_be(ratings: autorec.Ratings) -> None:
    model = autorec.Bias().fit(ratings)
    frame = ratings.to_frame()
    frame["error"] = frame["rating"] - model.predict(frame["user"], frame["item"])
    of_items = frame.groupby("item")["rating"]
    frame["deviation"] = (frame["rating"] - of_items.transform("mean")).abs()
    frame["weighted"] = frame["deviation"] / of_items.transform("size")
    table = autorec.anomalies(model).set_index("user")
    assert table["z"].is_monotonic_decreasing and len(table) == 30
    squared = frame["error"] ** 2
    for user, own in frame.groupby("user"):
        row = table.loc[user]
        high = squared[own.index].mean() - squared.mean()
        assert row["ratings"] == len(own) and row["rmse"] == pytest.approx(np.sqrt(squared[own.index].mean()))
        assert row["z"] == pytest.approx(high / (squared.std(ddof=0) / np.sqrt(len(own))))
        assert row["mean_deviation"] == pytest.approx(own["deviation"].mean(), rel=1e-5)
        assert row["rdma"] == pytest.approx(own["weighted"].mean(), rel=1e-5)
        assert row["worst"] == own.loc[own["error"].abs().idxmax(), "item"]
    worst = autorec.anomalies(model, "ratings", n=7)
    assert worst["error"].abs().tolist() == pytest.approx(frame["error"].abs().nlargest(7).tolist())
    assert (worst["rating"] - worst["predicted"]).tolist() == pytest.approx(worst["error"].tolist())


def test_what_it_refuses(ratings: autorec.Ratings) -> None:
    with pytest.raises(ParameterError, match="Ease predicts no ratings to compare with; models that do: i-autorec, u-"):
        autorec.anomalies(autorec.Ease().fit(ratings))
    with pytest.raises(ParameterError, match="of is 'items'; allowed: users, ratings"):
        autorec.anomalies(autorec.Bias().fit(ratings), "items")


def test_the_verb(tmp_path: Path) -> None:
    model = autorec.Bias().fit(autorec.load_sample())
    model.save(tmp_path / "model")
    rows = told("anomalies", tmp_path / "model", "-n", 5)["rows"]
    assert rows == autorec.anomalies(model, n=5).to_dict("records")
    titles = dict(zip(model.ratings_.item_ids, model.ratings_.titles, strict=True))
    assert [row["title"] for row in rows] == [titles[row["worst"]] for row in rows]
    told("anomalies", tmp_path / "model", "--of", "ratings", "-o", tmp_path / "ratings.csv")
    written = pd.read_csv(tmp_path / "ratings.csv")
    assert len(written) == 20 and written["title"].notna().all()
