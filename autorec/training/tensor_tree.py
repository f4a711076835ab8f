"""A tree of dicts, lists, tensors and plain values as one safetensors file, never a pickle.

The tensors are the file's; the rest stands in its metadata as JSON, with the SHA-256 of everything.

Several processes write a file each, alike but for what they have of the columns (`Columns`). `read_part` reads from the
files of any number of processes what one of any other number is to have, bit for bit.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import safetensors
import torch

from autorec import files
from autorec.network.shard import Shard
from autorec.storage.arrays import write_arrays

Tree = Any  # dict, list, tuple (read as a list), tensor, Columns, number, text, bool or None

_TREE, _HASH = "tree", "sha256"  # keys of the metadata


@dataclass(frozen=True, eq=False)
class Columns:
    """own [own columns × …] of a tensor [n_columns × …]: the part of one process."""

    own: torch.Tensor
    n_columns: int


def write_tree(path: files.PathLike, tree: Tree) -> None:
    """Write the file whole or not at all; tensors of any shape and device, and of the types that NumPy has."""
    tensors: dict[str, torch.Tensor] = {}
    text = json.dumps(_pack(tree, tensors))
    arrays = {name: tensor.cpu().numpy() for name, tensor in tensors.items()}
    with files.atomic_file(path) as temporary:
        write_arrays(temporary, arrays, {_TREE: text, _HASH: _hash(text, tensors)})


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


def read_part(paths: Sequence[files.PathLike], shard: Shard) -> Tree:
    """What the processes of the files, in order, wrote, as the tree of the process `shard`, with plain tensors for
    `Columns`. As many files as processes: its own alone is read; else all, one after the other. ValueError: as
    `read_tree`."""
    if len(paths) == shard.size:
        return _map_columns(read_tree(paths[shard.rank]), lambda index, part: part.own)
    found: list[torch.Tensor] = []  # own columns of each tensor, in the order of the tree
    first: Tree = None
    for rank, path in enumerate(paths):
        tree = read_tree(path)
        first = tree if rank == 0 else first
        for index, part in enumerate(_parts_of(tree)):
            if rank == 0:
                found.append(part.own.new_empty(shard.count(part.n_columns), *part.own.shape[1:]))
            columns = torch.arange(shard.rank, part.n_columns, shard.size)  # own
            there = columns % len(paths) == rank
            found[index][there] = part.own[columns[there] // len(paths)]
    return _map_columns(first, lambda index, part: found[index])


def _parts_of(tree: Tree) -> list[Columns]:
    parts: list[Columns] = []

    def keep(index: int, part: Columns) -> None:
        parts.append(part)

    _map_columns(tree, keep)
    return parts


def _map_columns(tree: Tree, work: Callable[[int, Columns], Tree]) -> Tree:
    """The tree with work(its number, the part) in the place of each `Columns`."""
    numbers = itertools.count()

    def walk(node: Tree) -> Tree:
        if isinstance(node, Columns):
            return work(next(numbers), node)
        if isinstance(node, dict):
            return {key: walk(value) for key, value in node.items()}
        return [walk(value) for value in node] if isinstance(node, list) else node

    return walk(tree)


def _pack(tree: Tree, tensors: dict[str, torch.Tensor]) -> Tree:
    """The tree as JSON: a tensor as {"tensor": name}, one of some columns as {"tensor": name, "columns": of all}, a
    dict, whose keys may be numbers, as {"dict": pairs}."""
    if isinstance(tree, Columns):
        return {**_pack(tree.own, tensors), "columns": tree.n_columns}
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
        tensor = tensors[packed["tensor"]]
        return Columns(tensor, packed["columns"]) if "columns" in packed else tensor
    return {key: _unpack(value, tensors) for key, value in packed["dict"]}


def _hash(text: str, tensors: dict[str, torch.Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(tensors[name].cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
