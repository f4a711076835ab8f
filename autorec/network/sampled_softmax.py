"""The multinomial likelihood of a sample of the columns, for catalogues whose every output costs too much.

The sum over all columns in π_j = exp(f_j) / Σ_i exp(f_i) is that over the entries of the row, which are all computed,
and an estimate of the rest, by k columns S drawn for a batch uniformly and without replacement:

    Ẑ = Σ_{j observed} exp(f_j) + (m − |observed|) / (k − |S ∩ observed|) · Σ_{j ∈ S, unobserved} exp(f_j)

Ẑ is unbiased, and is Z where k = m. The loss −Σ x (f − log Ẑ) is then nearly so: its error falls as 1 / k (Bengio and
Senécal, 2008). An epoch costs entries + rows · k, not rows · m. A row whose entries take up all of S has no estimate of
the rest, so k is to be well above the entries of a row.

Columns that are spread over processes are drawn alike in all; each computes those of the sample that are its own, and
counts, highest outputs and sums of exponentials are reduced.
"""

from typing import Any

import torch

from autorec.network import sparse
from autorec.network.autoencoder import Decoder
from autorec.network.batch import Batch
from autorec.network.likelihood import Likelihood
from autorec.network.shard import WHOLE, Shard


def sampled_multinomial(size: int, generator: torch.Generator) -> Likelihood:
    """`multinomial` by a sample of `size` columns, the head's output being the identity."""

    def likelihood(head: Decoder, target: Batch, code: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        shard = head.shard
        sample = torch.randperm(head.n_columns, generator=generator)[:size].sort().values
        own = sample[sample % shard.size == shard.rank] // shard.size
        apply: Any = _OverSample.apply  # torch gives it no type
        loss: torch.Tensor = apply(head.hidden(code), head.weight, head.bias, target, offset, own, shard)
        return loss

    return likelihood


class _OverSample(torch.autograd.Function):
    """The derivative in the outputs is known with the loss, so the gradient of the weight [m × H] is written once:
    that of the entries, then that of the sample in its rows."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        target: Batch,
        offset: torch.Tensor,
        sample: torch.Tensor,
        shard: Shard,
    ) -> torch.Tensor:
        rows, of_sample = target.rows(), weight[sample]
        others = torch.addmm(bias[sample], hidden, of_sample.T).add_(offset[:, None])  # [n × k]
        observed = sparse.decode_at(target, hidden, weight, bias) + offset[rows]  # [nnz]
        counts = shard.total(observed.new_zeros(target.n_rows).index_add(0, rows, target.values))  # [n]
        sums, factors = log_sums(observed, others, target, sample, shard)
        loss = shard.once(counts @ sums) - observed @ target.values
        observed = counts[rows] * (observed - sums[rows]).exp_() - target.values
        others.sub_(sums[:, None]).exp_().mul_((counts * factors)[:, None])
        ctx.of = (hidden, others, observed, of_sample, weight, target, sample)
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        hidden, others, observed, of_sample, weight, target, sample = ctx.of
        observed, others = observed * grads[0], others * grads[0]
        in_hidden = sparse.product(target, observed, weight).addmm_(others, of_sample)
        in_weight = in_bias = None
        if ctx.needs_input_grad[1]:
            in_weight = sparse.transposed_product(target, observed, hidden)
            in_weight[sample] += others.T @ hidden
            in_bias = in_weight.new_zeros(len(weight)).index_add_(0, target.indices, observed)
            in_bias[sample] += others.sum(dim=0)
        return in_hidden, in_weight, in_bias, None, None, None, None


def log_sums(
    observed: torch.Tensor, others: torch.Tensor, target: Batch, sample: torch.Tensor, shard: Shard = WHOLE
) -> tuple[torch.Tensor, torch.Tensor]:
    """([n] log Ẑ of each row, [n] what an output of the sample counts in it). observed [nnz]: outputs at the entries of
    the target [n × m]; others [n × k]: at the columns of the sample [k], of which those at entries become −∞.
    shard: whose columns these are."""
    rows, (entries, positions) = target.rows(), _find_common(target, sample)
    others[rows[entries], positions] = -torch.inf
    left = len(sample) - torch.bincount(rows[entries], minlength=target.n_rows)  # [n]
    left, unobserved = shard.total(torch.stack((left, target.n_columns - target.indptr.diff())))
    factors = unobserved / left.clamp(min=1)
    highest = _row_maxima(observed, target)  # [n]
    if len(sample):
        highest = torch.maximum(others.amax(dim=1), highest)
    highest = shard.highest(highest)
    sums = (others - highest[:, None]).exp_().sum(dim=1) * factors
    sums = shard.total(sums.index_add_(0, rows, (observed - highest[rows]).exp_()))
    return sums.log_() + highest, factors


def _find_common(target: Batch, sample: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(entries [c] of the target [n × m] whose column is in the sample [k], its positions [c] there)."""
    position = torch.full((target.n_columns,), -1)
    position[sample] = torch.arange(len(sample))
    positions = position[target.indices.long()]
    entries = torch.nonzero(positions >= 0)[:, 0]
    return entries, positions[entries]


def _row_maxima(values: torch.Tensor, target: Batch) -> torch.Tensor:
    """[n] of the values [nnz] at the entries of the target; −inf for a row without."""
    lowest = values.new_full((target.n_rows,), -torch.inf)
    return lowest.scatter_reduce(0, target.rows(), values, "amax")
