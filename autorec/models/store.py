"""A model as a folder: written whole or not at all, checked when read, never a pickle.

The files of the folder:

    model.json             format version, class, parameters, rating scale, training summary, SHA-256 of all files
    weights.safetensors    what the model learned; under `fallback.` the damped biases that answer unknown ids
    ratings.safetensors    the training ratings as CSR: data, indices, indptr, shape, scale
    users.parquet          raw ids in the order of the rows
    items.parquet          raw ids in the order of the columns, and titles when given
"""

import importlib
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow
import safetensors
import safetensors.numpy
from scipy import sparse

from autorec import __version__, folders
from autorec.errors import AutoRecError, ModelFileError, NotFittedError, ParameterError
from autorec.models import folder as model_folder
from autorec.models import manifest as manifests
from autorec.models.base import Recommender
from autorec.models.biases import Biases
from autorec.models.folder import MANIFEST
from autorec.models.manifest import FILES, PARTS, Manifest
from autorec.models.registry import classes
from autorec.ratings import validity
from autorec.ratings.matrix import Ratings

CLASSES = classes()  # name → module, so that reading a model imports no other; any other class is refused

_FALLBACK = "fallback."

Arrays = dict[str, npt.NDArray[Any]]


def save(model: Recommender, path: str | os.PathLike[str]) -> None:
    """Write a fitted model to the folder `path`, in the place of an older model if there is one.

    A kill at any moment leaves the old model or the new one, and a process that loads meanwhile reads one of them.
    Only a folder that holds a whole model and nothing else is replaced. ModelFileError: something else is at `path`;
    NotFittedError; ParameterError: a class or a parameter that a file cannot name. See `check_save_path`.
    """
    ratings = getattr(model, "ratings_", None)
    if ratings is None:
        raise NotFittedError(f"this {type(model).__name__} is not fitted; call fit(ratings) before save")
    manifest = _manifest(model, ratings)
    with folders.atomic_folder(path, manifests.owned, FILES) as folder:
        safetensors.numpy.save_file(_weights(model), folder / "weights.safetensors")
        safetensors.numpy.save_file(_pack(ratings), folder / "ratings.safetensors")
        pd.DataFrame({"user": ratings.user_ids}).to_parquet(folder / "users.parquet", index=False)
        items = {"item": ratings.item_ids} | ({} if ratings.titles is None else {"title": ratings.titles})
        pd.DataFrame(items).to_parquet(folder / "items.parquet", index=False)
        manifest["files"] = {name: manifests.hash_of(folder / name) for name in PARTS}
        (folder / MANIFEST).write_bytes(manifests.to_bytes(manifest))


def load(path: str | os.PathLike[str]) -> Any:
    """Read the model in the folder `path`: the same class, parameters and scores, bit for bit.

    ModelFileError: missing, damaged, of another format version, or of a class unknown to this version.
    """
    folder = Path(path)
    contents = model_folder.read_files(folder, FILES, {MANIFEST: manifests.MOST})
    manifest = manifests.parse(folder, contents.pop(MANIFEST))
    for name, content in contents.items():
        if manifests.sha256(content) != manifest["files"][name]:
            raise ModelFileError(
                f"{folder / name} is not the file that was saved (its SHA-256 differs); "
                "restore the whole folder or train the model again"
            )
    try:
        model = _class(folder, manifest["class"])(**manifest["parameters"])
        model.ratings_ = _unpack(contents, manifest)
        arrays = safetensors.numpy.load(bytes(contents["weights.safetensors"]))
        fallback = {name: arrays.pop(_FALLBACK + name) for name in ("mean", "user", "item")}
        model.fallback_ = Biases(float(fallback["mean"][0]), fallback["user"], fallback["item"])
        model.summary_ = manifest["summary"]
        model._set_arrays(arrays)
    except (ValueError, KeyError, TypeError, safetensors.SafetensorError, pyarrow.ArrowException) as error:
        raise ModelFileError(f"{folder} does not hold together: {error}; train the model again") from error
    return model


def _manifest(model: Recommender, ratings: Ratings) -> Manifest:
    name = type(model).__name__
    if CLASSES.get(name) != type(model).__module__:
        raise ParameterError(f"a model of class {name} cannot be saved; classes that can: {', '.join(CLASSES)}")
    return {
        "format": manifests.FORMAT,
        "version": manifests.VERSION,
        "library": __version__,
        "class": name,
        "parameters": _plain(model.get_params(deep=False), f"{name} parameters"),
        "scale": list(ratings.scale),
        "users": ratings.n_users,
        "items": ratings.n_items,
        "ratings": len(ratings),
        "summary": _plain(model.summary_, f"{name} summary"),
    }


def _plain(value: Any, what: str) -> Any:
    """NumPy numbers become Python's; anything JSON cannot say is refused here, not found missing later."""

    def number(item: Any) -> Any:
        if isinstance(item, np.generic):
            return item.item()
        raise ParameterError(f"{what} hold {item!r}, which a file cannot say; give numbers, text, lists or None")

    try:
        return json.loads(json.dumps(value, default=number, allow_nan=False))
    except ValueError as error:
        if isinstance(error, AutoRecError):
            raise
        raise ParameterError(f"{what} hold a number that is not finite: {value}") from error


def _weights(model: Recommender) -> Arrays:
    fallback = model.fallback_
    arrays = {"mean": np.array([fallback.mean]), "user": fallback.user, "item": fallback.item}
    named = {_FALLBACK + name: array for name, array in arrays.items()} | model._arrays()
    return {name: np.ascontiguousarray(array) for name, array in named.items()}


def _pack(ratings: Ratings) -> Arrays:
    csr = ratings.csr
    return {
        "data": csr.data,
        "indices": csr.indices,
        "indptr": csr.indptr,
        "shape": np.array(csr.shape, dtype=np.int64),
        "scale": np.array(ratings.scale, dtype=np.float64),
    }


def _unpack(contents: dict[str, bytearray], manifest: Manifest) -> Ratings:
    arrays = safetensors.numpy.load(bytes(contents["ratings.safetensors"]))
    rows, columns = arrays["shape"].tolist()
    csr = sparse.csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=(rows, columns))
    validity.adopt(csr)
    users = pd.read_parquet(io.BytesIO(contents["users.parquet"]))
    items = pd.read_parquet(io.BytesIO(contents["items.parquet"]))
    low, high = arrays["scale"].tolist()
    if [low, high] != manifest["scale"]:
        raise ValueError(f"{MANIFEST} says scale {manifest['scale']}, ratings.safetensors {[low, high]}")
    return Ratings(
        csr,
        _ids(users["user"]),
        _ids(items["item"]),
        titles=_ids(items["title"]) if "title" in items else None,
        given_scale=(low, high),
    )


def _ids(column: "pd.Series[Any]") -> npt.NDArray[Any]:
    """int64 stays; text becomes an object array of plain str, whatever pandas stores it in."""
    return column.to_numpy(dtype=np.int64 if column.dtype.kind == "i" else object)


def _class(folder: Path, name: Any) -> type[Recommender]:
    if not isinstance(name, str) or name not in CLASSES:
        raise ModelFileError(
            f"{folder} holds a model of class {name!r}; this autorec {__version__} has {', '.join(CLASSES)}"
        )
    kind: type[Recommender] = getattr(importlib.import_module(CLASSES[name]), name)
    return kind
