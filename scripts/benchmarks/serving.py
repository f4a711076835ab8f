"""`autorec serve` under load on this machine: requests a second, waiting times, memory, the time until it is ready.

The load generator takes its share of the same cores, so it is wrk where that is installed: 0.1 ms a request; the one
below takes 0.3. First some connections of which one always waits: the capacity, and how it differs from second to
second. Then requests at 80 % of it at random times: by wrk of as many connections, as the pool of a server in front
has, and of as many as there are persons, each of whom asks, waits for the answer, and thinks; by the one below a
Poisson process, whatever becomes of those before, a waiting time counted from when the request was due. The processor
time of a request is told of each, for one that comes alone takes more: where others use the same caches, it finds
nothing of the last one in them.
"""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import autorec
from autorec.extras import require
from benchmarks.timing import Row, users_by_items

WORKERS = os.cpu_count() or 1
FEW = 16  # connections of a server in front
MANY = 128  # connections of persons
ASKED = 3000  # requests
SECONDS = 5.0
SLICES = 20  # seconds in each of which the capacity is found
ROUNDS = 3  # of waiting times, the median told: a virtual machine is stopped now and then, for longer than they are
SEPARATOR = b"\r\n\r\n"
SHARE = 0.8  # of the capacity
MODELS = {
    "i-autorec": {"epochs": 3, "penalty": "l2:350"},
    "u-autorec": {"epochs": 3, "penalty": "l2:550"},
    "ease": {},
}


def serving() -> Iterator[Row]:
    """Posted histories of 20 to 200 ratings, n = 10, on a model of the shape of MovieLens 1M."""
    try:
        require("serve", "this measurement")
    except autorec.AutoRecError as error:
        yield Row("serve", str(error))
        return
    with fitted(MODELS) as folders:
        for name, folder in folders:
            yield measure(name, folder)


def serving_long() -> Iterator[Row]:
    """Ten minutes of the same, of the 80 % of the capacity what a few connections reach: no error (`ask_by_wrk` looks),
    and how far the memory grows."""
    require("serve", "this measurement")
    with fitted(["i-autorec"]) as folders:
        for name, folder in folders:
            yield measure_long(name, folder)


@contextlib.contextmanager
def fitted(names: Iterable[str]) -> Iterator[Iterator[tuple[str, Path]]]:
    """(name, folder) of each of the models, fitted when it is asked for; the folders end with the block."""
    ratings = users_by_items("ml-1m")

    def save(name: str, folder: Path) -> tuple[str, Path]:
        autorec.create(name, **MODELS[name]).fit(ratings).save(folder)
        return name, folder

    with tempfile.TemporaryDirectory() as place:
        yield (save(name, Path(place) / name) for name in names)


LUA = """
local bodies, asked = {BODIES}, 0
function request()
  asked = asked + 1
  return wrk.format("POST", "/recommend", {["Content-Type"] = "application/json"}, bodies[asked % #bodies + 1])
end
function done(all, latency)
  io.write(string.format("asked %d in %d p50 %f p99 %f\\n",
    all.requests, all.duration, latency:percentile(50), latency:percentile(99)))
end
"""
THINK = "function delay() return -math.log(1 - math.random()) * {MEAN} end"  # milliseconds


