"""Tuning: the search, its storage, its processes, what it promises of the test part, and the preset file it writes."""

import contextlib
import functools
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import work
from click.testing import CliRunner, Result
from conftest import bytes_at_most, checkerboard, random_frame

from autorec import create, evaluate, random_split, read_ratings, tune
from autorec.cli.main import autorec as command
from autorec.errors import AutoRecError, InputError, ParameterError
from autorec.models.presets import PRESETS
from autorec.models.registry import MODELS
from autorec.models.spaces import SPACES, setting, space_of, training_bytes
from autorec.ratings.convert import as_ratings
from autorec.threads import thread_count
from autorec.tuning import search
from autorec.tuning import tune as tuning
from autorec.tuning.workers import PROCESS, fitting_jobs, side_by_side

# Small and quick, and with validation ratings of its own, so that trials have learning curves.
QUICK = {"hidden": 6, "epochs": 8, "validation": 0.2}
SET = [word for name, value in QUICK.items() for word in ("--set", f"{name}={value}")]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals and terminals as POSIX has them")


def people() -> pd.DataFrame:
    return random_frame(60, 40)


def inner_split(frame: pd.DataFrame, seed: int = 0):
    """As the module says: 10 % are set aside, of the rest 10 % score the trials, drawn by a seed made of (seed, 1)."""
    outer = random_split(frame, 0.1, seed)
    return random_split(outer.train, 0.1, int(np.random.SeedSequence([seed, 1]).generate_state(1)[0]))


