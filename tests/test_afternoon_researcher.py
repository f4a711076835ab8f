"""A researcher with a table to reproduce: splits, models and metrics of one's own beside known ones, to a paper's
table."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from afternoon import movielens
from test_cli import refused, run, told

import autorec

RATINGS = autorec.load_sample()


class MostLoved:
    """Ranks items by the sum of their ratings."""

    def fit(self, ratings: autorec.Ratings) -> None:
        self.sums = np.asarray(ratings.csr.sum(axis=0)).ravel()

    def score_rows(self, rows: Any) -> Any:
        return np.tile(self.sums, (len(rows), 1))


def share_of_hits(recommended: Any, relevant: set[Any]) -> float:
    """hits / k, of the first k and what was liked"""
    return len(relevant.intersection(recommended)) / len(recommended)


def bias(predicted: Any, true: Any) -> float:
    """mean of r̂ − r"""
    return float(np.mean(predicted - true))


@pytest.fixture(scope="module")
def comparison() -> autorec.Comparison:
    return autorec.compare(
        RATINGS,
        [MostLoved(), "popularity", ("damped", autorec.Bias()), autorec.Ease(l2=100)],
        by=lambda ratings, seed: autorec.per_user_split(ratings, 0.2, seed),
        repeats=2,
        metrics=[share_of_hits, bias],
        baselines="none",
        name="sample",
    )


def test_names_estimators_and_ones_own_stand_in_one_table(comparison: autorec.Comparison) -> None:
    frame = comparison.to_frame()
    assert set(frame.index) == {"MostLoved", "popularity", "damped", "Ease"}
    np.testing.assert_allclose(frame["share_of_hits@10"], frame["precision@10"])
    assert np.isfinite(frame.loc["damped", "bias"]) and np.isnan(frame.loc["Ease", "bias"])
    assert (comparison.to_frame("sd").loc["Ease", "ndcg@10"]) > 0
    assert "mean of r̂ − r" in comparison.to_html()


def test_differences_have_intervals_and_a_verdict(comparison: autorec.Comparison) -> None:
    text = comparison.to_markdown()
    assert "Holm" in text and "Ease" in text
    assert {"model", "user"} <= set(comparison.per_user().reset_index().columns)


def test_the_table_of_a_paper(comparison: autorec.Comparison, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    assert "\\textbf" in comparison.to_latex() and "<table" in comparison._repr_html_()
    comparison.save(tmp_path / "table.tex")
    comparison.save(tmp_path / "report.html")
    axes = comparison.plot("ndcg@10", ax=Figure().subplots())
    assert axes.get_xlabel() == "NDCG@10 ↑"


def test_splits_repeat_and_are_given(tmp_path: Path) -> None:
    RATINGS.to_frame().to_csv(tmp_path / "ratings.csv", index=False)
    run("split", tmp_path / "ratings.csv", "--by", "random:0.1", "--seed", 3, "-o", tmp_path / "parts")
    given = f"given:{tmp_path / 'parts/train.csv'},{tmp_path / 'parts/test.csv'}"
    ask = ("compare", tmp_path / "ratings.csv", "-m", "popularity", "--baselines", "none")
    rows = [told(*ask, *by)["models"] for by in (("--by", given), ("--by", "random:0.1", "--seed", 3))]
    assert rows[0][0]["metrics"]["ndcg@10"]["values"] == pytest.approx(rows[1][0]["metrics"]["ndcg@10"]["values"])


def test_held_out_users_are_ranked_on_choices() -> None:
    found = autorec.compare(RATINGS, ["ease", "popularity"], by="strong:50", k=(20, 50), baselines="none").to_frame()
    assert found.loc["ease", "recall_truncated@20"] > found.loc["popularity", "recall_truncated@20"]


def test_settings_are_searched_and_used(tmp_path: Path) -> None:
    RATINGS.to_frame().to_csv(tmp_path / "ratings.csv", index=False)
    run("tune", tmp_path / "ratings.csv", "-m", "ease", "--trials", 2, "--repeats", 1, "-o", tmp_path / "best.json")
    assert autorec.create(str(tmp_path / "best.json")).get_params()["l2"] > 0
    made = told("train", tmp_path / "ratings.csv", "-m", tmp_path / "best.json", "-o", tmp_path / "model")
    assert made["model"]


def test_curves_and_intervals_are_tables() -> None:
    (one,) = autorec.split(RATINGS, "random:0.1")
    seen: list[tuple[int, float]] = []
    model = autorec.AutoRec(hidden=4, epochs=3, penalty="l2:50", inputs="ratings")
    model.fit(one.train, on_validation=lambda epoch, rmse: seen.append((epoch, rmse)))
    curve = model.learning_curve()
    assert {"epoch", "train_rmse", "validation_rmse"} <= set(curve) and len(seen) >= len(curve) > 0
    pairs = one.test.to_frame()
    found = autorec.calibrate(model, pairs[:1200]).predict(pairs["user"][1200:], pairs["item"][1200:], interval=0.9)
    assert isinstance(found, pd.DataFrame) and (found["low"] <= found["high"]).all()
    held = found["low"].to_numpy() <= pairs["rating"][1200:].to_numpy()
    held &= pairs["rating"][1200:].to_numpy() <= found["high"].to_numpy()
    assert 0.85 < held.mean() < 0.95  # sd 0.009 of 1200 pairs, and as much of the quantile


def test_published_tables_are_measured_by_name(tmp_path: Path) -> None:
    assert "did you mean table" in refused("reproduce", tmp_path, "--only", "tabel")


@pytest.mark.data
def test_the_folds_of_movielens_are_given_as_files() -> None:
    folder = movielens()
    pairs = [f"{folder / f'u{fold}.base'},{folder / f'u{fold}.test'}" for fold in (1, 2)]
    by = ("--by", "given:" + ",".join(pairs))
    found = told("compare", folder / "u.data", "-m", "bias", *by, "--baselines", "none")["models"][0]
    assert len(found["metrics"]["rmse"]["values"]) == 2 and found["metrics"]["rmse"]["mean"] < 0.97
