"""Likelihoods by name: −log likelihood of the targets of a head up to constants, summed over a batch.

`gaussian`, `categorical` and `ordinal` are for ratings and cover the observed entries alone: an item without a rating
says nothing. The last two want a head and levels as targets as `autorec.network.levels` describes them. `multinomial`
and `bernoulli` are for choices and cover all columns: an item that was not chosen was passed over. They make one block
of rows × columns at a time, in which the outputs become the probabilities and these the gradient.
"""

from collections.abc import Callable
from functools import partial

import torch

from autorec.errors import ParameterError
from autorec.network.all_columns import Entries, loss_over_all_columns, rows_at_once
from autorec.network.autoencoder import Decoder
from autorec.network.batch import Batch
from autorec.network.levels import categorical_costs, level_scores, ordinal_costs
from autorec.network.parts import Kind
from autorec.network.shard import Shard

# (head, target [n × m], code [n × H], offset [n]) → a scalar
Likelihood = Callable[[Decoder, Batch, torch.Tensor, torch.Tensor], torch.Tensor]


def gaussian() -> Likelihood:
    """Σ (r̂ − r)² over the observed entries [nnz]: −2 log likelihood of unit variance, the masked loss of AutoRec."""
    return Decoder.squared_error


def multinomial() -> Likelihood:
    """−Σ x log π over the observed entries [nnz], π = softmax of the row's outputs (Liang et al., WWW 2018, eq. 2).

    Where columns are spread over processes, the highest output of a row and its sum of exponentials are reduced.
    """
    return _of_all_columns(_evaluate_multinomial)


def bernoulli() -> Likelihood:
    """−Σ (x log σ(f) + (1 − x) log (1 − σ(f))) over all entries [n × m], f the output, x = 0 where unobserved; the
    logistic likelihood (Liang et al., WWW 2018, eq. 4)."""
    return _of_all_columns(_evaluate_bernoulli)


def categorical() -> Likelihood:
    """−Σ log p(level) over the observed entries [nnz]; target: levels 0 … K − 1, a head of K − 1 outputs a column."""
    return _of_levels(categorical_costs)


def ordinal() -> Likelihood:
    """As `categorical`, with the ordinal cost of CF-NADE (Zheng et al., ICML 2016): a near level costs less than a far
    one."""
    return _of_levels(ordinal_costs)


LIKELIHOODS: dict[str, Kind[Likelihood]] = {
    "gaussian": Kind(gaussian),
    "multinomial": Kind(multinomial),
    "bernoulli": Kind(bernoulli),
    "categorical": Kind(categorical),
    "ordinal": Kind(ordinal),
}


def _of_levels(costs: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Likelihood:
    """costs: (scores [nnz × K], levels [nnz]) → [nnz]."""

    def likelihood(head: Decoder, target: Batch, code: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        return costs(level_scores(head, target, code, offset), target.values).sum()

    return likelihood


def _of_all_columns(evaluate: Callable[[Shard, torch.Tensor, Entries], torch.Tensor]) -> Likelihood:
    def likelihood(head: Decoder, target: Batch, code: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        if not head.linear:
            raise ParameterError("a loss over all columns needs outputs that are sums: use decoder identity")
        block = rows_at_once(head.shard.most(head.n_columns))  # the same in all processes: they meet at each block
        of_block = partial(evaluate, head.shard)
        return loss_over_all_columns(target, head.hidden(code), head.weight, head.bias, offset, of_block, block)

    return likelihood


def _evaluate_multinomial(shard: Shard, outputs: torch.Tensor, entries: Entries) -> torch.Tensor:
    counts = outputs.new_zeros(len(outputs)).index_add(0, entries.rows, entries.values)  # [b]
    highest = shard.highest(outputs.amax(dim=1))  # [b]
    chosen = outputs.view(-1)[entries.flat] @ entries.values
    sums = outputs.sub_(highest[:, None]).exp_().sum(dim=1)  # [b]
    counts, sums = shard.total(torch.stack((counts, sums)))
    outputs.mul_((counts / sums)[:, None]).view(-1)[entries.flat] -= entries.values
    return shard.once(counts @ (sums.log() + highest)) - chosen


def _evaluate_bernoulli(shard: Shard, outputs: torch.Tensor, entries: Entries) -> torch.Tensor:
    loss = torch.nn.functional.softplus(outputs).sum() - outputs.view(-1)[entries.flat] @ entries.values
    outputs.sigmoid_().view(-1)[entries.flat] -= entries.values
    return loss
