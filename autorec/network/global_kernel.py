"""A 3 × 3 convolution over a sparse matrix, a block of rows at a time: the global kernel of GLocal-K (Han et al., CIKM
2021).

    y_ij = max(0, Σ_{a, b ∈ {−1, 0, 1}} k_ab · x_{i + a, j + b}),   x = 0 where unobserved and outside

A block holds its rows as a dense array [B × m], with the row before and the row after it (its halo), so that memory
is that of one block, whatever the number of rows.
"""

from collections.abc import Iterator

import numpy as np
import torch
from scipy import sparse

BLOCK = 2**21  # numbers in a block: 8 MiB, a few times as much while its gradient is computed


def row_blocks(csr: sparse.csr_array) -> Iterator[tuple[slice, torch.Tensor]]:
    """Yield (rows, dense [B + 2 × m]) of a matrix [n × m], in order: B rows and their halo, zeros outside."""
    n, m = csr.shape
    size = max(1, BLOCK // max(m, 1))
    for start in range(0, n, size):
        stop = min(start + size, n)
        dense = np.zeros((stop - start + 2, m), dtype=np.float32)
        first, last = max(start - 1, 0), min(stop + 1, n)
        dense[first - start + 1 : last - start + 1] = csr[first:last].toarray()
        yield slice(start, stop), torch.from_numpy(dense)


def convolve(block: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Block with halo [B + 2 × m], kernel [3 × 3] → [B × m]. Differentiable in the kernel."""
    found = torch.nn.functional.conv2d(block[None, None], kernel[None, None], padding=(0, 1))
    return torch.relu(found[0, 0])


def identity_kernel() -> torch.Tensor:
    """[3 × 3] 1 in the middle: of a matrix without negative values it changes nothing."""
    kernel = torch.zeros(3, 3)
    kernel[1, 1] = 1
    return kernel
