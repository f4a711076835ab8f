"""Several processes that share the columns: what each holds of a wide model, what sharing costs on the same cores."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import autorec
from autorec.training.plan import measure_speed
from benchmarks.timing import SHAPES, Process, Row, make_file, python

COLUMNS, UNITS = 10_000_000, 64
HIDDEN = 500
STORED = 100_000, 20_000, 6_000_000  # users, items, ratings

_JOIN = """
import os, sys
rank, size, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
import torch.distributed as dist
if size > 1:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=size)
"""

_WIDE = (
    _JOIN
    + """
import numpy as np, torch
from autorec.network.autoencoder import build_autoencoder
from autorec.network.corruption import CORRUPTIONS
from autorec.network.example import Example
from autorec.network.likelihood import LIKELIHOODS
from autorec.network.parts import parse, parse_sum
from autorec.network.penalty import PENALTIES
from autorec.network.rows import Rows
from autorec.training.adam import Adam
from autorec.training.distributed import meshed
from autorec.training.objective import objective
from autorec.training.steps import descend
columns, units, n, each = int(sys.argv[4]), int(sys.argv[5]), 512, 100
with meshed() as mesh:
    rng, shard = np.random.default_rng(0), mesh.columns
indices = np.concatenate([np.unique(rng.integers(columns, size=each)) for _ in range(n)]).astype(np.int32)
values = rng.integers(1, 6, len(indices)).astype(np.float32)
ptr = np.append(np.flatnonzero(np.diff(indices, prepend=columns) < 0), len(indices)).astype(np.int64)
batch = Rows(columns, ptr, indices, values, values[:0]).of(shard).batch()
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 2**20
before, generator = peak(), torch.Generator().manual_seed(0)
network = build_autoencoder(columns, (units,), "sigmoid", "identity", generator, shard=shard)
likelihoods = {"rating": parse("likelihood", "gaussian", LIKELIHOODS)}
penalties, none = parse_sum("penalty", "l2:100", PENALTIES), parse("corruption", "none", CORRUPTIONS)
step = descend(objective(network, likelihoods, penalties, none, generator), Adam(network.parameters(), lambda n: 1e-3))
for number in range(2):
    step(Example((batch,), {"rating": batch}, torch.full((batch.n_rows,), 3.0)), number)
print(peak() - before)
"""
)

_EPOCH = (
    _JOIN
    + """
import time, autorec
ratings = autorec.read_ratings(sys.argv[4])
model = autorec.AutoRec(hidden=int(sys.argv[5]), epochs=6, penalty="l2:350", inputs="ratings",
                        user_damping=15.0, item_damping=10.0)
start = time.process_time()
model.fit(ratings)
taken = time.process_time() - start
curve = [] if rank else model.summary_["curve"]
print(taken, min((b["seconds"] - a["seconds"] for a, b in zip([{"seconds": 0}] + curve, curve)), default=0))
"""
)

_STORED = (
    _JOIN
    + """
import dataclasses, warnings, autorec
from autorec.ratings.stored import Stored
warnings.simplefilter("ignore")
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 2**10
how = {"hidden": 16, "epochs": 1, "penalty": "l2:300", "inputs": "ratings"}
autorec.AutoRec(sys.argv[5], **how).fit(autorec.load_sample())  # what is loaded and compiled
open("/proc/self/clear_refs", "w").write("5")  # the peak begins here
before, trained = peak(), []
ratings = autorec.open_ratings(sys.argv[4])
if isinstance(ratings, Stored):
    read = ratings.reads
    ratings = dataclasses.replace(ratings, reads=lambda: trained.append(peak()) or read())
autorec.AutoRec(sys.argv[5], **how).fit(ratings)
print((trained or [peak()])[0] - before, peak() - before)
"""
)


def stored() -> Iterator[Row]:
    """What each of 1, 2 and 4 processes takes at its peak that train on a store, beside what it took before; and what
    the first takes in the end, when it has read all ratings for the model."""
    users, items, ratings = STORED
    with tempfile.TemporaryDirectory() as folder:
        make_file(Path(folder) / "ratings.parquet", users, items, ratings)
        autorec.prepare(Path(folder) / "ratings.parquet", Path(folder) / "store")
        for orientation in ("user", "item"):
            one = 0.0
            for size in (1, 2, 4):
                done = [each.output.split() for each in group(_STORED, size, 1, f"{folder}/store", orientation)]
                most = max(float(each[0]) for each in done)
                one = one or most
                what = f"a store of {ratings:,} ratings, {orientation} orientation, 16 units, {size} processes"
                yield Row(what, f"peak {most:.0f} MiB each", f"the first ends at {done[0][1]}", most / one, "of one's")


def wide(columns: int = COLUMNS, units: int = UNITS) -> Iterator[Row]:
    """What each of 1, 2 and 4 processes takes at its peak for weights and moments, beside what it took before."""
    one = 0.0
    for size in (1, 2, 4):
        done = group(_WIDE, size, 1, columns, units)
        gib = max(float(each.output) for each in done)
        one = one or gib
        needed = 3 * 4 * columns * (2 * units + 1) / size / 2**30
        what = f"weights and moments, {columns:,} columns × {units} units, {size} process{'es' if size > 1 else ''}"
        yield Row(what, f"peak {gib:.2f} GiB each", f"arithmetic {needed:.2f}", gib / one, "of one's")


def overhead() -> Iterator[Row]:
    """The best epoch, validation included, of ml-1m's shape; beside each what `autorec plan` says of the sharing."""
    users, items, ratings = SHAPES["ml-1m"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ratings.parquet"
        make_file(path, users, items, ratings)
        found = {setting: (float("inf"), 0.0) for setting in ((1, 1), (1, 2), (2, 1))}  # (processes, threads of each)
        for _ in range(2):  # in turn, so that all meet the same load
            for size, threads in found:
                done = [each.output.split() for each in group(_EPOCH, size, threads, path, HIDDEN)]
                now = float(done[0][1]), sum(float(each[0]) for each in done)
                found[size, threads] = min(found[size, threads], now)
    what = f"ml-1m, item orientation, {HIDDEN} units, 2 processes of a core"
    (ours, our_cpu), (rival, its_cpu), (alone, _) = found[2, 1], found[1, 2], found[1, 1]
    yield Row(f"{what}: an epoch", f"{ours:.2f} s", f"1 process of two {rival:.2f} s", ours / rival, "times")
    yield Row(
        f"{what}: CPU of a fit", f"{our_cpu:.1f} s", f"1 process of two {its_cpu:.1f} s", our_cpu / its_cpu, "times"
    )
    how: dict[str, Any] = {"bandwidth": 100, "speed": measure_speed(HIDDEN)}  # of one measurement, which has its noise
    plans = [autorec.plan(users, items, ratings, HIDDEN, workers=size, **how) for size in (1, 2)]
    planned = plans[1].step_seconds / plans[0].step_seconds
    share = f"{ours / alone:.2f} of 1 process of a core"
    yield Row(f"{what}: an epoch", share, f"planned {planned:.2f}", ours / alone / planned, "of it")


def group(code: str, size: int, threads: int, *arguments: object) -> list[Process]:
    """[size] processes of a gloo group that run the code."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(size) as pool:
        return list(
            pool.map(
                lambda rank: python(code, rank, size, folder, *arguments, OMP_NUM_THREADS=str(threads)), range(size)
            )
        )
