"""How functions that run on one thread are compiled; those of the network set their own options."""

from typing import Any

import numba


def kernel(function: Any) -> Any:
    """Compile for the machine it runs on, on one thread, without the interpreter's lock; kept for later processes."""
    return numba.njit(cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True)(function)
