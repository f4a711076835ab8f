"""A model as a folder: written whole or not at all, checked when read, never a pickle.

The files of the folder:

    model.json             format version, class, parameters, rating scale, training summary, SHA-256 of the others
    weights.safetensors    what the model learned; under `fallback.` the damped biases that answer unknown ids
    ratings.safetensors    the training ratings as CSR: data, indices, indptr, shape, scale
    users.parquet          raw ids in the order of the rows
    items.parquet          raw ids in the order of the columns, and titles when given
"""

import hashlib
import importlib
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

from autorec import __version__, files
from autorec.errors import AutoRecError, ModelFileError, NotFittedError, ParameterError
from autorec.models.base import Recommender
from autorec.models.biases import Biases
from autorec.models.registry import classes
from autorec.ratings.matrix import Ratings

FORMAT = "autorec model"
VERSION = 1
MANIFEST = "model.json"
PARTS = ("items.parquet", "ratings.safetensors", "users.parquet", "weights.safetensors")

CLASSES = classes()  # name → module, so that reading a model imports no other; any other class is refused

_FALLBACK = "fallback."
_KEYS = ("class", "parameters", "scale", "users", "items", "ratings", "summary", "files")

Arrays = dict[str, npt.NDArray[Any]]


def save(model: Recommender, path: str | os.PathLike[str]) -> None:
    """Write a fitted model to the folder `path`, in the place of an older model if there is one.

    A kill at any moment leaves the old model or the new one. ModelFileError: `path` is something other than
    a model; NotFittedError; ParameterError: a class or a parameter that a file cannot name.
    """
    ratings = getattr(model, "ratings_", None)
    if ratings is None:
        raise NotFittedError(f"this {type(model).__name__} is not fitted; call fit(ratings) before save")
    manifest = _manifest(model, ratings)
    target = Path(path).resolve()
    _refuse_to_replace(target)
    with files.atomic_folder(target) as folder:
        safetensors.numpy.save_file(_weights(model), folder / "weights.safetensors")
        safetensors.numpy.save_file(_pack(ratings), folder / "ratings.safetensors")
        pd.DataFrame({"user": ratings.user_ids}).to_parquet(folder / "users.parquet", index=False)
        items = {"item": ratings.item_ids} | ({} if ratings.titles is None else {"title": ratings.titles})
        pd.DataFrame(items).to_parquet(folder / "items.parquet", index=False)
        manifest["files"] = {name: _sha256(folder / name) for name in PARTS}
        text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def load(path: str | os.PathLike[str]) -> Any:
    """Read the model in the folder `path`: the same class, parameters and scores, bit for bit.

    ModelFileError: missing, damaged, of another format version, or of a class unknown to this version.
    """
    folder = Path(path)
    manifest = describe(folder)
    _check_parts(folder, manifest["files"])
    try:
        model = _class(folder, manifest["class"])(**manifest["parameters"])
        model.ratings_ = _unpack(folder, manifest)
        arrays = safetensors.numpy.load_file(folder / "weights.safetensors")
        fallback = {name: arrays.pop(_FALLBACK + name) for name in ("mean", "user", "item")}
        model.fallback_ = Biases(float(fallback["mean"][0]), fallback["user"], fallback["item"])
        model.summary_ = manifest["summary"]
        model._set_arrays(arrays)
    except (ValueError, KeyError, TypeError, safetensors.SafetensorError, pyarrow.ArrowException) as error:
        raise ModelFileError(f"{folder} does not hold together: {error}; train the model again") from error
    return model


def describe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What `model.json` tells of the model in the folder `path`, without reading the model.

    ModelFileError: no model there, or one whose `model.json` is damaged or of another format version.
    """
    folder = Path(path)
    files.recover_folder(folder.resolve())
    if not folder.is_dir():
        raise ModelFileError(f"no model at {folder}: give a folder that `save` or `autorec train -o` wrote")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelFileError(f"{folder} is not a model: it has no {MANIFEST}") from None
    except ValueError as error:
        raise _damaged(folder, f"is not JSON ({error})") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise _damaged(folder, f'does not say "format": "{FORMAT}"')
    if manifest.get("version") != VERSION:
        raise ModelFileError(
            f"{folder} is of format version {manifest.get('version')!r}, this autorec {__version__} reads "
            f"{VERSION}; use the autorec that wrote it ({manifest.get('library')!r})"
        )
    missing = [key for key in _KEYS if key not in manifest]
    if missing:
        raise _damaged(folder, f"lacks {', '.join(missing)}")
    return manifest


def _damaged(folder: Path, what: str) -> ModelFileError:
    return ModelFileError(f"{folder / MANIFEST} {what}; the model is damaged: train it again or restore a copy")


def _manifest(model: Recommender, ratings: Ratings) -> dict[str, Any]:
    name = type(model).__name__
    if CLASSES.get(name) != type(model).__module__:
        raise ParameterError(f"a model of class {name} cannot be saved; classes that can: {', '.join(CLASSES)}")
    return {
        "format": FORMAT,
        "version": VERSION,
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


def _refuse_to_replace(path: Path) -> None:
    if path.is_dir():
        if not (path / MANIFEST).exists() and any(path.iterdir()):
            raise ModelFileError(f"{path} is a folder with other things in it; give a new folder for the model")
    elif path.exists():
        raise ModelFileError(f"{path} is a file; a model is a folder: give another name")


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


def _unpack(folder: Path, manifest: dict[str, Any]) -> Ratings:
    arrays = safetensors.numpy.load_file(folder / "ratings.safetensors")
    rows, columns = arrays["shape"].tolist()
    csr = sparse.csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=(rows, columns))
    csr.check_format(full_check=True)  # the kernels trust the indices
    csr.has_canonical_format = True
    users = pd.read_parquet(folder / "users.parquet")
    items = pd.read_parquet(folder / "items.parquet")
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


def _check_parts(folder: Path, hashes: Any) -> None:
    if not isinstance(hashes, dict):
        raise _damaged(folder, "has no list of files")
    for name in PARTS:
        if not (folder / name).is_file():
            raise ModelFileError(f"{folder} lacks {name}; restore the whole folder or train the model again")
        if _sha256(folder / name) != hashes.get(name):
            raise ModelFileError(
                f"{folder / name} is not the file that was saved (its SHA-256 differs); "
                "restore the whole folder or train the model again"
            )


def _class(folder: Path, name: Any) -> type[Recommender]:
    if not isinstance(name, str) or name not in CLASSES:
        raise ModelFileError(
            f"{folder} holds a model of class {name!r}; this autorec {__version__} has {', '.join(CLASSES)}"
        )
    kind: type[Recommender] = getattr(importlib.import_module(CLASSES[name]), name)
    return kind


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
