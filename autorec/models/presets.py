"""Models by name, as the command line and `compare` know them: one dict, one line a model; or by a preset file."""

import json
from pathlib import Path
from typing import Any

from autorec.errors import InputError, ParameterError
from autorec.models.autorec import AutoRec
from autorec.models.base import Recommender
from autorec.models.baselines import Bias, GlobalMean, Popularity
from autorec.models.ease import Ease
from autorec.models.knn import ItemKNN
from autorec.models.mf import BiasedMF
from autorec.models.puresvd import PureSVD

# Sedhain et al., WWW 2015, to the letter: λ = 400 is that of the released settings, up to 500 iterations.
_PAPER = {"offset": "none", "penalty": "l2:400"}

PRESETS: dict[str, tuple[type[Recommender], dict[str, Any], str]] = {
    "i-autorec": (AutoRec, {"orientation": "item"}, "one code an item; the best for rating prediction"),
    "u-autorec": (AutoRec, {"orientation": "user"}, "one code a user; new users are encoded, not solved"),
    "i-autorec-paper": (
        AutoRec,
        {"orientation": "item", **_PAPER, "optimizer": "lbfgs", "epochs": 125},
        "the paper to the letter, full-batch L-BFGS; slower and less exact than i-autorec",
    ),
    "u-autorec-paper": (
        AutoRec,
        {"orientation": "user", **_PAPER, "optimizer": "rprop", "learning_rate": 0.001, "epochs": 500},
        "the paper to the letter, RProp; slower and less exact than u-autorec",
    ),
    "ease": (Ease, {}, "closed-form linear autoencoder of choices; ranks well, predicts no ratings"),
    "item-knn": (ItemKNN, {}, "item nearest neighbours by cosine of choices; ranks, predicts no ratings"),
    "pure-svd": (PureSVD, {}, "truncated SVD of choices; ranks, predicts no ratings"),
    "biased-mf": (BiasedMF, {}, "matrix factorisation with biases by alternating least squares"),
    "bias": (Bias, {}, "mean + damped user and item biases: the baseline to beat"),
    "global-mean": (GlobalMean, {}, "the mean of all ratings: the floor"),
    "popularity": (Popularity, {}, "the most rated items: the baseline of top-N"),
}


def create(name: str, **settings: Any) -> Recommender:
    """The preset's model with `settings` over its own. A name that ends in .json is a preset file, see `read_preset`.

    ParameterError: unknown name or setting, with the allowed ones. InputError: a preset file that cannot be read.
    """
    if is_file(name):
        model, own = read_preset(name)
        return create(model, **(own | settings))
    if name not in PRESETS:
        raise ParameterError(f"unknown model {name!r}; allowed: {', '.join(PRESETS)}, or a preset file ending in .json")
    kind, preset, _ = PRESETS[name]
    _check_settings(name, settings)
    return kind(**(preset | settings))


def is_file(name: str) -> bool:
    """Whether a model name stands for a preset file."""
    return name.endswith(".json")


def shown(name: str) -> str:
    """The name in tables: of a preset file its stem, unless a preset is called so."""
    stem = Path(name).stem
    return name if not is_file(name) else stem if stem not in PRESETS else Path(name).name


def read_preset(path: str) -> tuple[str, dict[str, Any]]:
    """(model, settings) of a preset file: JSON {"model": "i-autorec", "settings": {"hidden": 300}}; other keys tell
    how it was made.

    InputError: no such file, or not of this form. ParameterError: unknown model or setting; both name the file.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"there is no preset file {path}; without .json a model is one of {', '.join(PRESETS)}"
        ) from None
    except ValueError as error:  # not UTF-8, or not JSON
        raise InputError(f"{path} is not JSON ({error}); a preset file is what autorec tune writes") from None
    model = found.get("model") if isinstance(found, dict) else None
    settings = found.get("settings", {}) if isinstance(found, dict) else None
    if not isinstance(model, str) or not isinstance(settings, dict):
        raise InputError(f'{path} is no preset file; it needs {{"model": NAME, "settings": {{NAME: VALUE}}}}')
    if model not in PRESETS:
        raise ParameterError(f"{path}: unknown model {model!r}; allowed: {', '.join(PRESETS)}")
    _check_settings(model, settings, f"{path}: ")
    return model, settings


def _check_settings(name: str, settings: dict[str, Any], where: str = "") -> None:
    allowed = PRESETS[name][0]._get_param_names()
    for setting in settings:
        if setting not in allowed:
            listed = ", ".join(allowed) if allowed else "none"
            raise ParameterError(f"{where}{name} has no setting {setting!r}; allowed: {listed}")
