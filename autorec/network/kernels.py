"""The CPU kernels (Numba) of training: every loop over the observed ratings, float32.

A batch holds n rows of a sparse matrix X [n × m]. H is the number of hidden units. There are two kinds of loop:

along the rows (`encode`, `decode`, `squared_error`): a row of the code stays in L1; columns are taken tile by tile, so
that the tile's weight rows stay in L2 for all rows of the batch and are read from memory once.

along the columns (`transposed_product`): each row of a gradient is summed in L1 and written once; the code of the batch
stays in L2 or L3.

Eight entries are taken at a time, so that one load and one store of the sum serve eight multiplications; a group that
is not full is padded with zeros. Rows of whole cache lines are up to half as fast again: see `autorec.network.padding`.

A kernel works on the rows (columns) first … last − 1, on one thread and without the interpreter's lock;
`autorec.network.ranges` runs it on all of them, several ranges side by side. No two ranges write to the same address
and every sum has a fixed order, so that gradients are the same bits in every run, whatever the number of threads.
"""

from typing import Any

import numba
import numpy as np
from numba.extending import overload

from autorec.compiled import kernel

TILE = 2**19  # bytes of weight rows in a tile: half of an L2 cache


@kernel
def count_columns(indptr: Any, indices: Any, counts: Any, first: int, last: int) -> None:
    """counts [m] of the entries in each column."""
    for k in range(indptr[first], indptr[last]):
        counts[indices[k]] += 1


@kernel
def sort_by_column(indptr: Any, indices: Any, next_slot: Any, slot: Any, rows: Any, first: int, last: int) -> None:
    """Fill slot and rows [nnz] of a `ColumnOrder`: the second half of a stable counting sort. next_slot [m]: the slot
    of the next entry in each column, which moves on."""
    for row in range(first, last):
        for k in range(indptr[row], indptr[row + 1]):
            free = next_slot[indices[k]]
            slot[k] = free
            rows[free] = row
            next_slot[indices[k]] = free + 1


@kernel(fastmath=True)
def encode(indptr: Any, indices: Any, values: Any, W: Any, Z: Any, first: int, last: int) -> None:
    """Z [n × H] = X [n × m] · W [m × H]."""
    Z[first:last] = 0
    at = indptr[first:last].copy()
    for tile in _tiles(W):
        for row in range(first, last):
            k, end = at[row - first], indptr[row + 1]
            while k < end and indices[k] < tile:
                _add_rows(Z[row], W, _eight(indices, k, end), _eight_or_zero(values, k, end))
                k += 8
            at[row - first] = k


@kernel(fastmath=True)
def decode(indptr: Any, indices: Any, C: Any, V: Any, b: Any, out: Any, first: int, last: int) -> None:
    """out[entry (row, column)] = C[row] · V[column] + b[column], at the observed entries only. C [n × H], V [m × H]."""
    at = indptr[first:last].copy()
    for tile in _tiles(V):
        for row in range(first, last):
            k, end = at[row - first], indptr[row + 1]
            while k < end and indices[k] < tile:
                products = _dots(C[row], V, _eight(indices, k, end))
                for i in range(min(8, end - k)):
                    out[k + i] = products[i] + b[indices[k + i]]
                k += 8
            at[row - first] = k


@kernel(fastmath=True)
def squared_error(
    indptr: Any,
    indices: Any,
    values: Any,
    offset: Any,
    slot: Any,
    C: Any,
    V: Any,
    b: Any,
    gC: Any,
    e: Any,
    first: int,
    last: int,
) -> float:
    """Σ (offset[row] + C[row] · V[column] + b[column] − value)² over the entries of these rows, and half of its
    derivatives.

    offset [n]. gC [n × H] is half of the derivative in C; e [nnz], in column order, the error, half of the derivative
    in each output: the derivative in V is twice the `transposed_product` of e and C, that in b twice the sums of e by
    column. slot: as in `ColumnOrder`.
    """
    gC[first:last] = 0
    at = indptr[first:last].copy()
    sse = 0.0
    for tile in _tiles(V):
        for row in range(first, last):
            k, end = at[row - first], indptr[row + 1]
            while k < end and indices[k] < tile:
                rows = _eight(indices, k, end)
                errors = _errors(_dots(C[row], V, rows), offset[row], _eight(values, k, end), b, rows, end - k)
                for i in range(min(8, end - k)):
                    sse += errors[i] * errors[i]
                    e[slot[k + i]] = errors[i]
                _add_rows(gC[row], V, rows, errors)
                k += 8
            at[row - first] = k
    return sse


