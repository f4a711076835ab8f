"""The service as a process, with real uvicorn: it starts, is asked, swaps, and ends."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import COMMAND, SAMPLE, rating_model, serving

import autorec
from autorec.errors import AutoRecError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "m"
    rating_model().save(folder)
    return folder


def end(process: subprocess.Popen[str], by: int) -> tuple[int, str]:
    """Status and stderr of a process that is told to end."""
    process.send_signal(by)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def test_it_answers_swaps_and_ends_by_sigterm(folder: Path) -> None:
    """Requests go on while the model is swapped; none fails, and each answer is of one model."""
    body = {"history": [{"item": 10, "rating": 5}], "n": 5}
    with serving(folder) as (process, client):
        first = client.post("/recommend", json=body).json()

        def ask(_: int) -> Any:
            response = client.post("/recommend", json=body)
            assert response.status_code == 200
            return response.json()

        rating_model(1).save(folder)
        answers, lists = [], {first["model"]["hash"]: first["items"]}
        with ThreadPoolExecutor(4) as pool:
            while len(lists) == 1:
                answers += pool.map(ask, range(50))
                lists = {one["model"]["hash"]: one["items"] for one in [first, *answers]}
        assert len(lists) == 2
        assert all(one["items"] == lists[one["model"]["hash"]] for one in answers)
        status, errors = end(process, signal.SIGTERM)
        assert status == 0, errors
        assert "Traceback" not in errors and "Serving " in errors


def test_models_that_need_no_torch_are_served_without(tmp_path: Path) -> None:
    """Loading torch takes longer than all else of the start, and of scikit-learn the statistics of SciPy do. What is
    loaded is never looked at by the garbage collector, which would keep the start and requests waiting."""
    models = {"ease": autorec.Ease(l2=50)} | {of: autorec.AutoRec(of, hidden=4, epochs=1) for of in ("user", "item")}
    for name, model in models.items():
        model.fit(SAMPLE).save(tmp_path / name)
    code = (
        "import gc, sys, threadpoolctl, uvicorn; from autorec.serve.server import run_server\n"
        "def run(server, sockets):\n"
        "    frozen.append(gc.get_freeze_count() * gc.isenabled())\n"
        "    assert {one['num_threads'] for one in threadpoolctl.threadpool_info()} == {1}\n"
        "uvicorn.Server.run = run\n"
        "gc.callbacks.append(lambda phase, about: looks.append(phase))\n"
        "for path in sys.argv[1:]:\n"
        "    frozen, looks = [], []; run_server(path, port=0); assert frozen[0] > 100_000 and len(looks) < 20\n"
        "assert not {'torch', 'scipy.stats._stats_py', 'numpy.f2py.rules', 'autorec.ratings.read'} & set(sys.modules)\n"
        "from scipy import stats; assert stats.norm.cdf(0) == 0.5\n"
        "import numpy; assert numpy.f2py.get_include()"
    )
    paths = [str(tmp_path / name) for name in models]
    subprocess.run([sys.executable, "-c", code, *paths], check=True, timeout=300)


def test_ctrl_c_ends_it_and_a_second_one_what_is_being_answered(folder: Path) -> None:
    with serving(folder, "--quiet") as (process, client), socket.socket() as waiting:
        assert client.get("/health/ready").status_code == 200
        where = client.base_url.host, client.base_url.port
        waiting.connect(where)
        waiting.sendall(b"POST /recommend HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
        assert b"100 Continue" in waiting.recv(100)  # it waits for the body
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(ConnectionError):
            while True:  # until it listens no more
                socket.create_connection(where).close()
        status, errors = end(process, signal.SIGINT)
        assert (status, errors) == (130, "Interrupted.\n")


def test_several_workers_answer_and_count_together_and_a_killed_one_is_replaced(folder: Path) -> None:
    with serving(folder, "--workers", 2) as (process, client):
        assert client.get("/health/live").status_code == 200
        while len(first := workers_of(process.pid)) < 2:
            pass
        os.kill(first[0], signal.SIGKILL)
        while len(now := workers_of(process.pid)) < 2 or first[0] in now:
            pass
        port = client.base_url.port
        assert f"port {port}: Address already in use" in refused(folder, "--port", port, "--workers", 2)
        for _ in range(10):
            with httpx.Client(base_url=client.base_url, timeout=60) as one:  # a connection of its own
                assert one.post("/recommend", json={"user": 3}).status_code == 200
        assert 'autorec_requests_total{path="/recommend",status="200"} 10.0' in client.get("/metrics").text
        status, errors = end(process, signal.SIGTERM)
        assert status == 0, errors
        assert "Traceback" not in errors


def test_workers_end_with_a_parent_that_is_killed(folder: Path) -> None:
    with serving(folder, "--workers", 2) as (process, client):
        assert client.get("/health/live").status_code == 200
        process.kill()
        process.communicate(timeout=120)  # the pipes are closed when all have ended
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{client.base_url}/health/live")


def workers_of(pid: int) -> list[int]:
    """The processes that a process has started, a dead one until it is replaced (Linux)."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def refused(*arguments: object) -> str:
    """The one sentence of a start that fails."""
    done = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, env=os.environ, timeout=120)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.strip().splitlines()
    return line


def test_a_start_that_fails_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sentence = refused(folder, "--port", port)
    assert sentence == (
        f"Error: cannot listen on 127.0.0.1 port {port}: Address already in use; give another --host or --port"
    )
    with pytest.raises(AutoRecError, match=r"cannot listen on a..b port 0: .*; give another --host"):
        autorec.run_server(folder, "a..b", 0)
    assert "no model at" in refused(tmp_path / "none")
    assert "no model at" in refused(tmp_path / "none", "--workers", 2)
