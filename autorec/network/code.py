"""How the last hidden layer becomes a code, by name."""

from collections.abc import Callable

import torch

from autorec.network.parts import Kind

# (hidden [n × H], generator) → (code, mean, log_var), each [n × H]; log_var is None for a point. Without a generator
# the code is its mean.
Code = Callable[[torch.Tensor, torch.Generator | None], tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]]


def point(
    hidden: torch.Tensor, generator: torch.Generator | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """The hidden layer itself."""
    return hidden, hidden, None


def _make_point() -> Code:
    return point


CODES: dict[str, Kind[Code]] = {"point": Kind(_make_point)}