def same_trials(a: pd.DataFrame, b: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(a.drop(columns="seconds"), b.drop(columns="seconds"))


def run(*arguments: object, status: int = 0) -> Result:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    return result


@pytest.fixture(scope="module")
def found():
    return tune(people(), "i-autorec", trials=14, seed=3, settings=QUICK, repeats=2)


# --- the search ---------------------------------------------------------------------------------------------


def test_the_best_trial_is_the_best_of_the_table_and_its_settings_reproduce_its_value(found):
    complete = found.trials.dropna(subset="rmse")
    assert found.value == complete["rmse"].min()
    row = complete.loc[complete["rmse"].idxmin()]
    assert found.settings == QUICK | {name: row[name] for name in ("penalty", "learning_rate", "batch")}
    inner = inner_split(people(), 3)
    model = found.estimator().set_params(random_state=3).fit(inner.train)
    assert evaluate(model, inner.test).metrics["rmse"] == found.value
    assert found.split["sizes"]["train"] == len(inner.train)


def test_trial_0_is_the_defaults(found):
    first = found.trials.iloc[0]
    assert (first["trial"], first["penalty"], first["learning_rate"], first["batch"]) == (0, "l2:auto", 0.003, "auto")
    inner = inner_split(people(), 3)
    model = create("i-autorec", **QUICK, random_state=3).fit(inner.train)
    assert evaluate(model, inner.test).metrics["rmse"] == first["rmse"] == found.default_value


def test_the_same_seed_tries_the_same_and_another_seed_does_not(found):
    again = tune(people(), "i-autorec", trials=14, seed=3, settings=QUICK, repeats=1)
    same_trials(again.trials, found.trials)
    assert found.trials["trial"].tolist() == list(range(14))
    other = tune(people(), "i-autorec", trials=2, seed=4, settings=QUICK, repeats=1)
    assert other.trials["learning_rate"].iloc[1] != found.trials["learning_rate"].iloc[1]


def test_a_ranking_model_is_tuned_for_the_highest_ndcg():
    frame = random_frame(200, 60, density=0.2)
    found = tune(frame, "ease", trials=8, metric="ndcg@5", repeats=1)
    assert found.value == found.trials["ndcg@5"].max() > found.trials["ndcg@5"].min()
    inner = inner_split(frame)
    assert evaluate(found.estimator().fit(inner.train), inner.test, k=5).metrics["ndcg@5"] == found.value


@pytest.mark.parametrize("name", SPACES)
def test_every_space_holds_the_defaults_and_its_search_runs(name):
    quick = QUICK if "autorec" in name else {"epochs": 2, "global_epochs": 1, "samples": 2, "burn_in": 1}
    fixed = {setting: value for setting, value in quick.items() if setting in MODELS[name].parameters()}
    found = tune(people(), name, trials=3, settings=fixed, by="last:2")
    assert (found.trials["state"] == "complete").all()
    assert found.trials[list(space_of(name, fixed))].drop_duplicates().shape[0] == 3
    create(name).set_params(**found.settings)


def test_all_presets_with_something_to_tune_have_a_space():
    without = set(PRESETS) - set(SPACES)
    plain = {name for name in without if not name.endswith("-paper")}
    assert plain == {"autorec", "blend", "global-mean", "popularity"}
    with pytest.raises(ParameterError, match="popularity has no search space; models that have one: i-autorec"):
        tune(people(), "popularity")


def test_what_is_written_down_is_what_is_run():
    assert setting(("float", 0, 1, True), 0.123456789) == 0.1235
    assert setting(("l2", 0, 1, True), 1234.5678) == "l2:1235"
    assert setting(("int", 0, 9, True), 3.0) == 3
    assert setting(["auto", 64], "auto") == "auto"


# --- the test part ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "by"), [("i-autorec", "random:0.1"), ("bias", "last:2"), ("bias", "users:9")])
def test_no_trial_sees_the_test_part(model, by):
    """All ratings of the test part are changed: every trial stays as it was, bit for bit."""
    frame = people()
    (one,) = tuning.split(frame, by, 0)
    aside = pd.MultiIndex.from_frame(one.test.to_frame()[["user", "item"]])
    poisoned = frame.copy()
    hit = pd.MultiIndex.from_frame(frame[["user", "item"]]).isin(aside)
    assert 0 < hit.sum() == len(one.test)
    poisoned.loc[hit, "rating"] = poisoned.loc[hit, "rating"] % 5 + 1
    settings = QUICK if model == "i-autorec" else {}
    clean, dirty = (tune(f, model, by=by, trials=12, settings=settings, repeats=1) for f in (frame, poisoned))
    same_trials(clean.trials, dirty.trials)
    assert clean.settings == dirty.settings and clean.value == dirty.value
    assert clean.held_out.results[0].values("rmse") != dirty.held_out.results[0].values("rmse")


# --- pruned and failed --------------------------------------------------------------------------------------


def test_a_bad_region_is_pruned_and_what_is_pruned_is_never_the_best(monkeypatch):
    """With a step size of 1e-9 nothing of the checkerboard is learned."""
    monkeypatch.setitem(SPACES, "i-autorec", {"learning_rate": [0.003, 0.01, 0.02, 1e-9, 2e-9, 3e-9]})
    fixed = {"hidden": 4, "epochs": 12, "validation": 0.2, "penalty": "l2:1"}
    found = tune(checkerboard(30), "i-autorec", trials=20, settings=fixed, repeats=1)
    pruned = found.trials[found.trials["state"] == "pruned"]
    assert len(pruned) >= 2 and (pruned["learning_rate"] < 1e-8).any()
    assert pruned["rmse"].isna().all()
    assert found.settings["learning_rate"] >= 0.003
    assert f"{len(pruned)} pruned" in found.sentences()[0]


def test_several_learning_curves_in_a_trial_are_one_for_the_pruner():
    """With λ fixed to auto each trial trains for every λ; reporting an epoch twice is a warning of Optuna's."""
    found = tune(people(), "i-autorec", trials=8, settings=QUICK | {"penalty": "l2:auto"}, repeats=1)
    assert found.settings["penalty"] == "l2:auto" and len(found.trials) == 8


def test_a_trial_that_diverges_is_kept_as_failed_with_its_error(monkeypatch, tmp_path):
    monkeypatch.setitem(SPACES, "i-autorec", {"learning_rate": [0.003, 1e25]})
    fixed = QUICK | {"penalty": "l2:100"}
    found = tune(people(), "i-autorec", trials=6, settings=fixed, repeats=1, storage=tmp_path / "s")
    failed = found.trials[found.trials["state"] == "failed"]
    assert 0 < len(failed) < 6
    assert (failed["learning_rate"] == 1e25).all() and failed["rmse"].isna().all()
    assert failed["error"].str.contains("diverged").all()
    assert found.trials["error"].notna().sum() == len(failed)
    assert found.settings["learning_rate"] == 0.003
    assert any("diverged" in sentence for sentence in found.sentences())
    again = tune(people(), "i-autorec", trials=6, settings=fixed, repeats=1, storage=tmp_path / "s")
    pd.testing.assert_frame_equal(again.trials, found.trials)  # the seconds too: nothing was run again


def test_when_the_defaults_fail_there_is_nothing_to_compare_with():
    with pytest.raises(AutoRecError, match="diverged"):
        tune(people(), "i-autorec", trials=2, settings=QUICK | {"learning_rate": 1e25})


# --- the storage --------------------------------------------------------------------------------------------


def cut_last_line(written: bytes) -> bytes:
    return written[:-10]


def cut_in_the_middle_of_a_trial(written: bytes) -> bytes:
    """Two records of the last trial are left, one of them half: it stays as running for ever."""
    begun = written.rindex(b'{"op_code":4,')
    end = written.index(b"\n", begun) + 1
    return written[: end + 30]


@pytest.mark.parametrize("cut", [bytes, cut_last_line, cut_in_the_middle_of_a_trial])
def test_a_search_goes_on_from_its_storage_as_if_without_the_break(found, tmp_path, cut):
    """The break lies after the random trials, where Optuna looks at all that came before."""
    how = {"seed": 3, "settings": QUICK, "repeats": 1, "storage": tmp_path / "search"}
    tune(people(), "i-autorec", trials=13, **how)
    how["storage"].write_bytes(cut(how["storage"].read_bytes()))
    whole = tune(people(), "i-autorec", trials=14, **how)
    same_trials(whole.trials, found.trials)
    assert whole.settings == found.settings


def test_a_cut_in_the_first_line_is_mended(tmp_path):
    kept = tmp_path / "search"
    kept.write_bytes(b'{"op_code":0,"worker')
    assert len(tune(people(), "bias", trials=2, repeats=1, storage=kept).trials) == 2


def test_the_storage_of_another_search_is_refused_telling_what_differs(tmp_path):
    kept = tmp_path / "search"
    first = tune(people(), "bias", trials=2, repeats=1, storage=kept)
    changed = people()
    changed.loc[7, "rating"] = changed.loc[7, "rating"] % 5 + 1
    for what, frame, model, how in (
        ("ratings, split", people(), "bias", {"seed": 1}),
        ("ratings", changed, "bias", {}),
        ("model, search space, metric", people(), "ease", {}),
        ("settings, search space", people(), "bias", {"settings": {"user_damping": 3}}),
    ):
        with pytest.raises(InputError, match=rf"search holds a search with other {what}; name another storage"):
            tune(frame, model, trials=2, storage=kept, **how)
    again = tune(people(), "bias", trials=2, repeats=1, storage=kept)
    pd.testing.assert_frame_equal(again.trials, first.trials)  # what was refused changed nothing


@pytest.mark.parametrize("text", ["user,item,rating\n1,2,3\n", '["op"]', "17\n"])
def test_a_file_that_is_no_storage_is_refused_and_left_alone(tmp_path, text):
    other = tmp_path / "precious"
    other.write_text(text)
    with pytest.raises(InputError, match="precious is no storage of a search; name another file"):
        tune(people(), "bias", trials=2, storage=other)
    assert other.read_text() == text


def test_a_damaged_storage_is_refused(tmp_path):
    kept = tmp_path / "search"
    tune(people(), "bias", trials=2, repeats=1, storage=kept)
    lines = kept.read_bytes().splitlines(keepends=True)
    lines[2] = b"?" * len(lines[2].strip()) + b"\n"
    kept.write_bytes(b"".join(lines))
    with pytest.raises(InputError, match="search is damaged or no storage of a search"):
        tune(people(), "bias", trials=3, storage=kept)


# --- interrupted --------------------------------------------------------------------------------------------


def test_interrupted_keeps_the_best_so_far_and_goes_on(found, monkeypatch, tmp_path):
    how = {"trials": 14, "seed": 3, "settings": QUICK, "repeats": 1, "storage": tmp_path / "search"}
    measured, calls = search._measure, []

    def ctrl_c(*arguments):
        calls.append(arguments)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return measured(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(search, "_measure", ctrl_c)
        part = tune(people(), "i-autorec", **how)
    assert part.interrupted and part.improved is None
    assert part.held_out is part.comparison is None
    same_trials(part.trials, found.trials.iloc[:4])
    assert part.value == found.trials["rmse"].iloc[:4].min()
    assert part.sentences()[-1].startswith("Interrupted: the settings are the best so far")
    assert json.loads(json.dumps(part.preset()))["tuned"]["values"]["held_out"] is None
    same_trials(tune(people(), "i-autorec", **how).trials, found.trials)


def test_interrupted_before_the_defaults_are_done_there_is_nothing_to_keep(monkeypatch):
    monkeypatch.setattr(search, "_run_defaults", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        tune(people(), "bias", trials=2)


def test_interrupted_while_comparing_nothing_is_claimed(monkeypatch):
    def ctrl_c(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(tuning, "compare", ctrl_c)
    part = tune(people(), "bias", trials=3)
    assert part.interrupted and part.improved is None and len(part.trials) == 3


# --- what is claimed ----------------------------------------------------------------------------------------


def test_improved_when_the_defaults_are_far_off():
    """Ratings are the user's taste alone, without noise: any penalty of it is an error, and the default's λ is .07."""
    frame = random_frame(200, 30, density=0.25)
    frame["rating"] = 1.0 + frame["user"] % 5
    found = tune(frame, "biased-mf", trials=12, repeats=2)
    assert found.improved is True
    assert found.settings["l2"] < 0.05
    tuned, defaults = (result.values("rmse")[0] for result in found.held_out.results)
    assert tuned < defaults
    *_, last, conclusion = found.sentences()
    assert "fresh splits (mean of 2): tuned" in last and "tuned beats defaults by" in last
    assert conclusion == "The tuned settings beat the defaults."


def test_not_improved_when_the_defaults_stay_the_best():
    found = tune(people(), "bias", trials=1, repeats=1)
    assert found.improved is False and found.value == found.default_value
    assert [result.name for result in found.held_out.results] == ["defaults"]
    assert found.settings == {"user_damping": "auto", "item_damping": "auto"}
    assert found.sentences()[0] == "1 trial: 1 complete."
    assert found.sentences()[-1] == "No trial did better than the defaults: the preset holds the defaults."


def test_not_improved_by_the_luck_of_the_validation_part():
    """Ratings are noise: some trial is the best there, and no better anywhere else."""
    found = tune(people(), "bias", trials=12, repeats=3)
    assert found.value < found.default_value
    assert found.improved is False
    assert found.sentences()[-1] == "The tuned settings do not beat the defaults: keep the defaults."


def test_fresh_splits_where_a_seed_makes_them(found):
    assert found.comparison.split.splits == 2
    assert found.comparison.split.seed == 4
    assert tune(people(), "bias", by="last:2", trials=2).comparison is None
    assert tune(people(), "ease", by="strong:15", trials=2, repeats=1).comparison is not None


def test_a_test_part_without_relevant_items_is_told_and_the_preset_is_still_written(tmp_path):
    low = random_frame(60, 40, seed=1)
    low["rating"] = 1.0 + low.index % 3
    parts = {"a": as_ratings(people()), "b": as_ratings(low)}
    found = tune(None, "ease", by="given:a,b", trials=3, read=parts.__getitem__)
    assert any(re.match("On the test part set aside: no ndcg@10", sentence) for sentence in found.sentences())
    assert not found.improved
    found.save(tmp_path / "p.json")
    assert set(json.loads((tmp_path / "p.json").read_text())["tuned"]["values"]["held_out"].values()) == {None}


def test_to_dict_is_json(found):
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert [trial["state"] for trial in told["trials"]] == found.trials["state"].tolist()
    assert told["held_out"]["models"][0]["name"] == "tuned"
    assert told["improved"] is found.improved


# --- the preset file ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory, found):
    """ratings.csv, and best.json, tuned for them."""
    folder = tmp_path_factory.mktemp("tuning")
    people().to_csv(folder / "ratings.csv", index=False)
    found.save(folder / "best.json")
    return folder


def test_the_preset_file_is_read_by_create_train_and_compare(found, place, tmp_path):
    preset = str(place / "best.json")
    assert create(preset).get_params() == found.estimator().get_params()
    assert create(preset, hidden=7).hidden == 7
    made = json.loads(
        run("train", place / "ratings.csv", "-m", preset, "-o", tmp_path / "m", "--json", "--seed", 3).stdout
    )
    assert made["parameters"]["penalty"] == found.settings["penalty"]
    told = json.loads(run("compare", place / "ratings.csv", "-m", preset, "-m", "bias", "--seed", 3, "--json").stdout)
    ours = next(model for model in told["models"] if model["name"] == "best")
    tuned = next(result for result in found.held_out.results if result.name == "tuned")
    assert ours["metrics"]["rmse"]["values"] == tuned.values("rmse")


def test_the_preset_tells_how_it_was_found(found, place):
    told = json.loads((place / "best.json").read_text())
    assert told["model"] == "i-autorec" and told["settings"] == found.settings
    assert told["tuned"]["values"]["validation"] == {"tuned": found.value, "defaults": found.default_value}
    assert sum(told["tuned"]["trials"].values()) == 14
    assert told["tuned"]["conclusion"] == found.sentences()[-1]
    assert told["tuned"]["split"]["seed"] == 3
    with pytest.raises(ParameterError, match=r"best.txt ends in \.txt; allowed: \.json, \.md, \.html, \.csv, \.tex"):
        found.save(place / "best.txt")


def test_a_search_is_a_page_a_table_and_latex_with_the_best_trial_first(found, place):
    best = found.to_frame().iloc[0]
    for suffix in ("html", "md", "csv", "tex"):
        found.save(place / f"best.{suffix}")
        text = (place / f"best.{suffix}").read_text()
        assert f"{best['rmse']:.4f}"[:5] in text and "penalty" in text
    page, told = (place / "best.html").read_text(), found._repr_html_()
    assert page.count("<svg") == 1 and "http" not in page and page.count('class="best"') > 1
    assert found.sentences()[-1] in page and found.sentences()[-1] in (place / "best.md").read_text()
    assert f"\\textbf{{{best['rmse']:.4f}}}" in found.to_latex() and f"<b>{best['rmse']:.4f}</b>" in told
    assert "error" not in told  # where none failed


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            '{"model": "ease", "settings": {"l3": 1}}',
            "p.json: ease has no setting 'l3'; allowed: l2, dropout",
        ),
        ('{"model": "easy", "settings": {}}', "p.json: unknown model 'easy'; allowed: autorec"),
        ('{"settings": {}}', "p.json is no preset file; it needs"),
        ('{"model": ', "p.json is not JSON"),
    ],
)
def test_a_preset_that_cannot_be_used_is_refused_naming_file_and_fault(place, tmp_path, text, sentence):
    (tmp_path / "p.json").write_text(text)
    for verb in (("train", "-o", tmp_path / "m"), ("compare",)):
        result = run(verb[0], place / "ratings.csv", "-m", tmp_path / "p.json", *verb[1:], status=1)
        assert sentence in result.stderr and result.stderr.count("\n") == 1


# --- refusals -----------------------------------------------------------------------------------------------


def test_fixed_settings_stay_fixed(found):
    assert "hidden" not in found.trials.columns and found.settings["hidden"] == 6
    with pytest.raises(ParameterError, match="every setting that is searched of ease is fixed; leave one of l2 free"):
        tune(people(), "ease", settings={"l2": 3.0})
    with pytest.raises(ParameterError, match="i-autorec has no setting 'hiden'"):
        tune(people(), "i-autorec", settings={"hiden": 3})


@pytest.mark.parametrize(
    ("model", "metric", "sentence"),
    [
        ("bias", "mae", "metric is 'mae'; allowed: rmse, or ndcg@K such as ndcg@10"),
        ("bias", "ndcg", "allowed: rmse, or ndcg@K"),
        ("bias", "ndcg@0", "allowed: rmse, or ndcg@K"),
        ("bias", "ndcg@x", "allowed: rmse, or ndcg@K"),
        ("bias", "rmse@5", "allowed: rmse, or ndcg@K"),
        ("ease", "rmse", "ease ranks items and predicts no ratings; use the metric ndcg@10"),
    ],
)
def test_metrics_that_are_refused(model, metric, sentence):
    with pytest.raises(ParameterError, match=re.escape(sentence)):
        tune(people(), model, metric=metric)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"by": "folds:5"}, "split by 'folds:5' gives 5 test parts and tune sets one aside; use random:0.1"),
        ({"by": "random:2"}, "fraction is 2.0"),
        ({"trials": 0}, "trials is 0; allowed: a whole number from 1 up"),
        ({"jobs": 1.5}, "jobs is 1.5"),
        ({"repeats": 0}, "repeats is 0"),
        ({"seed": -1}, "seed is -1; allowed: a whole number from 0 up"),
    ],
)
def test_what_cannot_be_asked(how, sentence):
    with pytest.raises(ParameterError, match=re.escape(sentence)):
        tune(people(), "bias", **how)


