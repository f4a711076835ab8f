"""The command line inside this process: every verb, its output in every form, its refusals."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from conftest import random_frame

import autorec
from autorec.cli.main import VERBS
from autorec.cli.main import autorec as command
from autorec.fitting.biases import Biases


def run(*arguments: object, stdin: str | None = None, status: int = 0) -> Result:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments], input=stdin)
    assert result.exit_code == status, result.output
    return result


def told(*arguments: object, **options: object) -> dict:
    """What --json prints: one object, and nothing else on stdout."""
    return json.loads(run(*arguments, "--json", **options).stdout)


def refused(*arguments: object, stdin: str | None = None) -> str:
    """The one sentence of a failure: nothing on stdout, one line on stderr, no traceback."""
    result = run(*arguments, stdin=stdin, status=1)
    assert result.stdout == ""
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("Error: ")
    return line


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """ratings.csv (users u0 …, items 0 …), titles.csv, and a model of them in model/."""
    folder = tmp_path_factory.mktemp("cli")
    frame = random_frame()
    frame["user"] = frame["user"].map("u{}".format)
    frame.assign(timestamp=range(len(frame))).to_csv(folder / "ratings.csv", index=False)
    titles = [f"Film [bold]{n}[/] ü, {n}" for n in range(20)]
    pd.DataFrame({"item": range(20), "title": titles}).to_csv(folder / "titles.csv", index=False)
    train = ("train", folder / "ratings.csv", "-m", "bias", "--items", folder / "titles.csv")
    run(*train, "-o", folder / "model")
    return folder


def test_every_verb_has_help_and_the_common_options():
    assert run("--help").stdout.count("\n  ") >= len(VERBS)
    for name in VERBS:
        text = run(name, "--help").stdout
        for option in ("--json", "--quiet", "--threads", "--debug"):
            assert option in text, name


def test_version():
    assert run("--version").stdout.startswith("autorec ")


def test_inspect(place):
    text = run("inspect", place / "ratings.csv", "--items", place / "titles.csv").stdout
    assert "users" in text and "█" in text and "Film [bold]" in text
    facts = told("inspect", place / "ratings.csv")
    assert facts["users"] == 30 and facts["items"] == 20
    assert facts["first_date"] == "1970-01-01"
    assert sum(row["count"] for row in facts["histogram"]) == facts["ratings"]
    assert facts["most_rated"][0]["ratings"] == facts["ratings_per_item"]["most"]


def test_inspect_reads_stdin(place):
    text = (place / "ratings.csv").read_text()
    assert told("inspect", "-", stdin=text) == told("inspect", place / "ratings.csv")


def test_split_then_train_then_evaluate(place, tmp_path):
    parts = told("split", place / "ratings.csv", "--by", "random:0.2", "--seed", 3, "-o", tmp_path)["files"]
    assert [Path(part["file"]).name for part in parts] == ["train.csv", "test.csv"]
    whole = pd.read_csv(place / "ratings.csv")
    both = pd.concat([pd.read_csv(tmp_path / f"{name}.csv") for name in ("train", "test")])
    key = ["user", "item"]
    pd.testing.assert_frame_equal(
        both.sort_values(key, ignore_index=True), whole.sort_values(key, ignore_index=True), check_dtype=False
    )
    run("train", tmp_path / "train.csv", "-m", "bias", "-o", tmp_path / "m")
    report = told("evaluate", tmp_path / "m", tmp_path / "test.csv", "-k", 5, "-o", tmp_path / "report.md")
    assert "rmse" in json.dumps(report)
    assert "rmse" in (tmp_path / "report.md").read_text()


def test_train_tells_what_it_did_in_short_lines(place, tmp_path):
    (tmp_path / "odd.csv").write_text((place / "ratings.csv").read_text() + "1,2,five,0\n")
    result = run("train", tmp_path / "odd.csv", "--on-error", "skip", "-m", "autorec", "-o", tmp_path / "m")
    assert "left out: 1." in result.stderr
    facts = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert facts["rating"].startswith("i-autorec, l2 ") and max(map(len, facts.values())) < 80


def test_train_tells_what_it_did(place, tmp_path):
    made = told(
        "train",
        place / "ratings.csv",
        "-m",
        "bias",
        "--set",
        "user_damping=3",
        "--seed",
        4,
        "-o",
        tmp_path / "m",
    )
    assert made["parameters"]["user_damping"] == 3
    assert told("describe", tmp_path / "m")["parameters"]["user_damping"] == 3
    assert "user_damping" in run("describe", tmp_path / "m").stdout


def test_train_goes_on_from_a_checkpoint(place, tmp_path):
    line = ("train", place / "ratings.csv", "-m", "elsa", "--set", "epochs=2", "--set", "factors=3")
    line += ("--checkpoint", tmp_path / "kept", "--every", "0.5m")
    run(*line, "-o", tmp_path / "model")
    assert "holds a checkpoint" in refused(*line, "--quiet", "-o", tmp_path / "again")
    run(*line, "--resume", "-o", tmp_path / "again")
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("model", "again")]
    assert weights[0] == weights[1]


def test_models_lists_a_few_all_or_one():
    names = json.loads(run("models", "--json").stdout)["models"]
    few, every, one = (run("models", *arguments).stdout for arguments in ([], ["--all"], ["mult-vae"]))
    assert "i-autorec" in few and "svd-ae" not in few and f"all {len(names)}" in few
    assert all(name in every for name in names)
    assert "Liang et al., WWW 2018" in one and "gaussian_kl" in one and "i-autorec" not in one
    assert told("models")["models"]["u-autorec"]["parameters"]["orientation"] == "user"
    assert "did you mean mult-vae" in refused("models", "mult-vea")


def test_predict_marks_what_the_model_does_not_know(place, tmp_path):
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("user,item\nu1,3\nnobody,3\nu1,999\n")
    table = told("predict", place / "model", pairs)["rows"]
    assert [row["source"] for row in table] == ["model", "fallback", "fallback"]
    assert all(1 <= row["rating"] <= 5 for row in table)
    run("predict", place / "model", pairs, "-o", tmp_path / "out.csv")
    written = pd.read_csv(tmp_path / "out.csv")
    assert written["rating"].tolist() == pytest.approx([row["rating"] for row in table])
    assert list(written.columns) == ["user", "item", "rating", "source"]


def test_recommend_in_every_form(place, tmp_path):
    rows = told("recommend", place / "model", "--all", "-n", 3)["rows"]
    assert len(rows) == 90
    assert set(rows[0]) == {"user", "item", "score", "rank", "title", "source"}
    expected = pd.DataFrame(rows)
    for suffix, read in (
        ("csv", pd.read_csv),
        ("jsonl", lambda path: pd.read_json(path, lines=True)),
        ("parquet", pd.read_parquet),
    ):
        path = tmp_path / "new folder" / f"out.{suffix}"
        result = run("recommend", place / "model", "--all", "-n", 3, "-o", path)
        assert len(result.stdout.splitlines()) == 1 + 5 and "90 rows" in result.stderr
        pd.testing.assert_frame_equal(read(path), expected, check_dtype=False, rtol=1e-6)
    text = run("recommend", place / "model", "--user", "u1", "-n", 3).stdout.splitlines()
    assert text[0].split() == ["user", "item", "score", "rank", "title", "source"]
    assert len(text) == 4 and "Film [bold]" in text[1]


def test_a_split_is_written_whole_or_not_at_all(place, tmp_path, monkeypatch):
    """A part of it beside one of an earlier split would share ratings with it."""
    ask = ("split", place / "ratings.csv", "--by", "random:0.2", "-o", tmp_path / "parts")
    run(*ask, "--seed", 0)
    before = {path: path.read_bytes() for path in (tmp_path / "parts").iterdir()}
    frames = iter([autorec.Ratings.to_frame])
    monkeypatch.setattr(autorec.Ratings, "to_frame", lambda ratings: next(frames, interrupt)(ratings))
    assert run(*ask, "--seed", 1, status=130).stderr == "Interrupted.\n"
    assert {path: path.read_bytes() for path in (tmp_path / "parts").iterdir()} == before


def interrupt(_: object) -> None:
    raise KeyboardInterrupt


def test_recommend_in_blocks_is_recommend_at_once(place, tmp_path, monkeypatch):
    whole = run("recommend", place / "model", "--all").stdout
    monkeypatch.setattr("autorec.ranking.topn.BLOCK_BYTES", 4 * 20 * 7)  # seven users at a time
    assert run("recommend", place / "model", "--all").stdout == whole
    assert len(told("recommend", place / "model", "--all")["rows"]) == whole.count("\n") - 1
    run("recommend", place / "model", "--all", "-o", tmp_path / "out.parquet")
    assert len(pd.read_parquet(tmp_path / "out.parquet")) == whole.count("\n") - 1


def test_recommend_with_filters(tmp_path):
    model = tmp_path / "m"
    autorec.Ease(l2=50).fit(autorec.load_sample()).save(model)
    (tmp_path / "allow").write_text("5\n6\n7\n10\n11\n15\n20\n")
    (tmp_path / "deny").write_text("5\n")
    lists = ("--allow", tmp_path / "allow", "--deny", tmp_path / "deny")
    asked = ("--where", "genre=Comedy", "--where", "genre=Crime", "--diversify", 0.3)
    wishes = {
        "allow": [5, 6, 7, 10, 11, 15, 20],
        "deny": [5],
        "where": {"genre": ["Comedy", "Crime"]},
        "diversify": 0.3,
    }
    rows = told("recommend", model, "--user", 3, "--user", "new", *lists, *asked)["rows"]
    expected = autorec.load(model).recommend([3], **wishes)
    assert [row["item"] for row in rows if row["source"] == "model"] == expected["item"].tolist()
    assert {row["item"] for row in rows} <= {6, 7, 11}
    assert "no item has genre 'x'" in run("recommend", model, "--all", "--where", "genre=x", status=1).stderr
    assert "is not name=value" in run("recommend", model, "--all", "--where", "genre", status=2).stderr


def test_recommend_for_a_file_of_users_with_strangers(place, tmp_path):
    (tmp_path / "users.txt").write_text("u3\nnobody\nu1\n")
    result = run("recommend", place / "model", "--users-file", tmp_path / "users.txt", "-n", 2, "--json")
    rows = json.loads(result.stdout)["rows"]
    answered = [(row["user"], row["source"]) for row in rows[::2]]
    assert answered == [("u3", "model"), ("u1", "model"), ("nobody", "fallback")]
    assert "not known to the model, answered by the fallback: 1." in result.stderr


def test_users_for_whom_no_item_is_left_are_counted(place, tmp_path):
    ratings = pd.read_csv(place / "ratings.csv")
    seen = ratings.loc[ratings["user"] == "u1", "item"]
    (tmp_path / "seen").write_text("\n".join(map(str, seen)))
    result = run("recommend", place / "model", "--user", "u1", "--user", "u2", "--allow", tmp_path / "seen", "--quiet")
    assert "u2" in result.stdout and "u1" not in result.stdout
    assert "Note: 1 of 2 users have no list: no item is left that may be listed and that they have not" in result.stderr
    assert "have no list" not in run("recommend", place / "model", "--all").stderr


def test_seen_items_are_left_out_unless_asked(place):
    ratings = pd.read_csv(place / "ratings.csv")
    seen = set(ratings.loc[ratings["user"] == "u1", "item"])
    ask = ("recommend", place / "model", "--user", "u1", "-n", 20)
    assert {row["item"] for row in told(*ask)["rows"]} == set(range(20)) - seen
    assert {row["item"] for row in told(*ask, "--include-seen")["rows"]} == set(range(20))


def test_new_users_from_a_file_and_from_stdin_are_the_same(place, tmp_path):
    lines = [{"user": "new", "item": item, "rating": 5 - item} for item in range(4)]
    (tmp_path / "new.csv").write_text("user,item,rating\n" + "".join(f"new,{n},{5 - n}\n" for n in range(4)))
    stdin = "\n".join(map(json.dumps, lines)) + "\n"
    ask = ("recommend", place / "model", "-n", 5, "--new-user")
    rows = told(*ask, "-", stdin=stdin)["rows"]
    assert rows == told(*ask, tmp_path / "new.csv")["rows"]
    assert {row["user"] for row in rows} == {"new"} and not {row["item"] for row in rows} & set(range(4))
    (tmp_path / "pairs.csv").write_text("user,item\nnew,7\n")
    (row,) = told("predict", place / "model", tmp_path / "pairs.csv", "--new-user", "-", stdin=stdin)["rows"]
    assert row["source"] == "model"


def test_new_items(place, tmp_path):
    (tmp_path / "new.csv").write_text("user,item,rating\nu1,777,5\nu2,777,4\nu1,888,1\n")
    rows = told("recommend", place / "model", "--user", "u3", "--new-item", tmp_path / "new.csv")["rows"]
    assert [row["item"] for row in rows] == [777, 888]


def test_compare(place, tmp_path):
    ask = ("compare", place / "ratings.csv", "-m", "bias", "-m", "global-mean", "--repeats", 2, "--by", "random:0.2")
    result = told(*ask, "-o", tmp_path / "report.json")
    assert [row["name"] for row in result["models"]][:2] == ["bias", "global-mean"]
    rmse = result["models"][0]["metrics"]["rmse"]
    assert len(rmse["values"]) == 2 and set(rmse) >= {"mean", "sd", "values"}
    assert json.loads((tmp_path / "report.json").read_text())["models"] == result["models"]
    assert "rmse" in run(*ask, "-o", tmp_path / "report.md").stdout and (tmp_path / "report.md").exists()


def test_notes_are_sentences_on_stderr(place, tmp_path):
    (tmp_path / "new.csv").write_text("user,item,rating\nnew,1,5\nnew,12345,5\n")
    result = run("recommend", place / "model", "--new-user", tmp_path / "new.csv")
    assert "Note: 1 of 2 new ratings left out" in result.stderr
    assert "Warning" not in result.stderr and ".py" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("inspect",),
        ("inspect", "x.csv", "--format", "nonsense"),
        ("train", "x.csv", "-m", "bias"),
        ("train", "x.csv", "-m", "bias", "--set", "nonsense", "-o", "m"),
        ("train", "x.csv", "-m", "bias", "--resume", "-o", "m"),
        ("train", "x.csv", "-m", "elsa", "--checkpoint", "kept", "--every", "soon", "-o", "m"),
        ("recommend", "m"),
        ("recommend", "m", "--all", "--user", "1"),
        ("recommend", "m", "--all", "-n", "0"),
        ("recommend", "m", "--all", "-o", "out.xlsx"),
        ("recommend", "m", "--new-user", "a", "--new-item", "b"),
        ("evaluate", "m", "x.csv", "-o", "out.txt"),
    ],
)
def test_wrong_usage_is_status_2(arguments):
    assert "Usage:" in run(*arguments, status=2).stderr


def test_failures_are_one_sentence_and_status_1(place, tmp_path):
    ratings = place / "ratings.csv"
    assert "nowhere" in refused("inspect", tmp_path / "nowhere.csv")
    assert "allowed" in refused("train", ratings, "-m", "nonsense", "-o", tmp_path / "m")
    assert "allowed" in refused("train", ratings, "-m", "bias", "--set", "nonsense=1", "-o", tmp_path / "m")
    assert "no model at" in refused("describe", tmp_path / "nowhere")
    assert "nonsense" in refused("split", ratings, "--by", "nonsense", "-o", tmp_path / "s")
    (tmp_path / "file").write_text("precious")
    assert "Not a directory" in refused("split", ratings, "--by", "random:0.1", "-o", tmp_path / "file" / "s")
    assert "threads" in refused("models", "--threads", 100_000)
    (tmp_path / "empty.csv").write_text("")
    assert "empty.csv" in refused("inspect", tmp_path / "empty.csv")
    refused("recommend", place / "model", "--new-user", "-", stdin="{not json}\n")
    (tmp_path / "new.csv").write_text("who,what,stars\nann,5,4\n")
    told = refused("recommend", place / "model", "--new-user", tmp_path / "new.csv")
    assert told.endswith("no option says so of this file: write it as CSV with the header user,item,rating")
    assert (tmp_path / "file").read_text() == "precious" and not (tmp_path / "m").exists()


def test_a_full_disk_and_too_little_memory_are_one_sentence(place, tmp_path, monkeypatch):
    ask = ("recommend", place / "model", "--all", "-o", tmp_path / "out.csv")
    for error, said in (
        (OSError(28, "No space left on device"), "No space left"),
        (MemoryError(), "not enough memory"),
    ):

        def fail(*_, error=error, **__):
            raise error

        monkeypatch.setattr("pandas.DataFrame.to_csv", fail)
        result = run(*ask, status=1)
        assert said in result.stderr and "Traceback" not in result.stderr
        assert list(tmp_path.iterdir()) == []


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def home(place, tmp_path, monkeypatch) -> Path:
    """A copy of `place` that is the current folder, with more files that verbs read."""
    shutil.copytree(place, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    Path("pairs.csv").write_text("user,item\nu1,3\n")
    Path("users.csv").write_text("u1\n")
    Path("preset.json").write_text('{"model": "bias"}')
    Path("train.csv").write_bytes(Path("ratings.csv").read_bytes())
    Path("link.csv").symlink_to("ratings.csv")
    os.link("ratings.csv", "hard.csv")
    Path("d").mkdir()
    Path("d/ratings.csv").write_bytes(Path("ratings.csv").read_bytes())
    return tmp_path


@pytest.mark.parametrize(
    "line",
    [
        "split train.csv --by random:0.2 -o .",
        "predict model pairs.csv -o pairs.csv",
        "predict model pairs.csv --new-user ratings.csv -o link.csv",
        "recommend model --users-file users.csv -o users.csv",
        "recommend model --all --new-item hard.csv -o ratings.csv",
        "evaluate model ratings.csv --per-user link.csv",
        "evaluate model ratings.csv --items titles.csv --per-user titles.csv",
        "evaluate model ratings.csv --fold-in hard.csv --per-user ratings.csv",
        "evaluate model ratings.csv -o model/model.json",
        "compare ratings.csv -m preset.json -m bias -o preset.json",
        "compare ratings.csv -m bias --per-user ratings.csv",
        "compare d -m bias --by given:ratings.csv,train.csv --per-user d/ratings.csv",
        "tune ratings.csv -m bias -o preset.json --storage ratings.csv",
        "tune ratings.csv -m preset.json -o preset.json",
        "train model/model.json -m bias -o model",
    ],
)
def test_an_output_that_is_an_input_is_refused(home, line):
    before = files_in(home)
    assert "the input" in refused(*line.split()) and files_in(home) == before


def test_two_outputs_have_two_names(home):
    line = "tune ratings.csv -m bias -o new.json --storage ./new.json"
    assert "each its own name" in refused(*line.split()) and not Path("new.json").exists()


@pytest.mark.parametrize(
    "line",
    [
        "train ratings.csv -m bias -o titles.csv",
        "train ratings.csv -m bias -o d",
        "train ratings.csv -m bias -o .",
        "train ratings.csv -m bias -o titles.csv/model",
        "predict model pairs.csv -o titles.csv/out.csv",
        "recommend model --all -o d.csv",
        "evaluate model ratings.csv -o titles.csv/report.md",
        "similar model --item 1 -o d.csv",
        "embed model -o titles.csv/vectors.npy",
        "cluster model -o d.csv",
        "map model -o titles.csv/map.html",
        "anomalies model -o d.csv",
        "generate model -o d.csv",
        "classify model --labels pairs.csv -o d.csv",
        "compare ratings.csv -m bias -o titles.csv/report.md",
        "compare ratings.csv -m bias --per-user titles.csv/report.csv",
        "tune ratings.csv -m bias -o titles.csv/preset.json",
        "split ratings.csv --by random:0.1 -o titles.csv/s",
        "demo -o titles.csv/s",
    ],
)
def test_outputs_are_looked_at_before_the_work(home, monkeypatch, line):
    def work(*_, **__):
        pytest.fail("the work began")

    for name in ("read_ratings", "load", "compare", "load_sample", "tune", "create"):
        monkeypatch.setattr(f"autorec.{name}", work, raising=False)
    Path("d.csv").mkdir()
    before = files_in(home)
    refused(*line.split())
    assert files_in(home) == before


def test_all_files_that_verbs_write_or_read_are_declared_so():
    """What is neither an input nor an output has a type of its own or is text that names no file."""
    words = {
        "add",
        "asked",
        "change",
        "chosen",
        "column",
        "columns",
        "every",
        "fixed",
        "host",
        "item",
        "items",
        "member",
        "memory",
        "mesh",
        "metric",
        "name",
        "names",
        "only",
        "remove",
        "sep",
        "settings",
        "user",
        "users",
        "where",
    }
    for verb in VERBS:
        for param in command.get_command(None, verb).params:
            if type(param.type).__name__ == "StringParamType":
                assert param.name in words, f"{verb}: {param.name}"
            assert type(param.type).__name__ not in ("Path", "File"), f"{verb}: {param.name}"


def test_a_model_in_a_repository_survives_training(home):
    Path("model/.git").mkdir()
    Path("model/.git/HEAD").write_text("mine")
    before = files_in(home)
    assert ".git" in refused("train", "ratings.csv", "-m", "bias", "-o", "model")
    assert files_in(home) == before


def test_interrupted_is_no_result_of_compare_and_the_best_so_far_of_train(home, monkeypatch):
    def cut_short(self, ratings, *_):
        self.user_damping_ = self.item_damping_ = 1.0
        self.biases_ = Biases(3.0, np.zeros(ratings.n_users), np.zeros(ratings.n_items))
        return {"stopped": "interrupted", "best_epoch": best}

    monkeypatch.setattr("autorec.models.baselines.Bias._fit", cut_short)
    before = set(files_in(home))
    line = "compare ratings.csv -m bias --baselines none -o report.html --per-user report.csv"
    for best in (0, 3):  # noqa: B007 (cut_short reads it)
        result = run(*line.split(), status=130)
        assert result.stdout == "" and result.stderr.endswith("Interrupted.\n") and set(files_in(home)) == before
    best = 0
    result = run("train", "ratings.csv", "-m", "bias", "-o", "new", status=130)
    assert result.stdout == "" and result.stderr.endswith("Interrupted.\n") and set(files_in(home)) == before
    best = 3
    result = run("train", "ratings.csv", "-m", "bias", "-o", "new", status=130)
    assert "Note: the training was interrupted: its best weights so far are kept" in result.stderr
    assert told("describe", "new")["summary"]["stopped"] == "interrupted"


def test_debug_shows_the_error_itself(tmp_path):
    result = CliRunner().invoke(command, ["describe", str(tmp_path), "--debug"])
    assert type(result.exception).__name__ == "ModelFileError"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"user,item,rating\n",
        b"user,item,rating\n1,2,good\n",
        b"user,item,rating\n1,2,nan\n",
        b"user,item,rating\n1,2,inf\n",
        b"user,item,rating\n1,2\n",
        b"user,item,rating\n1,2,3\n1,2,3,4,5,6\n",
        b"user,item,rating\n,2,3\n",
        b"user,film\n1,2\n",
        b"1::2::3\n1::2\n",
        b"one column\nof words\n",
        b"\x00\x01\x02\x03" * 100,
        b"\x1f\x8b\x08\x00broken gzip",
        b"PK\x03\x04broken zip",
        b"PAR1broken parquet",
        b"\xff\xfe\xff",
        b"user,item,rating\n" + b"1,2,3\n" * 3 + b"1,2,four\n",
        b'{"user": 1}\n',
        b'user,item,rating\n"1,2,3\n',
    ],
)
def test_a_malformed_file_is_one_sentence(tmp_path, content):
    (tmp_path / "bad.csv").write_bytes(content)
    assert "bad.csv" in refused("inspect", tmp_path / "bad.csv")
    refused("train", tmp_path / "bad.csv", "-m", "bias", "-o", tmp_path / "m")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"]


def test_recommend_ranks_by_choice_rating_or_both_and_says_what_a_rating_model_lacks(tmp_path):
    random_frame().to_csv(tmp_path / "r.csv", index=False)
    run("train", tmp_path / "r.csv", "-o", tmp_path / "both")  # autorec is the default
    run("train", tmp_path / "r.csv", "-m", "bias", "-o", tmp_path / "bias")
    lists = {by: told("recommend", tmp_path / "both", "--all", *by)["rows"] for by in ((), ("--by", "both"))}
    assert lists[()] == lists["--by", "both"]
    rated = told("recommend", tmp_path / "both", "--user", "3", "--by", "rating")["rows"]
    assert all(1 < row["score"] < 6 for row in rated) and max(row["score"] for row in lists[()]) < 1
    note = "never learned which items are taken up"
    assert note in run("recommend", tmp_path / "bias", "--user", "3").stderr
    assert note not in run("recommend", tmp_path / "bias", "--user", "3", "--by", "rating").stderr
    assert note not in run("recommend", tmp_path / "both", "--user", "3").stderr
    assert "Bias ranks by rating; a model that ranks by both" in refused(
        "recommend", tmp_path / "bias", "--user", "3", "--by", "choice"
    )


def test_demo_finds_the_planted_tastes(tmp_path):
    result = told("demo", "-o", tmp_path / "out")
    assert min(result["own_genre"].values()) > 3 * result["chance"]
    compared = result["comparison"]["models"]
    rmse = {model["name"]: model["metrics"].get("rmse", {}).get("mean") for model in compared}
    ndcg = {model["name"]: model["metrics"]["ndcg@10"]["mean"] for model in compared}
    assert ndcg["autorec"] > max(ndcg["ease"], ndcg["i-autorec"])
    assert max(rmse["autorec"], rmse["i-autorec"]) < rmse["bias"] < rmse["global-mean"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("report.html", "report.md", "report.json", "autorec", "i-autorec", "autorec.csv", "i-autorec.csv")
    }


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (("train", "r.csv", "-m", "i-autorc", "-o", "m"), "i-autorec"),
        (("train", "r.csv", "-m", "bias", "--set", "user_dampin=3", "-o", "m"), "user_damping"),
        (("fetch", "ml-1mm"), "ml-1m"),
    ],
)
def test_a_mistyped_name_is_answered_with_the_nearest(arguments, near):
    assert refused(*arguments).endswith(f"; did you mean {near}?")


def test_a_mistyped_verb_is_answered_with_the_nearest():
    result = run("trian", status=2)
    assert result.stderr.endswith("; did you mean train?\n") and "recommend, evaluate" in result.stderr
    assert "did you mean" not in run("xyzzy", status=2).stderr


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ('{"user": "a", "itm": 3}', "it has no item and no rating"),
        ('{"item": 1, "rating": 3}', "it has no user"),
        ("[1]", "it is no object"),
        ('{"user": "a", "ratings": [3]}', "its ratings are no object"),
        ('{"user": "a", "item": [], "rating": 3}', "an id is text or a whole number"),
        ('{"user": "a", "item": 1, "rating": "x"}', "'x' is not a finite number"),
    ],
)
def test_json_lines_that_are_no_ratings(place, line, wrong):
    assert f"line 1: {line!r} is no rating ({wrong}" in refused(
        "recommend", place / "model", "--new-user", "-", stdin=f"{line}\n"
    )


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_ids_of_one_table_are_of_one_type(tmp_path, suffix):
    random_frame().to_csv(tmp_path / "r.csv", index=False)
    run("train", tmp_path / "r.csv", "-m", "bias", "-o", tmp_path / "m")
    read = {"csv": pd.read_csv, "jsonl": lambda path: pd.read_json(path, lines=True), "parquet": pd.read_parquet}
    for users, expected in ((("1", "99"), [1, 99]), (("1", "stranger"), ["1", "stranger"])):
        asked = [word for user in users for word in ("--user", user)]
        run("recommend", tmp_path / "m", *asked, "-n", "1", "-o", tmp_path / f"t.{suffix}")
        assert read[suffix](tmp_path / f"t.{suffix}")["user"].tolist() == expected


def test_a_history_of_unknown_items_is_answered_by_the_fallback(place, tmp_path):
    (tmp_path / "new.csv").write_text("user,item,rating\nann,no such film,5\n")
    found = told("recommend", place / "model", "--new-user", tmp_path / "new.csv", "-n", "2")
    assert [row["source"] for row in found["rows"]] == ["fallback", "fallback"]


def test_pairs_in_parquet_have_named_columns_too(place, tmp_path):
    frame = pd.DataFrame({"who": ["u1", "u2"], "what": [3, 4], "else": [5, 6]})
    frame.to_parquet(tmp_path / "pairs.parquet")
    for name, items in {"what": [3, 4], "else": [5, 6], "3": [5, 6]}.items():
        asked = ("predict", place / "model", tmp_path / "pairs.parquet", "--columns", f"user=who,item={name}")
        assert [row["item"] for row in told(*asked)["rows"]] == items
