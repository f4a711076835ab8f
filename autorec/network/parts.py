"""Exchangeable parts by name, written as one text everywhere: Python argument, command line, saved model.

    name            masking without a value is refused; none takes no value
    name:value      masking:0.2
    name:value@k    l1:0.1@2000, at full strength after k steps, rising linearly until then (penalties)
    a+b             l2:350+l1:0.1, several penalties

Each kind of part has one dictionary, `{name: Kind}`, beside the functions that it names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from autorec.errors import ParameterError, shown

F = TypeVar("F")


@dataclass(frozen=True)
class Kind(Generic[F]):
    """make: value → the part, without an argument where it takes no value. low ≤ value < high; low None: no value."""

    make: Callable[..., F]
    low: float | None = None
    high: float = float("inf")


@dataclass(frozen=True)
class Part(Generic[F]):
    """text: in its plainest form, e.g. "l1:0.1@2000". value: None where it takes none. warm_up: steps until full
    strength."""

    text: str
    function: F
    value: float | None = None
    warm_up: int = 0

    @property
    def name(self) -> str:
        return self.text.partition(":")[0]

    def strength(self, step: int) -> float:
        """Rises linearly from 0 to 1 over the warm-up; 1 from then on."""
        return 1.0 if step >= self.warm_up else step / self.warm_up


def parse(what: str, text: str, kinds: Mapping[str, Kind[F]]) -> Part[F]:
    """`name`, `name:value` or `name:value@steps` → the part. ParameterError lists what is allowed."""
    written, at, steps = (text if isinstance(text, str) else "").partition("@")
    name, colon, value = written.partition(":")
    kind = kinds.get(name)
    try:
        if kind is None:
            raise ValueError
        if kind.low is None:
            if colon or at:
                raise ValueError
            return Part(name, kind.make())
        number, warm_up = float(value), int(steps) if at else 0
        if not kind.low <= number < kind.high or warm_up < 0:
            raise ValueError
    except ValueError:
        raise ParameterError(f"{what} is {shown(text)}; allowed: {_allowed(kinds)}") from None
    text = f"{name}:{number:g}" + (f"@{warm_up}" if warm_up else "")
    return Part(text, kind.make(number), number, warm_up)


def parse_sum(what: str, text: str, kinds: Mapping[str, Kind[F]]) -> dict[str, Part[F]]:
    """Parts joined by `+`, each name once; `none` is no part."""
    if not isinstance(text, str):
        raise ParameterError(f"{what} is {shown(text)}; allowed: {_allowed(kinds)}")
    if text == "none":
        return {}
    parts = [parse(what, one.strip(), kinds) for one in text.split("+")]
    names = [part.name for part in parts]
    if len(set(names)) < len(names):
        raise ParameterError(f"{what} is {shown(text)}; name each part once: {_allowed(kinds)}")
    return dict(zip(names, parts, strict=True))


def _allowed(kinds: Mapping[str, Kind[F]]) -> str:
    return ", ".join(name if kind.low is None else f"{name}:x ({_range(kind)})" for name, kind in kinds.items())


def _range(kind: Kind[F]) -> str:
    return f"x ≥ {kind.low:g}" if kind.high == float("inf") else f"{kind.low:g} ≤ x < {kind.high:g}"