def test_without_optuna_the_sentence_says_what_to_install(monkeypatch, place, tmp_path):
    monkeypatch.setitem(sys.modules, "optuna", None)
    result = run("tune", place / "ratings.csv", "-m", "bias", "-o", tmp_path / "p.json", status=1)
    assert result.stderr == "Error: tuning needs optuna, not installed: python -m pip install 'autorec-cf[tune]'\n"
    assert not (tmp_path / "p.json").exists()


# --- memory -------------------------------------------------------------------------------------------------


def test_jobs_are_as_many_as_memory_holds():
    each = 50 * 2**20
    assert fitting_jobs(4, each, None) == (4, None)
    assert fitting_jobs(1, each, 0) == (1, None)
    assert fitting_jobs(4, each, 4 * (each + PROCESS)) == (4, None)
    jobs, sentence = fitting_jobs(4, each, 4 * (each + PROCESS) - 1)
    assert jobs == 3 and re.search(r"4 trainings at a time need about 2\.0 GiB and .* are free: 3 at a time", sentence)
    assert fitting_jobs(4, each, 0)[0] == 1


def test_with_little_memory_free_the_search_says_so_and_goes_one_by_one(monkeypatch):
    monkeypatch.setattr(tuning, "available_memory", lambda: 2**20)
    with pytest.warns(UserWarning, match="3 trainings at a time need about .*: 1 at a time"):
        found = tune(people(), "bias", trials=3, jobs=8, repeats=1)
    same_trials(found.trials, tune(people(), "bias", trials=3, repeats=1).trials)


