"""The command line as a process of its own: what only a real one can show."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys

import pytest
from conftest import random_frame

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


def test_a_pipe_that_closes_is_no_failure_to_tell(place):
    command = " ".join([*AUTOREC, "recommend", str(place / "model"), "--all"])
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -1; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.split()[:2] == ["user", "item"]
    assert done.returncode == 141


def test_a_failure_soon_after_a_read_keeps_its_status(tmp_path):
    """Eight at a time, so that threads are late: torch and pyarrow must not abort what ends just then."""
    (tmp_path / "one.csv").write_text("user,item,rating\n1,2,3\n")
    command = [*AUTOREC, "train", str(tmp_path / "one.csv"), "-m", "i-autorec", "-o", str(tmp_path / "m")]
    running = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _ in range(8)
    ]
    for process in running:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 1 and err.splitlines()[-1].startswith("Error: all ratings"), err


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


def test_a_terminal_gets_ruled_tables(place):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*AUTOREC, "recommend", str(place / "model"), "--user", "1", "-n", "2"],
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
    assert run("recommend", tmp_path / "m", "--user", "1").returncode == 0


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
