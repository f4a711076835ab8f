"""Ridge regressions of many rows at once: the step of alternating least squares.

For each row with n > 0 observed entries, targets t and the vectors (q, b) of their columns,

    x = argmin Σ (t − b − x · (q, 1))²  +  λ n ‖x‖²

Rows of similar length are padded to one length and solved together: one batched product makes their equations, one
batched call solves them. There are as many equations as factors, or as entries where a row has fewer.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec.threads import libraries_on_one_thread, run_in_threads, thread_count

Solutions = npt.NDArray[np.float64]  # [n × (f + 1)]: factors, bias
IntArray = npt.NDArray[np.integer[Any]]

_ENTRIES = 2**12  # padded entries of a block: with 50 factors they take 1.7 MB and stay in a cache
_LONGER = 1.25  # the longest row of a block, in lengths of its shortest


def solve_rows(csr: sparse.csr_array, others: Solutions, l2: float) -> Solutions:
    """csr [n × m] targets, others [m × (f + 1)] → [n × (f + 1)]; l2 = λ > 0; zeros for a row without entries.

    The same bits with any number of threads.
    """
    m, size = others.shape
    table = np.zeros((m + 1, size + 1))  # (factors, 1, bias); the last row is zeros, for padding
    table[:m, : size - 1], table[:m, size - 1], table[:m, size] = others[:, :-1], 1, others[:, -1]
    indices, targets = np.append(csr.indices, m), np.append(csr.data, csr.data.dtype.type(0))
    found = np.zeros((csr.shape[0], size))

    def solve(rows: IntArray) -> None:
        starts, lengths = csr.indptr[rows].astype(np.int64), csr.indptr[rows + 1] - csr.indptr[rows]
        penalties = l2 * lengths.astype(np.float64)
        if lengths.max() < size:
            z: Solutions = _gather_entries(starts, lengths, range(int(lengths.max())), indices, targets, table)
            found[rows] = _solve_by_entries(z[..., :size], z[..., size], penalties)
        else:
            found[rows] = _solve_by_factors(_sum_products(starts, lengths, indices, targets, table), penalties)

    blocks = list(_make_blocks(np.diff(csr.indptr)))
    with libraries_on_one_thread():
        run_in_threads(lambda i: solve(blocks[i]), len(blocks))
    return found


def work_bytes(size: int) -> int:
    """Bytes of the temporary arrays of all threads, at most, about; size: f + 1."""
    return thread_count() * 3 * 8 * max(_ENTRIES, size) * (size + 1)


def _make_blocks(lengths: IntArray) -> Iterator[IntArray]:
    """Rows in groups of similar length, the longest first; none of length 0."""
    order = np.argsort(-lengths, kind="stable")
    longest_first = lengths[order]
    start, end = 0, int(np.searchsorted(-longest_first, 0))
    while start < end:
        longest = longest_first[start]
        similar = int(np.searchsorted(-longest_first, -longest / _LONGER, side="right"))
        stop = min(similar, start + max(1, _ENTRIES // int(longest)))
        yield order[start:stop]
        start = stop


def _solve_by_factors(products: Solutions, penalties: Solutions) -> Solutions:
    """[rows × size] x = (ZᵀZ + penalty·I)⁻¹ Zᵀt; products [rows × (size + 1) × (size + 1)] of (Z, t)."""
    size = products.shape[1] - 1
    diagonal = np.arange(size)
    products[:, diagonal, diagonal] += penalties[:, None]
    return np.asarray(np.linalg.solve(products[:, :size, :size], products[:, :size, size:])[..., 0])


def _solve_by_entries(Z: Solutions, t: Solutions, penalties: Solutions) -> Solutions:
    """[rows × size] the same x = Zᵀ(ZZᵀ + penalty·I)⁻¹ t, by as many equations as a row has entries.

    Z [rows × entries × size], t [rows × entries]."""
    products = Z @ Z.transpose(0, 2, 1)
    diagonal = np.arange(Z.shape[1])
    products[:, diagonal, diagonal] += penalties[:, None]
    return np.asarray((np.linalg.solve(products, t[..., None]).transpose(0, 2, 1) @ Z)[:, 0])


def _sum_products(starts: IntArray, lengths: IntArray, indices: IntArray, targets: Any, table: Any) -> Solutions:
    """[rows × (size + 1) × (size + 1)] Σ zᵀz over the entries of each row, z = (factors, 1, target − bias)."""
    products = np.zeros((len(starts), table.shape[1], table.shape[1]))
    longest = int(lengths.max())
    for first in range(0, longest, _ENTRIES):  # a row longer than a block is taken in pieces
        z = _gather_entries(starts, lengths, range(first, min(first + _ENTRIES, longest)), indices, targets, table)
        products += np.matmul(z.transpose(0, 2, 1), z)
    return products


def _gather_entries(
    starts: IntArray, lengths: IntArray, positions: range, indices: IntArray, targets: Any, table: Any
) -> Solutions:
    """[rows × positions × (size + 1)] z of the entries at these positions of each row; zeros beyond its end."""
    position = np.asarray(positions)
    entries = np.where(position < lengths[:, None], starts[:, None] + position, len(indices) - 1)
    z: Solutions = table.take(indices[entries], axis=0)
    np.subtract(targets[entries], z[..., -1], out=z[..., -1])
    return z