@kernel(fastmath=True)
def transposed_product(column_ptr: Any, column_rows: Any, ordered: Any, D: Any, G: Any, first: int, last: int) -> None:
    """G [m × H] = Xᵀ · D [n × H], the values of X in column order: the gradient of `encode` in W."""
    for column in range(first, last):
        sum_column(column_ptr[column], column_ptr[column + 1], column_rows, ordered, D, G[column])


@kernel(fastmath=True)
def sum_column(first: int, end: int, column_rows: Any, ordered: Any, D: Any, g: Any) -> None:
    """One row of `transposed_product`: g [H] = Σ value · D[row] over the entries first … end − 1."""
    g[:] = 0
    for k in range(first, end, 8):
        _add_rows(g, D, _eight(column_rows, k, end), _eight_or_zero(ordered, k, end))


@kernel(fastmath=True)
def sum_columns(column_ptr: Any, ordered: Any, sums: Any, first: int, last: int) -> None:
    """sums [m] of the values of each column."""
    for column in range(first, last):
        total = np.float32(0)
        for k in range(column_ptr[column], column_ptr[column + 1]):
            total += ordered[k]
        sums[column] = total


@kernel(fastmath=True)
def sum_squares(w: Any) -> Any:
    """Σ w² of w [size], in float64 over blocks of 512; torch's norm would take a tenth of a small step."""
    total = 0.0
    for first in range(0, len(w), 512):
        of_block: Any = np.float32(0)
        for i in range(first, min(first + 512, len(w))):
            of_block += w[i] * w[i]
        total += of_block
    return total


