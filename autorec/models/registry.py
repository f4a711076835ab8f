"""The models that there are, one row each: what a model is for, its preset, what of it is searched, where new users
and new items come from.

Everything that goes through the models reads this table: `create` and the presets, the store, the tuner, the baselines
of a comparison, error messages. It names classes by import path, so that reading the table imports no model.
"""

from collections.abc import Mapping

from autorec.errors import ParameterError, nearest, shown
from autorec.models import list_rows, rating_rows
from autorec.models.row import Model

OF_OTHERS = ("variant", "paper")  # groups of rows that are another row with other settings

MODELS: Mapping[str, Model] = {row.name: row for row in (*rating_rows.ROWS, *list_rows.ROWS, *rating_rows.VARIANTS)}


def find_model(name: str) -> Model:
    """The row of a name. ParameterError: there is none; lists those that are.

    >>> autorec.find_model("ease").about
    'closed-form linear autoencoder of choices; ranks well, predicts no ratings'
    """
    if not isinstance(name, str) or name not in MODELS:
        raise ParameterError(
            f"unknown model {shown(name)}; allowed: {', '.join(MODELS)}, or a preset file ending in .json"
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
