"""How much memory this process may still take, and sizes in words."""

import os
from pathlib import Path

_GIB = 2**30


def readable(size: int) -> str:
    """Bytes in words: 12 MiB, 3.4 GiB."""
    return f"{size / _GIB:.1f} GiB" if size >= _GIB else f"{size / 2**20:.0f} MiB"


def available_memory() -> int | None:
    """Bytes that this process may still take: what the system has free, within a container's limit; None when
    unknown."""
    found = [size for size in (_free_of_system(), _free_of_container()) if size is not None]
    return min(found, default=None)


def _free_of_system() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        pass
    try:  # elsewhere the whole memory is the best that is known
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _free_of_container() -> int | None:
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text(encoding="ascii").strip()
        current = (group / "memory.current").read_text(encoding="ascii").strip()
        return None if limit == "max" else max(int(limit) - int(current), 0)
    except (OSError, ValueError):
        return None
