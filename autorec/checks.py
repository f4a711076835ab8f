"""Arguments and parameters, checked before the work: each error names the parameter, what was got and what is
allowed. What a check lets through may be used without another look."""

import math
import numbers
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from autorec.errors import ParameterError, nearest, shown

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

LARGEST = 2**63 - 1  # whole number of 64 bits


def one_of(name: str, value: Any, allowed: Sequence[str]) -> str:
    """`value` where it is one of `allowed`. ParameterError lists them, and the nearest."""
    if not isinstance(value, str) or value not in allowed:
        near = nearest(value, allowed) if isinstance(value, str) else ""
        raise ParameterError(f"{name} is {shown(value)}; allowed: {', '.join(allowed)}{near}")
    return str(value)


def flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool) and type(value).__name__ != "bool":  # NumPy's, which need not be imported here
        raise ParameterError(f"{name} is {shown(value)}; allowed: True, False")
    return bool(value)


def function(name: str, value: Any, of: str) -> None:
    """of: its arguments, for the message."""
    if not callable(value):
        raise ParameterError(f"{name} is {shown(value)}; allowed: a function of {of}")


def listed(name: str, value: Any, of: str) -> list[Any]:
    """The members of a collection; text is none. of: what it holds, for the message."""
    try:
        if not isinstance(value, (str, bytes)):
            return list(value)
    except (TypeError, ValueError):  # no collection, an array of no dimension, a closed file
        pass
    raise ParameterError(f"{name} is {shown(value)}; allowed: a list of {of}")


def path(name: str, value: Any) -> Path:
    """Text or a path-like object as a path."""
    if not isinstance(value, (str, os.PathLike)) or not isinstance(os.fspath(value), str) or "\0" in os.fspath(value):
        raise ParameterError(f"{name} is {shown(value)}; allowed: a path, as text or a Path")
    return Path(value)


def mapping(name: str, value: Any, of: str) -> Mapping[Any, Any]:
    """A mapping, None as an empty one. of: what it holds, for the message."""
    if value is not None and not isinstance(value, Mapping):
        raise ParameterError(f"{name} is {shown(value)}; allowed: a dict of {of}")
    return value or {}


def whole(name: str, value: Any, least: int = 1, most: int = LARGEST) -> int:
    """An integer from `least` to `most`."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        raise ParameterError(f"{name} is {shown(value)}; allowed: a whole number from {least} up")
    if int(value) > most:
        raise ParameterError(f"{name} is {shown(value)}; allowed: a whole number up to {most:,}")
    return int(value)


def random_state(name: str, value: Any) -> None:
    """A whole number from 0 to 2**63 − 1, a NumPy generator or None; of a generator nothing is drawn."""
    import numpy as np

    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= 0
    if not (value is None or is_whole or isinstance(value, (np.random.Generator, np.random.RandomState))):
        raise ParameterError(f"{name} is {shown(value)}; allowed: a whole number from 0 up, a NumPy generator, or None")
    if is_whole and int(value) >= 2**63:
        raise ParameterError(f"{name} is {shown(value)}; allowed: below 2**63, as torch takes it")


def seed(name: str, value: Any) -> int:
    """A seed: a whole number from 0 up as it is, a draw of a NumPy generator, or, for None, a new one from the system.
    The global generators are not used."""
    import numpy as np

    random_state(name, value)
    if value is None:
        return int(np.random.default_rng().integers(2**31))
    if isinstance(value, np.random.Generator):
        return int(value.integers(2**31))
    if isinstance(value, np.random.RandomState):
        return int(value.randint(2**31))
    return int(value)


def number(name: str, value: Any, *, above: float = -math.inf, least: float = -sys.float_info.max) -> float:
    """A finite number greater than `above`, and `least` or greater."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    is_number = is_number and (isinstance(value, float) or abs(value) <= LARGEST)  # torch takes no larger integers
    if not is_number or not (above < value <= sys.float_info.max and least <= value):
        bounds = [f" above {above:g}"] * (above > -math.inf) + [f" from {least:g} up"] * (least > -sys.float_info.max)
        raise ParameterError(f"{name} is {shown(value)}; allowed: a finite number{''.join(bounds)}")
    return float(value)


def damping(name: str, value: Any) -> float | str:
    """The word auto, or a finite number from 0 up."""
    return auto_or(partial(number, least=0), name, value)


def optional(check: Callable[[str, Any], T], name: str, value: Any) -> T | None:
    """None, or what `check` lets through."""
    return None if value is None else check(name, value)


def half_life(value: Any) -> float | str | None:
    """None, the word auto, or days above 0."""
    return optional(partial(auto_or, partial(number, above=0)), "half_life", value)


def share(name: str, value: Any) -> float:
    """A number from 0 up, below 1."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < 1:
        raise ParameterError(f"{name} is {shown(value)}; allowed: a share from 0 up to, not with, 1")
    return float(value)


def auto_or(check: Callable[[str, Any], T], name: str, value: Any) -> T | str:
    """The word auto, or what `check` lets through."""
    if isinstance(value, str) and value == "auto":
        return "auto"
    try:
        return check(name, value)
    except ParameterError as error:
        raise ParameterError(str(error).replace("allowed: ", "allowed: auto, or ", 1)) from None


def layers(value: Any) -> tuple[int, ...]:
    """500, (500, 250, 500) or "500-250-500" → units of each hidden layer."""
    parts = value.split("-") if isinstance(value, str) else [value] if isinstance(value, numbers.Integral) else value
    try:
        units = tuple(int(part) for part in parts if isinstance(part, str) or whole("hidden", part))
    except (TypeError, ValueError):
        units = ()
    if not units or min(units) < 1 or max(units) > LARGEST:
        raise ParameterError(f"hidden is {shown(value)}; allowed: units such as 500, or layers such as 500-250-500")
    return units


def device(value: Any) -> "torch.device":
    """A torch device on which a tensor can be made."""
    import torch

    try:
        chosen = torch.device(value)
        torch.empty(1, device=chosen)
    except (RuntimeError, TypeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ParameterError(f"device is {shown(value)}: {reason}; allowed: cpu, or cuda where torch has it") from None
    return chosen
