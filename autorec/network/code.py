"""How the last layer of the encoder becomes a code, by name, and the distribution that codes are to have, from which
new rows are made."""

from collections.abc import Callable

import torch
from torch import nn

from autorec.network.parts import Kind

Draw = Callable[[int], torch.Tensor]  # units → [n × units] from N(0, 1)

# (last layer [n × H], draw) → (code, mean, log_var), each [n × K]; log_var is None for a point. Without `draw` the code
# is its mean.
Code = Callable[[torch.Tensor, Draw | None], tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]]


def drawn_by(generator: torch.Generator, n_rows: int, own: slice = slice(None)) -> Draw:
    """Draws for n_rows, of which the `own` [n] are given."""
    return lambda units: torch.randn(n_rows, units, generator=generator, device=generator.device)[own]


def point(layer: torch.Tensor, draw: Draw | None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """The layer [n × H] itself, K = H."""
    return layer, layer, None


def gaussian(layer: torch.Tensor, draw: Draw | None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """A draw [n × K] from N(mean, exp(log_var)), independent in each unit; the layer [n × 2K] holds mean and log_var.

    Drawn as mean + exp(log_var / 2) · noise, so that gradients reach both (Kingma and Welling, ICLR 2014).
    """
    mean, log_var = layer.chunk(2, dim=1)  # [n × K] each
    if draw is None:
        return mean, mean, log_var
    return mean + (log_var / 2).exp() * draw(mean.shape[1]), mean, log_var


CODES: dict[str, Kind[Code]] = {"point": Kind(lambda: point), "gaussian": Kind(lambda: gaussian)}


class Prior(nn.Module):
    """N(0, 1) in each of the K units of a code; or, with a code of T units above it, N(0, 1) in each unit of that one,
    and of each unit of the code below a Gaussian whose mean and variance a network makes of it (Belghazi et al., HALI,
    2018).

    units: K. above: T, 0 for none. `draw` and `complete` return all codes, the one and the one above side by side.
    """

    def __init__(self, units: int, above: int, generator: torch.Generator) -> None:
        super().__init__()
        self.units, self.above = units, above
        if above:
            self.up = _TwoLayers(units, units, 2 * above, generator)
            self.down = _TwoLayers(above, units, 2 * units, generator)

    def draw(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """All codes [n × (K + T)] of n new rows."""
        highest = torch.randn(n, self.above or self.units, generator=generator)
        if not self.above:
            return highest
        code, _, _ = gaussian(self.down(highest), drawn_by(generator, n))
        return torch.cat((code, highest), dim=1)

    def complete(self, code: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Codes [n × K] of known rows → all codes [n × (K + T)], those above drawn."""
        if not self.above:
            return code
        highest, _, _ = gaussian(self.up(code), drawn_by(generator, len(code)))
        return torch.cat((code, highest), dim=1)


class _TwoLayers(nn.Module):
    """[n × a] → [n × c]: a layer of H units with tanh, a layer without."""

    def __init__(self, a: int, hidden: int, c: int, generator: torch.Generator) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.empty(a, hidden))
        self.first_bias = nn.Parameter(torch.zeros(hidden))
        self.second = nn.Parameter(torch.empty(hidden, c))
        self.second_bias = nn.Parameter(torch.zeros(c))
        for weight in (self.first, self.second):
            nn.init.xavier_uniform_(weight, generator=generator)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.tanh(rows @ self.first + self.first_bias) @ self.second + self.second_bias
