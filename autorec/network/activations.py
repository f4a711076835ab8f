"""Activation functions by name, of hidden units and of the output.

A network may be centred: the value of an activation at 0 is subtracted from its hidden units; it is 0 but for the
sigmoid (½). A code then starts at 0 and the decoder bias alone carries the mean. That bias is free, so the model is the
same; only the optimisation is better conditioned.

As output, a bounded function is stretched over the rating scale inside the network (1 … 5): σ → 1 + 4σ, tanh → 3
+ 2 tanh.

torch is loaded by the functions of tensors that need it, so that what only scores does not wait for it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from scipy.special import expit

from autorec.array_types import Float32
from autorec.errors import ParameterError, shown

if TYPE_CHECKING:
    import torch

Function = Callable[["torch.Tensor"], "torch.Tensor"]

T = TypeVar("T")

LOW, HIGH = 1.0, 5.0  # the rating scale inside the network: MovieLens', on which Sedhain et al. (WWW 2015) work
_MARGIN = 0.05  # how far inside the bounds an inverse is taken; at a bound it would be infinite


@dataclass(frozen=True)
class Activation:
    """Functions of tensors of any shape, elementwise.

    hidden   sum → hidden unit; at_zero: hidden(0); of_array: the same of an array of NumPy
    slope    hidden unit → the derivative of `hidden` there; ParameterError where it does not follow from the unit
    output   decoder sum → rating on 1 … 5
    inverse  rating → the decoder sum that gives it
    """

    hidden: Function
    slope: Function
    output: Function
    inverse: Function
    of_array: Callable[[Float32], Float32]
    at_zero: float = 0.0


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # Klambauer et al., 2017


def _same(x: T) -> T:
    return x


def _ones(y: "torch.Tensor") -> "torch.Tensor":
    return y.new_ones(y.shape)


def _unit(x: "torch.Tensor") -> "torch.Tensor":
    """Rating → (0, 1), a little inside."""
    return ((x - LOW) / (HIGH - LOW)).clamp(_MARGIN / (HIGH - LOW), 1 - _MARGIN / (HIGH - LOW))


def _sigmoid(x: "torch.Tensor") -> "torch.Tensor":
    return x.sigmoid()


def _sigmoid_slope(y: "torch.Tensor") -> "torch.Tensor":
    return y * (1 - y)


def _sigmoid_output(x: "torch.Tensor") -> "torch.Tensor":
    return LOW + (HIGH - LOW) * x.sigmoid()


def _sigmoid_inverse(r: "torch.Tensor") -> "torch.Tensor":
    return _unit(r).logit()


def _tanh(x: "torch.Tensor") -> "torch.Tensor":
    return x.tanh()


def _tanh_slope(y: "torch.Tensor") -> "torch.Tensor":
    return 1 - y.square()


def _tanh_output(x: "torch.Tensor") -> "torch.Tensor":
    return (LOW + HIGH) / 2 + (HIGH - LOW) / 2 * x.tanh()


def _tanh_inverse(r: "torch.Tensor") -> "torch.Tensor":
    return (2 * _unit(r) - 1).atanh()


def _relu(x: "torch.Tensor") -> "torch.Tensor":
    return x.relu()


def _step(y: "torch.Tensor") -> "torch.Tensor":
    return (y > 0).to(y.dtype)


def _elu_slope(y: "torch.Tensor") -> "torch.Tensor":
    return (y + 1).clamp(max=1.0)  # 1 where y > 0


def _selu(x: "torch.Tensor") -> "torch.Tensor":
    from torch.nn.functional import selu

    return selu(x)


def _selu_slope(y: "torch.Tensor") -> "torch.Tensor":
    return (y + _SELU_SCALE * _SELU_ALPHA).where(y <= 0, y.new_tensor(_SELU_SCALE))


def _selu_inverse(r: "torch.Tensor") -> "torch.Tensor":
    return r / _SELU_SCALE


def _no_slope(y: "torch.Tensor") -> "torch.Tensor":
    raise ParameterError("penalty contractive needs an activation that rises everywhere, and swish does not: use elu")


def _swish_inverse(r: "torch.Tensor") -> "torch.Tensor":
    """The x > 0 with x·σ(x) = r > 0, by Newton's steps from r + e^−r, which is near."""
    x = r + (-r).exp()
    for _ in range(8):
        s = x.sigmoid()
        x = x - (x * s - r) / (s + x * s * (1 - s))
    return x


def _elu(x: "torch.Tensor") -> "torch.Tensor":
    from torch.nn.functional import elu

    return elu(x)


def _elu_of_array(x: Float32) -> Float32:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _selu_of_array(x: Float32) -> Float32:
    return np.float32(_SELU_SCALE) * np.where(x > 0, x, np.float32(_SELU_ALPHA) * np.expm1(np.minimum(x, 0)))


def _swish(x: "torch.Tensor") -> "torch.Tensor":
    from torch.nn.functional import silu

    return silu(x)


def _relu_of_array(x: Float32) -> Float32:
    return np.maximum(x, 0)


def _swish_of_array(x: Float32) -> Float32:
    return np.asarray(x * expit(x))


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(_same, _ones, _same, _same, _same),
    "sigmoid": Activation(_sigmoid, _sigmoid_slope, _sigmoid_output, _sigmoid_inverse, expit, at_zero=0.5),
    "tanh": Activation(_tanh, _tanh_slope, _tanh_output, _tanh_inverse, np.tanh),
    "relu": Activation(_relu, _step, _relu, _same, _relu_of_array),
    "elu": Activation(_elu, _elu_slope, _elu, _same, _elu_of_array),
    "selu": Activation(_selu, _selu_slope, _selu, _selu_inverse, _selu_of_array),
    "swish": Activation(_swish, _no_slope, _swish, _swish_inverse, _swish_of_array),
}


def activation(name: str) -> Activation:
    """The activation of that name. ParameterError lists the allowed ones."""
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise ParameterError(f"unknown activation {shown(name)}; allowed: {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]
