"""How many threads the library computes with: Numba, torch and the linear algebra below NumPy."""

import contextlib
import importlib
from collections.abc import Iterator

from autorec.errors import ParameterError


def set_threads(threads: int) -> None:
    """Compute with this many threads from now on, in the whole process. The default is one a core.

    Sums over threads round differently, so results repeat bit for bit at the same number only.
    ParameterError: fewer than 1, or more than there are cores.
    """
    numba = importlib.import_module("numba")  # typed as Any: numba's set_num_threads carries no types
    most = numba.config.NUMBA_NUM_THREADS
    if not 1 <= threads <= most:
        raise ParameterError(f"{threads} threads; this machine allows 1 to {most}")
    import torch
    from threadpoolctl import threadpool_limits

    numba.set_num_threads(threads)
    torch.set_num_threads(threads)
    threadpool_limits(threads)


@contextlib.contextmanager
def torch_on_one_thread() -> Iterator[None]:
    """Within the block torch computes with one thread, for work whose time goes to the Numba kernels.

    The two keep a pool of threads each, and a pool that waits spins: on two cores an epoch takes half as long again.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
