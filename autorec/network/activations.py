"""The functions between layers, by name: what they do to hidden units and to the output.

A network may be centred: from hidden units their value at 0 is subtracted, which changes nothing but the sigmoid (½). A
code then starts at 0 and the decoder bias alone carries the mean. Since that bias is free, the model is the same as
without; only the way of the optimiser is better conditioned.

As output, a function with bounds is stretched over the rating scale inside the network (1 … 5): σ → 1 + 4σ, tanh → 3
+ 2 tanh.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from autorec.errors import ParameterError

Function = Callable[[torch.Tensor], torch.Tensor]

LOW, HIGH = 1.0, 5.0  # the rating scale inside the network: MovieLens', on which Sedhain et al. (WWW 2015) work
_MARGIN = 0.05  # how far inside the bounds an inverse is taken; at a bound it would be infinite


@dataclass(frozen=True)
class Activation:
    """hidden: code → code. output: decoder sum → rating. inverse: rating → the decoder sum that gives it. at_zero: of
    hidden."""

    hidden: Function
    output: Function
    inverse: Function
    at_zero: float = 0.0


def _same(x: torch.Tensor) -> torch.Tensor:
    return x


def _unit(x: torch.Tensor) -> torch.Tensor:
    """Rating → (0, 1), a little inside."""
    return ((x - LOW) / (HIGH - LOW)).clamp(_MARGIN / (HIGH - LOW), 1 - _MARGIN / (HIGH - LOW))


_SELU_SCALE = 1.0507009873554805  # Klambauer et al., 2017

ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(_same, _same, _same),
    "sigmoid": Activation(
        torch.sigmoid,
        lambda x: LOW + (HIGH - LOW) * torch.sigmoid(x),
        lambda r: torch.logit(_unit(r)),
        at_zero=0.5,
    ),
    "tanh": Activation(
        torch.tanh,
        lambda x: (LOW + HIGH) / 2 + (HIGH - LOW) / 2 * torch.tanh(x),
        lambda r: torch.atanh(2 * _unit(r) - 1),
    ),
    "relu": Activation(torch.relu, torch.relu, _same),
    "elu": Activation(torch.nn.functional.elu, torch.nn.functional.elu, _same),
    "selu": Activation(torch.selu, torch.selu, lambda r: r / _SELU_SCALE),
}


def activation(name: str) -> Activation:
    """By name; ParameterError lists the allowed ones."""
    if name not in ACTIVATIONS:
        raise ParameterError(f"unknown activation {name!r}; allowed: {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]
