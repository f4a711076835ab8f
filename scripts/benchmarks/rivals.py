"""Time to an error and top-N speed beside other libraries, in a separate environment beside the checkout."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import sparse

import autorec
from autorec.fitting import biases as bias_tools
from autorec.network.autoencoder import INITIAL_SPREAD
from autorec.training.adam import warm_cosine
from benchmarks.ranking import top_ten
from benchmarks.timing import SCRIPTS, SHAPES, Row, process, users_by_items

_OLD = ("numpy<2", "pandas<2.3", "scipy<1.12", "scikit-learn<1.6")  # recbole's last release knows none that are newer
_NEEDED = ("pyyaml", "tqdm", "colorlog", "colorama", "psutil", "tabulate", "texttable", "tensorboard", "thop", "plotly")
WANTED = {  # what pip is asked for, in turn
    "cornac": [["cornac"]],
    "implicit": [["implicit"]],
    "surprise": [["scikit-surprise", "pandas"]],
    "recbole": [["torch==2.13.0"], [*_OLD, *_NEEDED], ["--no-deps", "recbole==1.2.1"]],  # without ray
}
TARGETS = (0.8373, 0.831)
EPOCHS = (12, 13, 14, 15, 16, 18, 20, 25, 30)


def to_error(path: Path, large: bool) -> Iterator[Row]:
    """Seconds of `fit` on ML-1M, random:0.1 seed 0, to a test RMSE; each with the fewest epochs that reach it."""
    with tempfile.TemporaryDirectory() as folder:
        (one,) = autorec.split(autorec.read_ratings(path), "random:0.1", 0)
        train, test = Path(folder) / "train.csv", Path(folder) / "test.csv"
        one.train.to_frame().to_csv(train, index=False)
        one.test.to_frame().to_csv(test, index=False)
        autorec.AutoRec(epochs=1).fit(one.train)  # warms up
        for target in TARGETS:
            seconds, rmse, epochs = ours(one, target)
            text = f"{seconds:.2f} s ({epochs} epochs, {rmse:.4f})"
            what = f"fit of ML-1M to test RMSE {target}"
            loop = dense(one, epochs)
            dense_text = f"the same in dense torch {loop[0]:.1f} s ({loop[1]:.4f})"
            yield Row(what, text, dense_text, loop[0] / seconds, "times faster")
            them = other("cornac", train, test, target)
            reached = "" if them["rmse"] <= target else ", not reached"
            about = f"{them['epochs']} epochs, {them['rmse']:.4f}{reached}, {them['gib']:.1f} GiB"
            cornac = f"Cornac MF {them['seconds']:.2f} s ({about})"
            yield Row(what, text, cornac, seconds / them["seconds"], "times its time")
        if large:
            them = other("surprise", train, test)
            svd = f"Surprise SVD++ {them['seconds']:.0f} s ({them['rmse']:.4f}, {them['gib']:.1f} GiB)"
            yield Row(what, text, svd, them["seconds"] / seconds, "times faster")


def ours(one: Any, target: float) -> tuple[float, float, int]:
    """(seconds, test RMSE, epochs)."""
    for epochs in EPOCHS:
        model = autorec.AutoRec(epochs=epochs)
        start = time.perf_counter()
        model.fit(one.train)
        seconds = time.perf_counter() - start
        rmse = autorec.evaluate(model, one.test).metrics["rmse"]
        if rmse <= target:
            break
    return seconds, rmse, epochs


def dense(one: Any, epochs: int, hidden: int = 500, l2: float = 350.0) -> tuple[float, float]:
    """(seconds, test RMSE) of the same model and schedule as usually written: dense items × users, torch's Adam."""
    csr = one.train.csr
    start = time.perf_counter()
    biases = bias_tools.fit_biases(csr)
    X = torch.from_numpy(csr.T.toarray())  # [items × users]
    mask = X > 0
    offset = torch.from_numpy(biases.mean + biases.item).float()[:, None]
    draws = torch.Generator().manual_seed(0)
    n, m = X.shape
    bound = INITIAL_SPREAD * (6 / (m + hidden)) ** 0.5
    W, V = (torch.empty(m, hidden).uniform_(-bound, bound, generator=draws).requires_grad_() for _ in range(2))
    a, b = torch.zeros(hidden, requires_grad=True), torch.from_numpy(biases.user).float().requires_grad_()
    optimizer = torch.optim.Adam([W, a, V, b])
    parts = torch.randperm(n, generator=draws).tensor_split(4)
    for step in range(4 * epochs):
        optimizer.param_groups[0]["lr"] = 0.003 * warm_cosine(step, 4 * epochs)
        part = parts[step % 4]
        output = (torch.sigmoid(X[part] @ W + a) - 0.5) @ V.T + b + offset[part]
        penalty = l2 / 2 * (W.square().sum() + V.square().sum()) + bias_tools.USER_DAMPING * b.square().sum()
        loss = (((output - X[part]) * mask[part]) ** 2).sum() / len(part) + penalty / n
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    seconds = time.perf_counter() - start
    with torch.no_grad():
        predicted = ((torch.sigmoid(X @ W + a) - 0.5) @ V.T + b + offset).clamp(1, 5).numpy().T
    users, items = one.train.find_users(one.test.user_ids), one.train.find_items(one.test.item_ids)
    rows, columns = users[one.test.rows()], items[one.test.csr.indices]
    known = (rows >= 0) & (columns >= 0)
    found = biases.predict(rows, columns)
    found[known] = predicted[rows[known], columns[known]]
    return seconds, float(np.sqrt(np.mean((np.clip(found, 1, 5) - one.test.csr.data) ** 2)))


def top_ten_elsewhere() -> Iterator[Row]:
    """128 units and 128 factors."""
    with tempfile.TemporaryDirectory() as folder:
        for shape in SHAPES:
            seen = Path(folder) / "seen.npz"
            sparse.save_npz(seen, sparse.csr_matrix(users_by_items(shape)))
            row = next(top_ten(shape))
            mine = float(row.ours.split()[0].replace(",", ""))
            for name in ("implicit", "recbole") if shape == "ml-1m" else ("implicit",):
                them = other(name, seen, 128)["users a second"]
                yield Row(row.measure, row.ours, f"{name} {them:,.0f} users/s", mine / them, "times faster")


def other(name: str, *arguments: object) -> dict[str, float]:
    """What `others.py` prints; for implicit OpenBLAS on one thread, as it asks for."""
    threads = {} if name == "recbole" else {"OPENBLAS_NUM_THREADS": "1"}
    command = [environment(name), SCRIPTS / "benchmarks" / "others.py", name, *arguments]
    done = process(command, **threads)
    found: dict[str, float] = json.loads(done.output.splitlines()[-1])
    return found | {"gib": done.gib}


def environment(name: str) -> Path:
    """Python of an environment with this library, made when there is none."""
    folder = SCRIPTS.parent / ".rivals" / name
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        print(f"Installing {name} beside the checkout, in .rivals.", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        for wanted in WANTED[name]:
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", *wanted], check=True)
        (folder / "ready").touch()
    return python
