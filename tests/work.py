"""What processes of the tests do, in a module of its own: each of them imports it, and little else."""

import os
import signal
from pathlib import Path
from typing import Any

from autorec.errors import InputError
from autorec.threads import thread_count


def end_of_process(number: int, stopped: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(number: int, stopped: Any) -> None:
    raise InputError(f"number {number} is refused")


def write_threads(folder: Path, number: int, stopped: Any) -> None:
    import torch

    (folder / str(number)).write_text(f"{thread_count()} {torch.get_num_threads()}")
