"""Comparison: the same splits for all, baselines at their best and affordable, refusals as rows, one JSON shape."""

import json
import math
import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from conftest import random_frame

from autorec import AutoRec, Bias, BiasedMF, Ease, GlobalMean, compare, create, evaluate, per_user_split, split
from autorec.cli.main import autorec as command_line
from autorec.errors import DivergedError, InputError, NotEnoughMemoryError, ParameterError
from autorec.evaluation import entries
from autorec.evaluation.baselines import BASELINES, GAIN, GRIDS, VALIDATION, search
from autorec.models.registry import MODELS
from autorec.ratings.convert import as_ratings


def test_compare_keeps_its_contract() -> None:
    models = [("small", AutoRec(hidden=4, epochs=2, penalty="l2:10")), "bias"]
    result = compare(random_frame(), models, by="random:0.2", repeats=2, k=(3, 5))
    told = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert [model["name"] for model in told["models"]] == ["small", *BASELINES["all"]]
    rmse = told["models"][0]["metrics"]["rmse"]
    assert len(rmse["values"]) == 2
    assert rmse["mean"] == pytest.approx(np.mean(rmse["values"]))
    assert rmse["sd"] == pytest.approx(np.std(rmse["values"], ddof=1))
    assert rmse["interval"][0] < rmse["mean"] < rmse["interval"][1]
    assert "rmse" not in told["models"][3]["metrics"]
    assert {"params", "fit_seconds", "fit_memory"} <= set(told["models"][0])
    assert told["split"]["by"] == "random:0.2"
    assert "ndcg@5" in told["models"][3]["metrics"]
    markdown = result.to_markdown()
    for text in ("| small |", "| popularity |", "Σ|r̂ − r|".replace("|", "|"), "cannot be told apart"):
        assert text in markdown
    chosen = next(m for m in told["models"] if m["name"] == "bias")
    second = compare(random_frame(), [("bias", Bias(**chosen["params"]))], by="random:0.2", seed=1, k=(3, 5))
    rmse = second.to_dict()["models"][0]["metrics"]["rmse"]["values"]
    assert rmse[0] == pytest.approx(chosen["metrics"]["rmse"]["values"][1])


def test_baselines_are_at_their_best_on_validation_ratings_of_the_first_split() -> None:
    """The best of what was tried is what all splits use, and what the report names as the settings."""
    result = compare(random_frame(60, 30), ["ease"], by="random:0.2", k=5, repeats=2)
    for model in result.to_dict()["models"]:
        if model["name"] not in GRIDS:
            assert model["choice"] is None
            continue
        metric, better = ("rmse", min) if model["metrics"].get("rmse") else ("ndcg@5", max)
        tried, settings = model["choice"]["tried"], model["choice"]["settings"]
        for name, values in GRIDS[model["name"]].items():
            assert set(values) <= {one[name] for one in tried}
        (value,) = (one[metric] for one in tried if settings.items() <= one.items())
        assert value == pytest.approx(better(one[metric] for one in tried), rel=GAIN)
        assert settings.items() <= model["params"].items()
        text = ", ".join(f"{name}={value}" for name, value in model["params"].items())
        assert f"- {model['name']}: {text}\n" in result.to_markdown().partition("## How it was made")[2]
    mine = compare(random_frame(60, 30), [("ease", Ease(l2=77.0))], by="random:0.2", baselines="none")
    assert mine.results[0].choice is None
    assert "left_out" in mine.to_dict()


def test_the_test_part_chooses_nothing() -> None:
    frame = random_frame(40, 30)
    (one,) = split(frame, "random:0.2", 0)
    hit = pd.MultiIndex.from_frame(frame[["user", "item"]]).isin(
        pd.MultiIndex.from_frame(one.test.to_frame()[["user", "item"]])
    )
    for name, quick in (("biased-mf", {"factors": 4, "sweeps": 3}), ("ease", {})):
        found = [
            compare(data, [name], by="random:0.2", baselines="none", settings={name: quick}).results[0].choice
            for data in (frame, frame.assign(rating=frame["rating"].where(~hit, 3)))
        ]
        assert found[0].tried == found[1].tried


