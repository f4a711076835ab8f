"""Whether this process is one of several that train together: torch.distributed's default group, made by torchrun's
`train`, by Ray, by Spark, or by whoever calls the library. Nothing here imports torch: where it is not loaded there is
no group."""

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, TypeVar

from autorec.errors import ParameterError, shown

Value = TypeVar("Value")

_alone: ContextVar[bool] = ContextVar("alone", default=False)
_mesh: ContextVar[str | None] = ContextVar("mesh", default=None)

_HERE = "LOCAL_WORLD_SIZE"  # processes of the group on this machine, as torchrun says


def place() -> tuple[int, int]:
    """(rank of this process, number of processes); (0, 1) without a group, and `alone`."""
    dist: Any = sys.modules.get("torch.distributed")
    if _alone.get() or dist is None or not dist.is_available() or not dist.is_initialized():
        return 0, 1
    return dist.get_rank(), dist.get_world_size()


def shape() -> tuple[int, int]:
    """(groups of processes, each with some of the rows of a batch; processes of a group, each with some of the
    columns), as `mesh` says, by default one group. ParameterError: they are not as many as there are processes."""
    size = place()[1]
    return (1, size) if size == 1 else parse_mesh(_mesh.get(), size)


def parse_mesh(text: str | None, size: int) -> tuple[int, int]:
    """(groups, processes of each): of "2x4" 2 and 4, of None one group of all. ParameterError: something else, or not
    `size` processes."""
    if text is None:
        return 1, size
    found = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text.strip().lower()) if isinstance(text, str) else None
    if found is None:
        raise ParameterError(
            f"mesh is {shown(text)}; allowed: groups of rows x parts of the columns, such as 2x4 for 8 processes"
        )
    rows, columns = map(int, found.groups())
    if rows * columns != size:
        raise ParameterError(f"mesh {text} is for {rows * columns} processes; there are {size}")
    return rows, columns


@contextlib.contextmanager
def mesh(text: str | None) -> Iterator[None]:
    """Within the block a fit by several processes has them in a mesh "DxS": D groups, each with some of the rows of a
    batch, of S processes, each with some of the columns. None: as it was."""
    token = _mesh.set(_mesh.get() if text is None else text)
    try:
        yield
    finally:
        _mesh.reset(token)


def broadcast(what: Value) -> Value:
    """`what` of the first process, in every process; without a group `what` itself. Travels as a pickle, between the
    processes alone."""
    if place()[1] == 1:
        return what
    said = [what]
    sys.modules["torch.distributed"].broadcast_object_list(said, device="cpu")
    return said[0]


def gather(what: Value) -> list[Value]:
    """[processes] `what` of each of them, in every process; travels as `broadcast` does."""
    if place()[1] == 1:
        return [what]
    said: list[Any] = [None] * place()[1]
    sys.modules["torch.distributed"].all_gather_object(said, what)
    return said


def all_agree(yes: bool) -> bool:
    """Whether it is True in every process."""
    return all(gather(yes))


def wait() -> None:
    """Until every process is here."""
    all_agree(True)


def is_launched() -> bool:
    """Whether torchrun started this process as one of several, which are to make a group."""
    return "TORCHELASTIC_RUN_ID" in os.environ and launched() > 1


def launched() -> int:
    """How many processes torchrun says that it started; 1 where it did not."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextlib.contextmanager
def alone(really: bool = True) -> Iterator[None]:
    """Within the block this process does not know of the others, if `really`: it computes everything itself."""
    token = _alone.set(_alone.get() or really)
    try:
        yield
    finally:
        _alone.reset(token)


def processes_here() -> int:
    """How many of the group share this machine's memory; all where nobody says."""
    size, here = place()[1], os.environ.get(_HERE, "")
    return min(int(here), size) if here.isdecimal() and int(here) else size
