"""A model as a folder: written whole or not at all, checked when read, never a pickle.

The files of the folder:

    model.json             format version, class, parameters, rating scale, training summary, SHA-256 of all files
    weights.safetensors    what the model learned; under `fallback.` the damped biases that answer unknown ids
    ratings.safetensors    the training ratings as CSR: data, indices, indptr, shape, scale; the raw ids, titles and
                           attributes; timestamps where the model has a half-life
    users.parquet          raw ids in the order of the rows, for people and other programs
    items.parquet          the same of the columns, and titles and attributes when given

`load` takes ids and titles from `ratings.safetensors`: on some malicious Parquet files Arrow ends the process by an
uncaught C++ exception.
"""

import importlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet
from scipy import sparse

from autorec import __version__, checks, files, folders
from autorec.errors import AutoRecError, ModelFileError, NotFittedError, ParameterError
from autorec.fitting.biases import Biases
from autorec.hashes import hash_of, sha256
from autorec.models.registry import classes
from autorec.ratings import validity
from autorec.ratings.ids import make_table
from autorec.ratings.matrix import Ratings
from autorec.storage import folder as model_folder
from autorec.storage import id_arrays
from autorec.storage import manifest as manifests
from autorec.storage.arrays import Arrays, Expected, Shape, read_arrays, require_readable, write_arrays
from autorec.storage.folder import MANIFEST, Content
from autorec.storage.manifest import FILES, PARTS, Manifest

CLASSES = classes()  # name → module, so that reading a model imports no other; any other class is refused

_FALLBACK = "fallback."

# What reading a damaged or malicious file may raise, beside a ModelFileError.
_DAMAGE = (
    *(ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError, RecursionError),
    *(AssertionError, struct.error, pa.ArrowException, OSError),
)

Model = Any  # autorec.models.base.Recommender, which imports this file


def save(model: Model, path: files.PathLike) -> None:
    """Write a fitted model to the folder `path`, replacing an older model there.

    A kill at any moment leaves the old model or the new one, and a process that loads meanwhile reads one of them.
    Only a folder that holds a whole model and nothing else is replaced. ModelFileError: something else is at `path`;
    NotFittedError; ParameterError: a class or a parameter that a file cannot name, or a parameter that was changed
    after the fit. See `check_save_path`.
    """
    ratings = getattr(model, "ratings_", None)
    if ratings is None:
        raise NotFittedError(f"this {type(model).__name__} is not fitted; call fit(ratings) before save")
    manifest, weights = _make_manifest(model, ratings), _collect_weights(model)
    with folders.atomic_folder(path, manifests.owned, FILES) as folder:
        write_arrays(folder / "weights.safetensors", weights)
        write_arrays(folder / "ratings.safetensors", _pack(ratings) | _pack_times(model))
        known = ({} if ratings.titles is None else {"title": ratings.titles}) | ratings.attributes
        tables = {"users.parquet": {"user": ratings.user_ids}, "items.parquet": {"item": ratings.item_ids, **known}}
        for name, columns in tables.items():
            with (folder / name).open("wb") as file:  # Arrow itself opens no path that is not UTF-8
                pa_parquet.write_table(make_table(columns), file)
        manifest["files"] = {name: hash_of(folder / name) for name in PARTS}
        (folder / MANIFEST).write_bytes(manifests.to_bytes(manifest))


def load_described(path: files.PathLike, mapped: bool = False) -> tuple[Model, Manifest]:
    """See `autorec.load`; and the `model.json` of the same save, whose "sha256" is of the whole model."""
    folder = checks.path("path", path)
    contents = model_folder.read_files(folder, FILES, {MANIFEST: manifests.MOST}, mapped=mapped)
    manifest = manifests.parse(folder, bytearray(contents.pop(MANIFEST)))
    for name, content in contents.items():
        if sha256(content) != manifest["files"][name]:
            raise ModelFileError(
                f"{folder / name} is not the file that was saved (its SHA-256 differs); "
                "restore the whole folder or train the model again"
            )
    kind = _import_class(folder, manifest["class"])
    name = MANIFEST
    try:
        model = kind(**manifest["parameters"])
        model._check_read()
        model.summary_ = manifest["summary"]
        for name, read in _READERS.items():
            read(model, manifest, contents.pop(name))
    except _DAMAGE as error:
        what = " ".join(str(error).split()) or type(error).__name__
        raise ModelFileError(f"{folder / name} does not fit the model: {what}; train the model again") from error
    return model, manifest


def _make_manifest(model: Model, ratings: Ratings) -> Manifest:
    name = type(model).__name__
    if CLASSES.get(name) != type(model).__module__:
        raise ParameterError(f"a model of class {name} cannot be saved; classes that can: {', '.join(CLASSES)}")
    return {
        "format": manifests.FORMAT,
        "version": manifests.VERSION,
        "library": __version__,
        "class": name,
        "parameters": to_json(model.get_params(deep=False), f"{name} parameters"),
        "scale": list(ratings.scale),
        "users": ratings.n_users,
        "items": ratings.n_items,
        "ratings": len(ratings),
        "summary": to_json(model.summary_, f"{name} summary"),
    }


