"""Models by name, as the command line and `compare` know them: one dict, one line a model."""

from typing import Any

from autorec.errors import ParameterError
from autorec.models.autorec import AutoRec
from autorec.models.base import Recommender
from autorec.models.baselines import Bias, GlobalMean, Popularity
from autorec.models.ease import Ease
from autorec.models.knn import ItemKNN

PRESETS: dict[str, tuple[type[Recommender], dict[str, Any], str]] = {
    "i-autorec": (AutoRec, {"orientation": "item"}, "one code an item; the best for rating prediction"),
    "u-autorec": (AutoRec, {"orientation": "user"}, "one code a user; new users are encoded, not solved"),
    "ease": (Ease, {}, "closed-form linear autoencoder of choices; ranks well, predicts no ratings"),
    "item-knn": (ItemKNN, {}, "item nearest neighbours by cosine of choices; ranks, predicts no ratings"),
    "bias": (Bias, {}, "mean + damped user and item biases: the baseline to beat"),
    "global-mean": (GlobalMean, {}, "the mean of all ratings: the floor"),
    "popularity": (Popularity, {}, "the most rated items: the baseline of top-N"),
}


def create(name: str, **settings: Any) -> Recommender:
    """The preset's model with `settings` over its own. ParameterError: unknown name or setting, with the allowed
    ones."""
    if name not in PRESETS:
        raise ParameterError(f"unknown model {name!r}; allowed: {', '.join(PRESETS)}")
    kind, preset, _ = PRESETS[name]
    allowed = kind._get_param_names()
    for setting in settings:
        if setting not in allowed:
            listed = ", ".join(allowed) if allowed else "none"
            raise ParameterError(f"{name} has no setting {setting!r}; allowed: {listed}")
    return kind(**(preset | settings))