@kernel
def _tiles(W: Any) -> Any:
    """The ends of the tiles of weight rows; the last one takes in all that is left."""
    tile = max(8, TILE // (4 * max(W.shape[1], 1)))
    return range(tile, len(W) + tile, tile)


@kernel
def _eight(x: Any, k: int, end: int) -> Any:
    """x[k … k + 7], from `end` on the last one again."""
    if k + 8 <= end:
        return x[k], x[k + 1], x[k + 2], x[k + 3], x[k + 4], x[k + 5], x[k + 6], x[k + 7]
    last = end - 1
    x0, x1, x2, x3 = x[k], x[min(k + 1, last)], x[min(k + 2, last)], x[min(k + 3, last)]
    return x0, x1, x2, x3, x[min(k + 4, last)], x[min(k + 5, last)], x[min(k + 6, last)], x[last]


@kernel
def _eight_or_zero(x: Any, k: int, end: int) -> Any:
    """x[k … k + 7], from `end` on zeros."""
    return _zero_from(end - k, _eight(x, k, end))


@kernel
def _zero_from(left: int, x: Any) -> Any:
    """Eight numbers, zeros from index `left` on."""
    if left >= 8:
        return x
    zero = np.float32(0)
    x1, x2, x3 = (x[1] if left > 1 else zero), (x[2] if left > 2 else zero), (x[3] if left > 3 else zero)
    x4, x5, x6 = (x[4] if left > 4 else zero), (x[5] if left > 5 else zero), (x[6] if left > 6 else zero)
    return x[0], x1, x2, x3, x4, x5, x6, zero


@kernel
def _errors(products: Any, offset: Any, values: Any, b: Any, rows: Any, left: int) -> Any:
    """offset + product + bias − value of eight entries, 0 from index `left` on."""
    p0, p1, p2, p3, p4, p5, p6, p7 = products
    x0, x1, x2, x3, x4, x5, x6, x7 = values
    e0, e1, e2, e3 = p0 + b[rows[0]] - x0, p1 + b[rows[1]] - x1, p2 + b[rows[2]] - x2, p3 + b[rows[3]] - x3
    e4, e5, e6, e7 = p4 + b[rows[4]] - x4, p5 + b[rows[5]] - x5, p6 + b[rows[6]] - x6, p7 + b[rows[7]] - x7
    return _zero_from(
        left,
        (e0 + offset, e1 + offset, e2 + offset, e3 + offset, e4 + offset, e5 + offset, e6 + offset, e7 + offset),
    )


@kernel(fastmath=True)
def _add_rows(g: Any, W: Any, rows: Any, x: Any) -> None:
    """g [H] += Σ x[i] · W[rows[i]] over eight rows."""
    w0, w1, w2, w3 = W[rows[0]], W[rows[1]], W[rows[2]], W[rows[3]]
    w4, w5, w6, w7 = W[rows[4]], W[rows[5]], W[rows[6]], W[rows[7]]
    x0, x1, x2, x3, x4, x5, x6, x7 = x
    for h in range(len(g)):
        g[h] += x0 * w0[h] + x1 * w1[h] + x2 * w2[h] + x3 * w3[h] + x4 * w4[h] + x5 * w5[h] + x6 * w6[h] + x7 * w7[h]


@kernel(fastmath=True)
def _dots(c: Any, V: Any, rows: Any) -> Any:
    """The products c · V[rows[i]] with eight rows."""
    v0, v1, v2, v3 = V[rows[0]], V[rows[1]], V[rows[2]], V[rows[3]]
    v4, v5, v6, v7 = V[rows[4]], V[rows[5]], V[rows[6]], V[rows[7]]
    d0 = d1 = d2 = d3 = d4 = d5 = d6 = d7 = np.float32(0)
    for h in range(len(c)):
        ch = c[h]
        d0 += ch * v0[h]
        d1 += ch * v1[h]
        d2 += ch * v2[h]
        d3 += ch * v3[h]
        d4 += ch * v4[h]
        d5 += ch * v5[h]
        d6 += ch * v6[h]
        d7 += ch * v7[h]
    return d0, d1, d2, d3, d4, d5, d6, d7


def value(levels: Any, table: Any, k: Any) -> Any:
    """The value of entry k: table[levels[k]] where levels are integers, as `_value` compiles it; else levels[k]."""
    return levels[k]


def _looked_up(levels: Any, table: Any, k: Any) -> Any:
    return table[levels[k]]


@overload(value, inline="always")
def _value(levels: Any, table: Any, k: Any) -> Any:
    return _looked_up if isinstance(levels.dtype, numba.types.Integer) else value


@kernel
def find_levels(values: Any, bits: Any, table: Any, levels: Any) -> bool:
    """Write each distinct value of `values` [nnz] once into `table`, and its index there into `levels` [nnz]; False
    where they are too many. bits [nnz]: of the values, for a hash table with open addressing."""
    slots = np.full(1024, -1, dtype=np.int16)  # level; −1: free
    found = 0
    for k in range(len(values)):
        slot = (np.int64(bits[k]) * 2654435761 >> 22) & 1023  # Knuth's multiplicative hash, ten bits
        while slots[slot] >= 0 and table[slots[slot]] != values[k]:
            slot = (slot + 1) & 1023
        if slots[slot] < 0:
            if found == len(table) - 1:
                return False
            slots[slot] = found
            table[found] = values[k]
            found += 1
        levels[k] = slots[slot]
    return True


@kernel
def count_entries(indptr: Any, levels: Any, table: Any, rows: Any, ptr: Any) -> None:
    """Write the number of entries of rows[i], those left out not counted, into ptr[i + 1]; rows [k], ptr [k + 1]."""
    for i in range(len(rows)):
        count = 0
        for k in range(indptr[rows[i]], indptr[rows[i] + 1]):
            count += not np.isnan(value(levels, table, k))
        ptr[i + 1] = count


@kernel
def gather(
    indptr: Any,
    indices: Any,
    levels: Any,
    table: Any,
    rows: Any,
    ptr: Any,
    columns: Any,
    values: Any,
    first: int,
    last: int,
) -> None:
    """Copy columns and values of the entries of rows[i] to columns and values from ptr[i] on."""
    for i in range(first, last):
        at = ptr[i]
        for k in range(indptr[rows[i]], indptr[rows[i] + 1]):
            rating = value(levels, table, k)
            if not np.isnan(rating):
                columns[at] = indices[k]
                values[at] = rating
                at += 1
