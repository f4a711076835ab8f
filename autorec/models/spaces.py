"""What of each preset is worth tuning, and in which range: one dict, beside the presets."""

from typing import Any

from autorec.errors import ParameterError
from autorec.models.autorec import AutoRec
from autorec.models.base import Recommender
from autorec.models.ease import Ease
from autorec.models.fitting import BATCH_MOST
from autorec.models.knn import ItemKNN
from autorec.models.mf import BiasedMF
from autorec.models.presets import create
from autorec.models.puresvd import PureSVD
from autorec.ratings.matrix import Ratings
from autorec.training.memory import training_memory

# (kind, lowest, highest, logarithmic) or a list of choices. Kinds: int, float, and l2, the λ of a penalty `l2:λ`.
Range = tuple[str, float, float, bool]
Space = dict[str, Range | list[Any]]

_AUTOREC: Space = {
    "penalty": ("l2", 20.0, 2000.0, True),
    "hidden": ("int", 50, 800, True),
    "learning_rate": ("float", 0.0005, 0.02, True),
    "batch": ["auto", 64, 256, 1024],
}

SPACES: dict[str, Space] = {
    "i-autorec": _AUTOREC,
    "u-autorec": _AUTOREC,
    "ease": {"l2": ("float", 5.0, 20_000.0, True)},
    "item-knn": {"k": ("int", 5, 1000, True)},
    "pure-svd": {"factors": ("int", 5, 200, True)},
    "biased-mf": {"factors": ("int", 5, 150, True), "l2": ("float", 0.01, 0.5, True)},
    "bias": {"user_damping": ("float", 0.5, 100.0, True), "item_damping": ("float", 0.5, 100.0, True)},
}

_ENTRY = 24  # bytes a rating, of copies on the way


def space_of(name: str, fixed: dict[str, Any]) -> Space:
    """What is searched of a preset, without the settings that are fixed. ParameterError: nothing is."""
    create(name, **fixed)  # refuses unknown models and settings
    if name not in SPACES:
        raise ParameterError(f"{name} has no search space; models that have one: {', '.join(SPACES)}")
    space = {setting: what for setting, what in SPACES[name].items() if setting not in fixed}
    if not space:
        raise ParameterError(f"every setting that is searched of {name} is fixed; leave one of {', '.join(fixed)} free")
    return space


def setting(what: Range | list[Any], drawn: Any) -> Any:
    """A drawn value as the model's setting; numbers to 4 digits, so that what is written down is what was run."""
    if isinstance(what, list):
        return drawn
    if what[0] == "int":
        return int(drawn)
    return f"l2:{drawn:.4g}" if what[0] == "l2" else float(f"{drawn:.4g}")


def training_bytes(name: str, fixed: dict[str, Any], ratings: Ratings) -> int:
    """Bytes that a training takes at most with what a search may draw, about."""
    largest = {s: what[2] for s, what in space_of(name, fixed).items() if isinstance(what, tuple) and what[0] == "int"}
    model = create(name, **(fixed | largest))
    n_users, n_items = ratings.csr.shape
    if isinstance(model, AutoRec):
        rows, columns = (n_items, n_users) if model.orientation == "item" else (n_users, n_items)
        checked = model._settings()
        sizes = training_memory(len(ratings), rows, columns, checked.hidden, min(rows, BATCH_MOST), checked.optimizer)
        return sum(sizes.values())
    if isinstance(model, Ease):
        return 3 * 8 * n_items**2  # as in Ease
    return len(ratings) * _ENTRY + _vectors_bytes(model, n_users, n_items)


def _vectors_bytes(model: Recommender, n_users: int, n_items: int) -> int:
    """Beside the ratings, of what is learned and of work space."""
    if isinstance(model, ItemKNN):
        return 32 * n_items * min(model.k, n_items)  # places and cosine, twice while they become CSR
    if isinstance(model, PureSVD):
        found = min(model.factors, n_users, n_items)
        basis = 2 * found + 1  # vectors that ARPACK keeps
        return 8 * (basis * min(n_users, n_items) + 2 * found * (n_users + n_items))
    if isinstance(model, BiasedMF):
        return 2 * 8 * (model.factors + 1) * (n_users + n_items)  # a sweep makes all of them anew
    return 0
