"""Intervals hold the share of ratings that they state, whatever the model is worth."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_cli import run, told

import autorec
from autorec.errors import InputError, ParameterError


def made_ratings(seed: int, users: int = 400, items: int = 150) -> pd.DataFrame:
    """Continuous ratings around biases; the errors of users differ by a factor of 5 and are far from normal."""
    rng = np.random.default_rng(seed)
    user, item = (side.ravel() for side in np.indices((users, items)))
    observed = rng.random(len(user)) < 0.5
    user, item = user[observed], item[observed]
    noise = rng.laplace(size=len(user)) * rng.uniform(0.2, 1.0, users)[user]
    rating = 5 + rng.normal(0, 0.5, users)[user] + rng.normal(0, 0.5, items)[item] + noise
    return pd.DataFrame({"user": user, "item": item, "rating": rating}).sample(frac=1, random_state=seed)


def thirds(frame: pd.DataFrame) -> list[pd.DataFrame]:
    return [frame.iloc[part].reset_index(drop=True) for part in np.array_split(np.arange(len(frame)), 3)]


@pytest.mark.parametrize("kind", ["bias", "global-mean", "biased-mf"])
def test_they_hold_the_share_that_they_state(kind: str) -> None:
    settings = {"factors": 5, "sweeps": 3} if kind == "biased-mf" else {}
    found = {0.5: [], 0.9: []}
    for seed in range(5):
        train, kept, test = thirds(made_ratings(seed))
        intervals = autorec.calibrate(autorec.create(kind, **settings).fit(train), kept)
        for interval, coverages in found.items():
            table = intervals.predict(test["user"], test["item"], interval)
            coverages.append(np.mean((test["rating"] >= table["low"]) & (test["rating"] <= table["high"])))
    for interval, coverages in found.items():
        assert np.mean(coverages) == pytest.approx(interval, abs=0.01)


def test_the_half_width_is_the_quantile_of_the_errors_times_the_spread() -> None:
    train, kept, test = thirds(made_ratings(0))
    model = autorec.Bias().fit(train)
    intervals = autorec.calibrate(model, kept.iloc[:99])
    frame = train.assign(squared=(train["rating"] - model.fallback_.predict(train["user"], train["item"])) ** 2)
    mean = frame["squared"].mean()
    user, item = (
        (frame.groupby(side)["squared"].sum() + 10 * mean) / (frame.groupby(side)["squared"].size() + 10)
        for side in ("user", "item")
    )

    def spread(of: pd.DataFrame) -> np.ndarray:
        return np.sqrt(of["user"].map(user) * of["item"].map(item) / mean).to_numpy()

    error = np.abs(kept["rating"] - model.predict(kept["user"], kept["item"]))[:99] / spread(kept[:99])
    half = np.sort(error)[89] * spread(test)  # the 90th of 99: ⌈100 · 0.9⌉
    table = intervals.predict(test["user"], test["item"])
    rating = model.predict(test["user"], test["item"])
    low, high = model.ratings_.scale
    np.testing.assert_allclose(table["low"], np.maximum(rating - half, low), rtol=1e-5)
    np.testing.assert_allclose(table["high"], np.minimum(rating + half, high), rtol=1e-5)
    np.testing.assert_array_equal(table["rating"], rating)


def test_users_who_are_hard_to_predict_get_wider_ones_and_coverage_is_told_by_group() -> None:
    train, kept, test = thirds(made_ratings(1))
    intervals = autorec.calibrate(autorec.Bias().fit(train), kept)
    table = intervals.coverage(test)
    assert table["group"].iloc[0] == "all" and table["ratings"].iloc[0] == len(test)
    assert len(table) == 7 and table["ratings"].iloc[1:4].sum() == table["ratings"].iloc[4:].sum() == len(test)
    answered = intervals.predict(test["user"], test["item"])
    inside = (test["rating"].to_numpy() >= answered["low"] - 1e-5) & (
        test["rating"].to_numpy() <= answered["high"] + 1e-5
    )
    assert table["coverage"].iloc[0] == pytest.approx(inside.mean())
    widths = (answered["high"] - answered["low"]).groupby(test["user"].to_numpy()).mean()
    assert widths.max() > 2 * widths.min()


def test_unknown_pairs_get_the_fallback_and_an_average_spread() -> None:
    train, kept, _ = thirds(made_ratings(2))
    model = autorec.Bias().fit(train)
    table = autorec.calibrate(model, kept).predict([9999], [9999])
    assert table["rating"].tolist() == model.predict([9999], [9999]).tolist()
    assert table["low"][0] < table["rating"][0] < table["high"][0]


def test_what_it_refuses() -> None:
    train, kept, _ = thirds(made_ratings(3))
    model = autorec.Bias().fit(train)
    with pytest.raises(InputError, match="2 of 5 ratings are those that the model learned from"):
        autorec.calibrate(model, pd.concat([train[:2], kept[:3]]))
    with pytest.raises(InputError, match="there are no ratings to calibrate with"):
        autorec.calibrate(model, kept[:0])
    with pytest.raises(ParameterError, match="Ease ranks items and predicts no ratings"):
        autorec.calibrate(autorec.Ease().fit(train), kept)
    intervals = autorec.calibrate(model, kept[:8])
    with pytest.raises(ParameterError, match=r"interval is 0\.9, which takes 9 calibration ratings or more; got 8"):
        intervals.predict([1], [1])
    with pytest.raises(ParameterError, match=r"interval is 1\.5; allowed: a share"):
        intervals.predict([1], [1], 1.5)
    assert len(autorec.calibrate(model, kept[:9]).predict([1], [1])) == 1


def test_the_verb(tmp_path: Path) -> None:
    train, kept, test = thirds(made_ratings(4))
    model = autorec.Bias().fit(train)
    model.save(tmp_path / "model")
    for name, part in (("kept", kept), ("test", test.head(50))):
        part.to_csv(tmp_path / f"{name}.csv", index=False)
    words = ("predict", tmp_path / "model", tmp_path / "test.csv")
    rows = told(*words, "--interval", 0.8, "--calibrate", tmp_path / "kept.csv")["rows"]
    expected = autorec.calibrate(model, kept).predict(test["user"].head(50), test["item"].head(50), 0.8)
    for name in ("rating", "low", "high"):
        np.testing.assert_allclose([row[name] for row in rows], expected[name], rtol=1e-5)
    assert list(rows[0]) == ["user", "item", "rating", "low", "high", "source"]


def test_evaluate_counts_them_at_random_and_by_time(tmp_path: Path) -> None:
    """Errors of later ratings are three times as large: nine of ten hold at random, and fewer by time."""
    train, kept, test = thirds(made_ratings(5))
    model = autorec.GlobalMean().fit(train)
    test = pd.concat([kept, test], ignore_index=True).assign(timestamp=lambda frame: np.arange(len(frame)))
    later = np.arange(len(test)) >= len(test) // 2
    low, high = model.ratings_.scale
    centre = model.predict([0], [0])[0]
    test["rating"] = (centre + (test["rating"] - centre) * np.where(later, 1, 1 / 3)).clip(low, high)
    result = autorec.evaluate(model, test, interval=0.9)
    coverage = result.coverage
    assert coverage is not None and coverage.by_time is not None and len(coverage.at_random) == 7
    assert coverage.at_random[0].coverage == pytest.approx(0.9, abs=0.015)
    assert coverage.by_time[0].coverage < 0.7
    assert sum(group.ratings for group in coverage.at_random[1:4]) == coverage.at_random[0].ratings == len(test) // 2
    for page in (result.to_markdown(), result.to_html()):
        assert "Coverage of intervals" in page and "users with" in page and "it does not hold here" in page
    assert autorec.evaluate(model, test.drop(columns="timestamp"), interval=0.9).coverage.by_time is None
    model.save(tmp_path / "model")
    test.to_csv(tmp_path / "test.csv", index=False)
    answer = told("evaluate", tmp_path / "model", tmp_path / "test.csv", "--interval", 0.9)
    assert answer["coverage"]["by_time"][0]["coverage"] == pytest.approx(coverage.by_time[0].coverage)
    text = run("evaluate", tmp_path / "model", tmp_path / "test.csv", "--interval", 0.9).stdout
    assert "counted on the later, where nothing is guaranteed" in text
    with pytest.raises(InputError, match="are those that the model learned from"):
        autorec.evaluate(model, train, interval=0.9)
    with pytest.raises(InputError, match=r"takes 20 test ratings or more, .*; got 19: give more"):
        autorec.evaluate(model, test[:19], interval=0.5)
    with pytest.raises(ParameterError, match=r"interval is 0\.99999, which takes"):
        autorec.evaluate(model, test, interval=0.99999)
