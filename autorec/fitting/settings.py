"""The parameters of AutoRec as its training takes them: checked, complete, with rows and columns for users and
items."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import torch

from autorec import checks, words
from autorec.errors import ParameterError, shown
from autorec.fitting.biases import ITEM_DAMPING, USER_DAMPING
from autorec.fitting.dampings import Dampings, Given
from autorec.fitting.form import check_form, has_biases, has_mask
from autorec.network.corruption import CORRUPTIONS, Corruption
from autorec.network.parts import Part, parse, parse_sum
from autorec.network.penalty import PENALTIES, Penalty

EPOCHS, LONGEST = 40, 160  # "auto": the first, doubled up to the second as long as it pays
SEARCH_MOST = 300_000  # ratings; with more, λ is searched from that for large data on, in fewer trainings
L2_LARGE = {"item": 350.0, "user": 550.0}  # that λ; chosen on validation parts of MovieLens
L2_RATED = 300.0  # the same where what is rated is an input of its own
TRY_INPUTS = {"item": "residuals", "user": "residuals+rated"}  # tried by "auto"; the best on MovieLens


@dataclass(frozen=True)
class Settings:
    """The checked settings of `fit_network`; others are as in `AutoRec`.

    l2         λ; None: chosen, with many ratings from l2_large on
    penalties  all but a chosen l2
    biases     whether the network learns deviations from damped biases
    centred    whether hidden units are centred and the output bias starts at the columns' means; else it starts at 0
    dampings   of rows and of columns, "auto" where they are chosen
    inputs     "ratings", "residuals", "residuals+rated" or "auto"
    try_inputs what "auto" compares with ratings
    longer     whether the number of epochs may be doubled
    batch      rows, "auto" or "full"
    """

    hidden: tuple[int, ...]
    encoder: str
    decoder: str
    code: str
    l2: float | None
    l2_large: float
    penalties: Mapping[str, Part[Penalty]]
    corruption: Part[Corruption]
    biases: bool
    centred: bool
    dampings: Given
    default_dampings: Dampings
    inputs: str
    try_inputs: str
    optimizer: str
    learning_rate: float
    epochs: int
    longer: bool
    batch: int | str
    validation: float | str
    patience: int
    seed: int
    device: torch.device

    @property
    def own_inputs(self) -> int:
        """Inputs whose values are not those of the targets, at most."""
        inputs = self.try_inputs if self.inputs == "auto" else self.inputs
        return 0 if inputs == "ratings" else 2 if has_mask(inputs) else 1


def check_settings(given: Mapping[str, Any]) -> Settings:
    """The parameters of AutoRec by name → its settings. ParameterError names the one at fault and what is allowed."""
    check_form(given)
    checks.one_of("optimizer", given["optimizer"], get_args(words.Optimizer))
    biases = has_biases(given["decoder"], given["offset"])
    names = ("user_damping", "item_damping") if given["orientation"] == "user" else ("item_damping", "user_damping")
    defaults = {"user_damping": USER_DAMPING, "item_damping": ITEM_DAMPING}
    l2, penalties = parse_penalties(given["penalty"])
    epochs = checks.auto_or(checks.whole, "epochs", given["epochs"])
    batch = checks.auto_or(checks.whole, "batch", given["batch"])
    return Settings(
        hidden=checks.layers(given["hidden"]),
        encoder=given["encoder"],
        decoder=given["decoder"],
        code=_check_code(given["code"], penalties),
        l2=l2,
        l2_large=L2_LARGE[given["orientation"]],
        penalties=penalties,
        corruption=parse("corruption", given["corruption"], CORRUPTIONS),
        biases=biases,
        centred=given["offset"] != "none",
        dampings=(checks.damping(names[0], given[names[0]]), checks.damping(names[1], given[names[1]])),
        default_dampings=(defaults[names[0]], defaults[names[1]]),
        inputs=given["inputs"] if biases else "ratings",
        try_inputs=TRY_INPUTS[given["orientation"]],
        optimizer=given["optimizer"],
        learning_rate=checks.number("learning_rate", given["learning_rate"], above=0),
        epochs=EPOCHS if epochs == "auto" else int(epochs),
        longer=epochs == "auto",
        batch=batch if given["optimizer"] == "adam" else "full",
        validation=checks.auto_or(checks.share, "validation", given["validation"]),
        patience=checks.whole("patience", given["patience"]),
        seed=checks.seed("random_state", given["random_state"]),
        device=checks.device(given["device"]),
    )


def check_shared(settings: Settings) -> None:
    """ParameterError: several processes cannot share a training with these settings."""
    if settings.optimizer != "adam":
        raise ParameterError(f"optimizer {settings.optimizer} trains in one process; several share one by adam")


def parse_penalties(text: str) -> tuple[float | None, dict[str, Part[Penalty]]]:
    """(λ of l2, None for `l2:auto`; all penalties by name, without an automatic l2)."""
    names = [word.strip() for word in text.split("+")] if isinstance(text, str) else []
    automatic = names.count("l2:auto") == 1
    others = "+".join(word for word in names if word != "l2:auto") or "none"
    try:
        parts = parse_sum("penalty", others if automatic else text, PENALTIES)
    except ParameterError as error:
        raise ParameterError(f"{error}; or none, or l2:auto") from None
    if automatic and "l2" in parts:
        raise ParameterError(f"penalty is {shown(text)}; give l2 once")
    if automatic:
        return None, parts
    return parts["l2"].value if "l2" in parts else 0.0, parts


def _check_code(name: str, penalties: Mapping[str, Part[Penalty]]) -> str:
    """The name of a code. ParameterError: a penalty does not go with it."""
    if name == "point" and "gaussian_kl" in penalties:
        raise ParameterError("penalty gaussian_kl needs a code with a variance: use code gaussian")
    if name == "gaussian" and "contractive" in penalties:
        raise ParameterError("penalty contractive needs a code that is a point: use code point")
    return name
