"""What a training of AutoRec takes by arithmetic: memory of each process, bytes between them, epochs an hour.

n rows, m columns, r ratings, H units, batches of B rows. N = D · S processes are D groups, each with some of the rows
of a batch, of S processes, each with some of the columns (`autorec.network.shard`): each holds the weights of m/S
columns with their optimiser, and r/N ratings; the codes of its group's rows are in all S.

    memory  `training_memory` of r/N ratings and m/S columns; what belongs to rows, and the codes, does not shrink. One
            process has the ratings as they were read, without dates: column and value, 8 r bytes (from 2³¹ on 12 r).
            Several read a store in parts, and have a few numbers of each row and column: 16 n + 48 m bytes. The first
            of them ends with what the model keeps: 4 (2 H + 1) m bytes of weights and all ratings as they are read, by
            item orientation 6 bytes of each more, while its codes are computed
    moved   the sums of the encoder and the gradient of the code, B/D × H float32 each, are all-reduced in a ring, where
            each process sends 2 (S − 1)/S of them, and so are the gradients of its weights over the groups:
            2 · 2 (S − 1)/S · 4 (B/D) H  +  2 (D − 1)/D · 4 (2 H + 1) m/S bytes a step
    step    a · H · (r/N) (B/n)  +  b · 2 H · m/S  +  c · (B/D) H  +  moved / bandwidth  +  moved / COPYING  seconds
    epoch   ⌈n/B⌉ steps

a, seconds of a rating and a unit, b, of a weight that Adam updates, and c, of a unit of a row (its sum, activation and
gradient, which all S processes compute), are measured on this machine (`measure_speed`). COPYING is what a processor
does for bytes that are sent, by gloo. Left out: waiting for the network to answer and for the slowest process, the
memory bus that processes of one machine share, validations, and the making of streamed batches.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from scipy import sparse
from scipy.optimize import nnls

from autorec import checks, group, words
from autorec.errors import ParameterError, shown
from autorec.memory import readable
from autorec.network.autoencoder import build_autoencoder
from autorec.network.batch import make_batch
from autorec.network.corruption import CORRUPTIONS
from autorec.network.example import Example
from autorec.network.likelihood import LIKELIHOODS
from autorec.network.padding import pad
from autorec.network.parts import parse
from autorec.network.penalty import PENALTIES
from autorec.threads import torch_on_one_thread
from autorec.training.adam import Adam
from autorec.training.batches import batch_size
from autorec.training.memory import are_large, training_memory
from autorec.training.objective import objective
from autorec.training.steps import descend

COPYING = 0.85e9  # bytes that a process sends for a second of a processor: 1.2 ns each, on the loopback of an AMD EPYC
_OF_ROW, _OF_COLUMN = 16, 48  # bytes for each, of all, in each of several processes: counts, biases, centre

_ROWS, _REPEATS = 512, 5
_LEVEL, _COLUMN, _VALUE = 1, 4, 4  # bytes of a rating in `Rows`, and in CSR
_WIDE = 2**31  # ratings from which CSR has columns of twice the bytes
_MANY_RATINGS, _MANY_COLUMNS, _FEW = (400, 2_000), (20, 20_000), (2, 50)  # ratings a row, columns


@dataclass(frozen=True)
class Speed:
    """Seconds of a step for each rating and unit, for each weight, and for each row and unit."""

    rating: float
    weight: float
    row: float = 0.0


@dataclass(frozen=True)
class Plan:
    """memory: bytes of each process by purpose. streams: whether batches are made again at each use. moved: bytes that
    each process sends in a step. steps: of an epoch. step_seconds: of which network_seconds are for `moved`.
    in_the_end: bytes of the first of several processes when it makes the model, 0 of one.

    >>> plan = autorec.Plan({"ratings": 8_000_000}, False, 0, 100, 0.01, 0.0)
    >>> plan.to_facts()["epochs an hour"]
    '3,600'
    """

    memory: Mapping[str, int]
    streams: bool
    moved: int
    steps: int
    step_seconds: float
    network_seconds: float
    in_the_end: int = 0

    @property
    def epochs_an_hour(self) -> float:
        return 3600 / (self.steps * self.step_seconds)

    def to_facts(self) -> dict[str, str]:
        """For people."""
        return {
            "memory of each process": readable(sum(self.memory.values())),
            **{f"- {name}": readable(size) for name, size in self.memory.items()},
            **({"memory of the first in the end": readable(self.in_the_end)} if self.in_the_end else {}),
            "batches": "made again at each use" if self.streams else "kept",
            "sent by each process in a step": readable(self.moved),
            "seconds of a step": f"{self.step_seconds:.3g}",
            "- of which network": f"{self.network_seconds:.3g}",
            "steps of an epoch": f"{self.steps:,}",
            "steps an hour": f"{3600 / self.step_seconds:,.0f}",
            "epochs an hour": f"{self.epochs_an_hour:,.{0 if self.epochs_an_hour >= 10 else 2}f}",
        }


def plan(
    n_users: int,
    n_items: int,
    n_ratings: int,
    hidden: int = 500,
    *,
    orientation: words.Orientation = "item",
    workers: int = 1,
    mesh: str | None = None,
    bandwidth: float = 10.0,
    speed: Speed | None = None,
) -> Plan:
    """The needs of AutoRec on that many users, items and ratings, inputs="ratings"; formulas at the head of this file.

    hidden: units of the one hidden layer. orientation: "item" or "user", what a row is. workers: processes. mesh: "DxS"
    of them, None for 1xN. bandwidth: gigabits a second that each of them sends. speed: None, it is measured, for some
    seconds. ParameterError: a number that is not allowed.

    >>> plan = autorec.plan(10_000, 1_000, 1_000_000, hidden=16, workers=2)
    >>> sorted(plan.memory)
    ['numbers of all rows and columns', 'one batch', 'parameters and optimiser', 'ratings']
    """
    sizes = {"n_users": n_users, "n_items": n_items, "n_ratings": n_ratings, "hidden": hidden, "workers": workers}
    n_users, n_items, n_ratings, hidden, workers = (checks.whole(name, size) for name, size in sizes.items())
    checks.number("bandwidth", bandwidth, above=0)
    checks.one_of("orientation", orientation, get_args(words.Orientation))
    if speed is not None and not isinstance(speed, Speed):
        raise ParameterError(f"speed is {shown(speed)}; allowed: a Speed, or None to measure it")
    speed = measure_speed(hidden) if speed is None else speed
    n, m = (n_items, n_users) if orientation == "item" else (n_users, n_items)
    B = batch_size((n, m), n_ratings, "auto")
    groups, shares = shape = group.parse_mesh(mesh, workers)
    own_ratings, own_columns = math.ceil(n_ratings / workers), math.ceil(m / shares)
    kept, again = (
        training_memory(n_ratings, n, m, (hidden,), B, streams=streams, shape=shape) for streams in (False, True)
    )
    streams = are_large(kept, (hidden,))
    memory, wide = again if streams else kept, n_ratings >= _WIDE
    as_read, in_the_end = ((2 if wide else 1) * _COLUMN + _VALUE) * n_ratings, 0
    if workers == 1:
        memory["ratings as read"] = as_read
    else:
        memory["numbers of all rows and columns"] = _OF_ROW * n + _OF_COLUMN * m
        in_the_end = 4 * (2 * hidden + 1) * m + as_read
        in_the_end += (2 * _LEVEL + _COLUMN) * n_ratings if orientation == "item" else 0
    codes, weights = 4 * B / groups * hidden, 4 * (2 * hidden + 1) * own_columns  # bytes
    moved = round(2 * 2 * (shares - 1) / shares * codes + 2 * (groups - 1) / groups * weights)
    sending = moved * 8 / (bandwidth * 1e9)
    working = speed.rating * hidden * own_ratings * B / n + speed.weight * 2 * hidden * own_columns
    working += speed.row * B / groups * hidden + moved / COPYING
    return Plan(memory, streams, moved, math.ceil(n / B), working + sending, sending, in_the_end)


def measure_speed(hidden: int) -> Speed:
    """Of the threads that this process uses: steps with many ratings, with many columns, and with few of both."""
    cases = (_MANY_RATINGS, _MANY_COLUMNS, _FEW)
    work = [(_ROWS * ratings * hidden, 2 * hidden * columns, _ROWS * hidden) for ratings, columns in cases]
    seconds = [_time_step(*case, hidden) for case in cases]
    # Least squares of numbers that are not below 0, which a disturbed measurement would give.
    found, _ = nnls(np.array(work) / np.array(seconds)[:, None], np.ones(len(cases)))
    return Speed(*map(float, found))


def _time_step(per_row: int, n_columns: int, hidden: int) -> float:
    """Median seconds of a step on `_ROWS` rows."""
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    columns = np.concatenate([np.sort(rng.choice(n_columns, per_row, replace=False)) for _ in range(_ROWS)])
    values = rng.integers(1, 6, len(columns)).astype(np.float32)
    rows = sparse.csr_array(
        (values, columns, np.arange(_ROWS + 1) * per_row),
        shape=(_ROWS, n_columns),
    )
    batch = make_batch(rows)
    network = build_autoencoder(n_columns, (hidden,), "sigmoid", "identity", generator, centred=True)
    pad(network)
    likelihoods = {"rating": parse("likelihood", "gaussian", LIKELIHOODS)}
    penalties = {"l2": parse("penalty", "l2:100", PENALTIES)}
    loss = objective(network, likelihoods, penalties, parse("corruption", "none", CORRUPTIONS), generator)
    step = descend(loss, Adam(network.parameters(), lambda step: 0.001), penalty_values=False)
    example = Example((batch,), {"rating": batch}, torch.full((_ROWS,), 3.0), 1.0)
    times = []
    with torch_on_one_thread():
        for number in range(1 + _REPEATS):
            start = time.perf_counter()
            step(example, number)
            times.append(time.perf_counter() - start)
    return float(np.median(times[1:]))  # the first compiles