@pytest.mark.parametrize("name", ["ease", "item-knn", "pure-svd", "biased-mf"])
def test_what_a_training_is_said_to_take_is_about_what_it_takes(name):
    """The peak of what NumPy allocates while the largest model of the space is fitted, once its code is compiled."""
    ratings = as_ratings(random_frame(900, 600, density=0.08))
    largest = {key: what[2] for key, what in SPACES[name].items() if what[0] == "int"}
    fixed = {"sweeps": 1} if name == "biased-mf" else {}
    create(name, **fixed).fit(ratings)  # loading or compiling kernels takes tens of megabytes
    taken = bytes_at_most(lambda: create(name, **fixed, **largest).fit(ratings))
    assert 0.5 < training_bytes(name, fixed, ratings) / taken < 2


def test_a_training_of_an_autoencoder_is_said_to_grow_with_its_units():
    ratings = as_ratings(people())
    small, large = (training_bytes("i-autorec", {"hidden": hidden}, ratings) for hidden in (8, 8000))
    free = training_bytes("i-autorec", {}, ratings)
    assert small < free < large and training_bytes("i-autorec", {"hidden": 800}, ratings) == free
    with pytest.raises(ParameterError, match="hidden is 'many'"):
        training_bytes("i-autorec", {"hidden": "many"}, ratings)


