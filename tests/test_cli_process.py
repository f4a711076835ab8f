"""The command line as a process of its own: what only a real one can show."""

import contextlib
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys

import pandas as pd
import pytest
from conftest import random_frame
from test_cli import told

AUTOREC = [sys.executable, "-m", "autorec"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and terminals as POSIX has them")


def run(*arguments: object, **options: object) -> subprocess.CompletedProcess:
    command = [*AUTOREC, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)


def read_to_the_end(terminal: int) -> str:
    text = b""
    with contextlib.suppress(OSError):  # the other side is closed: how a terminal ends
        while chunk := os.read(terminal, 65536):
            text += chunk
    os.close(terminal)
    return text.decode()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("process")
    random_frame(users=2000, items=50).to_csv(folder / "ratings.csv", index=False)
    done = run("train", folder / "ratings.csv", "-m", "bias", "-o", folder / "model")
    assert done.returncode == 0, done.stderr
    assert "Wrote the model" in done.stderr and "Wrote" not in done.stdout
    return folder


def test_results_on_stdout_and_progress_on_stderr(place):
    done = run("recommend", place / "model", "--user", "1", "--user", "stranger", "--json")
    assert len(json.loads(done.stdout)["rows"]) == 20
    assert "not known" in done.stderr


def test_a_failure_is_one_sentence(place):
    done = run("inspect", place / "nowhere.csv")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
    done = run("describe", place, "--debug")
    assert done.returncode == 1 and "Traceback" in done.stderr
    assert run("recommend", place / "model").returncode == 2


def in_bash(command: str, **options: object) -> subprocess.CompletedProcess:
    """`autorec` in the command is this program."""
    text = f'autorec() {{ "{sys.executable}" -m autorec "$@"; }}; {command}'
    return subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=False, timeout=120, **options)


@pytest.mark.parametrize(
    "command",
    [
        "inspect <(gzip -c ratings.csv)",
        "predict model <(printf 'user,item\\n1,2\\n')",
        pytest.param("recommend model --users-file <(echo 1)", marks=pytest.mark.slow),
    ],
)
def test_pipes_are_read_like_files(place, command):
    done = in_bash(f"autorec {command} --json", cwd=place)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) > 1


def test_a_named_pipe_is_read_like_a_file(place, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    done = in_bash(f"cat {place}/ratings.csv > {tmp_path}/pipe & autorec inspect {tmp_path}/pipe --json")
    assert json.loads(done.stdout) == told("inspect", place / "ratings.csv"), done.stderr


@pytest.mark.parametrize(
    "closed",
    [
        "<&- >&- 2>&-",
        *(pytest.param(one, marks=pytest.mark.slow) for one in (">&-", "2>&-", ">&- 2>&-", "<&-")),
    ],
)
def test_a_closed_stream_leads_to_nowhere(place, tmp_path, closed):
    done = in_bash(f"autorec train {place}/ratings.csv -m bias -o {tmp_path}/m {closed}")
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0)
    assert told("describe", tmp_path / "m")["class"] == "Bias"
    assert in_bash(f"autorec inspect {place}/nowhere.csv {closed}").returncode == 1


def test_a_closed_stdin_is_told():
    done = in_bash("autorec inspect - <&-")
    assert done.returncode == 1 and done.stderr == "Error: stdin is closed; give a file\n"


@pytest.mark.slow
def test_names_that_are_not_utf_8(place, tmp_path):
    """A file system allows any bytes."""
    names = {kind: os.fsdecode(b"\xff\xe9." + kind) for kind in (b"csv", b"parquet", b"json")}
    frame = random_frame(users=30)
    frame.to_csv(tmp_path / names[b"csv"], index=False)
    (tmp_path / names[b"parquet"]).write_bytes(frame.to_parquet())
    for name in names[b"csv"], names[b"parquet"]:
        done = run("train", tmp_path / name, "-m", "bias", "-o", tmp_path / "\udcfe", "--json")
        assert os.fsdecode(b"\xfe") in json.loads(done.stdout)["output"], done.stderr
    table = tmp_path / names[b"parquet"]
    assert run("recommend", tmp_path / "\udcfe", "--all", "-o", table).returncode == 0
    assert len(pd.read_parquet(io.BytesIO(table.read_bytes()))["user"].unique()) == 30
    report = tmp_path / names[b"json"]
    done = run("compare", tmp_path / names[b"csv"], "-m", "bias", "--baselines", "none", "-o", report)
    assert json.loads(report.read_bytes())["data"]["name"] == names[b"csv"], done.stderr
    done = run("inspect", tmp_path / "\udcff")
    assert done.returncode == 1 and r"\udcff does not exist" in done.stderr
    done = run("recommend", place / "model", "--user", "\udcff")
    assert done.returncode == 1 and r"the id '\udcff' is no Unicode text" in done.stderr