def test_settings_are_chosen_by_the_relevant_items_that_were_asked_for() -> None:
    (one,) = split(random_frame(40, 30), "random:0.2", 0)
    choice = compare(None, ["pure-svd"], by=one, baselines="none", relevant=2).results[0].choice
    inside = per_user_split(one.train, VALIDATION, 0)
    for tried in choice.tried:
        model = create("pure-svd", **tried.settings).fit(inside.train)
        assert tried.value == evaluate(model, inside.test, relevant=2).metrics["ndcg@10"]


# --- the search ---------------------------------------------------------------------------------------------

SPACE = {"a": ("float", 0.5, 100.0, True), "b": ("int", 1, 40, True)}


def searched(
    loss: Any, grid: dict[str, Any], start: dict[str, Any], *is_quick: Any
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The best settings, and all that were tried, each once."""
    tried: list[dict[str, Any]] = []

    def recorded(settings: Any) -> float:
        if settings not in tried:
            tried.append(dict(settings))
        return float(loss(**settings))

    return dict(search(grid, start, SPACE, recorded, *is_quick)), tried


@pytest.mark.parametrize(("best", "found"), [(1.3, 1.25), (12.0, 10.0), (75.0, 80.0), (0.01, 0.5), (1e9, 100.0)])
def test_a_best_at_the_end_of_a_grid_widens_it_up_to_the_bounds(best: float, found: float) -> None:
    """In the ratio of the last two values, at most 4 more, never outside the search space."""
    settings, tried = searched(lambda a: abs(math.log(a / best)), {"a": (5.0, 10.0, 20.0)}, {"a": 10.0})
    assert settings == {"a": found}
    assert len(tried) <= 3 + 4
    assert all(0.5 <= one["a"] <= 100 for one in tried)


def test_whole_numbers_stay_whole_and_a_best_inside_ends_the_search() -> None:
    settings, tried = searched(lambda b: 1 / b, {"b": (5, 10, 20)}, {"b": 20})
    assert settings == {"b": 40} and [one["b"] for one in tried] == [5, 10, 20, 40]
    settings, tried = searched(lambda b: 1 - b / 1e6, {"b": (5, 10, 20)}, {"b": 20})  # hardly better: not worth it
    assert settings == {"b": 20} and tried[-1] == {"b": 40}
    settings, tried = searched(lambda b: 1 / b, {"b": (5, 10, 20)}, {"b": 20}, lambda settings: settings["b"] < 30)
    assert settings == {"b": 20} and tried[-1] == {"b": 20}  # 40 would take too long
    settings, tried = searched(lambda b: (b - 11) ** 2, {"b": (5, 10, 20)}, {"b": 20})
    assert settings == {"b": 10} and len(tried) == 3


def test_settings_are_searched_in_turn_until_nothing_changes() -> None:
    """The best b moves with a, so that b is searched again after a."""
    grid = {"b": (2, 4, 8), "a": (2.0, 4.0, 8.0)}
    settings, tried = searched(lambda a, b: (a - 2) ** 2 + (a - b) ** 2 / 2, grid, {"b": 8, "a": 8.0})
    assert settings == {"a": 2.0, "b": 2}
    assert tried[0] == {"b": 2, "a": 8.0}


# --- what is afforded ---------------------------------------------------------------------------------------


def test_a_baseline_that_would_take_longer_than_all_asked_for_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BiasedMF, "_seconds", lambda self, users, items, ratings: 10.0 * self.factors)
    said: list[str] = []
    result = compare(random_frame(), ["bias"], by="random:0.2", announce=said.append)
    assert "biased-mf" not in [model.name for model in result.results]
    why = r"it would take about \d+ to \d+ min, the models asked for about 1 s; -m biased-mf adds it"
    assert re.fullmatch(why, result.left_out["biased-mf"])
    assert f"biased-mf is left out: {result.left_out['biased-mf']}." in result.to_markdown()
    assert result.to_dict()["left_out"] == result.left_out
    assert re.fullmatch(r"Comparing 6 models on 1 split: about \d+( to \d+)? s expected\.", said[0])
    ratings = as_ratings(random_frame())
    splits = split(ratings, "random:0.2", 0)
    asked = entries.entries_of(["biased-mf"], {}, "all", splits[0].train)
    kept, left_out, seconds = entries.afforded(asked, splits)
    assert not left_out and kept == asked
    assert seconds[0] >= asked["biased-mf"].seconds("biased-mf", splits)[0] >= 10 * (12 + 25 + 50)


class Counted(BiasedMF):
    """Every fit is said to take a second, and is counted."""

    fits = 0

    def _seconds(self, n_users: int, n_items: int, n_ratings: int) -> float:
        return 1.0

    def _fit(self, ratings: Any, on_validation: Any) -> dict[str, Any]:
        Counted.fits += 1
        return super()._fit(ratings, on_validation)


@pytest.mark.parametrize("repeats", [1, 3])
@pytest.mark.parametrize("noise", [0.0, 3.0])  # for which the best λ lies at one end, and at the other
def test_the_expected_time_holds_wider_grids_and_repeats(monkeypatch: Any, noise: float, repeats: int) -> None:
    rng = np.random.default_rng(0)
    frame = random_frame(40, 30)
    frame["rating"] = np.clip(1 + frame["user"] % 5 + rng.normal(0, noise, len(frame)), 1, 5)
    monkeypatch.setattr(Counted, "fits", 0)
    monkeypatch.setattr("autorec.evaluation.entries.create", lambda name: Counted(sweeps=3))
    splits = [one for seed in range(repeats) for one in split(frame, "random:0.2", seed)]
    _, _, (low, high) = entries.afforded(entries.entries_of(["biased-mf"], {}, "none", splits[0].train), splits)
    said: list[str] = []
    compare(frame, ["biased-mf"], by="random:0.2", repeats=repeats, baselines="none", announce=said.append)
    assert low - 0.1 <= Counted.fits <= high + 0.1
    assert Counted.fits > 4 + 3 + repeats - 1  # the grids were widened
    assert said[0].endswith(f" on {repeats} split{'s' * (repeats > 1)}: {entries.duration((low, high))} expected.")


def test_a_baseline_that_lacks_memory_is_left_out_for_that_whatever_its_time(monkeypatch: Any) -> None:
    monkeypatch.setitem(BASELINES, "all", ("bias", "ease"))
    monkeypatch.setattr(Ease, "_memory", lambda *_: 2**50)
    monkeypatch.setattr(Ease, "_seconds", lambda *_: 1e6)
    monkeypatch.setattr(entries, "available_memory", lambda: 3 * 2**30)
    result = compare(random_frame(), ["popularity"], by="random:0.2")
    assert result.left_out["ease"] == "it needs about 1048576.0 GiB of memory and 3.0 GiB are free"


def test_time_is_told_in_words() -> None:
    told = [entries.duration((seconds, seconds)) for seconds in (0.01, 42, 89.9, 91, 3000, 9000)]
    assert told == ["about 1 s", "about 42 s", "about 90 s", "about 2 min", "about 50 min", "about 2.5 h"]
    told = [entries.duration(seconds) for seconds in ((0.3, 0.9), (2, 50), (50, 150), (130, 9000))]
    assert told == ["about 1 s", "about 2 to 50 s", "about 50 s to 2 min", "about 2 min to 2.5 h"]


@pytest.mark.parametrize("name", MODELS)
def test_every_model_expects_a_time_that_grows(name: str) -> None:
    model = create(name)
    small, large = model._seconds(1000, 1000, 20_000), model._seconds(10_000, 10_000, 2_000_000)
    assert 0 < small < large < 3600 * 24


# --- refusals -----------------------------------------------------------------------------------------------


class Refusing(GlobalMean):
    """Refuses to learn with the error of its class."""

    error: Exception = InputError("it has had enough")

    def _fit(self, ratings: Any, on_validation: Any) -> dict[str, Any]:
        raise self.error


def test_one_refusal_is_a_row_with_its_reason_and_the_others_go_on(tmp_path: Path) -> None:
    result = compare(random_frame(), [("no", Refusing()), "bias"], by="random:0.2", repeats=2, baselines="none")
    told = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    no, bias = told["models"]
    assert (no["name"], no["refused"], no["metrics"], no["fit_seconds"]) == ("no", "it has had enough", {}, None)
    assert "refused" not in bias and len(bias["metrics"]["rmse"]["values"]) == 2
    markdown = result.to_markdown()
    assert re.search(r"\n\| no \|( – \|)+ refused \| – \|\n", markdown)
    assert "no has no result: it has had enough." in markdown
    assert "no has no result: it has had enough." in result.to_html()
    assert set(result.per_user()["model"]) == {"bias"}


@pytest.mark.parametrize("error", [NotEnoughMemoryError("no room"), MemoryError(), DivergedError("infinite")])
def test_a_refusal_of_all_is_the_error_itself(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(Refusing, "error", error)
    with pytest.raises(type(error)):
        compare(random_frame(), [("no", Refusing())], by="random:0.2", baselines="none")
    result = compare(random_frame(), [("no", Refusing())], by="random:0.2", baselines="simple")
    assert [(one.name, one.refused) for one in result.results if one.refused] == [
        ("no", str(error) or "there is not enough memory")
    ]


def test_constant_ratings_refuse_rating_models_and_no_others(tmp_path: Path) -> None:
    random_frame().assign(rating=1).to_csv(tmp_path / "r.csv", index=False)
    asked = ["compare", str(tmp_path / "r.csv"), "-m", "i-autorec", "-m", "popularity", "--by", "random:0.2"]
    done = CliRunner().invoke(command_line, [*asked, "-o", str(tmp_path / "c.json")])
    assert done.exit_code == 0
    assert "- i-autorec has no result: all ratings are 1" in done.stdout  # printed beside a file too
    models = json.loads((tmp_path / "c.json").read_text())["models"]
    assert [model["name"] for model in models if "refused" in model] == ["i-autorec"]
    assert {"popularity", "ease", "item-knn", "pure-svd"} < {model["name"] for model in models}
    assert re.search(r"Comparing 5 models on 1 split: about \d+( to \d+)? s expected", done.stderr)


# --- settings, kinds of models, notes, ids ------------------------------------------------------------------


def test_settings_of_one_model_and_of_all(tmp_path: Path) -> None:
    random_frame().to_csv(tmp_path / "r.csv", index=False)

    def run(*words: str) -> Any:
        always = ["compare", str(tmp_path / "r.csv"), "--by", "random:0.2", "--baselines", "none", "--json"]
        return CliRunner().invoke(command_line, [*always, *words])

    both = ("-m", "i-autorec", "-m", "u-autorec", "--set", "epochs=2", "--set", "penalty=l2:5", "--set")
    params = {model["name"]: model["params"] for model in json.loads(run(*both, "u-autorec:hidden=3").stdout)["models"]}
    assert params["i-autorec"]["epochs"] == params["u-autorec"]["epochs"] == 2
    assert (params["i-autorec"]["hidden"], params["u-autorec"]["hidden"]) == (500, 3)
    (mf,) = json.loads(run("-m", "biased-mf", "--set", "factors=2").stdout)["models"]
    assert mf["params"]["factors"] == 2 and set(mf["choice"]["settings"]) == {"l2"}
    for words, status, sentence in (
        (("--set", "hidden=3"), 1, "bias has no setting 'hidden'"),
        (("--set", "ease:l2=3"), 1, "there are settings for ease, which is not asked for; allowed: bias"),
        (("--set", "user_damping=-3"), 1, "user_damping is -3"),
        (("--set", "bias:hidden"), 2, "'bias:hidden' is not name=value or model:name=value"),
        (("--set", ":hidden=3"), 2, "is not name=value or model:name=value"),
    ):
        refused = run("-m", "bias", *words)
        assert (refused.exit_code, sentence in " ".join(refused.stderr.split())) == (status, True), refused.stderr


def test_models_that_rate_get_the_ratings_of_a_split_of_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BASELINES, "all", ("bias", "global-mean", "popularity", "ease"))
    frame = random_frame(80, 30, 0.6)
    result = compare(frame, ["bias", "ease"], by="strong:20", k=5)
    found = {one.name: one for one in result.results}
    assert set(found) == set(BASELINES["all"])
    assert len({one.evaluations[0].counts.ranked_users for one in found.values()}) == 1
    assert not any(name.startswith(("rmse", "mae")) for one in found.values() for name in one.evaluations[0].metrics)
    (one,) = split(frame, "strong:20", 0)
    rated = one.rated
    assert rated is not None and set(rated.train.csr.data) == {1, 2, 3, 4, 5} and set(one.train.csr.data) == {1}
    for part, same in ((one.test, rated.test), (one.fold_in, rated.fold_in)):
        pd.testing.assert_frame_equal(part.to_frame()[["user", "item"]], same.to_frame()[["user", "item"]])
        assert set(same.csr.data) == {4, 5}
    assert set(rated.train.user_ids) == set(one.train.user_ids)
    assert set(rated.train.item_ids) == set(one.train.item_ids)
    both = frame.merge(rated.train.to_frame(), on=["user", "item"], suffixes=("", "_kept"))
    assert len(both) == len(rated.train) and (both["rating"] == both["rating_kept"]).all()


class Noting(GlobalMean):
    """Warns when it learns."""

    def _fit(self, ratings: Any, on_validation: Any) -> dict[str, Any]:
        warnings.warn("something is done differently", stacklevel=2)
        return {}


def test_a_model_of_choices_that_learns_in_epochs_has_its_row() -> None:
    result = compare(random_frame(), [("elsa", create("elsa", epochs=2, factors=3))], by="random:0.2", baselines="none")
    assert result.results[0].summaries[0]["curve"] and "| elsa |" in result.to_markdown()


def test_a_note_names_its_model() -> None:
    with pytest.warns(UserWarning, match="^mine: something is done differently$"):
        compare(random_frame(), [("mine", Noting()), "popularity"], by="random:0.2", baselines="none")


def test_a_report_names_users_only_where_asked() -> None:
    """A user who is another one again is an example of the audit."""
    frame = random_frame(30, 40).astype({"user": str}).replace({"user": {"7": "Ann-Marie"}})
    frame = pd.concat([frame, frame[frame["user"] == "Ann-Marie"].assign(user="Anonymous")])
    for named in (False, True):
        result = compare(frame, ["popularity"], by="random:0.1", baselines="none", user_ids=named)
        assert "exactly the ratings of another user" in result.to_markdown()
        told = [result.to_markdown(), result.to_html(), json.dumps(result.to_dict())]
        assert [name in text for text in told for name in ("Ann-Marie", "Anonymous")] == [named] * 6


def test_the_grids_hold_the_presets_own_settings() -> None:
    for name, grid in GRIDS.items():
        params = create(name).get_params()
        assert all(params[setting] in values for setting, values in grid.items()), name


def test_baselines_that_cannot_run_are_told_and_left_out(monkeypatch) -> None:
    monkeypatch.setitem(BASELINES, "all", ("bias", "popularity", "ease"))
    monkeypatch.setattr("autorec.models.ease.available_memory", lambda: 10)
    result = compare(random_frame(), ["bias"], by="random:0.2")
    assert "ease" not in [model.name for model in result.results]
    assert "pure-svd" in result.left_out["ease"]
    assert "ease is left out: Ease on" in result.to_markdown()
    asked = compare(random_frame(), ["ease", "popularity"], by="random:0.2", baselines="none").results[0]
    assert asked.name == "ease" and "pure-svd" in asked.refused
    with pytest.raises(ParameterError, match="allowed: all, simple, none"):
        compare(random_frame(), ["bias"], baselines="some")


def test_models_that_rate_are_no_baselines_where_ratings_do_not_vary() -> None:
    result = compare(random_frame(80, 30, 0.6).assign(rating=1), ["ease"], by="random:0.2", k=5)
    names = {model.name for model in result.results}
    assert names == {"ease", "popularity", "item-knn", "pure-svd"}


def test_the_report_shows_what_people_would_see() -> None:
    ratings = as_ratings(random_frame())
    ratings = replace(ratings, titles=np.array([f"film {item}" for item in ratings.item_ids], dtype=object))
    result = compare(ratings, ["bias"], by="random:0.3", baselines="simple", command="autorec compare x", user_ids=True)
    (one,) = split(ratings, "random:0.3", 0)
    assert 1 <= len(result.examples) <= 3
    for example in result.examples:
        shown = Bias().fit(one.train).recommend(example.user, 6)
        assert [item.item for item in example.lists["bias"]] == shown["item"].tolist()
        stars = [item.rating for item in example.known]
        assert stars == sorted(stars, reverse=True)
        assert all(item.title == f"film {item.item}" for item in example.known + example.test)
    assert "`autorec compare x`" in result.to_markdown()
    table = result.per_user()
    assert set(table["model"]) == {"bias", "global-mean", "popularity"}
    assert list(table.columns[:3]) == ["model", "split", "user"]


def test_models_compared_are_copies() -> None:
    model = AutoRec(hidden=4, epochs=2, penalty="l2:10", random_state=11)
    compare(random_frame(), [("mine", model)], by="random:0.2", baselines="none")
    assert model.random_state == 11
    assert not hasattr(model, "network_")
    with pytest.raises(ParameterError, match="two models are named bias"):
        compare(random_frame(), ["bias", "bias"])
