"""New ratings aligned to the rows or columns of a fitted model."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec.ratings.matrix import Ratings
from autorec.ratings.validity import mark_valid

FloatArray = npt.NDArray[np.floating[Any]]


def align(new: Ratings, fitted: Ratings, of: str) -> Ratings:
    """`new` as [new users × items of `fitted`] (`of="users"`) or [users of `fitted` × new items] (`of="items"`).

    Ratings of items (users) that `fitted` does not have are left out, and counted in a warning. Ratings outside the
    scale of `fitted` are clipped to it, and counted in a warning.
    """
    side = "items" if of == "users" else "users"
    positions = fitted.find_items(new.item_ids) if of == "users" else fitted.find_users(new.user_ids)
    known = positions[new.csr.indices if of == "users" else new.rows()] >= 0  # [new ratings]
    if not known.all():
        warnings.warn(
            f"{int((~known).sum())} of {len(new)} new ratings left out: their {side} are not known to the model",
            stacklevel=3,
        )
    kept = new.select(known, compact=False)
    rows, columns = kept.rows(), kept.csr.indices
    shape = (new.n_users, fitted.n_items) if of == "users" else (fitted.n_users, new.n_items)
    pair = (rows, positions[columns]) if of == "users" else (positions[rows], columns)
    csr = sparse.csr_array((_clip(kept.csr.data, fitted.scale), pair), shape=shape)
    csr.sort_indices()
    mark_valid(csr)  # its ratings were checked before: no need to check at each fold-in
    changed: dict[str, Any] = {"csr": csr, "timestamps": None, "order": None, "given_scale": fitted.scale}
    if of == "users":
        return replace(fitted, user_ids=new.user_ids, **changed)
    return replace(fitted, item_ids=new.item_ids, titles=new.titles, **changed)


def _clip(values: FloatArray, scale: tuple[float, float]) -> FloatArray:
    outside = int(((values < scale[0]) | (values > scale[1])).sum())
    if not outside:
        return values
    warnings.warn(
        f"{outside} new ratings lie outside the training scale {scale[0]:g}…{scale[1]:g} and are clipped to it",
        stacklevel=4,
    )
    return np.clip(values, *scale)