# --- the command --------------------------------------------------------------------------------------------


def test_the_command_writes_the_preset_and_tells_what_it_found(place, tmp_path):
    preset = tmp_path / "new" / "bias.json"
    result = run("tune", place / "ratings.csv", "-m", "bias", "--trials", 4, "--repeats", 1, "-o", preset)
    out, err = result.stdout, result.stderr
    assert out.startswith("The best trials; trial 0 is the defaults")
    assert "- 4 trials: 4 complete." in out and "bias: settings found" in out
    assert err.startswith("Tuning bias on ") and "the defaults and 3 other settings are tried" in err
    assert f"Wrote the preset to {preset}" in err
    expected = tune(read_ratings(str(place / "ratings.csv")), "bias", trials=4, repeats=1)
    written = json.loads(preset.read_text())
    assert written["settings"] == expected.settings
    for value in written["settings"].values():
        assert f"{value}" in out


def test_the_command_prints_one_json_object(place, tmp_path):
    result = run(
        "tune", place / "ratings.csv", "-m", "ease", "--trials", 3, "--metric", "ndcg@5", "--seed", 2,
        "--set", "relevant=3", "--quiet", "--json", "-o", tmp_path / "ease.json",
    )  # fmt: skip
    told = json.loads(result.stdout)
    assert result.stderr == ""
    assert told["metric"] == "ndcg@5" and told["settings"]["relevant"] == 3
    assert told["output"] == str(tmp_path / "ease.json")
    assert told["split"]["seed"] == 2 and len(told["trials"]) == 3


