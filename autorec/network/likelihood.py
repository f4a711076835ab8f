"""Likelihoods by name: −log likelihood of the targets of a head up to constants, summed over a batch.

`gaussian`, `categorical` and `ordinal` are for ratings and cover the observed entries alone: an item without a rating
says nothing. The last two want a head and levels as targets as `autorec.network.levels` describes them. `multinomial`
and `bernoulli` are for choices and cover all columns: an item that was not chosen was passed over. They make one array
[n × m] of a batch, in which the probabilities become the gradient.
"""

from collections.abc import Callable
from typing import Any

import torch

from autorec.network.autoencoder import Decoder
from autorec.network.batch import Batch
from autorec.network.levels import categorical_costs, level_scores, ordinal_costs
from autorec.network.parts import Kind

# (head, target [n × m], code [n × H], offset [n]) → a scalar
Likelihood = Callable[[Decoder, Batch, torch.Tensor, torch.Tensor], torch.Tensor]


def gaussian() -> Likelihood:
    """Σ (r̂ − r)² over the observed entries [nnz]: −2 log likelihood of unit variance, the masked loss of AutoRec."""
    return Decoder.squared_error


def multinomial() -> Likelihood:
    """−Σ x log π over the observed entries [nnz], π = softmax of the row's outputs (Liang et al., WWW 2018, eq. 2)."""
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


def _of_all_columns(evaluate: Callable[[torch.Tensor, Batch], tuple[torch.Tensor, torch.Tensor]]) -> Likelihood:
    """evaluate: (outputs [n × m], target) → (loss, a scalar; its derivative in the outputs [n × m])."""

    def likelihood(head: Decoder, target: Batch, code: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        apply: Any = _WithDerivative.apply  # torch gives it no type
        loss: torch.Tensor = apply(head.all(code, offset), target, evaluate)
        return loss

    return likelihood


class _WithDerivative(torch.autograd.Function):
    """A loss whose derivative is computed together with it."""

    @staticmethod
    def forward(ctx: Any, outputs: torch.Tensor, target: Batch, evaluate: Any) -> torch.Tensor:
        loss: torch.Tensor
        loss, derivative = evaluate(outputs, target)
        ctx.save_for_backward(derivative)
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        (derivative,) = ctx.saved_tensors
        return derivative * grads[0], None, None


def _evaluate_multinomial(outputs: torch.Tensor, target: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    counts = outputs.new_zeros(len(outputs)).index_add(0, target.rows(), target.values)  # [n]
    highest = outputs.amax(dim=1, keepdim=True)  # [n × 1]
    exponentials = (outputs - highest).exp_()  # [n × m]
    sums = exponentials.sum(dim=1)  # [n]
    entries = _entries(target)
    loss = counts @ (sums.log() + highest[:, 0]) - outputs.reshape(-1)[entries] @ target.values
    derivative = exponentials.mul_((counts / sums)[:, None])
    derivative.view(-1)[entries] -= target.values
    return loss, derivative


def _evaluate_bernoulli(outputs: torch.Tensor, target: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    entries = _entries(target)
    loss = torch.nn.functional.softplus(outputs).sum() - outputs.reshape(-1)[entries] @ target.values
    derivative = torch.sigmoid(outputs)  # [n × m]
    derivative.view(-1)[entries] -= target.values
    return loss, derivative


def _entries(target: Batch) -> torch.Tensor:
    """[nnz] the flat index of each entry in a row-major array [n × m]."""
    return target.rows() * target.n_columns + target.indices
