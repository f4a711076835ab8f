"""What of each model is worth tuning, and in which range, as the registry says; what a training of it takes at most."""

from collections.abc import Sequence
from typing import Any

from autorec.errors import ParameterError, shown
from autorec.models.presets import create
from autorec.models.registry import MODELS
from autorec.models.row import Range, Space
from autorec.ratings.matrix import Ratings

SPACES: dict[str, Space] = {name: row.space for name, row in MODELS.items() if row.space}


def space_of(name: str, fixed: dict[str, Any]) -> Space:
    """What is searched of a preset, without the settings that are fixed. ParameterError: nothing is."""
    if not all(isinstance(setting, str) for setting in fixed):
        raise ParameterError(f"settings is {shown(fixed)}; allowed: a dict of names and values")
    create(name, **fixed)  # refuses unknown models and settings
    if name not in SPACES:
        raise ParameterError(f"{name} has no search space; models that have one: {', '.join(SPACES)}")
    space = {setting: what for setting, what in SPACES[name].items() if setting not in fixed}
    if not space:
        raise ParameterError(f"every setting that is searched of {name} is fixed; leave one of {', '.join(fixed)} free")
    return space


def setting(what: Range | Sequence[Any], drawn: Any) -> Any:
    """A drawn value as the model's setting; numbers to 4 digits, so that what is written down is what was run."""
    if not isinstance(what, tuple):
        return drawn
    if what[0] == "int":
        return int(drawn)
    return f"l2:{drawn:.4g}" if what[0] == "l2" else float(f"{drawn:.4g}")


def training_bytes(name: str, fixed: dict[str, Any], ratings: Ratings) -> int:
    """Bytes that a training takes at most with what a search may draw, about."""
    largest = {s: what[2] for s, what in space_of(name, fixed).items() if isinstance(what, tuple) and what[0] == "int"}
    return create(name, **(fixed | largest))._memory(*ratings.csr.shape, len(ratings))
