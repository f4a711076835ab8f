"""What a result was measured on: versions, processor, threads, and the peak memory of a block of code."""

import contextlib
import ctypes
import os
import platform
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch

from autorec import __version__
from autorec.threads import thread_count

_STATUS = Path("/proc/self/status")
_INTERVAL = 0.02  # seconds between two readings


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


@dataclass
class Peak:
    """bytes: resident memory at its highest, less that at the start; None where the system does not say."""

    bytes: int | None = None


@contextlib.contextmanager
def peak_memory() -> Iterator[Peak]:
    """Yield a Peak that is filled in when the block ends. Linux only.

    What was freed before goes back to the system first, or the block would use it again and seem to need less. The
    system keeps the highest memory that a process ever had. Where the block rises above it, that is the peak;
    below it, the highest of readings every 20 ms, which may miss a shorter peak.
    """
    peak = Peak()
    if _STATUS.exists() and (give_back := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        give_back(0)
    start = _resident()
    if start is None:
        yield peak
        return
    held, record = start
    readings, ended = [held], threading.Event()
    sampler = threading.Thread(target=_sample, args=(readings, ended), daemon=True)
    sampler.start()
    try:
        yield peak
    finally:
        ended.set()
        sampler.join()
    end = _resident()
    if end is not None:
        highest = end[1] if end[1] > record else max(*readings, end[0])
        peak.bytes = highest - held


def _sample(readings: list[int], ended: threading.Event) -> None:
    """Keep the largest reading in `readings` [1] until `ended`."""
    while not ended.wait(_INTERVAL):
        reading = _resident()
        if reading is not None:
            readings[0] = max(readings[0], reading[0])


def _resident() -> tuple[int, int] | None:
    """Bytes of resident memory, and the most there ever was; None where the system does not say."""
    try:
        lines = _STATUS.read_text(encoding="ascii").splitlines()
        sizes = dict(line.split(":", 1) for line in lines)
        held, record = (int(sizes[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    except (OSError, KeyError, ValueError):
        return None
    return held, record
