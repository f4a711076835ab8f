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

LINE = 16  # floats in a cache line
INITIAL_SPREAD = 0.3  # of Glorot's uniform bound where centred; smaller codes reach a lower validation RMSE sooner


class Autoencoder(nn.Module):
    """A sparse encoder layer, dense layers between when `hidden` names more than one, a decoder sampled at entries.

    hidden: units of each hidden layer, first to last, e.g. (500,) or (500, 250, 500).
    encoder: activation of all hidden layers; decoder: of the output. centred: a code is 0 at 0, see
    `autorec.network.activations`.
    """

    def __init__(
        self,
        n_columns: int,
        hidden: Sequence[int],
        encoder: str,
        decoder: str,
        generator: torch.Generator,
        centred: bool = True,
    ) -> None:
        super().__init__()
        self.encoder = activation(encoder)
        self.decoder = activation(decoder)
        self.centre = self.encoder.at_zero if centred else 0.0  # taken off every hidden unit
        self.hidden = tuple(hidden)
        spread = INITIAL_SPREAD if centred else 1.0
        self.weight_in = nn.Parameter(_glorot(n_columns, hidden[0], generator, spread))  # [m × H₁]
        self.bias_in = nn.Parameter(torch.zeros(hidden[0]))  # [H₁]
        pairs = list(pairwise(hidden))
        self.middle_weights = nn.ParameterList(_glorot(a, b, generator) for a, b in pairs)
        self.middle_biases = nn.ParameterList(torch.zeros(b) for _, b in pairs)
        self.weight_out = nn.Parameter(_glorot(n_columns, hidden[-1], generator, spread))  # [m × H]
        self.bias_out = nn.Parameter(torch.zeros(n_columns))  # [m]
        self.sinks: tuple[sparse.Sink | None, sparse.Sink | None] = (None, None)  # of the two large weights

    def pad(self) -> None:
        """Widen each hidden layer to a multiple of 16 units: rows of 64 bytes, whole cache lines, are walked faster.

        The units added have weights 0. Where a code is 0 at 0 theirs stay 0, all gradients in them are exactly 0, and
        no optimiser moves them: the network is the same. Where it is not, nothing is added. `trim` takes them away.
        """
        if self.encoder.at_zero != self.centre:
            return
        self._resize([padded(units) for units in self.hidden])

    def trim(self) -> None:
        """Undo `pad`."""
        self._resize(self.hidden)

    def _resize(self, widths: Sequence[int]) -> None:
        self._put(self.weight_in, (len(self.weight_in), widths[0]))
        self._put(self.bias_in, (widths[0],))
        for shape, weight, bias in zip(pairwise(widths), self.middle_weights, self.middle_biases, strict=True):
            self._put(weight, shape)
            self._put(bias, shape[1:])
        self._put(self.weight_out, (len(self.weight_out), widths[-1]))

    @staticmethod
    def _put(parameter: torch.Tensor, shape: tuple[int, ...]) -> None:
        old = parameter.detach()
        if old.shape == shape:
            return
        kept = tuple(slice(0, min(a, b)) for a, b in zip(old.shape, shape, strict=True))
        new = old.new_zeros(shape)
        new[kept] = old[kept]
        parameter.data = new

    def codes(self, batch: Batch) -> torch.Tensor:
        """[n × H] the last hidden layer."""
        code = self._hidden(sparse.encode(batch, self.weight_in, self.sinks[0]) + self.bias_in)  # [n × H₁]
        for weight, bias in zip(self.middle_weights, self.middle_biases, strict=True):
            code = self._hidden(code @ weight + bias)
        return code

    def _hidden(self, sums: torch.Tensor) -> torch.Tensor:
        code = self.encoder.hidden(sums)
        return code - self.centre if self.centre else code

    def ratings(self, batch: Batch, codes: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        """[nnz] r̂ at the entries of the batch; offset [n] of each row, added before the output activation."""
        sums = sparse.decode(batch, codes, self.weight_out, self.bias_out, self.sinks[1])
        return self.decoder.output(sums + offset[batch.rows()])

    def squared_error(self, batch: Batch, offset: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
        """scale · Σ (r̂ − r)² over the entries of the batch, a scalar; offset [n] as in `ratings`."""
        codes = self.codes(batch)
        if not self.linear_output:
            return scale * ((self.ratings(batch, codes, offset) - batch.values) ** 2).sum()
        return sparse.squared_error(batch, offset, codes, self.weight_out, self.bias_out, self.sinks[1], scale)

    @property
    def linear_output(self) -> bool:
        return self.decoder is activation("identity")

    def weights(self) -> list[nn.Parameter]:
        """The penalised parameters: all weights, no bias."""
        return [self.weight_in, *self.middle_weights, self.weight_out]


def padded(units: int) -> int:
    """The next multiple of a cache line's floats."""
    return -(-units // LINE) * LINE


def _glorot(rows: int, columns: int, generator: torch.Generator, spread: float = 1.0) -> torch.Tensor:
    """[rows × columns] uniform in ±spread·√(6 / (rows + columns)) (Glorot and Bengio, 2010)."""
    bound = spread * (6.0 / (rows + columns)) ** 0.5
    return torch.empty(rows, columns).uniform_(-bound, bound, generator=generator)