def test_the_command_refuses(place, tmp_path):
    data = place / "ratings.csv"
    best = tmp_path / "p.json"
    assert "does not end in .json" in run("tune", data, "-m", "bias", "-o", tmp_path / "p.txt", status=2).stderr
    run("tune", data, "-m", "bias", "--trials", 0, "-o", best, status=2)
    assert "unknown model 'bais'" in run("tune", data, "-m", "bais", "-o", best, status=1).stderr
    assert "'folds:3' gives 3" in run("tune", data, "-m", "bias", "--by", "folds:3", "-o", best, status=1).stderr
    assert "no setting 'x'" in run("tune", data, "-m", "bias", "--set", "x=1", "-o", best, status=1).stderr
    kept = ("--storage", tmp_path / "kept", "--trials", 2, "--repeats", 1, "-o", best)
    run("tune", data, "-m", "bias", *kept)
    refused = run("tune", data, "-m", "bias", "--seed", 1, *kept, status=1).stderr
    assert "kept holds a search with other ratings, split; name another storage, or ask as before" in refused


def test_a_place_that_cannot_be_written_is_told_before_the_search(place, tmp_path, monkeypatch):
    def refuse(**_):  # root may write everywhere
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    result = run("tune", place / "ratings.csv", "-m", "bias", "-o", tmp_path / "p.json", status=1)
    assert result.stderr == f"Error: Permission denied: {tmp_path}\n"


