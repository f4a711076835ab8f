"""The autoencoder of sparse rows: r̂ = g(V · f(W · r + a) + b), Sedhain et al., WWW 2015, eq. 1, any depth.

Orientation is unknown here: a row is whatever the caller calls a row (an item of I-AutoRec, a user of U-AutoRec), a
column is the other side. n rows of a batch, m columns, H units of the last hidden layer.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from autorec.network import sparse
from autorec.network.activations import activation
from autorec.network.batch import Batch

INITIAL_SPREAD = 0.3  # of Glorot's uniform bound; smaller codes at the start reach a lower validation RMSE sooner


class Autoencoder(nn.Module):
    """A sparse encoder layer, dense layers between when `hidden` names more than one, a decoder sampled at entries.

    hidden: units of each hidden layer, first to last, e.g. (500,) or (500, 250, 500).
    encoder: activation of all hidden layers; decoder: of the output.
    """

    def __init__(
        self, n_columns: int, hidden: Sequence[int], encoder: str, decoder: str, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.encoder = activation(encoder)
        self.decoder = activation(decoder)
        self.weight_in = nn.Parameter(_glorot(n_columns, hidden[0], generator))  # [m × H₁]
        self.bias_in = nn.Parameter(torch.zeros(hidden[0]))  # [H₁]
        pairs = list(pairwise(hidden))
        self.middle_weights = nn.ParameterList(_glorot(a, b, generator, spread=1.0) for a, b in pairs)
        self.middle_biases = nn.ParameterList(torch.zeros(b) for _, b in pairs)
        self.weight_out = nn.Parameter(_glorot(n_columns, hidden[-1], generator))  # [m × H]
        self.bias_out = nn.Parameter(torch.zeros(n_columns))  # [m]
        self.rooms: tuple[torch.Tensor | None, torch.Tensor | None] = (None, None)

    def keep_rooms(self) -> None:
        """Keep memory for the gradients of the two large weights. Then each backward has its gradients let go
        (`grad = None`) before the next one begins."""
        self.rooms = (torch.empty_like(self.weight_in.detach()), torch.empty_like(self.weight_out.detach()))

    def codes(self, batch: Batch) -> torch.Tensor:
        """[n × H] the last hidden layer."""
        code = self.encoder.hidden(sparse.encode(batch, self.weight_in, self.rooms[0]) + self.bias_in)  # [n × H₁]
        for weight, bias in zip(self.middle_weights, self.middle_biases, strict=True):
            code = self.encoder.hidden(code @ weight + bias)
        return code

    def ratings(self, batch: Batch, codes: torch.Tensor, offset: torch.Tensor | float = 0.0) -> torch.Tensor:
        """[nnz] r̂ at the entries of the batch; `offset` is added before the output activation."""
        return self.decoder.output(sparse.decode(batch, codes, self.weight_out, self.bias_out) + offset)

    def squared_error(
        self, batch: Batch, targets: torch.Tensor, offset: torch.Tensor | float = 0.0, scale: float = 1.0
    ) -> torch.Tensor:
        """scale · Σ (r̂ − target)² over the entries of the batch, a scalar. Targets [nnz] in row order."""
        codes = self.codes(batch)
        if not self.linear_output:
            return scale * ((self.ratings(batch, codes, offset) - targets) ** 2).sum()
        left = targets - offset if isinstance(offset, torch.Tensor) or offset else targets
        return sparse.squared_error(batch, left, codes, self.weight_out, self.bias_out, self.rooms[1], scale)

    @property
    def linear_output(self) -> bool:
        return self.decoder is activation("identity")

    def weights(self) -> list[nn.Parameter]:
        """The penalised parameters: all weights, no bias."""
        return [self.weight_in, *self.middle_weights, self.weight_out]


def _glorot(rows: int, columns: int, generator: torch.Generator, spread: float = INITIAL_SPREAD) -> torch.Tensor:
    """[rows × columns] uniform in ±spread·√(6 / (rows + columns)) (Glorot and Bengio, 2010)."""
    bound = spread * (6.0 / (rows + columns)) ** 0.5
    return torch.empty(rows, columns).uniform_(-bound, bound, generator=generator)
