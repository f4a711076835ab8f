"""The environment of a result: versions, processor, threads."""

import os
import platform
from importlib import metadata
from pathlib import Path

import torch

from autorec import __version__
from autorec.threads import thread_count


def environment() -> dict[str, str | int | None]:
    """JSON-ready facts of this process and machine."""
    packages = {name: metadata.version(name) for name in ("torch", "numpy", "scipy", "numba")}
    return {
        "autorec": __version__,
        "python": platform.python_version(),
        **packages,
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": thread_count(),
        "torch_threads": torch.get_num_threads(),
        "system": platform.system(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
