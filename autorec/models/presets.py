"""Models by name, as the command line and `compare` know them, or by a preset file; views of the registry."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autorec.errors import InputError, ParameterError, nearest, shown
from autorec.models.registry import MODELS, find_model

if TYPE_CHECKING:
    from autorec.models.base import Recommender


class _Presets(Mapping[str, "tuple[type[Recommender], dict[str, Any], str]"]):
    """name → (class, settings, one line about it); a class is imported when its entry is read."""

    def __getitem__(self, name: str) -> "tuple[type[Recommender], dict[str, Any], str]":
        row = MODELS[name]
        return row.load(), dict(row.settings), row.about

    def __iter__(self) -> Iterator[str]:
        return iter(MODELS)

    def __len__(self) -> int:
        return len(MODELS)


PRESETS = _Presets()


def create(name: str, **settings: Any) -> "Recommender":
    """An unfitted model: the preset `name` of MODELS, changed by `settings`; a name that ends in .json is a preset
    file.

    ParameterError: unknown name or setting, with the allowed ones. InputError: a preset file that cannot be read.

    >>> autorec.create("i-autorec", hidden=100)
    AutoRec(hidden=100)
    """
    if is_file(name):
        model, own = read_preset(name)
        return create(model, **(own | settings))
    row = find_model(name)
    _check_settings(name, settings)
    created: Recommender = row.load()(**(dict(row.settings) | settings))
    return created


def is_file(name: str) -> bool:
    """Whether a model name stands for a preset file."""
    return isinstance(name, str) and name.endswith(".json")


def short_name(name: str) -> str:
    """The name in tables: a preset file's stem, unless a model is called so."""
    stem = Path(name).stem
    return name if not is_file(name) else stem if stem not in MODELS else Path(name).name


def read_preset(path: str) -> tuple[str, dict[str, Any]]:
    """(model, settings) of a preset file: JSON {"model": "i-autorec", "settings": {"hidden": 300}}; other keys say
    how it was made.

    InputError: no such file, or not of this form. ParameterError: unknown model or setting; both name the file.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"there is no preset file {path}; without .json a model is one of {', '.join(MODELS)}"
        ) from None
    except ValueError as error:  # not UTF-8, or not JSON
        raise InputError(f"{path} is not JSON ({error}); a preset file is what autorec tune writes") from None
    model = found.get("model") if isinstance(found, dict) else None
    settings = found.get("settings", {}) if isinstance(found, dict) else None
    if not isinstance(model, str) or not isinstance(settings, dict):
        raise InputError(f'{path} is no preset file; it needs {{"model": NAME, "settings": {{NAME: VALUE}}}}')
    if model not in MODELS:
        near = nearest(model, MODELS)
        raise ParameterError(f"{path}: unknown model {shown(model)}; allowed: {', '.join(MODELS)}{near}")
    _check_settings(model, settings, f"{path}: ")
    return model, settings


def _check_settings(name: str, settings: dict[str, Any], where: str = "") -> None:
    allowed = MODELS[name].parameters()
    for setting in settings:
        if setting not in allowed:
            listed = ", ".join(allowed) if allowed else "none"
            near = nearest(setting, allowed)
            raise ParameterError(f"{where}{name} has no setting {shown(setting)}; allowed: {listed}{near}")
