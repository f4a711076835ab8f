"""The training of an autoregressive network of levels, and decoder rows of columns that were not in it.

Rows are items or users, by the orientation. Each rating is predicted from those before it, in any order. By the chain
rule log p(r) = Σ_i log p(r_i | r_1 … r_{i−1}) for every order of a row's ratings; the objective is the mean of −log
p(r) over all orders. An unbiased estimate of it costs one pass (Zheng et al., ICML 2016, eq. 10; Uria et al., ICML
2014): a part of the ratings, of random size and at random, is read, and all others are predicted from it.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from scipy.optimize import minimize

from autorec.array_types import Float32
from autorec.models.level_scale import starting_log_odds
from autorec.network.autoencoder import INITIAL_SPREAD, Autoencoder, Decoder, Encoder
from autorec.network.batch import Batch
from autorec.network.example import Example
from autorec.network.levels import categorical_costs, level_probabilities, level_scores, ordinal_costs, thermometer
from autorec.network.padding import pad, trim
from autorec.network.parts import Part
from autorec.network.penalty import Penalty
from autorec.network.rows import Rows
from autorec.threads import torch_on_one_thread
from autorec.training.adam import Adam
from autorec.training.batches import make_examples, partition, reconstruct
from autorec.training.loop import OnValidation, TrainingLog, train
from autorec.training.objective import Loss
from autorec.training.state import State
from autorec.training.steps import averaging, descend, stochastic_epoch
from autorec.training.validation import Validation, held_out_entries, prepare_validation

Costs = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # (scores [nnz × K], levels [nnz]) → [nnz]

HEAD = "rating"
COSTS: Mapping[str, Costs] = {"ordinal": ordinal_costs, "categorical": categorical_costs}
DAMPING = 5.0  # ratings distributed as all others that each column counts for its initial output bias


@dataclass(frozen=True)
class Settings:
    """The checked settings of a training, as in `CFNade`. values: [K] the rating of each level."""

    hidden: Sequence[int]
    costs: Costs
    penalties: Mapping[str, Part[Penalty]]
    learning_rate: float
    averaging: float
    epochs: int
    batch: int
    validation: float | str
    patience: int
    seed: int
    values: Float32


def build_network(n_columns: int, n_levels: int, hidden: Sequence[int], generator: torch.Generator) -> Autoencoder:
    """tanh layers that read levels [n × m] as `thermometer`, and an output for each level but the lowest."""
    encoder = Encoder(n_columns * n_levels, hidden, "tanh", generator)
    width = hidden[-1:]
    head = Decoder(n_columns * (n_levels - 1), width, "identity", generator, spread=INITIAL_SPREAD)
    return Autoencoder(encoder, {HEAD: head})


def fit_network(
    rows: Rows, settings: Settings, on_validation: OnValidation | None
) -> tuple[Autoencoder, TrainingLog, int]:
    """(the network of averaged weights, its log, the number of validation ratings) of rows of levels [n × m]."""
    n_levels = len(settings.values)
    rng = np.random.default_rng(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed)
    aside = held_out_entries(rows.nnz, settings.validation, rng)
    seen, unseen = rows.without(aside), rows.only(aside)
    network = build_network(rows.n_columns, n_levels, settings.hidden, generator)
    with torch.no_grad():
        log_odds = starting_log_odds(seen, n_levels, DAMPING)
        network.head(HEAD).bias.copy_(torch.from_numpy(log_odds).reshape(-1))
    pad(network)
    averaged = deepcopy(network)
    parts = partition(rows.shape[0], settings.batch, rng)
    make = reconstruct(np.zeros(rows.shape[0], dtype=np.float32), torch.device("cpu"), HEAD)
    examples = make_examples(seen, parts, make, stream=False)
    validation = prepare_validation(seen, unseen, parts, examples, make, stream=False)
    loss = autoregressive_objective(network, HEAD, n_levels, settings.costs, settings.penalties, generator)
    parameters = list(network.parameters())
    state = State([network, averaged], [generator, rng])
    step = descend(loss, state.keep(Adam(parameters, lambda step: settings.learning_rate)))
    step = averaging(step, parameters, list(averaged.parameters()), settings.averaging)
    epoch = stochastic_epoch(step, examples, rng)
    with torch_on_one_thread():
        log = train(
            [averaged],
            lambda number: sum(epoch(number).values()),
            epochs=settings.epochs,
            score=None if validation is None else lambda: _rmse(averaged, validation, settings.values),
            patience=settings.patience,
            on_validation=on_validation,
            state=state,
        )
    trim(averaged)
    for parameter in averaged.parameters():
        parameter.grad = None
    return averaged, log, len(aside)


def _rmse(network: Autoencoder, validation: Validation, values: Float32) -> float:
    """RMSE of expected ratings over the held-out ratings, on the scale of `values` [K]."""
    total = count = 0.0
    table = torch.from_numpy(values)
    for index, wanted in enumerate(validation.wanted):
        given, target = validation.given[index].targets[HEAD], wanted.targets[HEAD]
        with torch.no_grad():
            code = network.encode(thermometer(given, len(values)))
            expected = level_probabilities(network.head(HEAD), target, code, wanted.offset) @ table  # [nnz]
            total += float((expected - table[target.values.long()]).square().sum())
        count += len(target.values)
    return float(np.sqrt(total / count))


def encode_rows(network: Autoencoder, rows: Rows, n_levels: int, block: int = 512) -> Float32:
    """Rows of levels [n × m] → codes [n × H], `block` rows at a time."""
    codes = np.empty((rows.shape[0], network.encoder.widths[-1]), dtype=np.float32)
    with torch.no_grad():
        for start in range(0, len(codes), block):
            chosen = slice(start, start + block)
            codes[chosen] = network.encode(thermometer(rows.batch(chosen), n_levels)).numpy()
    return codes


def summarise(log: TrainingLog, network: Autoencoder, n_validation: int) -> dict[str, Any]:
    """JSON-ready."""
    curve = log.to_records("train_cost", "validation_rmse")
    return {
        "epochs": len(curve) and curve[-1]["epoch"],
        "best_epoch": log.best_epoch,
        "stopped": log.stopped,
        "validation_ratings": n_validation,
        "validation_rmse": log.best_score if n_validation and log.best_epoch else None,
        "seconds": log.seconds,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "curve": curve,
    }


def solve_columns(
    codes: Float32, levels: sparse.csr_array, costs: Costs, l2: float, bias: Float32
) -> tuple[Float32, Float32]:
    """Decoder rows of new columns for fixed codes: codes [n × H], levels CSR [columns × n], bias b̄ [K − 1] →
    (V [columns × (K − 1) × H], b [columns × (K − 1)]).

    For each column, with the rated rows R and their levels k, the objective of training

        Σ_{r ∈ R} cost(scores of V · h_r + b, k_r)  +  (λ/2) ‖V‖²  +  ½ ‖b − b̄‖²

    b̄ the mean output bias of the columns of the training, which keeps the biases finite where a level does not occur.
    It is convex; L-BFGS minimises it.
    """
    weights = np.zeros((levels.shape[0], len(bias), codes.shape[1]), dtype=np.float32)
    biases = np.tile(bias, (levels.shape[0], 1)).astype(np.float32)
    for column in range(levels.shape[0]):
        entries = slice(levels.indptr[column], levels.indptr[column + 1])
        if entries.start < entries.stop:
            read = torch.from_numpy(codes[levels.indices[entries]].astype(np.float64))  # [ratings × H]
            given = torch.from_numpy(levels.data[entries])
            weights[column], biases[column] = _solve(read, given, costs, l2, torch.from_numpy(bias).double())
    return weights, biases


def _solve(
    codes: torch.Tensor, levels: torch.Tensor, costs: Costs, l2: float, bias: torch.Tensor
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    shape = (len(bias), codes.shape[1] + 1)  # a row is (V, b)

    def objective(values: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        with torch.inference_mode(False), torch.enable_grad():
            x = torch.from_numpy(values).view(shape).requires_grad_()
            V, b = x[:, :-1], x[:, -1]
            scores = torch.nn.functional.pad((codes @ V.T + b).cumsum(dim=1), (1, 0))  # [ratings × K]
            penalty = l2 / 2 * V.square().sum() + (b - bias).square().sum() / 2
            loss = costs(scores, levels).sum() + penalty
            (gradient,) = torch.autograd.grad(loss, x)
        return loss.item(), gradient.numpy().reshape(-1)

    start = np.zeros(shape)
    start[:, -1] = bias.numpy()
    found = minimize(objective, start.reshape(-1), jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    return found.reshape(shape)[:, :-1], found.reshape(shape)[:, -1]


def autoregressive_objective(
    network: Autoencoder,
    head: str,
    n_levels: int,
    costs: Costs,
    penalties: Mapping[str, Part[Penalty]],
    generator: torch.Generator,
) -> Loss:
    """A function (example of n rows, step) → the terms, as `autorec.training.objective`. The example's target holds the
    levels 0 … n_levels − 1 [n × m]; its inputs are made of them."""

    def loss(example: Example, step: int) -> dict[str, torch.Tensor]:
        seen, unseen, weights = split_at_random(example.targets[head], generator)
        trace = network(replace(example, inputs=(thermometer(seen, n_levels),)), generator)
        scores = level_scores(network.head(head), unseen, trace.code, example.offset)
        n = max(example.n_rows, 1)
        terms = {head: weights @ costs(scores, unseen.values) / n}
        for name, penalty in penalties.items():
            terms[name] = penalty.strength(step) / n * penalty.function(network, trace)
        return terms

    return loss


def split_at_random(batch: Batch, generator: torch.Generator) -> tuple[Batch, Batch, torch.Tensor]:
    """(seen, unseen, weights [nnz of unseen]) of a batch [n × m]: a part of each row, and what is left.

    Each entry of a row is seen with the same probability, which is drawn from 0 … 1: of D entries 0, 1, … or D are
    seen, all equally likely. With d seen each of the others has the weight (D + 1) / (D − d), so that the expected sum
    over the unseen is the mean over all orders of the sum along the order.
    """
    rows = batch.rows()
    probability = torch.rand(batch.n_rows, generator=generator)
    seen = torch.rand(len(rows), generator=generator) < probability[rows]
    unseen = batch.only(~seen)
    left = unseen.indptr.diff()  # [n]
    weights = (batch.indptr.diff() + 1) / left.clamp(min=1)
    return batch.only(seen), unseen, weights[unseen.rows()]
