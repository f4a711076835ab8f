"""Training: one step against dense torch and torch's sparse product, the optimiser's share, growth with the data."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch
from scipy import sparse

from autorec.network import kernels
from autorec.network.autoencoder import build_autoencoder
from autorec.network.batch import make_batch
from autorec.network.corruption import CORRUPTIONS
from autorec.network.example import Example
from autorec.network.gradient import terms_of
from autorec.network.likelihood import LIKELIHOODS
from autorec.network.padding import pad
from autorec.network.parts import parse, parse_sum
from autorec.network.penalty import PENALTIES
from autorec.network.ranges import COLUMN_COST, run_in_ranges
from autorec.threads import torch_on_one_thread
from autorec.training.adam import Adam
from autorec.training.objective import objective
from autorec.training.steps import descend
from benchmarks.timing import NETFLIX, SHAPES, Row, best, items_by_users, make_file, python

HIDDEN = 500
Step = Callable[[], object]

_FIT = """
import sys, autorec
ratings = autorec.read_ratings(sys.argv[1])
given = {"penalty": "l2:350", "inputs": "ratings"}  # none is chosen by trainings of its own
model = autorec.AutoRec(sys.argv[2], hidden=int(sys.argv[3]), epochs=int(sys.argv[4]), **given).fit(ratings)
curve = model.summary_["curve"]
seconds = [b["seconds"] - a["seconds"] for a, b in zip([{"seconds": 0}] + curve, curve)]
print(len(ratings), min(seconds))
"""


def steps(shape: str) -> Iterator[Row]:
    """Forward, backward and Adam on one batch of items."""
    matrix = items_by_users(shape)
    a = torch.rand(4096, 4096)
    peak = 2 * 4096**3 / best({"gemm": lambda: a @ a})["gemm"]  # operations a second
    rng = np.random.default_rng(0)
    per_rating: dict[str, float] = {}
    for size in (128, 512, -(-matrix.shape[0] // 4)):
        chosen = matrix[np.sort(rng.permutation(matrix.shape[0])[:size])]
        ours, optimizer_seconds = our_step(chosen)
        rivals = {"torch CSR": csr_step(chosen), "dense torch": dense_step(chosen)}
        seconds = best({"ours": ours, **rivals}, repeats=5 if shape == "ml-1m" else 2)
        for name, value in seconds.items():
            per_rating[name] = min(per_rating.get(name, float("inf")), value / chosen.nnz)
        mine, what = f"{seconds['ours'] * 1e3:.3g} ms", f"training step, {shape}, {size} items"
        for name in rivals:
            times = seconds[name] / seconds["ours"]
            yield Row(what, mine, f"{name} {seconds[name] * 1e3:.3g} ms", times, "times faster")
        optimizer = optimizer_seconds()
        useful = 5 * 2 * chosen.nnz * HIDDEN / (seconds["ours"] - optimizer)
        yield Row(
            f"{what}: useful operations",
            f"{useful / 1e9:.0f} GFLOP/s",
            f"GEMM {peak / 1e9:.0f}",
            useful / peak,
            "of it",
        )
        yield Row(f"{what}: optimiser", f"{optimizer * 1e3:.3g} ms", mine, optimizer / seconds["ours"], "of the step")
    for name in ("torch CSR", "dense torch"):
        text = [f"{per_rating[one] * 1e9:.3g} ns a rating" for one in ("ours", name)]
        times = per_rating[name] / per_rating["ours"]
        yield Row(
            f"training step, {shape}, each at its best batch", text[0], f"{name} {text[1]}", times, "times faster"
        )


def our_step(chosen: sparse.csr_array) -> tuple[Step, Callable[[], float]]:
    """One step, and the seconds of it that are the optimiser's: what it takes longer than one that drops the gradients
    of the large weights as soon as they are summed."""
    batch = make_batch(chosen)
    example = Example((batch,), {"rating": batch}, torch.zeros(batch.n_rows))

    def step_with(optimizer_of: Callable[[list[torch.Tensor]], Any]) -> Step:
        generator = torch.Generator().manual_seed(0)
        network = build_autoencoder(chosen.shape[1], (HIDDEN,), "sigmoid", "identity", generator)
        pad(network)
        likelihoods = {"rating": parse("likelihood", "gaussian", LIKELIHOODS)}
        penalties, corruption = parse_sum("penalty", "l2:350", PENALTIES), parse("corruption", "none", CORRUPTIONS)
        loss = objective(network, likelihoods, penalties, corruption, generator)
        step = descend(loss, optimizer_of(list(network.parameters())), penalty_values=False)

        def run() -> None:
            with torch_on_one_thread():
                step(example, 0)

        return run

    step, gradients = step_with(lambda parameters: Adam(parameters, lambda number: 1e-3)), step_with(Drop)

    def optimizer_seconds() -> float:
        seconds = best({"step": step, "gradients": gradients})
        return max(seconds["step"] - seconds["gradients"], 0.0)

    return step, optimizer_seconds


class Drop:
    """An optimiser that sums each row of a gradient and keeps nothing."""

    def __init__(self, parameters: list[torch.Tensor]) -> None:
        self.parameters = parameters

    def step(self, number: int) -> None:
        for parameter in self.parameters:
            for product in terms_of(parameter)[0]:
                order = product.batch.pattern.by_column
                tensors = (order.ptr, order.rows, product.values, product.D)
                arrays = [tensor.detach().numpy() for tensor in tensors]
                run_in_ranges(sum_rows, arrays[0], *arrays, row_cost=COLUMN_COST, per_thread=4)


@numba.njit(nogil=True)
def sum_rows(column_ptr: Any, column_rows: Any, ordered: Any, D: Any, first: int, last: int) -> None:
    g = np.empty(D.shape[1], dtype=np.float32)
    for column in range(first, last):
        kernels.sum_column(column_ptr[column], column_ptr[column + 1], column_rows, ordered, D, g)


def torch_loop(columns: int, loss_of: Callable[[Any, Any, Any, Any], torch.Tensor]) -> Step:
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


def dense_step(chosen: sparse.csr_array) -> Step:
    """What is usually written: the batch and its mask as dense matrices."""
    dense = torch.from_numpy(chosen.toarray())
    mask = dense > 0

    def loss(W: Any, a: Any, V: Any, b: Any) -> torch.Tensor:
        output = torch.sigmoid(dense @ W + a) @ V.T + b
        return (((output - dense) * mask) ** 2).sum() / len(dense)

    return torch_loop(chosen.shape[1], loss)


def csr_step(chosen: sparse.csr_array) -> Step:
    """torch's sparse product for the encoder, decode_by_gathering rows for the decoder."""
    coo = chosen.tocoo()
    places = torch.from_numpy(np.stack((coo.row, coo.col)).astype(np.int64))
    values = torch.from_numpy(coo.data)
    matrix = torch.sparse_coo_tensor(places, values, chosen.shape, is_coalesced=True, check_invariants=False)
    parts = [slice(k, k + 2**18) for k in range(0, len(values), 2**18)]

    def loss(W: Any, a: Any, V: Any, b: Any) -> torch.Tensor:
        codes = torch.sigmoid(torch.sparse.mm(matrix, W) + a)
        output = torch.cat([(codes[places[0, part]] * V[places[1, part]]).sum(1) for part in parts])
        return ((output + b[places[1]] - values) ** 2).sum() / chosen.shape[0]

    return torch_loop(chosen.shape[1], loss)


