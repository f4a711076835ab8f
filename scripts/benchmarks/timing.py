"""What every measurement stands on: rows, best times in turn, a process with its peak memory, made-up ratings."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from make_ratings import blocks
from scipy import sparse

SCRIPTS = Path(__file__).parent.parent
SHAPES = {"ml-1m": (6040, 3706, 1_000_000), "ml-10m": (69_878, 10_677, 10_000_000)}
NETFLIX = (480_189, 17_770, 100_000_000)


@dataclass(frozen=True)
class Row:
    """One line of the table. ours, rival: values with their unit; ratio: what is claimed, of these two, in words by
    `means` ("times faster", "share", …); None where there is nothing to compare with."""

    measure: str
    ours: str
    rival: str = ""
    ratio: float | None = None
    means: str = ""

    def cells(self) -> list[str]:
        return [self.measure, self.ours, self.rival, "" if self.ratio is None else f"{self.ratio:.3g} {self.means}"]


COLUMNS = ["measure", "ours", "beside", "ratio"]


def best(functions: dict[str, Callable[[], object]], repeats: int = 5) -> dict[str, float]:
    """Best seconds of each, measured in turn, after one round to warm up."""
    found = dict.fromkeys(functions, float("inf"))
    for number in range(repeats + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if number:
                found[name] = min(found[name], time.perf_counter() - start)
    return found


@dataclass(frozen=True)
class Process:
    """What a new process took: seconds, GiB at its peak, and what it printed."""

    seconds: float
    gib: float
    output: str


def process(command: Iterable[object], **environment: str) -> Process:
    """Run a command; SystemExit with what it said when it fails.

    The peak is read while it runs, 50 times a second: what the system tells afterwards counts this process's own peak
    too, of which the other began as a copy.
    """
    words = list(map(str, command))
    with tempfile.TemporaryFile("w+") as errors, tempfile.TemporaryFile("w+") as output:
        start, peak = time.perf_counter(), 0.0
        child = subprocess.Popen(words, stdout=output, stderr=errors, env=os.environ | environment)
        while child.poll() is None:
            peak = max(peak, resident_peak(child.pid))
            time.sleep(0.02)
        seconds = time.perf_counter() - start
        errors.seek(0), output.seek(0)
        if child.returncode:
            raise SystemExit(f"{' '.join(words)} failed: {errors.read()}")
        return Process(seconds, peak, output.read())


def resident_peak(pid: int) -> float:
    """GiB; 0 where the system does not tell, or the process has just ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 2**20 for line in lines if line.startswith("VmHWM")), 0.0)


def python(code: str, *arguments: object, **environment: str) -> Process:
    """Run Python code in a new process."""
    return process([sys.executable, "-c", code, *arguments], **environment)


def users_by_items(shape: str) -> sparse.csr_array:
    users, items, ratings = SHAPES[shape]
    user, item, rating = (np.concatenate(c) for c in zip(*blocks(users, items, ratings), strict=True))
    return sparse.csr_array((rating, (user, item)), shape=(users, items))


def items_by_users(shape: str) -> sparse.csr_array:
    """Rows are items, as I-AutoRec has them."""
    matrix = users_by_items(shape).T.tocsr()
    matrix.sort_indices()
    return matrix


def make_file(path: Path, users: int, items: int, ratings: int) -> None:
    """Ratings of this shape as Parquet."""
    sizes = ["--users", users, "--items", items, "--ratings", ratings]
    process([sys.executable, SCRIPTS / "make_ratings.py", path, *sizes])
