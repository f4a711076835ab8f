"""The models that there are, one row each: what a model is for, its preset, what of it is searched, where new users
and new items come from.

Everything that goes through the models reads this table: `create` and the presets, the store, the tuner, the baselines
of a comparison, error messages. It names classes by import path, so that reading the table imports no model.
"""

from collections.abc import Mapping
from typing import Any

from autorec.errors import ParameterError, nearest
from autorec.models.row import Model, Space

# What of an autoencoder is searched.
_AUTOREC: Space = {
    "penalty": ("l2", 20.0, 2000.0, True),
    "hidden": ("int", 50, 800, True),
    "learning_rate": ("float", 0.0005, 0.02, True),
    "batch": ["auto", 64, 256, 1024],
}

# What of a network of choices is searched.
_CHOICE: Space = {
    "hidden": ("int", 50, 800, True),
    "learning_rate": ("float", 0.0003, 0.01, True),
    "corruption": ["masking:0.2", "masking:0.5", "masking:0.7"],
    "batch": [100, 250, 500],
}

# The penalty and the batch of a variant are what it is.
_VARIANT: Space = {name: values for name, values in _AUTOREC.items() if name not in ("penalty", "batch")}

# What the rows of one kind have in common: of I-AutoRec, of networks of choices, of closed forms for choices.
_I_AUTOREC: Mapping[str, Any] = {"rates": True, "new_users": "solved", "new_items": "encoded", "memory": "vectors"}
_LISTS: Mapping[str, Any] = {"group": "lists", "rates": False, "new_items": "none"}
_NETWORK: Mapping[str, Any] = {**_LISTS, "new_users": "encoded", "memory": "vectors"}
_CLOSED: Mapping[str, Any] = {**_LISTS, "new_users": "choices"}

# One hidden layer: on MovieLens it ranks as well as the papers' three, in a third of the time.
_DRAWN = {"hidden": 200, "code": "gaussian", "learning_rate": 0.005, "epochs": 60}

# Sedhain et al., WWW 2015, to the letter: λ = 400 is that of the released settings, up to 500 iterations.
_PAPER = {"offset": "none", "penalty": "l2:400"}

