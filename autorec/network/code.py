"""How the last layer of the encoder becomes a code, by name."""

from collections.abc import Callable

import torch

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