def growth() -> Iterator[Row]:
    """Seconds of an epoch a rating, and the memory of the whole process, from file to model, as the data grow."""
    first = None
    for users, items, ratings in (*SHAPES.values(), NETFLIX):
        seconds, count, gib = fitted(users, items, ratings, "item", HIDDEN, 5 if ratings < 10**8 else 2)
        each = seconds / count * 1e9
        first = first or each
        what = f"epoch, {users:,} users × {items:,} items, {count:,} ratings"
        yield Row(
            f"{what}, {HIDDEN} units",
            f"{each:.3g} ns a rating, peak {gib:.1f} GiB",
            "",
            each / first,
            "times the first",
        )


def billion() -> Iterator[Row]:
    """One epoch of a billion ratings, user orientation."""
    seconds, count, gib = fitted(5_000_000, 100_000, 10**9, "user", 128, 1)
    yield Row(f"one epoch, {count:,} ratings, user orientation, 128 units", f"{seconds:.0f} s, peak {gib:.1f} GiB")


def fitted(
    users: int, items: int, ratings: int, orientation: str, hidden: int, epochs: int
) -> tuple[float, int, float]:
    """(seconds of an epoch, ratings, GiB at the peak of the process)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ratings.parquet"
        make_file(path, users, items, ratings)
        done = python(_FIT, path, orientation, hidden, epochs)
    count, seconds = done.output.split()
    return float(seconds), int(count), done.gib
