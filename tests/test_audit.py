"""The audit: planted leaks and copies are found, sound data is left in peace, counts are those of naive loops."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from conftest import random_frame
from hypothesis import given, settings
from hypothesis import strategies as st

import autorec
from autorec import Finding, Ratings, Split, audit, compare, given_split, load_sample, random_split, time_split
from autorec.audits.of_split import whole
from autorec.cli.main import autorec as command
from autorec.evaluation.compare import data_audit
from autorec.ratings.convert import as_ratings
from autorec.ratings.split import last_out_split, user_split


def found(data: object) -> dict[str, Finding]:
    findings = audit(data)
    named = {finding.name: finding for finding in findings}
    assert len(named) == len(findings)
    return named


def levels(data: object) -> set[str]:
    return {finding.level for finding in audit(data)}


def leaking(split_: Split, share: float = 0.1) -> Split:
    """The first `share` of the test ratings in training too."""
    test = split_.test.to_frame()
    return given_split(pd.concat([split_.train.to_frame(), test.head(int(share * len(test)))]), test)


def renamed(frame: pd.DataFrame, user: object, other: object) -> pd.DataFrame:
    """The ratings of `user`, as those of `other`."""
    return frame[frame["user"] == user].assign(user=other)


@pytest.fixture(scope="module")
def sample() -> Ratings:
    return load_sample()


@pytest.fixture(scope="module")
def sound(sample: Ratings) -> Split:
    return random_split(sample)


# --- Sound data


def test_the_sample_and_its_splits_are_sound(sample: Ratings, sound: Split) -> None:
    assert levels(sample) <= {"note"}
    for split_ in (sound, *autorec.split(sample, "folds:3"), user_split(sample, 50), last_out_split(sample)):
        assert levels(split_) <= {"note"}, split_.name
    assert levels(time_split(sample)) <= {"note"}
    assert audit(last_out_split(sample)) == []


def test_a_finding_is_a_sentence_and_plain_json(sample: Ratings, sound: Split) -> None:
    for finding in audit(leaking(sound)):
        assert str(finding) == f"{finding.level.capitalize()}: {finding.sentence}"
        assert json.loads(json.dumps(finding.to_dict())) == finding.to_dict()
        assert finding.count > 0 and 0 < finding.share <= 1
        assert "  " not in finding.sentence and finding.sentence[-1] in ".?"


# --- Splits that leak


def test_test_ratings_in_training_are_a_leak(sound: Split) -> None:
    finding = audit(leaking(sound))[0]
    assert (finding.level, finding.name, finding.count) == ("leak", "pairs-in-both", 240)
    assert finding.share == pytest.approx(0.1)
    assert "240 of them with the same value" in finding.sentence
    first = sound.test.to_frame().iloc[:240].sort_values(["user", "item"]).iloc[0]
    assert f"user {first['user']:.0f}, item {first['item']:.0f}" in finding.sentence


def test_pairs_with_another_value_are_told_apart(sound: Split) -> None:
    test = sound.test.to_frame()
    train = pd.concat([sound.train.to_frame(), test.head(10).assign(rating=0.5)])
    assert "10 test ratings" in found(given_split(train, test))["pairs-in-both"].sentence
    assert "0 of them with the same value" in found(given_split(train, test))["pairs-in-both"].sentence


def test_fold_in_counts_as_training(sample: Ratings) -> None:
    split_ = user_split(sample, 50)
    assert split_.fold_in is not None
    test = pd.concat([split_.test.to_frame(), split_.fold_in.to_frame().head(7)])
    assert found(replace(split_, test=as_ratings(test)))["pairs-in-both"].count == 7
    train = pd.concat([split_.train.to_frame(), split_.fold_in.to_frame()])
    both = found(replace(split_, train=as_ratings(train)))["held-out-users-in-training"]
    assert both.level == "leak" and both.count == 50 and both.share == 1


def test_integer_and_text_ids_meet_and_007_is_not_7() -> None:
    train = pd.DataFrame({"user": [7, 8], "item": [1, 2], "rating": [3.0, 4.0]})
    test = pd.DataFrame({"user": ["7", "007"], "item": ["1", "1"], "rating": [3.0, 3.0]})
    assert found(given_split(train, test))["pairs-in-both"].count == 1


def test_one_file_given_twice(sample: Ratings) -> None:
    identical = found(given_split(sample, sample.to_frame()))
    assert identical["identical-parts"].level == "leak"
    assert identical["pairs-in-both"].share == 1
    other = sample.to_frame().assign(rating=lambda frame: frame["rating"] + 1)
    assert "identical-parts" not in found(given_split(sample, other))


def test_a_split_by_time_with_shuffled_dates_leaks(sample: Ratings) -> None:
    for split_ in (time_split(sample), last_out_split(sample)):
        assert "future-in-training" not in found(split_)
        assert split_.train.timestamps is not None and split_.test.timestamps is not None
        dates = np.concatenate([split_.train.timestamps, split_.test.timestamps])
        np.random.default_rng(0).shuffle(dates)
        parts = np.split(dates, [len(split_.train)])
        shuffled = replace(
            split_, train=replace(split_.train, timestamps=parts[0]), test=replace(split_.test, timestamps=parts[1])
        )
        assert found(shuffled)["future-in-training"].level == "leak"


def test_the_future_of_each_user_is_counted_as_in_a_loop(sound: Split) -> None:
    finding = found(sound)["future-in-training"]
    latest = sound.train.to_frame().groupby("user")["timestamp"].max()
    test = sound.test.to_frame()
    older = test["timestamp"].to_numpy() < latest.reindex(test["user"]).to_numpy()
    assert finding.level == "note"
    assert (finding.count, finding.share) == (older.sum(), pytest.approx(older.mean()))


def test_a_copied_user_is_found_in_the_file_and_in_every_split(sample: Ratings) -> None:
    frame = sample.to_frame()
    copied = as_ratings(pd.concat([frame, renamed(frame, 7, 9_999)]))
    assert found(copied)["copied-users"].count == 2
    assert found(copied)["copied-users"].level == "warning"
    assert "user 7 and user 9999" in found(copied)["copied-users"].sentence
    leak = found(random_split(copied, 0.2))["copied-test-users"]
    assert leak.level == "leak" and leak.count == 2 and "user 7 is user 9999 again" in leak.sentence


def test_a_test_user_who_is_a_training_user_by_another_name(sample: Ratings) -> None:
    frame = sample.to_frame()
    leak = found(given_split(frame, pd.concat([renamed(frame, 7, -1), renamed(frame, 8, -2)])))["copied-test-users"]
    assert leak.count == 2 and leak.share == 1 and leak.level == "leak"
    split_ = user_split(sample, 50)
    assert split_.fold_in is not None
    held_out = split_.fold_in.to_frame()["user"].iloc[0]
    train = pd.concat([split_.train.to_frame(), renamed(frame, held_out, 9_999)])
    leak = found(replace(split_, train=as_ratings(train)))["copied-test-users"]
    assert leak.count == 1 and f"user {held_out} is user 9999 again" in leak.sentence


def test_a_user_in_both_parts_is_no_copy_of_oneself(sound: Split) -> None:
    assert "copied-test-users" not in found(leaking(sound))
    assert "copied-test-users" not in found(given_split(sound.train, sound.train))


def test_users_and_items_that_training_never_saw(sample: Ratings) -> None:
    split_ = random_split(sample)
    test = split_.test.to_frame().assign(user=lambda frame: "u" + frame["user"].astype(str))
    strangers = found(given_split(split_.train, test))
    assert (
        strangers["unseen-users"].level == "warning"
        and "ids written the same way" in strangers["unseen-users"].sentence
    )
    assert strangers["unseen-users"].count == split_.test.n_users and strangers["unseen-users"].share == 1
    test = split_.test.to_frame()
    test.loc[test.index < 100, "item"] = -1
    few = found(given_split(split_.train, test))["unseen-items"]
    assert few.level == "note" and few.count == 1


def test_swapped_parts(sound: Split) -> None:
    assert found(given_split(sound.test, sound.train))["test-larger"].level == "warning"


# --- One file


def table(users: object, items: object, ratings: object, timestamps: object = None) -> pd.DataFrame:
    frame = pd.DataFrame({"user": users, "item": items, "rating": ratings})
    return frame if timestamps is None else frame.assign(timestamp=timestamps)


def test_users_with_one_rating_for_everything() -> None:
    frame = random_frame(200, 40, 0.8)
    frame.loc[frame["user"] < 3, "rating"] = 4.0
    finding = found(frame)["same-rating-users"]
    assert (finding.level, finding.count, finding.share) == ("note", 3, 3 / 200)
    frame.loc[frame["user"] < 50, "rating"] = 4.0
    assert found(frame)["same-rating-users"].level == "warning"
    # short rows, rows that follow on an equal one, and the last row
    frame = table([0] * 20 + [1] * 19 + [2] * 20, [*range(20), *range(19), *range(20)], [3] * 58 + [1])
    assert found(frame)["same-rating-users"].count == 1


def test_one_value_for_nearly_everything() -> None:
    frame = random_frame()
    assert "one-value" not in found(frame)
    frame["rating"] = np.where(np.arange(len(frame)) % 20, 5.0, 1.0)
    assert found(frame)["one-value"].share == pytest.approx(0.95, abs=0.01)
    assert set(found(frame.assign(rating=1.0))) >= {"one-value"}
    assert "same-rating-users" not in found(random_frame(50, 40, 0.9).assign(rating=1.0))


def test_a_user_with_most_of_the_catalogue() -> None:
    frame = pd.concat([random_frame(100, 80, 0.1), table([100] * 60, range(60), np.tile([1.0, 2.0, 5.0], 20))])
    finding = found(frame)["huge-users"]
    assert finding.level == "note" and finding.count == 1 and "user 100: 60" in finding.sentence
    assert "huge-users" not in found(random_frame(100, 80, 0.9))


def test_many_ratings_in_one_second() -> None:
    frame = random_frame(100, 80, 0.5)
    stamps = 1_000_000_000 + 7 * np.arange(len(frame))
    assert "bursts" not in found(frame.assign(timestamp=stamps))
    stamps[(frame["user"] == 3) & (frame["item"] < 60)] = 1_000_000_001
    finding = found(frame.assign(timestamp=stamps))["bursts"]
    size = int(((frame["user"] == 3) & (frame["item"] < 60)).sum())
    assert finding.level == "note" and finding.count == 1 and f"up to {size};" in finding.sentence
    assert "bursts" not in found(frame.assign(timestamp=86_400 * 12_000))  # dates without a time of day


def test_users_and_items_with_one_rating() -> None:
    frame = pd.concat([random_frame(20, 10, 0.9), table(range(100, 110), [3] * 10, [2.0] * 10)])
    assert found(frame)["single-rating-users"].count == 10
    assert found(frame)["single-rating-users"].level == "note"
    frame = pd.concat([frame, table([0] * 20, range(100, 120), [1.0] * 20)])
    assert found(frame)["single-rating-items"].level == "warning"


@pytest.mark.parametrize(
    ("seconds", "name"),
    [
        (1_000_000_000_000, "milliseconds"),
        pytest.param(int(time.time()) + 30 * 86_400, "future-dates", id="in a month"),  # an id for every process
        (0, "old-dates"),
        (1_000_000_000, None),
    ],
)
def test_dates_that_cannot_be(seconds: int, name: str | None) -> None:
    frame = random_frame()
    stamps = np.full(len(frame), 900_000_001)
    stamps[:5] = seconds
    findings = found(frame.assign(timestamp=stamps))
    dated = {"milliseconds", "future-dates", "old-dates"} & set(findings)
    assert dated == ({name} if name else set())
    assert name is None or findings[name].count == 5


# --- Reports


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, sound: Split) -> dict[str, str]:
    """A leaking split as files, and the option that gives it."""
    folder = tmp_path_factory.mktemp("audit")
    split_ = leaking(sound)
    for name in ("train", "test"):
        getattr(split_, name).to_frame().to_csv(folder / f"{name}.csv", index=False)
    return {"by": f"given:{folder}/train.csv,{folder}/test.csv", "folder": str(folder)}


def run(*arguments: str) -> tuple[str, str]:
    result = CliRunner().invoke(command, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


def test_compare_says_a_leak_on_top_in_every_form(files: dict[str, str]) -> None:
    report = compare(None, ["bias"], by=files["by"], baselines="none")
    caution = report.to_dict()["audit"]["caution"]
    assert caution.startswith("Caution: 240 test ratings (10.0%)")
    assert report.to_dict()["audit"]["splits"][0]["findings"][0]["name"] == "pairs-in-both"
    assert report.to_markdown().startswith(f"# Comparison\n\n**{caution}**\n\n")
    assert "## Data audit\n\n- Leak: 240 test ratings" in report.to_markdown()
    page = report.to_html()
    assert page.index(caution) < page.index("bias predicts ratings best") < page.index("Leak: 240")


def test_the_command_line_tells_of_a_leak(files: dict[str, str], tmp_path: Path) -> None:
    text, _ = run("compare", files["folder"], "-m", "bias", "--by", files["by"], "--baselines", "none")
    assert text.startswith("Caution: 240 test ratings") and "Data audit\n- Leak: 240" in text
    _, errors = run("split", files["folder"], "--by", files["by"], "-o", str(tmp_path))
    assert errors.count("Warning: ") == 1 and "Warning: 240 test ratings" in errors


def test_reports_on_sound_data_say_so(tmp_path: Path) -> None:
    report = compare(random_frame(), ["bias"], by="per-user:0.2", repeats=2, baselines="none")
    sound = {"split": "per-user:0.2", "findings": []}
    assert report.to_dict()["audit"] == {"caution": None, "ratings": [], "splits": [sound, sound]}
    assert "Caution" not in report.to_markdown() + report.to_html()
    assert "- Nothing suspicious was found." in report.to_markdown()
    assert "<li>Nothing suspicious was found.</li>" in report.to_html()
    random_frame().to_csv(tmp_path / "sound.csv", index=False)
    assert run("inspect", str(tmp_path / "sound.csv"))[0].endswith("Data audit\nNothing suspicious was found.\n")


def test_inspect_tells_what_audit_finds(tmp_path: Path) -> None:
    frame = random_frame(60, 40, 0.5)
    path = tmp_path / "copied.csv"
    pd.concat([frame, renamed(frame, 7, 9_999)]).to_csv(path, index=False)
    told = json.loads(run("inspect", str(path), "--json")[0])["audit"]
    assert told == [finding.to_dict() for finding in audit(autorec.read_ratings(path))]
    assert f"Data audit\n- Warning: {told[0]['sentence']}\n" in run("inspect", str(path))[0]


def test_of_a_given_split_the_parts_together_are_audited(sample: Ratings) -> None:
    frame = sample.to_frame()
    copied = as_ratings(pd.concat([frame, renamed(frame, 7, 9_999)]))
    split_ = random_split(copied)
    together = whole(split_)
    assert (together.csr != copied.csr).nnz == 0
    np.testing.assert_array_equal(together.timestamps, copied.timestamps)
    given = given_split(split_.train, split_.test)
    audited = data_audit(whole(given), [given])
    assert list(audited.ratings) == audit(copied)
    assert "user 7 is user 9999 again" in audited.caution


# --- Anything


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """One user or several, one item or several, a constant or numbers, with and without timestamps."""
    n = draw(st.integers(1, 40))
    numbers = [
        draw(st.lists(st.integers(0, draw(st.integers(0, 6))), min_size=n, max_size=n)) for _ in ("user", "item")
    ]
    ids = [list(map(str, side)) if draw(st.booleans()) else side for side in numbers]
    values = draw(st.lists(st.sampled_from(draw(st.sampled_from([(1.0,), (-0.0, 0.0, 1.0), (1, 2, 3, 4, 5)]))),
                           min_size=n, max_size=n))  # fmt: skip
    times = draw(st.none() | st.lists(st.integers(-(2**62), 2**62), min_size=n, max_size=n))
    return table(*ids, values, times)


@settings(max_examples=150, deadline=None)
@given(frames(), frames(), st.none() | frames(), st.sampled_from(["given", "time:0.1", "random:0.1"]))
def test_any_ratings_can_be_audited(
    train: pd.DataFrame, test: pd.DataFrame, more: pd.DataFrame | None, by: str
) -> None:
    parts = [as_ratings(part) for part in (train, test)]
    for part in parts:
        assert all(0 < finding.share <= 1 and finding.count > 0 for finding in audit(part))
    split_ = Split(parts[0], parts[1], None if more is None else as_ratings(more), by)
    known = pd.concat([train.astype(str), *([] if more is None else [more.astype(str)])])
    pairs = [set(zip(part["user"].astype(str), part["item"].astype(str), strict=True)) for part in (known, test)]
    findings = found(split_)
    assert (findings["pairs-in-both"].count if "pairs-in-both" in findings else 0) == len(pairs[0] & pairs[1])
    assert all(0 < finding.share <= 1 and finding.count > 0 for finding in findings.values())
    assert len(whole(split_)) == len(pairs[0] | pairs[1])
    data_audit(whole(split_), [split_])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.sampled_from([1.0, 2.0]), min_size=6, max_size=6), min_size=1, max_size=30))
def test_copied_users_are_those_of_a_naive_count(rows: list[list[float]]) -> None:
    """Rows of six items whose first is left out where its rating is 1, so that rows differ in items too."""
    frame = pd.DataFrame(
        [(u, i, value) for u, row in enumerate(rows) for i, value in enumerate(row) if i or value == 2.0],
        columns=["user", "item", "rating"],
    )
    naive = sum(rows.count(row) > 1 for row in rows)
    findings = found(frame)
    assert (findings["copied-users"].count if "copied-users" in findings else 0) == naive


def test_nothing_to_audit() -> None:
    empty = as_ratings(random_frame()).select(np.zeros(len(random_frame()), dtype=bool))
    assert audit(empty) == [] and audit(Split(empty, as_ratings(random_frame()))) == []
