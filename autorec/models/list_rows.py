"""Rows of the registry: models that rank items by who chose what."""

from collections.abc import Mapping
from typing import Any

from autorec.models.row import Model, Space

# What of a network of choices is searched.
_CHOICE: Space = {
    "hidden": ("int", 50, 800, True),
    "learning_rate": ("float", 0.0003, 0.01, True),
    "corruption": ["masking:0.2", "masking:0.5", "masking:0.7"],
    "batch": [100, 250, 500],
}

_ADVERSARIAL: Space = {name: _CHOICE[name] for name in ("hidden", "learning_rate", "batch")}

# What the rows of one kind have in common: of all, of networks, of closed forms.
_LISTS: Mapping[str, Any] = {"group": "lists", "rates": False, "new_items": "none"}
_NETWORK: Mapping[str, Any] = {**_LISTS, "new_users": "encoded", "memory": "vectors"}
_CLOSED: Mapping[str, Any] = {**_LISTS, "new_users": "choices"}

# One hidden layer: on MovieLens it ranks as well as the papers' three, in a third of the time.
_DRAWN = {"hidden": 200, "code": "gaussian", "learning_rate": 0.005, "epochs": 60}

ROWS = (
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
        "elsa",
        "elsa",
        "Elsa",
        "linear autoencoder of low rank with an empty diagonal",
        paper="Vančura et al., RecSys 2022",
        **_CLOSED,
        memory="vectors",
        space={"factors": ("int", 32, 1000, True), "learning_rate": ("float", 0.001, 0.1, True)},
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
        "rec-vae",
        "choice",
        "ChoiceAutoencoder",
        "variational autoencoder with a composite prior, encoder and decoder in turn",
        paper="Shenbin et al., WSDM 2020",
        **_NETWORK,
        settings={
            "hidden": 200,
            "code": "gaussian",
            "penalty": "composite_kl:0.005",
            "decoder": "linear",
            "encoder_steps": 3,
            "learning_rate": 0.005,
            "epochs": 25,
            "batch": 250,
        },
        space=_CHOICE,
    ),
    Model(
        "aae",
        "adversarial",
        "AdversarialAutoencoder",
        "adversarial autoencoder: a critic holds the codes as a whole to their prior",
        paper="Makhzani et al., 2015",
        **_NETWORK,
        space=_ADVERSARIAL,
    ),
)