def test_output_is_utf_8_whatever_the_encoding(tmp_path):
    (tmp_path / "r.csv").write_text("user,item,rating\nä,ю,4\nb,水,2\nä,水,3\nb,ю,5\n")
    done = run("inspect", tmp_path / "r.csv", "--json", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert {row["item"] for row in json.loads(done.stdout)["most_rated"]} == {"ю", "水"}


WITHOUT_TORCH = """
import sys
sys.modules.update(dict.fromkeys(("torch", "numpy", "pandas", "numba")))  # importing them is an ImportError
sys.argv[0] = "autorec"
from autorec.cli.main import main
main()
"""


@pytest.mark.parametrize("arguments", [["models"], ["models", "--json"], ["describe", "model"], ["--help"]])
def test_what_is_only_told_needs_nothing_heavy(place, arguments):
    command = [sys.executable, "-c", WITHOUT_TORCH, *arguments]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout


def test_a_pipe_that_closes_is_no_failure_to_tell(place):
    command = " ".join([*AUTOREC, "recommend", str(place / "model"), "--all", "--quiet"])
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -1; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.split()[:2] == ["user", "item"]
    assert done.returncode == 141


@pytest.mark.slow
def test_a_failure_soon_after_a_read_keeps_its_status(tmp_path):
    """Eight at a time, so that threads are late: torch and pyarrow must not abort what ends just then."""
    (tmp_path / "header.csv").write_text("user,item,rating\n")
    (tmp_path / "one.csv").write_text("user,item,rating\n1,2,3\n")
    said = {"one.csv": "all ratings are 3", "header.csv": "has a header and no ratings below it"}
    running = [
        subprocess.Popen(
            [*AUTOREC, "train", str(tmp_path / name), "-m", "i-autorec", "-o", str(tmp_path / "m")],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for name in [*said] * 4
    ]  # fmt: skip
    for process, sentence in zip(running, [*said.values()] * 4, strict=True):
        _, err = process.communicate(timeout=120)
        assert process.returncode == 1 and sentence in err.splitlines()[-1], err


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted(sent, status):
    """More is written to stdin than a pipe holds: when that is done the verb runs, and waits for the end."""
    process = subprocess.Popen(
        [*AUTOREC, "inspect", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdin.write("1,2,3,4\n" * 2**15)
    process.stdin.flush()
    process.send_signal(sent)
    out, err = process.communicate(timeout=30)
    assert process.returncode == status and out == ""
    assert "Traceback" not in err
    assert err == ("Interrupted.\n" if sent == signal.SIGINT else "")


def test_interrupted_within_an_import_the_status_is_the_same(tmp_path):
    """Text that is executed, as imports do, has `python -m` note the interruption, and end by the signal."""
    (tmp_path / "interrupted.py").write_text(
        "import sys, autorec; from autorec.cli.main import main\n"
        "autorec.describe = lambda _: exec('raise KeyboardInterrupt')\n"
        "sys.argv = ['autorec', 'describe', '.']; main()"
    )
    ask = [sys.executable, "-m", "interrupted"]
    done = subprocess.run(ask, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "Interrupted.\n")


def test_a_terminal_gets_ruled_tables():
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*AUTOREC, "models"],
        stdout=theirs, stderr=subprocess.DEVNULL, env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(theirs)
    text = read_to_the_end(ours)
    assert process.wait(timeout=60) == 0
    assert "─" in text


def test_training_interrupted_keeps_the_best_model_so_far(place, tmp_path):
    endless = ("--set", "epochs=1000000", "--set", "patience=1000000", "--set", "penalty=l2:100")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*AUTOREC, "train", str(place / "ratings.csv"), "-m", "u-autorec", *endless, "-o", str(tmp_path / "m")],
        stdout=subprocess.DEVNULL, stderr=theirs, env={**os.environ, "TERM": "xterm", "COLUMNS": "150"},
    )  # fmt: skip
    os.close(theirs)
    text = b""
    while b"validation" not in text:  # of the progress bar: there is a best model
        text += os.read(ours, 65536)
    process.send_signal(signal.SIGINT)
    err = text.decode() + read_to_the_end(ours)
    assert process.wait(timeout=60) == 130
    assert "Interrupted: the best model so far" in err and "Traceback" not in err
    assert told("recommend", tmp_path / "m", "--user", "1")["rows"]


def test_too_few_addresses_end_in_a_sentence(place):
    """Some libraries would end the process, without a word or with an unclear one."""
    resource = pytest.importorskip("resource")
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))}
    done = run("recommend", place / "model", "--user", "1", **limit)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        r"Error: a process may map 1.0 GiB here, .* map about \d.*raise the limit \(ulimit -v\).*\n", done.stderr
    )
    assert run("--version", **limit).returncode == 0
