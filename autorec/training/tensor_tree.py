"""A tree of dicts, lists, tensors and plain values as one safetensors file, never a pickle.

The tensors are the file's; the rest stands in its metadata as JSON, with the SHA-256 of everything.
"""

import hashlib
import json
from typing import Any

import safetensors
import safetensors.torch
import torch

from autorec import files

Tree = Any  # dict, list, tuple (read as a list), tensor, number, text, bool or None

_TREE, _HASH = "tree", "sha256"  # keys of the metadata


def write_tree(path: files.PathLike, tree: Tree) -> None:
    """Write the file whole or not at all; tensors of any shape, type and device."""
    tensors: dict[str, torch.Tensor] = {}
    text = json.dumps(_pack(tree, tensors))
    with files.atomic_file(path) as temporary:
        safetensors.torch.save_file(tensors, temporary, {_TREE: text, _HASH: _hash(text, tensors)})


def read_tree(path: files.PathLike) -> Tree:
    """What `write_tree` wrote, tensors on the CPU. ValueError: the file is damaged, or no such file."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            # Copies, because torch aligns their memory, on which the last bit of a sum depends.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        text = metadata[_TREE]
        if metadata[_HASH] != _hash(text, tensors):
            raise ValueError("its SHA-256 differs")
        return _unpack(json.loads(text), tensors)
    except (OSError, LookupError, ValueError, safetensors.SafetensorError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def _pack(tree: Tree, tensors: dict[str, torch.Tensor]) -> Tree:
    """The tree as JSON: a tensor as {"tensor": name}, a dict, whose keys may be numbers, as {"dict": pairs}."""
    if isinstance(tree, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = tree.detach().contiguous()
        return {"tensor": name}
    if isinstance(tree, dict):
        return {"dict": [[key, _pack(value, tensors)] for key, value in tree.items()]}
    if isinstance(tree, (list, tuple)):
        return [_pack(value, tensors) for value in tree]
    return tree


def _unpack(packed: Tree, tensors: dict[str, torch.Tensor]) -> Tree:
    if isinstance(packed, list):
        return [_unpack(value, tensors) for value in packed]
    if not isinstance(packed, dict):
        return packed
    if "tensor" in packed:
        return tensors[packed["tensor"]]
    return {key: _unpack(value, tensors) for key, value in packed["dict"]}


def _hash(text: str, tensors: dict[str, torch.Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(tensors[name].cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
