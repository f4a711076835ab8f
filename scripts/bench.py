"""Measure speed and memory against other ways of doing the same, in one run, as ratios.

    scripts/bench [--json FILE] [--ratings PATH] [--only STEP …]

Shapes are made by make_ratings.py from a fixed seed, so that anyone can repeat them. Each ratio is of best times
measured in turn in this process; the machine is printed. With --ratings (MovieLens 1M's ratings.dat) the whole way from
file to model is measured too.
"""
# ruff: noqa: I001 (autorec comes before torch: it settles how threads wait)

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import autorec
import numba
import numpy as np
import torch
from make_ratings import blocks
from scipy import sparse

from autorec.evaluation.environment import environment
from autorec.models.topn import block_rows, top_n
from autorec.network.autoencoder import Autoencoder
from autorec.network import kernels
from autorec.network.batch import Batch, make_batch
from autorec.threads import torch_on_one_thread
from autorec.training.objective import Example, Objective
from autorec.training.optimizers import adam

HIDDEN = 500
SHAPES = {"ml-1m": (6040, 3706, 1_000_000), "ml-10m": (69_878, 10_677, 10_000_000)}
GROWTH = ((6040, 3706, 1_000_000), (69_878, 10_677, 10_000_000), (480_189, 17_770, 100_000_000))
Row = dict[str, Any]


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


def items_by_users(shape: str) -> sparse.csr_array:
    """Rows are items, as I-AutoRec has them."""
    users, items, ratings = SHAPES[shape]
    parts = list(blocks(users, items, ratings))
    user, item, rating = (np.concatenate(column) for column in zip(*parts, strict=True))
    matrix = sparse.csr_array((rating, (item, user)), shape=(items, users))
    matrix.sort_indices()
    return matrix


def gemm_gflops() -> float:
    a = torch.rand(4096, 4096)
    return 2 * 4096**3 / best({"gemm": lambda: a @ a})["gemm"] / 1e9


