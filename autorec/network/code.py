"""How the last layer of the encoder becomes a code, by name."""

from collections.abc import Callable

import torch

from autorec.network.parts import Kind

# (last layer [n × H], generator) → (code, mean, log_var), each [n × K]; log_var is None for a point. Without a
# generator the code is its mean.
Code = Callable[[torch.Tensor, torch.Generator | None], tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]]


def point(
    layer: torch.Tensor, generator: torch.Generator | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """The layer [n × H] itself, K = H."""
    return layer, layer, None


def gaussian(
    layer: torch.Tensor, generator: torch.Generator | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """A draw [n × K] from N(mean, exp(log_var)), independent in each unit; the layer [n × 2K] holds mean and log_var.

    Drawn as mean + exp(log_var / 2) · noise, so that gradients reach both (Kingma and Welling, ICLR 2014).
    """
    mean, log_var = layer.chunk(2, dim=1)  # [n × K] each
    if generator is None:
        return mean, mean, log_var
    noise = torch.randn(mean.shape, generator=generator, device=mean.device)
    return mean + (log_var / 2).exp() * noise, mean, log_var


CODES: dict[str, Kind[Code]] = {"point": Kind(lambda: point), "gaussian": Kind(lambda: gaussian)}
