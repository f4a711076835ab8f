"""The memory that a piece of work takes at its peak, as the operating system counts it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Peak:
    """bytes above what the process held when the block began; None where the system does not tell."""

    bytes: int | None = None


@contextlib.contextmanager
def peak_memory() -> Iterator[Peak]:
    """Yield a Peak that is filled in when the block ends. Linux only: it sets back the process's mark of its peak."""
    peak = Peak()
    try:
        _CLEAR.write_text("5", encoding="ascii")  # 5: the mark goes down to what is held now
        before = _resident("VmRSS")
    except OSError:
        before = None
    yield peak
    after = None if before is None else _resident("VmHWM")
    if before is not None and after is not None:
        peak.bytes = max(after - before, 0)


def _resident(name: str) -> int | None:
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")]
    return found[0] if found else None
