"""Taking users, or items, out of a fitted model, so that nothing of their ratings is left in it."""

import datetime
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone

from autorec import checks, files
from autorec.array_types import IntArray
from autorec.errors import InputError, ModelFileError, ParameterError
from autorec.insight.update import continue_fit
from autorec.models.base import Recommender, load
from autorec.models.hooks import FITTED_AGAIN, fitted
from autorec.models.store import load_described
from autorec.ratings.ids import as_collection, require_known
from autorec.ratings.matrix import Ratings
from autorec.ratings.validity import mark_valid
from autorec.storage.manifest import Manifest, check_save_path, describe

TRACES = (
    "not exact: the training went on without the removed ratings, from weights that had learned them and may still "
    "hold traces"
)


def forget(model: Recommender, users: Any = (), items: Any = (), *, fast: bool = False) -> Recommender:
    """A model without the ratings of these users and of these items, raw ids; `model` does not change.

    It is fitted again on the ratings that remain, with the same parameters and seed: bit for bit the model of somebody
    who never had the others, where `random_state` is a whole number. Users and items that are left without a rating go
    too. Where users (items) were folded in, nothing of them is in the weights: the others are folded in again.

    fast: where `update` would go on from the weights of the model, go on from them, for as few epochs, without the
    others' ratings: their own weights and codes are gone, yet not all that they taught the shared ones. It is not
    exact. Every other model is fitted again all the same.

    The scale of a model that was loaded stays, whatever ratings remain. InputError: no id, an unknown one, or no rating
    left. ParameterError: items of a model whose users were folded in, or the other way round. Ctrl-C is a
    KeyboardInterrupt.

    >>> ratings = autorec.load_sample()
    >>> model = autorec.Ease().fit(ratings)
    >>> model.known_users([1])
    array([ True])
    >>> autorec.forget(model, users=1).known_users([1])
    array([False])
    """
    ratings = fitted(model)
    checks.flag("fast", fast)
    rows, columns = _find_both(ratings, users, items)
    folded = model.summary_.get("folded_in")
    if folded is None:
        gone = np.isin(ratings.rows(), rows) | np.isin(ratings.csr.indices, columns)
        if fast:
            return _forget_fast(model, ratings, gone)
        kept: Recommender = clone(model).fit(ratings.select(~gone))
        if kept.summary_.get("stopped") == "interrupted":
            raise KeyboardInterrupt
        return kept
    if len(columns if folded == "users" else rows):
        other = "items" if folded == "users" else "users"
        raise ParameterError(
            f"{folded} were folded into this model, and ratings that it does not hold made its weights; forget {other} "
            "in the model as it was fitted"
        )
    return model._folded(_drop(ratings, rows, columns), folded)


def _forget_fast(model: Recommender, ratings: Ratings, gone: npt.NDArray[np.bool_]) -> Recommender:
    """The model trained on without the ratings that are `gone` [ratings]."""
    if gone.all():
        raise InputError("there are no ratings to learn from: no one would be left in the model")
    return continue_fit(model, replace(ratings.select(~gone), given_scale=ratings.scale))


def forget_saved(
    path: files.PathLike, users: Any = (), items: Any = (), output: files.PathLike | None = None, *, fast: bool = False
) -> dict[str, Any]:
    """`forget` for the model in the folder `path`; the new model is written to `output`, None: in place of the old one,
    in one step.

    Returns a certificate that JSON can hold: "removed" (users, items, number of ratings), "how" ("fitted again",
    "folded in again", or that the training went on), "exact", "note" where it is not, "time" (UTC), and of the folder
    "before" and "after" its counts, its SHA-256 and those of its files. The folder is read again to see that it has
    none of the ids. The certificate names them: it is not put into the folder.

    ModelFileError, OSError: as for `load` and `save`.

    >>> autorec.Popularity().fit(autorec.load_sample()).save("shop")
    >>> sorted(autorec.forget_saved("shop", users=[1, 2]))
    ['after', 'before', 'exact', 'how', 'removed', 'time']
    """
    target = checks.path("output", path if output is None else output)
    check_save_path(target)
    model, before = load_described(path)
    rows, columns = _find_both(model.ratings_, users, items)
    gone = {"users": model.ratings_.user_ids[rows].tolist(), "items": model.ratings_.item_ids[columns].tolist()}
    kept = forget(model, users, items, fast=fast)
    kept.save(target)
    left = load(target).ratings_
    if (left.find_users(gone["users"]) >= 0).any() or (left.find_items(gone["items"]) >= 0).any():
        raise ModelFileError(f"{target} still has what was to be forgotten: another process wrote there; do it again")
    after = describe(target)
    how = "folded in again" if "folded_in" in kept.summary_ else kept.summary_.get("how", FITTED_AGAIN)
    exact = how in (FITTED_AGAIN, "folded in again")
    return {
        "removed": {**gone, "ratings": before["ratings"] - after["ratings"]},
        "how": how,
        "exact": exact,
        **({} if exact else {"note": TRACES}),
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "before": _summarise(before),
        "after": _summarise(after),
    }


def _find_both(ratings: Ratings, users: Any, items: Any) -> tuple[IntArray, IntArray]:
    """Rows and columns of raw ids. InputError: one is unknown, or there is none."""
    users, items = as_collection(users), as_collection(items)
    if not len(users) and not len(items):
        raise InputError("nothing to forget: give ids of users or of items")
    rows, columns = ratings.find_users(users), ratings.find_items(items)
    require_known(users, rows, "user")
    require_known(items, columns, "item")
    return np.unique(rows), np.unique(columns)


def _drop(ratings: Ratings, rows: IntArray, columns: IntArray) -> Ratings:
    """The ratings without these rows and columns; others stay even if they are empty."""
    users, items = (np.delete(np.arange(n), gone) for n, gone in zip(ratings.csr.shape, (rows, columns), strict=True))
    if not len(users) or not len(items):
        raise InputError("no one would be left in the model; delete its folder instead")
    kept = np.isin(ratings.rows(), users) & np.isin(ratings.csr.indices, items)
    return replace(
        ratings,
        csr=mark_valid(ratings.csr[users][:, items]),
        user_ids=ratings.user_ids[users],
        item_ids=ratings.item_ids[items],
        timestamps=None if ratings.timestamps is None else ratings.timestamps[kept],
        order=None,
        titles=None if ratings.titles is None else ratings.titles[items],
        attributes={name: values[items] for name, values in ratings.attributes.items()},
    )


def _summarise(manifest: Manifest) -> dict[str, Any]:
    return {name: manifest[name] for name in ("users", "items", "ratings", "sha256", "files")}
