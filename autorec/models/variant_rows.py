"""Rows of the registry: I- and U-AutoRec with other parts, and with the settings of their paper."""

from autorec.models.rating_rows import AUTOREC, I_AUTOREC
from autorec.models.row import Model, Space

# The penalty and the batch of a variant are what it is.
_VARIANT: Space = {name: values for name, values in AUTOREC.items() if name not in ("penalty", "batch")}

# Sedhain et al., WWW 2015, to the letter: λ = 400 is that of the released settings, up to 500 iterations.
_PAPER = {"offset": "none", "penalty": "l2:400"}

ROWS = (
    Model(
        "denoising-ae",
        "autorec",
        "AutoRec",
        "i-autorec trained on inputs of which a part is masked",
        paper="Vincent et al., ICML 2008",
        group="variant",
        **I_AUTOREC,
        settings={"orientation": "item", "corruption": "masking:0.2"},
        space=AUTOREC,
    ),
    Model(
        "contractive-ae",
        "autorec",
        "AutoRec",
        "i-autorec with a code that small changes of the input hardly move",
        paper="Rifai et al., ICML 2011",
        group="variant",
        **I_AUTOREC,
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
        **I_AUTOREC,
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
        **I_AUTOREC,
        settings={"orientation": "item", "penalty": "l2:auto+kl_sparsity:0.03", "learning_rate": 0.01, "batch": 128},
        space=_VARIANT,
    ),
    Model(
        "rating-vae",
        "autorec",
        "AutoRec",
        "i-autorec with a code that is drawn: a variational autoencoder of ratings",
        paper="Kingma and Welling, ICLR 2014",
        group="variant",
        **I_AUTOREC,
        settings={
            "orientation": "item",
            "hidden": "200-100",
            "code": "gaussian",
            "penalty": "l2:60+gaussian_kl:1@200",
            "inputs": "ratings",
            "epochs": 20,
            "batch": 128,
        },
        space={"learning_rate": AUTOREC["learning_rate"]},
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
        rates=True,
        new_users="encoded",
        new_items="solved",
        memory="vectors",
        settings={"orientation": "user", **_PAPER, "optimizer": "rprop", "learning_rate": 0.001, "epochs": 500},
    ),
)
