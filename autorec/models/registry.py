"""The models that there are, one row each: what a model is for, its preset, what of it is searched, where new users
and new items come from.

Everything that goes through the models reads this table: `create` and the presets, the store, the tuner, the baselines
of a comparison, error messages. It names classes by import path, so that reading the table imports no model.
"""

import ast
import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from autorec.errors import ParameterError, nearest

# A range is (kind, lowest, highest, logarithmic); kinds: int, float, and l2, the λ of a penalty `l2:λ`. Or choices.
Range = tuple[str, float, float, bool]
Space = Mapping[str, Range | Sequence[Any]]
Grid = Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Model:
    """One row.

    name       what the command line and `create` call it
    module     where its class lives: autorec.models.<module>
    kind       name of the class
    about      one line for people
    paper      where it comes from, "" for what everybody knows
    group      what it is for: "ratings" predicts ratings and ranks by them, "lists" ranks items and predicts no
               ratings, "paper" is there to reproduce a paper, "floor" is what any model must beat
    rates      whether `predict` gives ratings
    new_users  where users come from who were not in training: "encoded" from their ratings, "solved" by a regression
               on them, "choices" of theirs are all that is needed, "mean" of their ratings, "same" for everyone
    new_items  the same for items; "none": the model cannot take new items
    memory     what its memory grows with: "ratings" (times a constant), "vectors" (ratings, and settings × (users +
               items)), "items²" or "users²" (a dense matrix of as many rows and columns, or a share of them); how many
               bytes says `Recommender._memory`
    settings   of the preset, over the defaults of the class
    space      what is worth tuning, and in which range
    grid       what is tried first where the model is a baseline, one setting after the other; the preset's values are
               among them. Beyond its ends the search goes on within `space`
    baseline   "simple" in every comparison with baselines, "all" in those with all baselines, "" in none
    first      whether a newcomer is shown it before the others
    """

    name: str
    module: str
    kind: str
    about: str
    group: str
    rates: bool
    new_users: str
    new_items: str
    memory: str
    paper: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    space: Space = field(default_factory=dict)
    grid: Grid = field(default_factory=dict)
    baseline: str = ""
    first: bool = False

    def load(self) -> Any:
        """The class, a Recommender, imported now."""
        return getattr(importlib.import_module(f"autorec.models.{self.module}"), self.kind)

    @property
    def purpose(self) -> str:
        """What the models of its group do."""
        return _GROUPS[self.group]

    def parameters(self) -> dict[str, Any]:
        """Name → default, that of the preset before that of the class; read from the source, nothing is imported."""
        return _defaults(self.module, self.kind) | dict(self.settings)


_GROUPS: Mapping[str, str] = {
    "ratings": "predict ratings, and rank by them",
    "lists": "rank items by who chose what; predict no ratings",
    "floor": "what any model must beat",
    "paper": "reproduce a paper",
}


@cache
def _defaults(module: str, kind: str) -> dict[str, Any]:
    """The arguments of the constructor of a class and their defaults, which are literals."""
    spec = importlib.util.find_spec(f"autorec.models.{module}")
    assert spec is not None and spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kind]
    functions = [node for node in classes[0].body if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
    if not functions:
        return {}
    arguments = functions[0].args
    names = [argument.arg for argument in arguments.args[1:]]
    return dict(zip(names, map(ast.literal_eval, arguments.defaults), strict=True))


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
        rates=True,
        new_users="solved",
        new_items="encoded",
        memory="vectors",
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
        group="lists",
        rates=False,
        new_users="choices",
        new_items="none",
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
        group="lists",
        rates=False,
        new_users="choices",
        new_items="none",
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
        group="lists",
        rates=False,
        new_users="choices",
        new_items="none",
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
        group="lists",
        rates=False,
        new_users="choices",
        new_items="none",
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
        group="lists",
        rates=False,
        new_users="choices",
        new_items="none",
        memory="vectors",
        space={"k": ("int", 20, 300, True), "l2": ("float", 5.0, 5000.0, True)},
    ),
    Model(
        "inf-ae",
        "infae",
        "InfAE",
        "autoencoder of infinite width, a kernel in closed form",
        paper="Sachdeva et al., NeurIPS 2022",
        group="lists",
        rates=False,
        new_users="choices",
        new_items="none",
        memory="users²",
        space={"l2": ("float", 0.1, 500.0, True)},
    ),
    Model(
        "svd-ae",
        "svdae",
        "SvdAE",
        "linear autoencoder of low rank in closed form",
        paper="Hong et al., IJCAI 2024",
        group="lists",
        rates=False,
        new_users="choices",
        new_items="none",
        memory="items²",
        space={"rank": ("float", 0.005, 0.2, True)},
    ),
    Model(
        "mult-dae",
        "choice",
        "ChoiceAutoencoder",
        "denoising autoencoder with a multinomial output",
        paper="Liang et al., WWW 2018",
        group="lists",
        rates=False,
        new_users="encoded",
        new_items="none",
        memory="vectors",
        settings={"hidden": 200, "penalty": "l2:1"},
        space=_CHOICE,
    ),
    Model(
        "mult-vae",
        "choice",
        "ChoiceAutoencoder",
        "variational autoencoder with a multinomial output",
        paper="Liang et al., WWW 2018",
        group="lists",
        rates=False,
        new_users="encoded",
        new_items="none",
        memory="vectors",
        settings={"hidden": "600-200", "code": "gaussian", "penalty": "gaussian_kl:0.2@1000"},
        space={name: values for name, values in _CHOICE.items() if name != "hidden"},
        first=True,
    ),
    Model(
        "i-autorec-paper",
        "autorec",
        "AutoRec",
        "the paper to the letter, full-batch L-BFGS; slower and less exact than i-autorec",
        paper="Sedhain et al., WWW 2015",
        group="paper",
        rates=True,
        new_users="solved",
        new_items="encoded",
        memory="vectors",
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
    """Names of the models of a group, or of all, for a message that says what to use instead; none of a paper.

    has_factors: only those that know more of an item than a number.
    """
    rows = [row for row in MODELS.values() if row.group == group or (not group and row.group != "paper")]
    rows = [row for row in rows if row.new_items != "none" or not takes_new_items]
    return [row.name for row in rows if row.group != "floor" or not has_factors]
