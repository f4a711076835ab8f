"""A verb in one of the processes that torchrun starts: they form a group, and the first one speaks for all."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

from autorec import group
from autorec.cli.verb import INTERRUPTED, be_quiet
from autorec.errors import AutoRecError, ParameterError


@contextlib.contextmanager
def joined(model: Any, ratings: str) -> Iterator[bool]:
    """Within the block this process is in the group of those that torchrun started to fit `model` on the file
    `ratings`; yields whether it is the first, which alone prints and writes; without torchrun it is.

    ParameterError: several processes cannot. AutoRecError: another process of the group has ended. Ctrl-C ends the
    process: the others would wait for it.
    """
    if not group.is_launched():
        yield True
        return
    if not model.spreads:
        raise ParameterError(
            f"{type(model).__name__} is trained by one process; several, as torchrun starts them, share AutoRec and "
            "ChoiceAutoencoder (i-autorec, u-autorec, mult-dae, mult-vae, rec-vae, …): give one of these, or the "
            "command without torchrun"
        )
    if ratings == "-":
        raise ParameterError("ratings is '-', stdin, which several processes cannot share; give a file or a store")
    import torch
    import torch.distributed as dist

    rank = int(os.environ["RANK"])
    if rank:
        be_quiet()
    signal.signal(signal.SIGINT, lambda *_: sys.exit(INTERRUPTED))
    on_gpu = str(getattr(model, "device", "cpu")).startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo")
    try:
        yield rank == 0
    except RuntimeError as error:
        if not (isinstance(error, dist.DistError) or "gloo" in str(error)):
            raise
        reason = str(error).strip().splitlines()[0]
        raise AutoRecError(f"process {rank} has lost the others of its training ({reason})") from error
    dist.destroy_process_group()
