"""The objective of an autoregressive decoder: each rating is predicted from those before it, in any order.

By the chain rule log p(r) = Σ_i log p(r_i | r_1 … r_{i−1}) for every order of a row's ratings. The objective is the
mean of −log p(r) over all orders. An unbiased estimate of it costs one pass (Zheng et al., ICML 2016, eq. 10; Uria et
al., ICML 2014): a part of the ratings, of random size and at random, is read, and all others are predicted from it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch

from autorec.network.autoencoder import Autoencoder
from autorec.network.batch import Batch
from autorec.network.example import Example
from autorec.network.levels import level_scores, thermometer
from autorec.network.parts import Part
from autorec.network.penalty import Penalty
from autorec.training.objective import Loss

Costs = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # (scores [nnz × K], levels [nnz]) → [nnz]


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