def training_step(shape: str) -> list[Row]:
    """Forward, backward and Adam on one batch of items, ours against dense torch and torch's CSR product."""
    matrix = items_by_users(shape)
    peak = gemm_gflops()
    rows = []
    rng = np.random.default_rng(0)
    dense_best = float("inf")
    ours_best = float("inf")
    for size in (128, 512, -(-matrix.shape[0] // 4)):
        chosen = matrix[np.sort(rng.permutation(matrix.shape[0])[:size])]
        ours, share = our_step(chosen)
        functions = {"ours": ours, "torch CSR": csr_step(chosen), "dense torch": dense_step(chosen)}
        seconds = best(functions, repeats=5 if shape == "ml-1m" else 2)
        optimizer = share()
        useful = 5 * 2 * chosen.nnz * HIDDEN / 1e9
        dense_best = min(dense_best, seconds["dense torch"] / chosen.nnz)
        ours_best = min(ours_best, seconds["ours"] / chosen.nnz)
        rows.append(
            {
                "step": f"training step, {shape}, batch {size}",
                "ours ms": seconds["ours"] * 1e3,
                "times faster than dense torch": seconds["dense torch"] / seconds["ours"],
                "times faster than torch CSR": seconds["torch CSR"] / seconds["ours"],
                "forward + backward, share of GEMM": useful / (seconds["ours"] - optimizer) / peak,
                "optimiser's share": optimizer / seconds["ours"],
            }
        )
    rows.append(
        {
            "step": f"training step, {shape}, per rating, each at its best batch",
            "times faster than dense torch": dense_best / ours_best,
        }
    )
    return rows


def our_step(chosen: sparse.csr_array) -> tuple[Callable[[], object], Callable[[], float]]:
    """One step, and the seconds of it that are the optimiser's: what it takes longer than one that drops the gradients
    of the large weights as soon as they are summed."""
    batch = make_batch(chosen)
    example = Example(batch, torch.zeros(batch.n_rows))
    objectives = []
    for _ in range(2):
        network = Autoencoder(chosen.shape[1], (HIDDEN,), "sigmoid", "identity", torch.Generator().manual_seed(0))
        network.pad()
        objectives.append(Objective(network, chosen.shape[0], 350.0))
    epoch = adam(objectives[0], [example], 1000, 1e-3, np.random.default_rng(0))
    objectives[1].network.sinks = (drop, drop)

    def step() -> None:
        with torch_on_one_thread():
            epoch(1)

    def gradients() -> None:
        with torch_on_one_thread():
            objectives[1].batch_loss(example).backward()

    def optimizer_seconds() -> float:
        seconds = best({"step": step, "gradients": gradients})
        return max(seconds["step"] - seconds["gradients"], 0.0)

    return step, optimizer_seconds


def drop(batch: Batch, values: torch.Tensor, D: torch.Tensor) -> None:
    """A sink that sums each row of a gradient and keeps nothing."""
    parts = 4 * int(numba.get_num_threads())
    sum_columns(*(tensor.detach().numpy() for tensor in (batch.column_ptr, batch.column_rows, values, D)), parts)


@numba.njit(parallel=True)
def sum_columns(column_ptr: Any, column_rows: Any, ordered: Any, D: Any, parts: int) -> None:
    bounds = kernels.ranges(column_ptr, parts, kernels.COLUMN)
    for part in numba.prange(parts):
        g = np.empty(D.shape[1], dtype=np.float32)
        for column in range(bounds[part], bounds[part + 1]):
            kernels.sum_column(column_ptr[column], column_ptr[column + 1], column_rows, ordered, D, g)


def torch_loop(columns: int, loss_of: Callable[[Any, Any, Any, Any], torch.Tensor]) -> Callable[[], object]:
    """A step of torch.optim.Adam on the loss that `loss_of(W, a, V, b)` gives, λ as part of the loss."""
    shapes = ((columns, HIDDEN), (HIDDEN,), (columns, HIDDEN), (columns,))
    parameters = [(0.01 * torch.randn(shape)).requires_grad_() for shape in shapes]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        W, a, V, b = parameters
        loss = loss_of(W, a, V, b) + 1e-4 * (W.square().sum() + V.square().sum())
        loss.backward()
        optimizer.step()

    return step


def dense_step(chosen: sparse.csr_array) -> Callable[[], object]:
    """What is usually written: the batch and its mask as dense matrices."""
    dense = torch.from_numpy(chosen.toarray())
    mask = dense > 0

    def loss(W: Any, a: Any, V: Any, b: Any) -> torch.Tensor:
        output = torch.sigmoid(dense @ W + a) @ V.T + b
        return (((output - dense) * mask) ** 2).sum() / len(dense)

    return torch_loop(chosen.shape[1], loss)


def csr_step(chosen: sparse.csr_array) -> Callable[[], object]:
    """torch's sparse product for the encoder, its sampled product for the decoder."""
    coo = chosen.tocoo()
    places = torch.from_numpy(np.stack((coo.row, coo.col)).astype(np.int64))
    values = torch.from_numpy(coo.data)
    matrix = torch.sparse_coo_tensor(places, values, chosen.shape, is_coalesced=True, check_invariants=False)

    def loss(W: Any, a: Any, V: Any, b: Any) -> torch.Tensor:
        codes = torch.sigmoid(torch.sparse.mm(matrix, W) + a)
        error = torch.cat(
            [
                (codes[places[0, k : k + 2**18]] * V[places[1, k : k + 2**18]]).sum(1)
                for k in range(0, len(values), 2**18)
            ]
        )
        return ((error + b[places[1]] - values) ** 2).sum() / chosen.shape[0]

    return torch_loop(chosen.shape[1], loss)


def ranking(shape: str) -> list[Row]:
    """Top 10 of all users, seen excluded, against the product of the same vectors alone."""
    seen = items_by_users(shape).T.tocsr()
    users, items = seen.shape
    rows = []
    for units in (128, HIDDEN):
        rng = np.random.default_rng(0)
        left = rng.normal(size=(users, units)).astype(np.float32)
        right = rng.normal(size=(items, units)).astype(np.float32)
        size = block_rows(items)

        def bare(left: Any = left, right: Any = right, size: int = size) -> None:
            for start in range(0, len(left), size):
                left[start : start + size] @ right.T

        def ours(left: Any = left, right: Any = right) -> None:
            for _ in top_n(lambda block: left[block] @ right.T, np.arange(users), items, 10, seen):
                pass

        seconds = best({"ours": ours, "bare": bare}, repeats=3)
        rows.append(
            {
                "step": f"top 10 of all users, {shape}, {units} units",
                "users a second": users / seconds["ours"],
                "share of the bare product": seconds["bare"] / seconds["ours"],
            }
        )
    return rows


def reading() -> list[Row]:
    """A file of 10 million ratings → Ratings, against pandas.read_csv (C engine) of the same file."""
    import pandas as pd

    rows = []
    parts = list(blocks(*SHAPES["ml-10m"]))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    frame = pd.DataFrame(dict(zip(("userId", "movieId", "rating"), columns, strict=True)))
    frame["timestamp"] = 1_000_000_000 + np.arange(len(frame))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ratings.csv"
        frame.to_csv(path, index=False)
        double = Path(folder) / "ratings.dat"
        with path.open("rb") as source, double.open("wb") as target:
            next(source)
            for line in source:
                target.write(line.replace(b",", b"::"))
        del frame, parts, columns
        pairs = {
            "CSV": (path, lambda: pd.read_csv(path)),
            "::": (double, lambda: pd.read_csv(double, sep=":", usecols=[0, 2, 4, 6], header=None)),
        }
        for name, (file, theirs) in pairs.items():
            seconds = best({"ours": lambda file=file: autorec.read_ratings(file), "pandas": theirs}, repeats=2)
            rows.append(
                {
                    "step": f"reading 10 million ratings, {name}",
                    "ours s": seconds["ours"],
                    "times faster than pandas.read_csv": seconds["pandas"] / seconds["ours"],
                }
            )
    return rows


def whole_way(path: Path) -> list[Row]:
    """`autorec train` as a process of its own: file → model, with start-up; and the error of what it makes."""
    with tempfile.TemporaryDirectory() as folder:
        (one,) = autorec.split(autorec.read_ratings(path), "random:0.1", 0)
        train = Path(folder) / "train.csv"
        one.train.to_frame().to_csv(train, index=False)
        rows = []
        for settings in ([], ["--set", "epochs=20"]):
            model = Path(folder) / f"model{len(settings)}"
            command = [sys.executable, "-m", "autorec", "train", str(train), "-m", "i-autorec", "-o", str(model)]
            start = time.perf_counter()
            subprocess.run([*command, *settings, "--quiet"], check=True, stdout=subprocess.DEVNULL)
            seconds = time.perf_counter() - start
            rmse = autorec.evaluate(autorec.load(model), one.test).metrics["rmse"]
            memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
            name = " ".join(settings[1:]) or "defaults"
            step = f"file to saved model, {name}"
            rows.append({"step": step, "s": seconds, "test RMSE": rmse, "peak GiB": memory})
    return rows


def per_rating() -> list[Row]:
    """Seconds of an epoch a rating as the data grow, item orientation, 500 units."""
    rows: list[Row] = []
    for users, items, ratings in GROWTH:
        user, item, rating = (np.concatenate(column) for column in zip(*blocks(users, items, ratings), strict=True))
        data = autorec.Ratings(
            sparse.csr_array((rating, (user, item)), shape=(users, items)), np.arange(users), np.arange(items)
        )
        del user, item, rating
        curve = autorec.AutoRec(epochs=5, penalty="l2:350").fit(data).summary_["curve"]
        seconds = min(b["seconds"] - a["seconds"] for a, b in itertools.pairwise(curve))
        row = {"step": f"epoch, {users:,} × {items:,}, {len(data):,} ratings", "ns a rating": seconds / len(data) * 1e9}
        if rows:
            row["times the first"] = row["ns a rating"] / rows[0]["ns a rating"]
        rows.append(row)
    return rows


def against_rivals(path: Path) -> list[Row]:
    """Cornac and implicit, in an environment of their own beside the checkout, one after the other with ours."""
    python = rivals_environment()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        (one,) = autorec.split(autorec.read_ratings(path), "random:0.1", 0)
        train, test, seen = (Path(folder) / name for name in ("train.csv", "test.csv", "seen.npz"))
        one.train.to_frame().to_csv(train, index=False)
        one.test.to_frame().to_csv(test, index=False)
        target = 0.8373
        theirs = rival(python, "rating", train, test, target)
        seconds, rmse, epochs = float("inf"), float("inf"), 1
        for epochs in (1, 12, 13, 14, 15, 16, 20):  # the first warms up
            model = autorec.AutoRec(epochs=epochs)
            start = time.perf_counter()
            model.fit(one.train)
            seconds = time.perf_counter() - start
            rmse = autorec.evaluate(model, one.test).metrics["rmse"]
            if rmse <= target:
                break
        rows.append(
            {
                "step": f"fit of ML-1M to test RMSE {target}, Cornac's MF {theirs['epochs']} epochs, ours {epochs}",
                "ours s": seconds,
                "ours RMSE": rmse,
                "Cornac s": theirs["seconds"],
                "Cornac RMSE": theirs["rmse"],
                "times Cornac's time": seconds / theirs["seconds"],
            }
        )
        for shape in SHAPES:
            sparse.save_npz(seen, sparse.csr_matrix(items_by_users(shape).T))
            ours = ranking(shape)[0]["users a second"]
            them = rival(python, "ranking", seen, 128)["users a second"]
            rows.append(
                {
                    "step": f"top 10 of all users, {shape}, 128 units, against implicit",
                    "ours, users a second": ours,
                    "implicit, users a second": them,
                    "times faster than implicit": ours / them,
                }
            )
    return rows


def rivals_environment() -> Path:
    """Python of an environment with the other libraries, made when there is none."""
    folder = Path(__file__).parent.parent / ".rivals"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        print("Installing implicit and Cornac beside the checkout, in .rivals.", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "implicit", "cornac"], check=True)
        (folder / "ready").touch()
    return python


def rival(python: Path, *arguments: object) -> dict[str, float]:
    command = [str(python), str(Path(__file__).with_name("rivals.py")), *map(str, arguments)]
    asked = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # as implicit asks for
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=asked)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--ratings", type=Path, metavar="PATH", help="MovieLens 1M's ratings.dat")
    steps: dict[str, Callable[[], list[Row]]] = {
        "step-1m": lambda: training_step("ml-1m"),
        "step-10m": lambda: training_step("ml-10m"),
        "top-1m": lambda: ranking("ml-1m"),
        "top-10m": lambda: ranking("ml-10m"),
        "reading": reading,
        "growth": per_rating,
    }
    parser.add_argument("--only", action="append", choices=[*steps, "whole", "rivals"], default=[])
    options = parser.parse_args()
    if options.ratings is not None:
        steps["whole"] = lambda: whole_way(options.ratings)
        steps["rivals"] = lambda: against_rivals(options.ratings)
    facts = environment()
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    found: list[Row] = []
    for name, step in steps.items():
        if options.only and name not in options.only:
            continue
        for row in step():
            found.append(row)
            rest = [f"{key} {value:.3g}" for key, value in row.items() if key != "step"]
            print(f"{row['step']}: {', '.join(rest)}", flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": facts, "rows": found}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