def measure(name: str, folder: Path) -> Row:
    """One model, as many workers as there are cores."""
    requests = make_requests(autorec.load(folder).ratings_.item_ids.tolist())
    with serve(folder) as (process, port, ready):
        start = time.perf_counter()
        asyncio.run(ask_all(port, requests[:1], np.zeros(1)))
        first = time.perf_counter() - start
        asyncio.run(ask_all(port, requests, np.zeros(len(requests))))  # each worker has been asked
        used, of_generator = cpu_seconds(process.pid), os.times()
        by_wrk = shutil.which("wrk") is not None
        asked, rates = find_rates(port, requests) if by_wrk else ask_without_pause(port, requests)
        capacity, each = float(np.median(rates)), (cpu_seconds(process.pid) - used) / asked
        generator = sum(np.subtract(os.times()[:4], of_generator[:4])) / asked
        memory = resident_of_all(process.pid)
        if by_wrk:
            waits = [wait_at(SHARE, capacity, process.pid, port, requests, number, folder) for number in (FEW, MANY)]
        else:
            due = np.cumsum(np.random.default_rng(1).exponential(1 / SHARE / capacity, int(SHARE * capacity * SECONDS)))
            half, most = np.quantile(asyncio.run(ask_all(port, requests, due)), [0.5, 0.99])
            waits = [f"at {SHARE * 100:.0f} %: p50 {half * 1e3:.1f}, p99 {most * 1e3:.1f} ms"]
    told = [
        f"{capacity:,.0f} requests/s, in a tenth of the seconds below {np.quantile(rates, 0.1):,.0f}",
        f"each {each * 1e3:.2f} ms of CPU, {generator * 1e3:.2f} of the generator ({'wrk' if by_wrk else 'Python'})",
        *waits,
        f"{memory:.2f} GiB",
        f"ready in {ready:.1f} s, first answer {first * 1e3:.0f} ms",
    ]
    return Row(f"serve {name}, posted histories of 20 to 200, n = 10, {WORKERS} workers", "; ".join(told))


def wait_at(
    share: float, capacity: float, pid: int, port: int, requests: list[bytes], connections: int, folder: Path
) -> str:
    """Waiting times at this share of the capacity, with so many connections; then while the model is swapped."""
    thinking = (connections, find_pause(port, requests, connections, share * capacity))
    used = cpu_seconds(pid)
    rounds = [ask_by_wrk(port, requests, *thinking) for _ in range(ROUNDS)]
    each = (cpu_seconds(pid) - used) / sum(asked for asked, *_ in rounds)
    asked, seconds, half, most = np.median(rounds, axis=0)
    with replaced(folder, SECONDS / 2):
        *_, in_swap = ask_by_wrk(port, requests, *thinking)
    return (
        f"{connections} connections at {asked / seconds / capacity * 100:.0f} %, each {each * 1e3:.2f} ms: p50 "
        f"{half * 1e3:.1f}, p99 {most * 1e3:.1f} ms, {in_swap * 1e3:.1f} while the model is swapped"
    )


def find_rates(port: int, requests: list[bytes]) -> tuple[int, list[float]]:
    """(requests, [seconds] requests a second) of a few connections without a pause, for each of some seconds: a virtual
    machine has slow ones, in which 80 % of what it does in others is too much."""
    seconds = [ask_by_wrk(port, requests, seconds=1.0) for _ in range(SLICES)]
    return sum(asked for asked, *_ in seconds), [asked / taken for asked, taken, *_ in seconds]


def find_pause(port: int, requests: list[bytes], connections: int, rate: float) -> float:
    """The pause on each of so many connections with which `rate` requests a second come, or as many as they can ask."""
    pause = connections / rate
    for _ in range(2):  # the more requests come, the longer an answer takes
        asked, seconds, *_ = ask_by_wrk(port, requests, connections, pause)
        answer = connections * seconds / asked - pause  # what an answer takes there, on average; the pause is the rest
        pause = max(connections / rate - answer, 0.0)
    return pause


def measure_long(name: str, folder: Path, seconds: float = 600.0) -> Row:
    """One model. Memory from after a tenth of the time on: until then workers load what they have not used."""
    requests = make_requests(autorec.load(folder).ratings_.item_ids.tolist())
    with serve(folder) as (process, port, _):
        capacity = float(np.median(find_rates(port, requests)[1]))
        thinking = (FEW, find_pause(port, requests, FEW, SHARE * capacity))
        ask_by_wrk(port, requests, *thinking, seconds / 10)
        before = resident_of_all(process.pid)
        asked, taken, _, most = ask_by_wrk(port, requests, *thinking, seconds * 0.9)
        growth = resident_of_all(process.pid) / before - 1
    return Row(
        f"serve {name} for {seconds:.0f} s, {WORKERS} workers",
        f"{asked:,} requests, {asked / taken:,.0f} a second, {asked / taken / capacity * 100:.0f} % of the capacity, "
        f"no error, p99 {most * 1e3:.1f} ms; memory {before:.2f} GiB, {growth:+.1%}",
    )