# --- processes ----------------------------------------------------------------------------------------------

AUTOREC = [sys.executable, "-m", "autorec"]


class Terminal:
    """What a process writes to a terminal of its own."""

    def __init__(self) -> None:
        self.ours, self.theirs = pty.openpty()
        self.text = ""
        self.environment = {**os.environ, "TERM": "xterm", "COLUMNS": "150"}
        self.news = threading.Condition()

    def follow(self) -> None:
        os.close(self.theirs)
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the other side is closed: how a terminal ends
            while chunk := os.read(self.ours, 65536):
                with self.news:
                    self.text += chunk.decode(errors="replace")
                    self.news.notify()

    def wait_for(self, words: str) -> None:
        with self.news:
            assert self.news.wait_for(lambda: words in self.text, timeout=120), self.text

    def close(self) -> str:
        self.reader.join(timeout=120)
        os.close(self.ours)
        return self.text


@POSIX
@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_ctrl_c_keeps_the_best_so_far_and_the_same_command_goes_on(place, tmp_path, jobs):
    """As a terminal does it: the signal goes to every process of the group."""
    preset = tmp_path / "p.json"
    asked = [
        "tune", place / "ratings.csv", "-m", "i-autorec", "--set", "epochs=40", "--set", "validation=0.2",
        "--trials", 25, "--repeats", 1, "--jobs", jobs, "--storage", tmp_path / "kept", "-o", preset,
    ]  # fmt: skip
    terminal = Terminal()
    process = subprocess.Popen(
        [*AUTOREC, *map(str, asked)], stdout=subprocess.DEVNULL, stderr=terminal.theirs,
        env=terminal.environment, start_new_session=True,
    )  # fmt: skip
    terminal.follow()
    terminal.wait_for("best rmse")  # of the progress bar: the defaults are done
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=120) == 130
    err = terminal.close()
    assert "Interrupted: the best settings so far are the ones written; the same command goes on." in err
    assert "Traceback" not in err and "Error" not in err
    first = json.loads(preset.read_text())["tuned"]
    assert "Interrupted" in first["conclusion"]
    count = sum(first["trials"].values())
    assert 1 <= count < 25

    result = run(*asked, "--jobs", 1, "--quiet", "--json")  # the last --jobs counts; one starts no more processes
    assert result.stderr == ""
    told = json.loads(result.stdout)
    trials = told["trials"]
    assert [trial["trial"] for trial in trials] == list(range(25)) and not told["interrupted"]
    assert {trial["state"] for trial in trials} == {"complete", "pruned"}
    assert first["values"]["validation"]["tuned"] in [trial["rmse"] for trial in trials]
    inner = inner_split(people())
    best = create(str(preset)).fit(inner.train)
    # A process has its part of the threads, so that sums may round otherwise.
    assert evaluate(best, inner.test).metrics["rmse"] == pytest.approx(told["value"], rel=1e-5)


