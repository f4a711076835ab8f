"""How much memory this process may still take, and sizes in words."""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from autorec.errors import ParameterError, shown

_GIB = 2**30
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kKmMgGtT])(i?)[bB]?\s*").fullmatch
_ROOT = Path("/")  # of /proc and /sys


def readable(size: int) -> str:
    """Bytes in words: 12 MiB, 3.4 GiB."""
    return f"{size / _GIB:.1f} GiB" if size >= _GIB else f"{size / 2**20:.0f} MiB"


def parse_size(name: str, value: int | str) -> int:
    """Bytes of a number or of text such as 4GB (10⁹), 512 MiB (2²⁰). ParameterError: neither."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    found = _SIZE(value) if isinstance(value, str) else None
    if found is None:
        raise ParameterError(f"{name} is {shown(value)}; allowed: a size such as 4GB or 512MiB")
    power = "KMGT".index(found[2].upper()) + 1
    return int(float(found[1]) * (1024 if found[3] else 1000) ** power)


def available_memory() -> int | None:
    """Bytes that this process may still take: what the system has free, within the limits of its control groups and
    its address space (`ulimit -v`); None when unknown."""
    return min((*_free_of_system(), *_free_of_groups(), *_free_address_space()), default=None)


def _free_of_system() -> Iterator[int]:
    try:
        lines = (_ROOT / "proc/meminfo").read_text(encoding="ascii").splitlines()
        yield next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        try:  # elsewhere the whole memory is the best that is known
            yield os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        except (ValueError, OSError, AttributeError):
            return


def _free_of_groups() -> Iterator[int]:
    """Of each control group that holds this process and has a limit: its own, and those around it.

    The page cache of files counts as taken by a group, but the kernel gives it up when memory is asked for.
    """
    for folder, limit, taken, cached in _groups():
        try:
            bound, now = (int((folder / name).read_text(encoding="ascii")) for name in (limit, taken))
            lines = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
        except (OSError, ValueError):  # no such group seen from here; "max", no limit
            continue
        cache = sum(int(value) for name, value in map(str.split, lines) if name in cached)
        yield max(bound - now + cache, 0)


def _groups() -> Iterator[tuple[Path, str, str, tuple[str, ...]]]:
    """(folder, name of its limit, of what is taken, names of the page cache in memory.stat), from the process's group
    outwards; versions 1 and 2 of control groups."""
    mount = _ROOT / "sys/fs/cgroup"
    one = ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_active_file", "total_inactive_file"))
    two = ("memory.max", "memory.current", ("active_file", "inactive_file"))
    try:
        lines = (_ROOT / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        below, names = (mount / "memory", one) if controllers else (mount, two)
        inside = PurePosixPath(path).relative_to("/")
        for group in (inside, *inside.parents):
            yield below / group, *names


def _free_address_space() -> Iterator[int]:
    try:
        import resource  # not on Windows

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        pages = int((_ROOT / "proc/self/statm").read_text(encoding="ascii").split()[0])
    except (ImportError, OSError, ValueError):
        return
    if limit != resource.RLIM_INFINITY:
        yield max(limit - pages * resource.getpagesize(), 0)