@contextlib.contextmanager
def replaced(folder: Path, after: float) -> Iterator[None]:
    """After so many seconds of the block the model in the folder is another: the same with another summary."""
    old, new = folder.with_name("old"), folder.with_name("new")
    model = autorec.load(folder)
    model.summary_ = {**model.summary_, "swapped": True}
    model.save(new)

    def swap() -> None:
        folder.rename(old)
        new.rename(folder)

    timer = threading.Timer(after, swap)
    timer.start()
    yield
    timer.join()
    shutil.rmtree(old)


def make_requests(items: list[Any], n: int = 400) -> list[bytes]:
    """Whole HTTP requests."""
    rng, requests = np.random.default_rng(0), []
    for size in rng.integers(20, 201, n):
        chosen, rated = rng.choice(len(items), size, replace=False), rng.integers(1, 6, size)
        history = [{"item": items[c], "rating": r} for c, r in zip(chosen.tolist(), rated.tolist(), strict=True)]
        body = json.dumps({"history": history, "n": 10}).encode()
        head = "POST /recommend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        requests.append(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return requests


def ask_by_wrk(
    port: int, requests: list[bytes], connections: int = FEW, pause: float = 0.0, seconds: float = SECONDS
) -> tuple[int, float, float, float]:
    """(requests, seconds, median and 99th percentile of the seconds to the answer) of wrk, a load generator in C, for
    so many seconds. pause: on each connection before the next request, on average."""
    bodies = ", ".join(f"[=[{request.split(SEPARATOR, 1)[1].decode()}]=]" for request in requests)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA.replace("BODIES", bodies) + (THINK.replace("{MEAN}", f"{pause * 1e3}") if pause else ""))
        script.flush()
        words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "30s", "-s", script.name]
        told = subprocess.run([*words, f"http://127.0.0.1:{port}"], capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in told and "Socket errors" not in told, told
    asked, *times = re.findall(r"asked (\d+) in (\d+) p50 ([\d.]+) p99 ([\d.]+)", told)[0]
    taken, half, most = (float(time) / 1e6 for time in times)
    return int(asked), taken, half, most


def ask_without_pause(port: int, requests: list[bytes]) -> tuple[int, list[float]]:
    """`find_rates` by `ask_all`."""
    begin = time.perf_counter()
    asyncio.run(ask_all(port, requests, np.zeros(ASKED)))
    return ASKED, [ASKED / (time.perf_counter() - begin)]


async def ask_all(port: int, requests: list[bytes], due: Any) -> list[float]:
    """Ask at the times `due` [n] from now, over some connections; [n] seconds from when each was due to its answer."""
    waited, start, numbers = [0.0] * len(due), time.perf_counter(), iter(range(len(due)))

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            wait = start + due[number] - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            writer.write(requests[number % len(requests)])
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
            waited[number] = time.perf_counter() - start - due[number]
        writer.close()

    await asyncio.gather(*(connection() for _ in range(min(MANY, len(due)))))
    return waited


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int, float]]:
    """(process, port, seconds until it is ready) of a service that ends with the block."""
    words = [sys.executable, "-m", "autorec", "serve", str(folder), "--port", "0", "--workers", str(WORKERS)]
    start = time.perf_counter()
    process = subprocess.Popen([*words, "--json", "--quiet"], stdout=subprocess.PIPE, text=True)
    try:
        told = ""
        while "}" not in told:
            line = process.stdout.readline()
            if not line:
                raise SystemExit("the service did not start")
            told += line
        port = int(json.loads(told)["url"].rsplit(":", 1)[1])
        asyncio.run(ask_all(port, [b"GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n"], np.zeros(1)))
        yield process, port, time.perf_counter() - start
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def cpu_seconds(pid: int) -> float:
    """CPU time of the processes that this one started (Linux)."""
    fields = [Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split() for child in children(pid)]
    return sum(int(used) for line in fields for used in line[11:13]) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """Processes that this one started."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def resident_of_all(pid: int) -> float:
    """GiB of a process and of those that it started."""
    return sum(resident(one) for one in (pid, *children(pid)))


def resident(pid: int) -> float:
    """GiB of a process, what it shares with others divided among them (Linux)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 2**20
