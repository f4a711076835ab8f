"""The parameters of AutoRec that say how it scores: checked without torch, which only a training needs."""

from collections.abc import Mapping
from typing import Any, get_args

from autorec import checks, words
from autorec.errors import ParameterError, shown
from autorec.network.activations import activation

HEAD = "rating"  # of the network

_OF_SCORES = ("orientation", "hidden", "encoder", "decoder", "code", "offset", "inputs")
_OTHERS = ("random_state", "device")  # checked by themselves


def check_read(given: Mapping[str, Any]) -> None:
    """ParameterError: of the parameters of an AutoRec that is read, one that its scores depend on is not allowed, or
    one that only a training reads, which checks it, is neither text nor a number."""
    check_form(given)
    for name, value in given.items():
        if name not in _OF_SCORES + _OTHERS and (isinstance(value, bool) or not isinstance(value, (str, int, float))):
            raise ParameterError(f"{name} is {shown(value)}; allowed: text or a number, as the docstring says")


def check_form(given: Mapping[str, Any]) -> None:
    """ParameterError: of the parameters of AutoRec one that its scores depend on is not allowed, or does not go with
    another."""
    checks.one_of("orientation", given["orientation"], get_args(words.Orientation))
    checks.layers(given["hidden"])
    checks.one_of("code", given["code"], get_args(words.Code))
    _check_offset(given)


def is_linear(decoder: str) -> bool:
    """Whether the output of the network is its activation `decoder` of what is linear in the code: the identity."""
    return activation(decoder) is activation("identity")


def has_biases(decoder: str, offset: str) -> bool:
    """Whether the network learns deviations from damped biases."""
    return is_linear(decoder) and offset in ("auto", "biases")


def has_mask(inputs: str) -> bool:
    """Whether what is rated is an input of its own."""
    return inputs.endswith("+rated")


def _check_offset(given: Mapping[str, Any]) -> None:
    """ParameterError: activations, offset or inputs that are not known or do not go together."""
    encoder, decoder, offset, inputs = (given[name] for name in ("encoder", "decoder", "offset", "inputs"))
    activation(encoder), activation(decoder)
    checks.one_of("offset", offset, get_args(words.Offset))
    checks.one_of("inputs", inputs, get_args(words.Inputs))
    if offset == "biases" and not is_linear(decoder):
        raise ParameterError(
            f"offset biases needs decoder identity, got {decoder}: a curved output cannot take added biases"
        )
    if inputs in ("residuals", "residuals+rated") and not has_biases(decoder, offset):
        raise ParameterError(f"inputs {inputs} are what damped biases leave: they need offset biases")
