"""An autoencoder of sparse rows, made of exchangeable parts: an encoder, a code, and a decoder for each head.

Encoder and decoder of one hidden layer are r̂ = g(V · f(W · r + a) + b) (Sedhain et al., WWW 2015, eq. 1). A row is an
item in I-AutoRec and a user in U-AutoRec; nothing here depends on it. n: rows of a batch, m: columns, H: units of the
last hidden layer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from autorec.network import sparse
from autorec.network.activations import activation
from autorec.network.batch import Batch
from autorec.network.code import CODES, Code, point
from autorec.network.example import Example
from autorec.network.parts import parse
from autorec.network.shard import WHOLE, Shard

_DRAWN = 2**12  # own rows of a weight whose others are drawn and let go
INITIAL_SPREAD = 0.3  # of Glorot's uniform bound where centred; smaller codes reach a lower validation RMSE sooner

NORM_EPSILON = 0.1  # added to the variance of a layer where it is normalised, as in the code of Shenbin et al. (2020)


class Encoder(nn.Module):
    """f(Σᵢ Xᵢ · Wᵢ + a), a sparse layer over all inputs, then dense layers where `widths` names more than one.

    widths: units of each layer, first to last, e.g. (500,) or (500, 250). activation: of all layers. n_inputs: how many
    batches [n × m] an example's `inputs` hold. centred: the code of an empty row is 0, see
    `autorec.network.activations`. linear_code: the last layer has no activation, for codes that are a mean and a
    variance. n_rows: rows that have a vector [H₁] of their own, 0 at first, added to the sums of the first layer (Wu et
    al.: CDAE, WSDM 2016). skips: the sums of each hidden layer before the last one in `widths`, which are then all as
    wide, have those layers before it added, and its units are normalised with a learned scale and shift, h_k =
    norm(f(h_{k−1} W_k + a_k + Σ_{j<k} h_j)) (Shenbin et al.: RecVAE, WSDM 2020). shard: which of the n_columns it
    holds; batches and weights have these alone.
    """

    def __init__(
        self,
        n_columns: int,
        widths: Sequence[int],
        activation_name: str,
        generator: torch.Generator,
        *,
        n_inputs: int = 1,
        centred: bool = True,
        linear_code: bool = False,
        n_rows: int = 0,
        skips: bool = False,
        shard: Shard = WHOLE,
    ) -> None:
        super().__init__()
        self.shard = shard
        self.widths = tuple(widths)
        self.linear_code = linear_code
        self.activation = activation(activation_name)
        self.centre = self.activation.at_zero if centred else 0.0  # subtracted from every hidden unit
        spread = INITIAL_SPREAD if centred else 1.0
        self.weights = nn.ParameterList(
            _glorot(n_columns, widths[0], generator, spread, shard) for _ in range(n_inputs)
        )
        self.row_weight = nn.Parameter(torch.zeros(n_rows, widths[0])) if n_rows else None
        self.bias = nn.Parameter(torch.zeros(widths[0]))  # [H₁]
        pairs = list(pairwise(widths))
        self.inner_weights = nn.ParameterList(_glorot(a, b, generator) for a, b in pairs)
        self.inner_biases = nn.ParameterList(torch.zeros(b) for _, b in pairs)
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=NORM_EPSILON) for width in widths[:-1] if skips)

    def forward(self, inputs: Sequence[Batch], identity: Batch | None = None) -> torch.Tensor:
        """Batches [n × m], one for each input → the last hidden layer [n × H]. identity [n × n_rows]: see `Example`;
        rows without one have the vector 0."""
        parts = [sparse.encode(batch, weight) for batch, weight in zip(inputs, self.weights, strict=True)]
        sums = self.shard.sum(sum(parts[1:], parts[0]))
        if self.row_weight is not None and identity is not None:
            sums = sums + sparse.encode(identity, self.row_weight)
        return self.layers(sums + self.bias)[-1]

    def layers(self, sums: torch.Tensor) -> list[torch.Tensor]:
        """Sums of the first layer [n × H₁] → every hidden layer, the last [n × H]."""
        found: list[torch.Tensor] = []
        for at, (weight, bias) in enumerate(zip(self.inner_weights, self.inner_biases, strict=True)):
            if self.norms:
                found.append(self.norms[at](self._activate(sum(found, sums))))
            else:
                found.append(self._activate(sums))
            sums = found[-1] @ weight + bias
        return [*found, sums if self.linear_code else self._activate(sums)]

    def _activate(self, sums: torch.Tensor) -> torch.Tensor:
        value = self.activation.hidden(sums)
        return value - self.centre if self.centre else value


class Decoder(nn.Module):
    """g(V · d(code) + b + offset), offset [n] of each row; activation_name: g.

    widths: of the code and of the dense layers after it, e.g. (500,) or (200, 600); d is these layers, each with the
    activation `inner`, or the code itself where there are none. shard: which of the n_columns it holds; batches, weight
    and bias have these alone.
    """

    def __init__(
        self,
        n_columns: int,
        widths: Sequence[int],
        activation_name: str,
        generator: torch.Generator,
        *,
        inner: str = "identity",
        spread: float = 1.0,
        shard: Shard = WHOLE,
    ) -> None:
        super().__init__()
        self.shard = shard
        self.n_columns = n_columns  # of all shards
        self.activation = activation(activation_name)
        self.linear = activation_name == "identity"
        self.weight = nn.Parameter(_glorot(n_columns, widths[-1], generator, spread, shard))  # V [m × H]
        self.bias = nn.Parameter(torch.zeros(len(self.weight)))  # b [m]
        self.inner = activation(inner)
        self.inner_weights = nn.ParameterList(_glorot(a, b, generator) for a, b in pairwise(widths))
        self.inner_biases = nn.ParameterList(torch.zeros(b) for b in widths[1:])

    def set_columns(self, columns: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> None:
        """Give the columns [k] these rows of V [k × H] and of b [k]."""
        with torch.no_grad():
            self.weight[columns] = weight.to(self.weight.dtype)
            self.bias[columns] = bias.to(self.bias.dtype)

    def hidden(self, code: torch.Tensor) -> torch.Tensor:
        """Code [n × K] → d(code) [n × H], in which the sums of the output are linear."""
        for weight, bias in zip(self.inner_weights, self.inner_biases, strict=True):
            code = self.inner.hidden(code @ weight + bias)
        return self.shard.spread(code)

    def at(self, batch: Batch, code: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        """Batch [n × m], code [n × K], offset [n] → the output at the entries of the batch [nnz], in row order."""
        sums = sparse.decode_at(batch, self.hidden(code), self.weight, self.bias)
        return self.activation.output(sums + offset[batch.rows()])

    def all(self, code: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        """Code [n × K], offset [n] → the output at every column [n × m]; for one batch, never for all rows."""
        return self.activation.output(sparse.decode_all(self.hidden(code), self.weight, self.bias) + offset[:, None])

    def squared_error(self, batch: Batch, code: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        """Σ (r̂ − r)² over the entries of the batch, a scalar; fused where the output is linear."""
        if self.linear:
            return sparse.squared_error(batch, offset, self.hidden(code), self.weight, self.bias)
        return (self.at(batch, code, offset) - batch.values).square().sum()


@dataclass(frozen=True, eq=False)
class Trace:
    """The result of one pass through the encoder, for likelihoods and penalties.

    code [n × H] is what the decoders read; mean and log_var [n × H] are those of its distribution, log_var None where
    the code is a point. generator: of what is drawn in this pass, None where nothing is.
    """

    example: Example
    code: torch.Tensor
    mean: torch.Tensor
    log_var: torch.Tensor | None
    generator: torch.Generator | None = None


class Autoencoder(nn.Module):
    """encoder: rows [n × m] → last hidden layer [n × H]. code: that layer → code [n × K]. heads: decoders by name."""

    def __init__(self, encoder: Encoder, heads: Mapping[str, Decoder], code: Code = point) -> None:
        super().__init__()
        self.encoder = encoder
        self.code = code
        self.heads = nn.ModuleDict(heads)

    def forward(self, example: Example, generator: torch.Generator | None = None) -> Trace:
        """Encode the inputs [n × m] of an example; without a generator the code is its mean [n × K]."""
        layer = self.encoder(example.inputs, example.identity)
        code, mean, log_var = self.code(layer, None if generator is None else example.draw(generator))
        return Trace(example, code, mean, log_var, generator)

    def encode(self, *inputs: Batch, identity: Batch | None = None) -> torch.Tensor:
        """Inputs [n × m] → the mean of the code of each row [n × K], as used after training."""
        return self.code(self.encoder(inputs, identity), None)[1]

    def head(self, name: str) -> Decoder:
        return cast(Decoder, self.heads[name])

    def weights(self) -> list[nn.Parameter]:
        """Every weight matrix, [m × H] or [units × units], once, also where two layers share one; no bias."""
        all_weights = [*self.encoder.weights, *self.encoder.inner_weights]
        if self.encoder.row_weight is not None:
            all_weights.append(self.encoder.row_weight)
        for name in self.heads:
            all_weights += [self.head(name).weight, *self.head(name).inner_weights]
        return list(dict.fromkeys(all_weights))

    def of_columns(self) -> list[nn.Parameter]:
        """Every parameter with a row [m × H], or a number [m], for each column: what a shard holds a part of."""
        heads = [self.head(name) for name in self.heads]
        return list(dict.fromkeys((*self.encoder.weights, *(part for one in heads for part in (one.weight, one.bias)))))


def build_autoencoder(
    n_columns: int,
    hidden: Sequence[int],
    encoder: str,
    decoder: str,
    generator: torch.Generator,
    *,
    n_inputs: int = 1,
    centred: bool = True,
    code: str = "point",
    head: str = "rating",
    shard: Shard = WHOLE,
) -> Autoencoder:
    """AutoRec's network: inputs [n × n_columns] each, a code [n × hidden[-1]], one head.

    hidden: units of each layer. encoder, decoder: names of their activations. code: how the code is made, by name; of a
    "gaussian" one the encoder's last layer gives mean and variance. shard: which of the columns it holds; their weights
    are those that the whole network would have. ParameterError: an unknown name.
    """
    drawn = code == "gaussian"
    widths = (*hidden[:-1], 2 * hidden[-1]) if drawn else hidden
    how: dict[str, Any] = {"centred": centred, "linear_code": drawn, "shard": shard}
    first = Encoder(n_columns, widths, encoder, generator, n_inputs=n_inputs, **how)
    last = Decoder(n_columns, hidden[-1:], decoder, generator, spread=INITIAL_SPREAD if centred else 1.0, shard=shard)
    return Autoencoder(first, {head: last}, parse("code", code, CODES).function)


def copy_weights(old: Autoencoder, new: Autoencoder, columns: npt.NDArray[np.integer[Any]]) -> None:
    """Give `new` what `old` has learned; columns [m of new]: the column of `old` that each was, −1 for a new one, whose
    weights become 0: it is not read."""
    known = torch.from_numpy(columns >= 0)
    found = torch.from_numpy(columns[columns >= 0])
    of_columns = set(new.of_columns())
    with torch.no_grad():
        for learned, parameter in zip(old.parameters(), new.parameters(), strict=True):
            if parameter in of_columns:
                parameter.zero_()
                parameter[known] = learned[found]
            else:
                parameter.copy_(learned)


def _glorot(
    rows: int, columns: int, generator: torch.Generator, spread: float = 1.0, shard: Shard = WHOLE
) -> torch.Tensor:
    """[rows × columns] uniform in ±spread·√(6 / (rows + columns)) (Glorot and Bengio, 2010); of these the shard's own
    rows, drawn a block at a time."""
    bound = spread * (6.0 / (rows + columns)) ** 0.5
    own = torch.empty(shard.count(rows), columns)
    if shard.size == 1:
        return own.uniform_(-bound, bound, generator=generator)
    for at in range(0, len(own), _DRAWN):
        first, end = at * shard.size, min((at + _DRAWN) * shard.size, rows)
        drawn = torch.empty(end - first, columns).uniform_(-bound, bound, generator=generator)
        own[at : at + _DRAWN] = drawn[shard.own]
    return own
