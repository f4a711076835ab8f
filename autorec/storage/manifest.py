"""`model.json`: what a model folder holds, and whether a folder is a model of this library.

No array is read here, and no heavy package is imported.
"""

import json
import math
import os
import re
import reprlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from autorec import __version__, checks, files, folders
from autorec.errors import ModelFileError
from autorec.hashes import OWN, hash_of, is_whole, seal
from autorec.storage import folder as model_folder
from autorec.storage.folder import MANIFEST

FORMAT = "autorec model"
VERSION = 6
PARTS = ("items.parquet", "ratings.safetensors", "users.parquet", "weights.safetensors")
FILES = (MANIFEST, *PARTS)
MOST = 2**24  # bytes of model.json; a point of the learning curve takes about a hundred
DEEPEST = 16  # levels of nested objects and lists

_HASH = re.compile(r"[0-9a-f]{64}")

Manifest = dict[str, Any]


def describe(path: files.PathLike) -> Manifest:
    """The content of `model.json` in the folder `path`, a dict; no array of the model is read.

    Keys: format, version, library, class, parameters, scale (lowest, highest rating), users, items, ratings (counts),
    summary (of the training), files (name → SHA-256).

    ModelFileError: no model there, or one whose `model.json` is damaged or of another format version.

    >>> autorec.Popularity().fit(autorec.load_sample()).save("popular")
    >>> autorec.describe("popular")["class"]
    'Popularity'
    """
    folder = checks.path("path", path)
    return parse(folder, bytearray(model_folder.read_files(folder, [MANIFEST], {MANIFEST: MOST})[MANIFEST]))


def check_save_path(path: files.PathLike) -> None:
    """Raise what `model.save(path)` would raise because of what is at `path`, before a long `fit`.

    ModelFileError: something other than a whole model is there. InputError: the current folder, the home folder or a
    mount point. OSError: the folder cannot be written, or the disk is full.

    >>> autorec.check_save_path("my-model")  # nothing is there: nothing to say
    """
    folders.require_replaceable(path, owned)
    files.require_room(files.resolved(path).parent)


def to_bytes(manifest: Manifest) -> bytes:
    """The bytes of `model.json`, which hold their own SHA-256, taken while that entry is empty."""
    data = seal(manifest)
    if len(data) > MOST:
        raise ModelFileError(f"the summary of the training takes {len(data):,} bytes, more than {MOST:,}; not saved")
    return data


def parse(folder: Path, data: bytes | bytearray) -> Manifest:
    """`model.json` of a folder, checked. ModelFileError says what is wrong."""
    manifest = _read_json(folder, data)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise damaged(folder, f'does not say "format": "{FORMAT}"')
    if manifest.get("version") != VERSION:
        raise ModelFileError(
            f"{folder} is of format version {manifest.get('version')!r}, this autorec {__version__} reads {VERSION}; "
            f"train the model again, or use the autorec that wrote it ({manifest.get('library')!r})"
        )
    missing = [key for key in _KINDS if key not in manifest]
    if missing:
        raise damaged(folder, f"lacks {', '.join(missing)}")
    if not is_whole(manifest, data):
        raise damaged(folder, "is not the file that was saved (its SHA-256 differs)")
    for key, (is_kind, allowed) in _KINDS.items():
        if not is_kind(manifest[key]):
            raise damaged(folder, f"says {key} is {reprlib.repr(manifest[key])} where it is {allowed}")
    return manifest


def owned(folder: Path) -> Collection[str]:
    """The files of a folder that `save` may replace: a whole model of this library and nothing else, or nothing.

    ModelFileError: anything else.
    """
    if not folder.is_dir():
        raise ModelFileError(f"{folder} is no folder; a model is a folder: give another name")
    there = {path.name for path in folder.iterdir()}
    if not there:
        return ()
    hashes = _read_hashes(folder)
    if hashes is None:
        raise ModelFileError(f"{folder} is a folder with other things in it than a whole model; give a new folder")
    if foreign := sorted(there - set(FILES)):
        raise ModelFileError(
            f"{folder} holds {_list_names(foreign)} beside a model, which would be lost; move that elsewhere, or give "
            "a new folder for the model"
        )
    for name in PARTS:
        if name not in there or not model_folder.is_ordinary(folder / name) or hash_of(folder / name) != hashes[name]:
            raise ModelFileError(
                f"{folder / name} is not what the model there was saved with; remove that folder yourself, or give a "
                "new one"
            )
    return FILES


def damaged(folder: Path, what: str) -> ModelFileError:
    return ModelFileError(f"{folder / MANIFEST} {what}; the model is damaged: train it again or restore a copy")


def _read_json(folder: Path, data: bytes | bytearray) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no number")

    try:
        value = json.loads(data.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise damaged(folder, f"is not JSON ({error})") from error
    level = [value]
    for _ in range(DEEPEST):
        if not all(map(_is_plain, level)):
            raise damaged(folder, "holds a number that is not finite or text that is not Unicode")
        inside = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, (dict, list)))
        level = [value for values in inside for value in values]
    if level:
        raise damaged(folder, f"has more than {DEEPEST} objects or lists within each other")
    return value


def _is_plain(value: Any) -> bool:
    """Whether a value, or the keys of an object, can be written again."""
    if isinstance(value, str):
        return not any("\ud800" <= character <= "\udfff" for character in value)  # surrogates
    if isinstance(value, dict):
        return all(map(_is_plain, value))
    return not isinstance(value, float) or math.isfinite(value)


def _read_hashes(folder: Path) -> dict[str, str] | None:
    """Name → SHA-256 of the files of a model of any version in `folder`; None when there is none."""
    path = folder / MANIFEST
    if not os.path.lexists(path) or not model_folder.is_ordinary(path) or path.stat().st_size > MOST:
        return None
    data = path.read_bytes()
    try:
        manifest = _read_json(folder, data)
    except ModelFileError:
        return None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        return None
    hashes = manifest.get("files")
    if not isinstance(hashes, dict) or not _is_hashes(hashes):
        return None
    return hashes if manifest.get("version") == 1 or is_whole(manifest, data) else None


def _is_hashes(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == set(PARTS)
        and all(isinstance(one, str) and _HASH.fullmatch(one) for one in value.values())
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < math.inf


def _is_scale(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)) and value[0] <= value[1]


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "library": (_is_text, "a version"),
    "class": (_is_text, "the name of a class"),
    "parameters": (_is_dict, "an object"),
    "scale": (_is_scale, "the lowest and the highest rating"),
    "users": (_is_count, "a whole number"),
    "items": (_is_count, "a whole number"),
    "ratings": (_is_count, "a whole number"),
    "summary": (_is_dict, "an object"),
    "files": (_is_hashes, f"a list of files, the SHA-256 of each of {', '.join(PARTS)}"),
    OWN: (_is_text, "a SHA-256"),
}


def _list_names(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