def test_exit_status_of_a_failure_in_a_real_process(place, tmp_path):
    done = subprocess.run(
        [*AUTOREC, "tune", str(place / "nowhere.csv"), "-m", "bias", "-o", str(tmp_path / "p.json")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
    assert subprocess.call([*AUTOREC, "tune"], stderr=subprocess.DEVNULL) == 2


SCRIPT = """
import numpy as np, pandas as pd, autorec
rng = np.random.default_rng(0)
frame = pd.DataFrame({"user": rng.integers(0, 40, 600), "item": rng.integers(0, 30, 600)}).drop_duplicates()
frame["rating"] = rng.integers(1, 6, len(frame)).astype(float)
print(len(autorec.tune(frame, "bias", trials=4, jobs=2, repeats=1).trials))
"""


@pytest.mark.parametrize("way", ["file", pytest.param("stdin", marks=pytest.mark.slow)])
def test_jobs_work_from_a_script_without_a_guard_and_from_stdin(tmp_path, way):
    (tmp_path / "script.py").write_text(SCRIPT)
    with (tmp_path / "script.py").open() as text:
        source = [str(tmp_path / "script.py")] if way == "file" else ["-"]
        how = {"stdin": text, "capture_output": True, "text": True, "timeout": 240, "cwd": tmp_path, "check": False}
        done = subprocess.run([sys.executable, *source], **how)
    assert (done.stdout, done.stderr) == ("4\n", "")


def test_a_process_killed_from_outside_is_one_sentence():
    with pytest.raises(AutoRecError, match="a process with a training was killed, most likely for want of memory"):
        side_by_side(work.end_of_process, range(2), 2, lambda: None)


def test_an_error_in_a_process_is_that_error_here():
    with pytest.raises(InputError, match="number 0 is refused"):
        side_by_side(work.refuse, [0], 2, lambda: None)


def test_every_number_is_worked_on_once_with_a_part_of_the_threads(tmp_path):
    calls = []
    side_by_side(functools.partial(work.write_threads, tmp_path), range(5), 2, lambda: calls.append(1))
    threads = max(1, thread_count() // 2)
    expected = {str(number): f"{threads} {threads}" for number in range(5)}
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == expected
    assert len(calls) == 5


LONG = """
import functools, sys, time
from pathlib import Path
from autorec.tuning.workers import side_by_side
sys.path.insert(0, {folder!r})
from long_work import wait
side_by_side(functools.partial(wait, Path({folder!r})), range(2), 2, lambda: None)
"""


@POSIX
def test_workers_leave_when_their_parent_is_killed(tmp_path):
    (tmp_path / "long_work.py").write_text(
        "import os, time\ndef wait(folder, number, stopped):\n"
        "    (folder / f'{number}.pid').write_text(str(os.getpid()))\n    time.sleep(300)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    parent = subprocess.Popen([sys.executable, "-c", LONG.format(folder=str(tmp_path))], env=environment)
    wait_until(lambda: len([path for path in tmp_path.glob("*.pid") if path.read_text()]) == 2)
    parent.kill()
    parent.wait()
    pids = [int(path.read_text()) for path in tmp_path.glob("*.pid")]
    wait_until(lambda: not any(alive(pid) for pid in pids))


def wait_until(true, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def alive(pid: int) -> bool:
    """A zombie, which nobody has waited for, is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
