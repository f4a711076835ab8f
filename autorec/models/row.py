"""One row of the table of models, `autorec.models.registry`."""

import ast
import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

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
    group      what it is for: "both" rates, and ranks by choice and rating, "ratings" predicts ratings and ranks by
               them, "lists" ranks items and predicts no ratings, "floor" is what any model must beat, "variant" is
               i-autorec with another part, "paper" is there to reproduce a paper
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

    >>> row = autorec.find_model("mult-vae")
    >>> row.paper
    'Liang et al., WWW 2018'
    >>> row.parameters()["hidden"]
    200
    >>> row.load()
    <class 'autorec.models.choice.ChoiceAutoencoder'>
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
    "both": "predict ratings, and rank items by who will take them up and like them",
    "ratings": "predict ratings, and rank by them",
    "lists": "rank items by who chose what; predict no ratings",
    "floor": "what any model must beat",
    "variant": "members of the family on ratings, each i-autorec with one other part",
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
