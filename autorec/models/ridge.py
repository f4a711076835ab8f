"""Ridge regressions of many rows at once: the step of alternating least squares.

For each row with n > 0 observed entries, targets t and the vectors (q, b) of their columns,

    x = argmin Σ (t − b − x · (q, 1))²  +  λ n ‖x‖²

Rows of similar length are padded to one length and solved together: one batched product makes their normal equations,
one batched call solves them.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from threadpoolctl import threadpool_limits

from autorec.threads import thread_count

Solutions = npt.NDArray[np.float64]  # [n × (f + 1)]: factors, bias
IntArray = npt.NDArray[np.integer[Any]]

_ENTRIES = 2**12  # padded entries of a block: with 50 factors its table of 1.7 MB stays in a cache
_LONGER = 1.25  # the longest row of a block, in lengths of its shortest


def solve_rows(csr: sparse.csr_array, others: Solutions, l2: float) -> Solutions:
    """csr [n × m] targets, others [m × (f + 1)] → [n × (f + 1)]; l2 = λ > 0; zeros for a row without entries.

    The same bits with any number of threads.
    """
    m, size = others.shape
    table = np.zeros((m + 1, size + 1))  # (factors, 1, bias); the last row, of zeros, is what rows are padded with
    table[:m, : size - 1], table[:m, size - 1], table[:m, size] = others[:, :-1], 1, others[:, -1]
    indices, targets = np.append(csr.indices, m), np.append(csr.data, csr.data.dtype.type(0))
    found = np.zeros((csr.shape[0], size))

    def solve(rows: IntArray) -> None:
        products = _products(rows, csr.indptr, indices, targets, table)
        diagonal = np.arange(size)
        products[:, diagonal, diagonal] += l2 * (csr.indptr[rows + 1] - csr.indptr[rows])[:, None]
        found[rows] = np.linalg.solve(products[:, :size, :size], products[:, :size, size:])[..., 0]

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(thread_count()) as pool:
        for _ in pool.map(solve, _blocks(np.diff(csr.indptr), size)):
            pass
    return found


def work_bytes(size: int) -> int:
    """Bytes that all threads work in, at most about: entries, products, and what is made of them on the way."""
    return thread_count() * 5 * 8 * max(_ENTRIES, size) * (size + 1)


def _blocks(lengths: IntArray, size: int) -> Iterator[IntArray]:
    """Rows in groups of similar length, the longest first; none of length 0. size: of the solutions, whose products
    are to take no more than the entries."""
    order = np.argsort(-lengths, kind="stable")
    longest_first = lengths[order]
    start, end = 0, int(np.searchsorted(-longest_first, 0))
    while start < end:
        longest = longest_first[start]
        similar = int(np.searchsorted(-longest_first, -longest / _LONGER, side="right"))
        stop = min(similar, start + max(1, _ENTRIES // max(int(longest), size)))
        yield order[start:stop]
        start = stop


def _products(rows: IntArray, indptr: IntArray, indices: IntArray, targets: Any, table: Any) -> Solutions:
    """[rows × (size + 1) × (size + 1)] Σ zᵀz over the entries of each row, z = (factors, 1, target − bias)."""
    starts, lengths = indptr[rows].astype(np.int64), indptr[rows + 1] - indptr[rows]
    products = np.zeros((len(rows), table.shape[1], table.shape[1]))
    for first in range(0, int(lengths.max()), _ENTRIES):  # a row longer than a block is taken in pieces
        position = np.arange(first, min(first + _ENTRIES, int(lengths.max())))
        entries = np.where(position < lengths[:, None], starts[:, None] + position, len(indices) - 1)
        z = table.take(indices[entries], axis=0)  # [rows × positions × (size + 1)]
        np.subtract(targets[entries], z[..., -1], out=z[..., -1])
        products += np.matmul(z.transpose(0, 2, 1), z)
    return products
