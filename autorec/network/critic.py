"""A critic: a network that gives rows of a data set high values and made rows low ones.

A row is a profile, what a user chose, or its code, or both. n: rows, m: columns of a profile, K: units of a code, H:
units of a hidden layer.
"""

from dataclasses import dataclass

import torch
from torch import nn

from autorec.network import sparse
from autorec.network.batch import Batch

LEAK = 0.2  # slope of the hidden units below 0, as of DCGAN (Radford et al., ICLR 2016)


@dataclass(frozen=True, eq=False)
class Side:
    """Rows for a critic: profile [n × m] sparse or, of one batch, dense, and code [n × K]; None where it reads none."""

    profile: Batch | torch.Tensor | None = None
    code: torch.Tensor | None = None


class Critic(nn.Module):
    """D(x, z) = w · φ(U · φ(V · x + W · z + a) + b) + c, φ the leaky ReLU.

    The first layer is linear, so the sums s = V · x + W · z + a of a row between two others lie between theirs, and the
    norm of the gradient of D in (x, z) is that of g = ∂D/∂s times (V, W): √(g · (VᵀV + WᵀW) · g). A gradient penalty
    therefore needs no dense profile. n_columns, n_code: m and K; 0 for what the critic does not read. units: H.
    """

    def __init__(self, n_columns: int, n_code: int, units: int, generator: torch.Generator) -> None:
        super().__init__()
        self.profile_weight = nn.Parameter(torch.empty(n_columns, units)) if n_columns else None  # V [m × H]
        self.code_weight = nn.Parameter(torch.empty(n_code, units)) if n_code else None  # W [K × H]
        self.bias = nn.Parameter(torch.zeros(units))  # a [H]
        self.inner_weight = nn.Parameter(torch.empty(units, units))  # U [H × H]
        self.inner_bias = nn.Parameter(torch.zeros(units))  # b [H]
        self.output_weight = nn.Parameter(torch.empty(units, 1))  # w [H × 1]
        self.output_bias = nn.Parameter(torch.zeros(1))  # c
        for weight in (self.profile_weight, self.code_weight, self.inner_weight, self.output_weight):
            if weight is not None:
                nn.init.xavier_uniform_(weight, generator=generator)

    def sums(self, side: Side) -> torch.Tensor:
        """Rows → s [n × H]."""
        sums: torch.Tensor = self.bias
        if self.profile_weight is not None and side.profile is not None:
            if isinstance(side.profile, Batch):
                sums = sums + sparse.encode(side.profile, self.profile_weight)
            else:
                sums = sums + side.profile @ self.profile_weight
        if self.code_weight is not None and side.code is not None:
            sums = sums + side.code @ self.code_weight
        return sums

    def features(self, sums: torch.Tensor) -> torch.Tensor:
        """s [n × H] → the last hidden layer [n × H]."""
        first = nn.functional.leaky_relu(sums, LEAK)
        return nn.functional.leaky_relu(first @ self.inner_weight + self.inner_bias, LEAK)

    def forward(self, sums: torch.Tensor) -> torch.Tensor:
        """s [n × H] → D [n]."""
        return (self.features(sums) @ self.output_weight + self.output_bias)[:, 0]

    def gradient_norms(self, sums: torch.Tensor) -> torch.Tensor:
        """s [n × H] → ‖∂D/∂(x, z)‖ [n], differentiable in the weights."""
        sums = sums.detach().requires_grad_()
        (g,) = torch.autograd.grad(self(sums).sum(), sums, create_graph=True)  # [n × H]
        squares = [
            ((g @ (weight.T @ weight)) * g).sum(dim=1)
            for weight in (self.profile_weight, self.code_weight)
            if weight is not None
        ]
        total = sum(squares[1:], squares[0]).clamp(min=0)  # rounding may leave a sum of products just below 0
        return (total + 1e-12).sqrt()  # the root has no slope at 0