_ROWS = (
    Model(
        "i-autorec",
        "autorec",
        "AutoRec",
        "one code an item; the best for rating prediction",
        paper="Sedhain et al., WWW 2015",
        group="ratings",
        **_I_AUTOREC,
        settings={"orientation": "item"},
        space=_AUTOREC,
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
        space=_AUTOREC,
        first=True,
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
    Model(
        "item-knn",
        "knn",
        "ItemKNN",
        "item nearest neighbours by cosine of choices; ranks, predicts no ratings",
        paper="Deshpande and Karypis, TOIS 2004",
        **_CLOSED,
        memory="vectors",
        space={"k": ("int", 5, 1000, True)},
        grid={"k": (20, 50, 200)},
        baseline="all",
    ),
    Model(
        "pure-svd",
        "puresvd",
        "PureSVD",
        "truncated SVD of choices; ranks, predicts no ratings",
        paper="Cremonesi et al., RecSys 2010",
        **_CLOSED,
        memory="vectors",
        space={"factors": ("int", 5, 200, True)},
        grid={"factors": (10, 25, 50)},
        baseline="all",
    ),
    Model(
        "ease",
        "ease",
        "Ease",
        "closed-form linear autoencoder of choices; ranks well, predicts no ratings",
        paper="Steck, WWW 2019",
        **_CLOSED,
        memory="items²",
        space={"l2": ("float", 5.0, 20_000.0, True)},
        grid={"l2": (100.0, 250.0, 500.0, 1000.0)},
        baseline="all",
        first=True,
    ),
    Model(
        "edlae",
        "ease",
        "Ease",
        "ease with dropout of its inputs, in closed form",
        paper="Steck, NeurIPS 2020",
        **_CLOSED,
        memory="items²",
        settings={"l2": 100.0, "dropout": 0.5},
        space={"l2": ("float", 5.0, 20_000.0, True), "dropout": ("float", 0.05, 0.9, False)},
    ),
    Model(
        "sansa",
        "sparse_ease",
        "SparseEase",
        "ease with a sparse matrix, for large catalogues",
        paper="after Spišák et al., RecSys 2023",
        **_CLOSED,
        memory="vectors",
        space={"k": ("int", 20, 300, True), "l2": ("float", 5.0, 5000.0, True)},
    ),
    Model(
        "inf-ae",
        "infae",
        "InfAE",
        "autoencoder of infinite width, a kernel in closed form",
        paper="Sachdeva et al., NeurIPS 2022",
        **_CLOSED,
        memory="users²",
        space={"l2": ("float", 0.1, 500.0, True)},
    ),
    Model(
        "svd-ae",
        "svdae",
        "SvdAE",
        "linear autoencoder of low rank in closed form",
        paper="Hong et al., IJCAI 2024",
        **_CLOSED,
        memory="items²",
        space={"rank": ("float", 0.005, 0.2, True)},
    ),
    Model(
        "mult-dae",
        "choice",
        "ChoiceAutoencoder",
        "denoising autoencoder with a multinomial output",
        paper="Liang et al., WWW 2018",
        **_NETWORK,
        settings={"hidden": 200, "penalty": "l2:1", "learning_rate": 0.003, "epochs": 60},
        space=_CHOICE,
    ),
    Model(
        "mult-vae",
        "choice",
        "ChoiceAutoencoder",
        "variational autoencoder with a multinomial output",
        paper="Liang et al., WWW 2018",
        **_NETWORK,
        settings={**_DRAWN, "penalty": "gaussian_kl:0.2@300"},
        space=_CHOICE,
        first=True,
    ),
    Model(
        "beta-vae",
        "choice",
        "ChoiceAutoencoder",
        "mult-vae with a stronger divergence, for codes of independent units",
        paper="Higgins et al., ICLR 2017",
        **_NETWORK,
        settings={**_DRAWN, "penalty": "gaussian_kl:1@300"},
        space=_CHOICE,
    ),
    Model(
        "wae",
        "choice",
        "ChoiceAutoencoder",
        "Wasserstein autoencoder: codes as a whole like their prior",
        paper="Tolstikhin et al., ICLR 2018",
        **_NETWORK,
        settings={**_DRAWN, "penalty": "mmd:10"},
        space=_CHOICE,
    ),
    Model(
        "denoising-ae",
        "autorec",
        "AutoRec",
        "i-autorec trained on inputs of which a part is masked",
        paper="Vincent et al., ICML 2008",
        group="variant",
        **_I_AUTOREC,
        settings={"orientation": "item", "corruption": "masking:0.2"},
        space=_AUTOREC,
    ),
    Model(
        "contractive-ae",
        "autorec",
        "AutoRec",
        "i-autorec with a code that small changes of the input hardly move",
        paper="Rifai et al., ICML 2011",
        group="variant",
        **_I_AUTOREC,
        settings={"orientation": "item", "penalty": "l2:auto+contractive:1"},
        space=_VARIANT,
    ),
    Model(
        "sparse-ae",
        "autorec",
        "AutoRec",
        "i-autorec with a code of few units that are not 0",
        paper="Ng, CS294A 2011",
        group="variant",
        **_I_AUTOREC,
        settings={"orientation": "item", "penalty": "l2:auto+l1:0.01"},
        space=_VARIANT,
    ),
    Model(
        "sparse-kl-ae",
        "autorec",
        "AutoRec",
        "i-autorec with units that are active for few items",
        paper="Ng, CS294A 2011",
        group="variant",
        **_I_AUTOREC,
        settings={"orientation": "item", "penalty": "l2:auto+kl_sparsity:0.03", "learning_rate": 0.01, "batch": 128},
        space=_VARIANT,
    ),
    Model(
        "i-autorec-paper",
        "autorec",
        "AutoRec",
        "the paper to the letter, full-batch L-BFGS; slower and less exact than i-autorec",
        paper="Sedhain et al., WWW 2015",
        group="paper",
        **_I_AUTOREC,
        settings={"orientation": "item", **_PAPER, "optimizer": "lbfgs", "epochs": 125},
    ),
    Model(
        "u-autorec-paper",
        "autorec",
        "AutoRec",
        "the paper to the letter, RProp; slower and less exact than u-autorec",
        paper="Sedhain et al., WWW 2015",
        group="paper",
        rates=True,
        new_users="encoded",
        new_items="solved",
        memory="vectors",
        settings={"orientation": "user", **_PAPER, "optimizer": "rprop", "learning_rate": 0.001, "epochs": 500},
    ),
)

OF_OTHERS = ("variant", "paper")  # groups of rows that are another row with other settings

MODELS: Mapping[str, Model] = {row.name: row for row in _ROWS}


def find_model(name: str) -> Model:
    """The row of a name. ParameterError: there is none; lists those that are."""
    if name not in MODELS:
        raise ParameterError(
            f"unknown model {name!r}; allowed: {', '.join(MODELS)}, or a preset file ending in .json"
            f"{nearest(name, MODELS)}"
        )
    return MODELS[name]


def classes() -> dict[str, str]:
    """Class name → full name of its module, of all models."""
    return {row.kind: f"autorec.models.{row.module}" for row in MODELS.values()}


def named(group: str = "", *, takes_new_items: bool = False, has_factors: bool = False) -> list[str]:
    """Names of the models of a group, or of all but variants and papers, for a message that says what to use instead.

    has_factors: only those that know more of an item than a number.
    """
    rows = [row for row in MODELS.values() if row.group == group or (not group and row.group not in OF_OTHERS)]
    rows = [row for row in rows if row.new_items != "none" or not takes_new_items]
    return [row.name for row in rows if row.group != "floor" or not has_factors]
