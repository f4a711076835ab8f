"""The two trainings of GLocal-K: with local kernels on the ratings, then on the ratings under a global kernel.

Rows are items, columns users; all ratings are on the scale 1 … 5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import nn

from autorec.array_types import Float32
from autorec.network import sparse as operations
from autorec.network.activations import HIGH, LOW
from autorec.network.autoencoder import Autoencoder
from autorec.network.batch import Batch, make_batch
from autorec.network.glocal_kernels import KernelNetwork, convolve, identity_kernel, row_blocks
from autorec.training.full_batch import lbfgs
from autorec.training.loop import OnValidation, TrainingLog, train
from autorec.training.state import State

HEAD = "rating"
RANDOM = 0.1  # standard deviation of the pooling weights that start at random


@dataclass(frozen=True)
class Settings:
    """The checked settings of a training, as in `GlocalK`."""

    hidden: Sequence[int]
    dimensions: int
    l2: float
    sparsity: float
    iterations: int
    epochs: int
    global_iterations: int
    global_epochs: int
    global_start: str
    global_scale: float
    patience: int
    seed: int


@dataclass(frozen=True, eq=False)
class Parts:
    """seen [rows × columns] to learn from; unseen: held-out ratings of the same shape, without entries where there are
    none."""

    seen: sparse.csr_array
    unseen: sparse.csr_array


class GlobalKernel(nn.Module):
    """k [3 × 3] = scale · p · P: p [rows] the mean predicted rating of each row, P [rows × 9] learned (paper, eq. 5).

    start: "random", P normal with standard deviation 0.1 as in the paper, or "identity", the least P that gives 1 in
    the middle of k and 0 around it for the first p.
    """

    def __init__(self, pooled: torch.Tensor, scale: float, start: str, generator: torch.Generator) -> None:
        super().__init__()
        self.scale = scale
        if start == "random":
            first = RANDOM * torch.randn(len(pooled), 9, generator=generator)
        else:
            first = pooled[:, None] * identity_kernel().view(1, 9) / (scale * pooled.square().sum())
        self.pooling = nn.Parameter(first)

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        return (self.scale * pooled @ self.pooling).view(3, 3)


def fit_network(
    parts: Parts, settings: Settings, on_validation: OnValidation | None
) -> tuple[Autoencoder, Float32, list[TrainingLog]]:
    """(the network of effective weights, the global kernel [3 × 3], the logs of the trainings).

    Each training ends with the weights of its best validation; the second is kept where that is better than the
    first's, else the kernel is the identity.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    network = KernelNetwork(parts.seen.shape[1], settings.hidden, settings.dimensions, generator)
    plain = make_batch(parts.seen)
    local = _train([network], _LocalLoss(network, plain, settings), parts, settings.epochs, settings, on_validation)
    first, kernel = network.merged(HEAD), identity_kernel()
    if not settings.global_epochs or local.stopped == "interrupted":
        return first, kernel.numpy(), [local]
    with torch.no_grad():
        pooled = _pool(network, network.effective()[0], plain)
    kernels = GlobalKernel(pooled, settings.global_scale, settings.global_start, generator)
    loss = _GlobalLoss(network, kernels, parts.seen, plain, settings)
    log = _train([network, kernels], loss, parts, settings.global_epochs, settings, on_validation)
    if parts.unseen.nnz and not log.best_score < local.best_score:
        return first, kernel.numpy(), [local, log]
    return network.merged(HEAD), loss.kernel().detach().numpy(), [local, log]


def chosen_epochs(logs: Sequence[TrainingLog]) -> tuple[int, int]:
    """The epochs of both trainings at their best validation; no second one where it is no better."""
    local, *more = logs
    better = [log.best_epoch for log in more if log.best_score < local.best_score]
    return local.best_epoch, (*better, 0)[0]


class _LocalLoss:
    """½ (Σ (r̂ − r)² + λ₂ Σ ‖w‖² + λₛ Σ ‖K‖²), divided by the number of rows, over the ratings [rows × columns]."""

    def __init__(self, network: KernelNetwork, plain: Batch, settings: Settings) -> None:
        self.network, self.plain, self.settings = network, plain, settings
        self.parameters = list(network.parameters())

    def kernel(self) -> torch.Tensor:
        return identity_kernel()

    def __call__(self) -> dict[str, float]:
        _clear(self.parameters)
        weights, kernels = self.network.effective()
        error = self._error(self.network.encode(self.plain, weights), self.plain, weights)
        terms = {"rating": error, "penalty": self._penalty(kernels)}
        torch.stack(list(terms.values())).sum().backward()
        return {name: term.item() for name, term in terms.items()}

    def _error(self, code: torch.Tensor, target: Batch, weights: Sequence[torch.Tensor]) -> torch.Tensor:
        offset = torch.zeros(target.n_rows)
        sse = operations.squared_error(target, offset, code, weights[-1], self.network.output_bias)
        return sse / 2 / self.plain.n_rows

    def _penalty(self, kernels: Sequence[torch.Tensor]) -> torch.Tensor:
        squares = [self.settings.l2 * weight.square().sum() for weight in self.network.free_weights()]
        squares += [self.settings.sparsity * kernel.square().sum() for kernel in kernels]
        return torch.stack(squares).sum() / 2 / self.plain.n_rows


