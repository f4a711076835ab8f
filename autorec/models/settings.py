"""The parameters of AutoRec as its training takes them: checked, complete, with rows and columns for users and
items."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from autorec.errors import ParameterError
from autorec.models.dampings import Dampings, Given
from autorec.network.corruption import Corruption
from autorec.network.parts import Part, parse_sum
from autorec.network.penalty import PENALTIES, Penalty


@dataclass(frozen=True)
class Settings:
    """The checked settings of `fit_network`; others are as in `AutoRec`.

    l2         λ; None: chosen, or with many ratings l2_large
    penalties  all but a chosen l2
    biases     whether the network learns deviations from damped biases
    centred    whether hidden units are centred and the output bias starts at the columns' means; else it starts at 0
    dampings   of rows and of columns, "auto" where they are chosen
    inputs     "ratings", "residuals" or "auto"
    longer     whether the number of epochs may be doubled
    batch      rows, "auto" or "full"
    """

    hidden: tuple[int, ...]
    encoder: str
    decoder: str
    l2: float | None
    l2_large: float
    penalties: Mapping[str, Part[Penalty]]
    corruption: Part[Corruption]
    biases: bool
    centred: bool
    dampings: Given
    default_dampings: Dampings
    inputs: str
    optimizer: str
    learning_rate: float
    epochs: int
    longer: bool
    batch: int | str
    validation: float | str
    patience: int
    seed: int
    device: torch.device


def parse_penalties(text: str) -> tuple[float | None, dict[str, Part[Penalty]]]:
    """(λ of l2, None for `l2:auto`; all penalties by name, without an automatic l2)."""
    words = [word.strip() for word in str(text).split("+")]
    automatic = words.count("l2:auto") == 1
    others = "+".join(word for word in words if word != "l2:auto") or "none"
    try:
        parts = parse_sum("penalty", others if automatic else str(text), PENALTIES)
    except ParameterError as error:
        raise ParameterError(f"{error}; or none, or l2:auto") from None
    if automatic and "l2" in parts:
        raise ParameterError(f"penalty is {text!r}; give l2 once")
    if automatic:
        return None, parts
    return parts["l2"].value if "l2" in parts else 0.0, parts
