"""The objective of a training, with every factor, as a table of terms.

Over all N rows the objective is

    Σ_rows ( Σ_heads −log likelihood  +  Σ penalties on the row )  +  penalties on the weights

which for AutoRec is the paper's Σ_observed (r − r̂)² + (λ/2)(‖V‖² + ‖W‖²) (Sedhain et al., WWW 2015, eq. 2 and 3). λ is
the value of `l2:λ`; biases are not penalised, except by `bias:d`. A batch of B rows has 1/B of the sum over its rows
and 1/N of the penalties on weights; weighted by B/N, the batches of an epoch sum to the objective divided by N. So
λ means the same at any batch size. No optimiser adds a penalty of its own.
"""

from collections.abc import Callable, Mapping

import torch

from autorec.network.autoencoder import Autoencoder
from autorec.network.corruption import Corruption
from autorec.network.example import Example
from autorec.network.likelihood import Likelihood
from autorec.network.parts import Part
from autorec.network.penalty import Penalty

Loss = Callable[[Example, int], dict[str, torch.Tensor]]  # (batch, step from 0) → term by name; their sum is minimised


def objective(
    network: Autoencoder,
    likelihoods: Mapping[str, Part[Likelihood]],
    penalties: Mapping[str, Part[Penalty]],
    corruption: Part[Corruption],
    generator: torch.Generator,
) -> Loss:
    """A function (example of n rows, step) → the terms: head or penalty by name → its mean over the rows, a scalar.

    Of a process with a part of the rows of a batch, the terms are its part of them: their sum over the groups of
    processes is the term. likelihoods: by the names of the network's heads. generator: for the corruption and for codes
    that are drawn.
    """

    def loss(example: Example, step: int) -> dict[str, torch.Tensor]:
        trace = network(corruption.function(example, generator), generator)
        n = max(example.batch_rows, 1)
        terms = {}
        for head, part in likelihoods.items():
            decoder = network.head(head)
            cost = part.function(decoder, example.targets[head], trace.code, example.offset) / n
            terms[head] = decoder.shard.sum(cost)
        for name, penalty in penalties.items():
            terms[name] = penalty.strength(step) / n * penalty.function(network, trace)
        return terms

    return loss