class _GlobalLoss(_LocalLoss):
    """The same on the convolved ratings, a block of rows at a time; the kernel depends on all parameters."""

    def __init__(
        self, network: KernelNetwork, kernels: GlobalKernel, seen: sparse.csr_array, plain: Batch, settings: Settings
    ) -> None:
        super().__init__(network, plain, settings)
        self.kernels, self.seen = kernels, seen
        self.targets = [make_batch(seen[rows]) for rows, _ in row_blocks(seen)]
        self.parameters += list(kernels.parameters())

    def kernel(self) -> torch.Tensor:
        """[3 × 3] of the parameters as they are."""
        weights, _ = self.network.effective()
        result: torch.Tensor = self.kernels(_pool(self.network, weights, self.plain))
        return result

    def __call__(self) -> dict[str, float]:
        """Blocks add to the gradients of the effective weights and of the kernel, which then go on to the
        parameters."""
        _clear(self.parameters)
        weights, local = self.network.effective()
        kernel = self.kernels(_pool(self.network, weights, self.plain))
        leaves = [one.detach().requires_grad_() for one in (*weights, kernel)]
        error = 0.0
        for target, (_, block) in zip(self.targets, row_blocks(self.seen), strict=True):
            code = self.network.encode(convolve(block, leaves[-1]), leaves[:-1])
            part = self._error(code, target, leaves[:-1])
            part.backward()
            error += part.item()
        penalty = self._penalty(local)
        torch.autograd.backward([*weights, kernel, penalty], [*(one.grad for one in leaves), None])
        return {"rating": error, "penalty": penalty.item()}


def _train(
    modules: Sequence[nn.Module],
    loss: _LocalLoss,
    parts: Parts,
    epochs: int,
    settings: Settings,
    on_validation: OnValidation | None,
) -> TrainingLog:
    iterations = settings.global_iterations if isinstance(loss, _GlobalLoss) else settings.iterations
    state = State(modules)
    epoch = lbfgs(loss, loss.parameters, iterations, state)
    n_ratings = max(parts.seen.nnz, 1)
    return train(
        modules,
        lambda number: float(np.sqrt(2 * epoch(number)["rating"] * loss.plain.n_rows / n_ratings)),
        epochs=epochs,
        score=(lambda: _validation_rmse(loss, parts)) if parts.unseen.nnz else None,
        patience=settings.patience,
        on_validation=on_validation,
        title="training, global kernel" if isinstance(loss, _GlobalLoss) else "training, local kernels",
        state=state,
    )


def _validation_rmse(loss: _LocalLoss, parts: Parts) -> float:
    """RMSE over the held-out ratings, predictions clipped to 1 … 5."""
    total, network = 0.0, loss.network
    with torch.no_grad():
        weights, _ = network.effective()
        kernel = loss.kernel()
        for rows, block in row_blocks(parts.seen):
            wanted = make_batch(parts.unseen[rows])
            code = network.encode(convolve(block, kernel), weights)
            predicted = operations.decode_at(wanted, code, weights[-1], network.output_bias).clamp(LOW, HIGH)
            total += float((predicted - wanted.values).square().sum())
    return float(np.sqrt(total / parts.unseen.nnz))


def _pool(network: KernelNetwork, weights: Sequence[torch.Tensor], plain: Batch) -> torch.Tensor:
    """[rows] the mean prediction of each row over all columns, from its ratings without a global kernel; the output is
    linear, so that it is the code times the mean decoder row."""
    code = network.encode(plain, weights)
    return code @ weights[-1].mean(dim=0) + network.output_bias.mean()


def _clear(parameters: Sequence[torch.Tensor]) -> None:
    for parameter in parameters:
        parameter.grad = None


def encode_rows(network: Autoencoder, rows: sparse.csr_array, kernel: Float32) -> Float32:
    """Rows [n × m], ratings 1 … 5, convolved with the kernel [3 × 3] → codes [n × H]."""
    codes = np.empty((rows.shape[0], network.encoder.widths[-1]), dtype=np.float32)
    with torch.no_grad():
        for chosen, block in row_blocks(rows):
            convolved = sparse.csr_array(convolve(block, torch.from_numpy(kernel)).numpy())
            codes[chosen] = network.encode(make_batch(convolved)).numpy()
    return codes


def summarise(
    logs: Sequence[TrainingLog], network: Autoencoder, kernel: Float32, n: int, factor: float
) -> dict[str, Any]:
    """JSON-ready. n: validation ratings. factor: from RMSE on 1 … 5 to the scale of the ratings."""
    curve, before, seconds = [], 0, 0.0
    for log in logs:
        for p in log.curve:
            rmse = None if p.validation is None else p.validation * factor
            point = {"epoch": before + p.epoch, "seconds": seconds + p.seconds, "validation_rmse": rmse}
            curve.append(point | {"train_rmse": p.training * factor})
        before, seconds = before + (log.curve[-1].epoch if log.curve else 0), seconds + log.seconds
    scored = [log for log in logs if log.best_epoch]
    best = min(scored, key=lambda log: log.best_score) if scored and n else logs[-1]
    return {
        "epochs": before,
        "best_epoch": best.best_epoch + (logs[0].curve[-1].epoch if best is not logs[0] and logs[0].curve else 0),
        "stopped": logs[-1].stopped,
        "validation_ratings": n,
        "validation_rmse": best.best_score * factor if n and best.best_epoch else None,
        "local_validation_rmse": logs[0].best_score * factor if n and logs[0].best_epoch else None,
        "kernel": kernel.round(4).tolist(),
        "seconds": seconds,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "curve": curve,
    }
