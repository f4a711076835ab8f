"""A formula as a folder for NumPy: its numbers as JSON, its arrays as .npy files, and a script that computes it.

`formula.json` has the kind, the numbers and the shapes; `recommend.py`, a copy of `autorec.exports.recommend`, the
formula in full and a command. `items.json` has the raw ids, and titles where they are known. Where users have vectors,
`users.npy` and `user_bias.npy` hold them, `users.json` their ids: the score of u and i is items[i] · users[u] +
item_bias[i] + user_bias[u], on the scale inside the model.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from autorec import __version__, files
from autorec.errors import InputError
from autorec.exports import recommend
from autorec.exports.formula import Arrays, Formula
from autorec.folders import atomic_folder
from autorec.models.base import Recommender
from autorec.models.vectors import Vectors
from autorec.plain_json import to_json

FORMULA = "formula.json"
_OTHERS = {FORMULA, "recommend.py", "items.json", "users.json"}
_AT_ONCE = 4096  # users


def write_folder(model: Recommender, formula: Formula, names: dict[str, Any], path: files.PathLike) -> None:
    """Write the folder, whole or not at all; an earlier one of the same kind is replaced. names: "ids" and "titles" of
    the items. InputError: there is a folder of another kind."""
    users = _user_arrays(model, formula)
    arrays = {**formula.arrays, **users}
    shapes = {name: list(array.shape) for name, array in arrays.items()}
    facts = {**formula.facts, "made_by": f"autorec {__version__}", "class": type(model).__name__, "arrays": shapes}
    with atomic_folder(path, _require_own, _OTHERS) as folder:
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", np.ascontiguousarray(array))
        (folder / FORMULA).write_text(to_json(facts, indent=2) + "\n", encoding="utf-8")
        (folder / "items.json").write_text(to_json(names), encoding="utf-8")
        (folder / "recommend.py").write_bytes(Path(recommend.__file__).read_bytes())
        if users:
            (folder / "users.json").write_text(to_json({"ids": model.ratings_.user_ids}), encoding="utf-8")


def _user_arrays(model: Recommender, formula: Formula) -> Arrays:
    """Vectors and biases of the users of the training, where their score is a product with those of the items."""
    if "items" not in formula.arrays:
        return {}
    n = model.ratings_.n_users
    parts: list[Vectors] = [model._users(np.arange(k, min(k + _AT_ONCE, n))) for k in range(0, n, _AT_ONCE)]
    of_items = formula.arrays.get("item_bias", np.zeros(model.ratings_.n_items))
    shift = float(np.mean(model._items().bias - of_items))  # the mean of all ratings, or 0
    return {
        "users": np.concatenate([part.factors for part in parts]),
        "user_bias": np.concatenate([part.bias for part in parts]) + np.float32(shift),
    }


def _require_own(folder: Path) -> Collection[str]:
    """The files of a folder that was exported before. InputError: it is not one."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    own = {name for name in names if name.endswith(".npy")} | _OTHERS
    if folder.is_dir() and not names:
        return ()
    try:
        made_by = json.loads((folder / FORMULA).read_text(encoding="utf-8"))["made_by"]
    except (OSError, ValueError, KeyError, TypeError):
        made_by = ""
    if not str(made_by).startswith("autorec") or names - own:
        raise InputError(f"{folder} is there already and no exported folder; remove it or choose another name")
    return own
