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
    """What a process of its own took: seconds, GiB at its peak, and what it printed."""

    seconds: float
    gib: float
    output: str


def process(command: Iterable[object], **environment: str) -> Process:
    """Run a command; SystemExit with what it said when it fails."""
    start, words = time.perf_counter(), list(map(str, command))
    with tempfile.TemporaryFile("w+") as errors, tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(words, stdout=output, stderr=errors, env=os.environ | environment)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0), output.seek(0)
        if child.returncode:
            raise SystemExit(f"{' '.join(words)} failed: {errors.read()}")
        printed = output.read()
    return Process(time.perf_counter() - start, usage.ru_maxrss / 2**20, printed)


def python(code: str, *arguments: object) -> Process:
    """Run Python code in a process of its own."""
    return process([sys.executable, "-c", code, *arguments])


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
