"""Rows of the registry: the model that rates and ranks, models that predict ratings, and what any model must beat."""

from collections.abc import Mapping
from typing import Any

from autorec.models.row import Model, Space

# What of an autoencoder is searched.
AUTOREC: Space = {
    "penalty": ("l2", 20.0, 2000.0, True),
    "hidden": ("int", 50, 800, True),
    "learning_rate": ("float", 0.0005, 0.02, True),
    "batch": ["auto", 64, 256, 1024],
}

# What all rows of I-AutoRec have in common.
I_AUTOREC: Mapping[str, Any] = {"rates": True, "new_users": "solved", "new_items": "encoded", "memory": "vectors"}

ROWS = (
    Model(
        "autorec",
        "joint",
        "Joint",
        "rates as i-autorec and ranks by whether an item is rated and liked: begin here",
        group="both",
        rates=True,
        new_users="solved",
        new_items="none",
        memory="vectors",
        first=True,
    ),
    Model(
        "i-autorec",
        "autorec",
        "AutoRec",
        "one code an item; the best for rating prediction",
        paper="Sedhain et al., WWW 2015",
        group="ratings",
        **I_AUTOREC,
        settings={"orientation": "item"},
        space=AUTOREC,
        first=True,
    ),
    Model(
        "u-autorec",
        "autorec",
        "AutoRec",
        "one code a user; new users are encoded, not solved",
        paper="Sedhain et al., WWW 2015",
        group="ratings",
        rates=True,
        new_users="encoded",
        new_items="solved",
        memory="vectors",
        settings={"orientation": "user"},
        space=AUTOREC,
        first=True,
    ),
    Model(
        "cf-nade",
        "cf_nade",
        "CFNade",
        "each rating from those before it, with the probability of every level",
        paper="Zheng et al., ICML 2016",
        group="ratings",
        **I_AUTOREC,
        settings={"orientation": "item"},
        space={
            "penalty": ("l2", 10.0, 500.0, True),
            "hidden": ("int", 50, 800, True),
            "learning_rate": ("float", 0.0003, 0.01, True),
            "batch": [64, 128, 256, 512],
        },
    ),
    Model(
        "bias",
        "baselines",
        "Bias",
        "mean + damped user and item biases: the baseline to beat",
        group="floor",
        rates=True,
        new_users="mean",
        new_items="mean",
        memory="ratings",
        space={"user_damping": ("float", 0.5, 100.0, True), "item_damping": ("float", 0.5, 100.0, True)},
        grid={"user_damping": (5.0, 15.0, 40.0), "item_damping": (3.0, 10.0, 25.0)},
        baseline="simple",
    ),
    Model(
        "global-mean",
        "baselines",
        "GlobalMean",
        "the mean of all ratings: the floor",
        group="floor",
        rates=True,
        new_users="same",
        new_items="same",
        memory="ratings",
        baseline="simple",
    ),
    Model(
        "popularity",
        "baselines",
        "Popularity",
        "the most rated items: the baseline of top-N",
        group="floor",
        rates=False,
        new_users="same",
        new_items="choices",
        memory="ratings",
        baseline="simple",
        first=True,
    ),
    Model(
        "biased-mf",
        "mf",
        "BiasedMF",
        "matrix factorisation with biases by alternating least squares",
        paper="Koren et al., Computer 2009",
        group="ratings",
        rates=True,
        new_users="solved",
        new_items="solved",
        memory="vectors",
        space={"factors": ("int", 5, 150, True), "l2": ("float", 0.01, 0.5, True)},
        grid={"l2": (0.05, 0.07, 0.1, 0.14), "factors": (12, 25, 50)},
        baseline="all",
    ),
)
