"""Rows of the registry: the model that rates and ranks, models that predict ratings, and what any model must beat;
and I- and U-AutoRec with other parts, or with the settings of their paper."""

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

# What rows have in common: of models whose users and items are solved for, and of I- and U-AutoRec.
SOLVED: Mapping[str, Any] = {"rates": True, "new_users": "solved", "new_items": "solved", "memory": "vectors"}
I_AUTOREC: Mapping[str, Any] = {**SOLVED, "new_items": "encoded"}
U_AUTOREC: Mapping[str, Any] = {**SOLVED, "new_users": "encoded"}

ROWS = (
    Model(
        "autorec",
        "joint",
        "Joint",
        "rates as i-autorec and ranks by whether an item is rated and liked: begin here",
        group="both",
        **SOLVED,
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
        **U_AUTOREC,
        settings={"orientation": "user"},
        space=AUTOREC,
        first=True,
    ),
    Model(
        "blend",
        "blend",
        "Blend",
        "i-autorec and a Bayesian factorisation averaged: the most exact ratings",
        paper="Breiman, Machine Learning 1996",
        group="ratings",
        **SOLVED,
        first=True,
    ),
    Model(
        "bayesian-mf",
        "bayesian_mf",
        "BayesianMF",
        "factorisations averaged over Gibbs samples, with priors that know who rated what",
        paper="Salakhutdinov, Mnih, ICML 2008",
        group="ratings",
        **SOLVED,
        space={"factors": ("int", 5, 50, True), "features": ("int", 0, 300, False)},
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
        "glocal-k",
        "glocal_k",
        "GlocalK",
        "i-autorec with kernels on its weights and on the ratings",
        paper="Han et al., CIKM 2021",
        group="ratings",
        **I_AUTOREC,
        space={"l2": ("float", 5.0, 200.0, True), "sparsity": ("float", 0.0005, 0.1, True)},
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
        **SOLVED,
        space={"factors": ("int", 5, 150, True), "l2": ("float", 0.01, 0.5, True)},
        grid={"l2": (0.05, 0.07, 0.1, 0.14), "factors": (12, 25, 50)},
        baseline="all",
    ),
)

# The penalty and the batch of a variant are what it is.
_VARIANT: Space = {name: values for name, values in AUTOREC.items() if name not in ("penalty", "batch")}

# Sedhain et al., WWW 2015, to the letter: λ = 400 is that of the released settings, up to 500 iterations.
_PAPER = {"offset": "none", "penalty": "l2:400"}


def _variant(name: str, about: str, paper: str, space: Space, **settings: Any) -> Model:
    """I-AutoRec with another part."""
    what: dict[str, Any] = {
        "group": "variant",
        "paper": paper,
        "space": space,
        "settings": {"orientation": "item", **settings},
    }
    return Model(name, "autorec", "AutoRec", about, **what, **I_AUTOREC)


VARIANTS = (
    _variant(
        "denoising-ae",
        "i-autorec trained on inputs of which a part is masked",
        "Vincent et al., ICML 2008",
        AUTOREC,
        corruption="masking:0.2",
    ),
    _variant(
        "contractive-ae",
        "i-autorec with a code that small changes of the input hardly move",
        "Rifai et al., ICML 2011",
        _VARIANT,
        penalty="l2:auto+contractive:1",
    ),
    _variant(
        "sparse-ae",
        "i-autorec with a code of few units that are not 0",
        "Ng, CS294A 2011",
        _VARIANT,
        penalty="l2:auto+l1:0.01",
    ),
    _variant(
        "sparse-kl-ae",
        "i-autorec with units that are active for few items",
        "Ng, CS294A 2011",
        _VARIANT,
        penalty="l2:auto+kl_sparsity:0.03",
        learning_rate=0.01,
        batch=128,
    ),
    _variant(
        "rating-vae",
        "i-autorec with a code that is drawn: a variational autoencoder of ratings",
        "Kingma and Welling, ICLR 2014",
        {"learning_rate": AUTOREC["learning_rate"]},
        hidden="200-100",
        code="gaussian",
        penalty="l2:60+gaussian_kl:1@200",
        inputs="ratings",
        epochs=20,
        batch=128,
    ),
    Model(
        "i-autorec-paper",
        "autorec",
        "AutoRec",
        "the paper to the letter, full-batch L-BFGS; slower and less exact than i-autorec",
        paper="Sedhain et al., WWW 2015",
        group="paper",
        **I_AUTOREC,
        settings={"orientation": "item", **_PAPER, "optimizer": "lbfgs", "epochs": 125},
    ),
    Model(
        "u-autorec-paper",
        "autorec",
        "AutoRec",
        "the paper to the letter, RProp; slower and less exact than u-autorec",
        paper="Sedhain et al., WWW 2015",
        group="paper",
        **U_AUTOREC,
        settings={"orientation": "user", **_PAPER, "optimizer": "rprop", "learning_rate": 0.001, "epochs": 500},
    ),
)
