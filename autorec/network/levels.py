"""Ratings as levels 0 … K − 1, ascending: how they are read, and the probability of each.

A head gives each column K − 1 outputs, the log-odds of each level against the one below:

    log p(k) − log p(k − 1) = V_k · h + b_k + offset,   k = 1 … K − 1

so the score of a level is the sum of the outputs up to it, and levels share what lies below them; an output bias or an
offset shifts the whole distribution. This is the sharing of parameters of CF-NADE (Zheng et al., ICML 2016, section
4.1), whose weight of the lowest level cancels in the softmax. As inputs, level k is K columns of which 0 … k are 1, so
that the encoder adds the weights of all levels up to it.

The columns of level k of column c are c · K + k at the input and c · (K − 1) + k − 1 at the output.
"""

import torch

from autorec.network.autoencoder import Decoder
from autorec.network.batch import Batch, Pattern


def thermometer(batch: Batch, n_levels: int) -> Batch:
    """Levels [n × m] → ones [n × m · K], an entry of level k at its columns 0 … k."""
    counts = batch.values.long() + 1  # [nnz]
    return _spread(batch, counts, n_levels)


def steps(batch: Batch, n_levels: int) -> Batch:
    """The pattern [n × m · (K − 1)] of the outputs that belong to the entries of the batch [n × m]."""
    return _spread(batch, torch.full_like(batch.indices, n_levels - 1, dtype=torch.int64), n_levels - 1)


def count_levels(head: Decoder, n_columns: int) -> int:
    """K of a head of `n_columns` columns."""
    return len(head.bias) // n_columns + 1


def level_scores(head: Decoder, target: Batch, code: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    """[nnz × K] the scores, log p up to a constant, of each level at the entries of the target [n × m]; that of level 0
    is 0. The head's output is the identity, code [n × H], offset [n]."""
    n_levels = count_levels(head, target.n_columns)
    outputs = head.at(steps(target, n_levels), code, offset).view(len(target.indices), n_levels - 1)
    return torch.nn.functional.pad(outputs.cumsum(dim=1), (1, 0))


def level_probabilities(head: Decoder, target: Batch, code: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    """[nnz × K] the probabilities of the levels at the entries of the target [n × m]; rows sum to 1."""
    return level_scores(head, target, code, offset).softmax(dim=1)


def categorical_costs(scores: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """[nnz] −log p(k) of the levels k [nnz], p the softmax of the scores [nnz × K]."""
    return torch.nn.functional.cross_entropy(scores, levels.long(), reduction="none")


def ordinal_costs(scores: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """[nnz] −log of the chance that levels are ranked k, k − 1, …, 0 and k, k + 1, …, K − 1, each drawn by its
    probability among those that are left (Zheng et al., ICML 2016, section 4.2):

        −Σ_{j ≤ k} log (p_j / Σ_{i ≤ j} p_i)  −  Σ_{j ≥ k} log (p_j / Σ_{i ≥ j} p_i)

    So a near level costs less than a far one. scores [nnz × K], levels k [nnz].
    """
    ranks = torch.arange(scores.shape[1], device=scores.device)  # [K]
    below = scores.logcumsumexp(dim=1) - scores  # [nnz × K]
    above = scores.flip(1).logcumsumexp(dim=1).flip(1) - scores
    k = levels.long()[:, None]
    return (below * (ranks <= k) + above * (ranks >= k)).sum(dim=1)


def _spread(batch: Batch, counts: torch.Tensor, width: int) -> Batch:
    """Each entry in column c → `counts` [nnz] ones at the columns c · width, c · width + 1, …"""
    ends = torch.nn.functional.pad(counts.cumsum(0), (1, 0))  # [nnz + 1]
    within = torch.arange(int(ends[-1]), device=counts.device) - torch.repeat_interleave(ends[:-1], counts)
    columns = torch.repeat_interleave(batch.indices * width, counts) + within
    pattern = Pattern(batch.n_columns * width, ends[batch.indptr], columns.to(torch.int32))
    return Batch(pattern, torch.ones(len(columns), device=counts.device))
