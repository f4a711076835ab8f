"""Activation functions by name, of hidden units and of the output.

A network may be centred: the value of an activation at 0 is subtracted from its hidden units; it is 0 but for the
sigmoid (½). A code then starts at 0 and the decoder bias alone carries the mean. That bias is free, so the model is the
same; only the optimisation is better conditioned.

As output, a bounded function is stretched over the rating scale inside the network (1 … 5): σ → 1 + 4σ, tanh → 3
+ 2 tanh.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from autorec.errors import ParameterError, shown

Function = Callable[[torch.Tensor], torch.Tensor]

LOW, HIGH = 1.0, 5.0  # the rating scale inside the network: MovieLens', on which Sedhain et al. (WWW 2015) work
_MARGIN = 0.05  # how far inside the bounds an inverse is taken; at a bound it would be infinite


@dataclass(frozen=True)
class Activation:
    """Functions of tensors of any shape, elementwise.

    hidden   sum → hidden unit; at_zero: hidden(0)
    slope    hidden unit → the derivative of `hidden` there; ParameterError where it does not follow from the unit
    output   decoder sum → rating on 1 … 5
    inverse  rating → the decoder sum that gives it
    """

    hidden: Function
    slope: Function
    output: Function
    inverse: Function
    at_zero: float = 0.0


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # Klambauer et al., 2017


def _same(x: torch.Tensor) -> torch.Tensor:
    return x


def _unit(x: torch.Tensor) -> torch.Tensor:
    """Rating → (0, 1), a little inside."""
    return ((x - LOW) / (HIGH - LOW)).clamp(_MARGIN / (HIGH - LOW), 1 - _MARGIN / (HIGH - LOW))


def _sigmoid_slope(y: torch.Tensor) -> torch.Tensor:
    return y * (1 - y)


def _sigmoid_output(x: torch.Tensor) -> torch.Tensor:
    return LOW + (HIGH - LOW) * torch.sigmoid(x)


def _sigmoid_inverse(r: torch.Tensor) -> torch.Tensor:
    return torch.logit(_unit(r))


def _tanh_slope(y: torch.Tensor) -> torch.Tensor:
    return 1 - y.square()


def _tanh_output(x: torch.Tensor) -> torch.Tensor:
    return (LOW + HIGH) / 2 + (HIGH - LOW) / 2 * torch.tanh(x)


def _tanh_inverse(r: torch.Tensor) -> torch.Tensor:
    return torch.atanh(2 * _unit(r) - 1)


def _step(y: torch.Tensor) -> torch.Tensor:
    return (y > 0).to(y.dtype)


def _elu_slope(y: torch.Tensor) -> torch.Tensor:
    return torch.where(y > 0, 1.0, y + 1)


def _selu_slope(y: torch.Tensor) -> torch.Tensor:
    return torch.where(y > 0, _SELU_SCALE, y + _SELU_SCALE * _SELU_ALPHA)


def _selu_inverse(r: torch.Tensor) -> torch.Tensor:
    return r / _SELU_SCALE


def _no_slope(y: torch.Tensor) -> torch.Tensor:
    raise ParameterError("penalty contractive needs an activation that rises everywhere, and swish does not: use elu")


def _swish_inverse(r: torch.Tensor) -> torch.Tensor:
    """The x > 0 with x·σ(x) = r > 0, by Newton's steps from r + e^−r, which is near."""
    x = r + (-r).exp()
    for _ in range(8):
        s = torch.sigmoid(x)
        x = x - (x * s - r) / (s + x * s * (1 - s))
    return x


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(_same, torch.ones_like, _same, _same),
    "sigmoid": Activation(torch.sigmoid, _sigmoid_slope, _sigmoid_output, _sigmoid_inverse, at_zero=0.5),
    "tanh": Activation(torch.tanh, _tanh_slope, _tanh_output, _tanh_inverse),
    "relu": Activation(torch.relu, _step, torch.relu, _same),
    "elu": Activation(torch.nn.functional.elu, _elu_slope, torch.nn.functional.elu, _same),
    "selu": Activation(torch.selu, _selu_slope, torch.selu, _selu_inverse),
    "swish": Activation(torch.nn.functional.silu, _no_slope, torch.nn.functional.silu, _swish_inverse),
}


def activation(name: str) -> Activation:
    """The activation of that name. ParameterError lists the allowed ones."""
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise ParameterError(f"unknown activation {shown(name)}; allowed: {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]