def to_json(value: Any, what: str) -> Any:
    """The value as JSON has it, NumPy numbers as Python's. ParameterError: JSON cannot hold it."""

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


def _collect_weights(model: Model) -> Arrays:
    """All that the model learned, by name. ParameterError: since the fit a parameter was set with which `load` would
    refuse that, so that the file would be lost, and an older one with it."""
    own: Arrays = model._arrays()
    try:
        require_readable(own, model._expected_arrays)
    except _DAMAGE as error:
        raise ParameterError(
            f"the parameters of this {type(model).__name__} were changed after it was fitted, and do not fit what it "
            f"learned ({error}); fit it again, or set them back, before save"
        ) from error
    fallback = model.fallback_
    arrays = {"mean": np.array([fallback.mean]), "user": fallback.user, "item": fallback.item}
    arrays["dampings"] = np.array([fallback.user_damping, fallback.item_damping])
    return {_FALLBACK + name: array for name, array in arrays.items()} | own


def _read_weights(model: Model, manifest: Manifest, content: Content) -> None:
    sizes = {"mean": 1, "user": manifest["users"], "item": manifest["items"]}
    fallback = {_FALLBACK + name: Expected("float64", (size,)) for name, size in sizes.items()}
    fallback[f"{_FALLBACK}dampings"] = Expected("float64", (2,), least=0)

    def expect(shapes: Mapping[str, Shape]) -> Mapping[str, Expected]:
        own = {name: shape for name, shape in shapes.items() if name not in fallback}
        return {**fallback, **model._expected_arrays(own)}

    arrays = read_arrays(content, expect)
    mean, user, item, dampings = (arrays.pop(name) for name in fallback)
    model.fallback_ = Biases(float(mean[0]), user, item, *map(float, dampings))
    model._set_arrays(arrays)


def _pack(ratings: Ratings) -> Arrays:
    csr = ratings.csr
    ids = id_arrays.pack("users", ratings.user_ids) | id_arrays.pack("items", ratings.item_ids)
    titles = {} if ratings.titles is None else id_arrays.pack("titles", ratings.titles)
    return (
        ids
        | titles
        | id_arrays.pack_columns("attributes", ratings.attributes)
        | {
            "data": csr.data,
            "indices": csr.indices,
            "indptr": csr.indptr,
            "shape": np.array(csr.shape, dtype=np.int64),
            "scale": np.array(ratings.scale, dtype=np.float64),
        }
    )


def _pack_times(model: Model) -> Arrays:
    """The dates of the ratings, of a model that weighs them by age, or would when it is fitted again."""
    times = model.ratings_.timestamps
    return {} if times is None or getattr(model, "half_life", None) is None else {"timestamps": times}


def _read_ratings(model: Model, manifest: Manifest, content: Content) -> None:
    users, items, n = manifest["users"], manifest["items"], manifest["ratings"]
    low, high = manifest["scale"]
    matrix = {
        "data": Expected("float32", (n,), least=low, most=high),
        "indices": Expected("index", (n,)),
        "indptr": Expected("index", (users + 1,)),
        "shape": Expected("int64", (2,)),
        "scale": Expected("float64", (2,)),
    }

    def expect(shapes: Mapping[str, Shape]) -> Mapping[str, Expected]:
        has_titles = any(name.startswith("titles") for name in shapes)
        sizes = {"users": users, "items": items} | ({"titles": items} if has_titles else {})
        texts = (id_arrays.expect(of, size, shapes) for of, size in sizes.items())
        attributes = id_arrays.expect_columns("attributes", items, shapes)
        times = {"timestamps": Expected("int64", (n,))} if "timestamps" in shapes else {}
        return matrix | times | attributes | {name: spec for those in texts for name, spec in those.items()}

    arrays = read_arrays(content, expect)
    if arrays["shape"].tolist() != [users, items] or arrays["scale"].tolist() != [low, high]:
        raise ValueError(f"its shape or its scale is not that of {MANIFEST}")
    if model.rates and not low < high:
        raise ValueError(f"its scale {low:g} to {high:g} leaves nothing to predict")
    csr = sparse.csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=(users, items))
    user_ids, item_ids = (id_arrays.unpack(side, arrays) for side in ("users", "items"))
    titles = id_arrays.unpack("titles", arrays, distinct=False) if "titles" in arrays else None
    attributes = id_arrays.unpack_columns("attributes", arrays)
    csr = validity.adopt(csr)
    known: dict[str, Any] = {"titles": titles, "attributes": attributes, "timestamps": arrays.get("timestamps")}
    model.ratings_ = Ratings(csr, user_ids, item_ids, **known, given_scale=(low, high))


_READERS = {"ratings.safetensors": _read_ratings, "weights.safetensors": _read_weights}  # the second needs the first


def _import_class(folder: Path, name: Any) -> Any:
    if not isinstance(name, str) or name not in CLASSES:
        raise ModelFileError(
            f"{folder} holds a model of class {name!r}; this autorec {__version__} has {', '.join(CLASSES)}"
        )
    return getattr(importlib.import_module(CLASSES[name]), name)
