"""The CPU kernels (Numba): everything that walks the observed ratings, float32.

A batch holds n rows of a sparse matrix X [n × m]. H is the number of hidden units. Row-wise walks accumulate a row
of codes that stays in L1; column-wise walks read a weight row once and find the batch's codes in L2. Four entries
are taken at a time, so that one load and one store of the accumulator serve four multiplications.

Each thread owns a range of rows or columns with about the same number of entries; no two threads write the same place,
and the result is the same bits in every run with the same number of threads. `parts` is the number of these ranges.

by_column[k] is the place, in row order, of the k-th entry in column order: values are stored once.
"""

from typing import Any

import numba
import numpy as np


@numba.njit(cache=True)
def _ranges(ptr: Any, parts: int) -> Any:
    """[parts + 1] bounds that cut the rows (columns) of `ptr` into runs of about equally many entries."""
    n = len(ptr) - 1
    bounds = np.empty(parts + 1, dtype=np.int64)
    for part in range(parts):
        bounds[part] = np.searchsorted(ptr[:n], ptr[n] * part // parts)
    bounds[0] = 0
    bounds[parts] = n
    return bounds


@numba.njit(cache=True, nogil=True)
def order_by_column(indptr: Any, indices: Any, ptr: Any, by_column: Any, column_rows: Any) -> None:
    """Counting sort of a CSR batch into ptr [m + 1], by_column [nnz], column_rows [nnz]."""
    ptr[:] = 0
    n_columns = len(ptr) - 1
    for k in range(len(indices)):
        ptr[indices[k] + 1] += 1
    for column in range(n_columns):
        ptr[column + 1] += ptr[column]
    place = ptr[:-1].copy()
    for row in range(len(indptr) - 1):
        for k in range(indptr[row], indptr[row + 1]):
            column = indices[k]
            by_column[place[column]] = k
            column_rows[place[column]] = row
            place[column] += 1


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)
def encode(indptr: Any, indices: Any, values: Any, W: Any, Z: Any, parts: int) -> None:
    """Z [n × H] = X [n × m] · W [m × H]."""
    H = W.shape[1]
    bounds = _ranges(indptr, parts)
    for part in numba.prange(parts):
        for row in range(bounds[part], bounds[part + 1]):
            z = Z[row]
            z[:] = 0
            k = indptr[row]
            end = indptr[row + 1]
            while k + 4 <= end:
                x0, x1, x2, x3 = values[k], values[k + 1], values[k + 2], values[k + 3]
                w0, w1, w2, w3 = W[indices[k]], W[indices[k + 1]], W[indices[k + 2]], W[indices[k + 3]]
                for h in range(H):
                    z[h] += x0 * w0[h] + x1 * w1[h] + x2 * w2[h] + x3 * w3[h]
                k += 4
            while k < end:
                x0 = values[k]
                w0 = W[indices[k]]
                for h in range(H):
                    z[h] += x0 * w0[h]
                k += 1


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)
def transposed(
    column_ptr: Any, columns: Any, column_rows: Any, by_column: Any, values: Any, D: Any, G: Any, parts: int
) -> None:
    """G [m × H] = Xᵀ · D [n × H]: the gradient of `encode` in W. Rows of absent columns become 0."""
    H = D.shape[1]
    bounds = _ranges(column_ptr, parts)
    for part in numba.prange(parts):
        _clear_between(G, columns, bounds[part], bounds[part + 1])
        for j in range(bounds[part], bounds[part + 1]):
            g = G[columns[j]]
            g[:] = 0
            k = column_ptr[j]
            end = column_ptr[j + 1]
            while k + 4 <= end:
                x0, x1 = values[by_column[k]], values[by_column[k + 1]]
                x2, x3 = values[by_column[k + 2]], values[by_column[k + 3]]
                d0, d1 = D[column_rows[k]], D[column_rows[k + 1]]
                d2, d3 = D[column_rows[k + 2]], D[column_rows[k + 3]]
                for h in range(H):
                    g[h] += x0 * d0[h] + x1 * d1[h] + x2 * d2[h] + x3 * d3[h]
                k += 4
            while k < end:
                x0 = values[by_column[k]]
                d0 = D[column_rows[k]]
                for h in range(H):
                    g[h] += x0 * d0[h]
                k += 1


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)
def decode(
    column_ptr: Any,
    columns: Any,
    column_rows: Any,
    by_column: Any,
    C: Any,
    V: Any,
    b: Any,
    out: Any,
    parts: int,
) -> None:
    """out[entry (row, column)] = C[row] · V[column] + b[column], at the observed entries only. C [n × H], V [m × H]."""
    H = C.shape[1]
    bounds = _ranges(column_ptr, parts)
    for part in numba.prange(parts):
        for j in range(bounds[part], bounds[part + 1]):
            column = columns[j]
            v = V[column]
            for k in range(column_ptr[j], column_ptr[j + 1]):
                c = C[column_rows[k]]
                total = np.float32(0)
                for h in range(H):
                    total += c[h] * v[h]
                out[by_column[k]] = total + b[column]


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)
def decode_backward(
    column_ptr: Any,
    columns: Any,
    column_rows: Any,
    by_column: Any,
    e: Any,
    C: Any,
    V: Any,
    gC: Any,
    gV: Any,
    gb: Any,
) -> None:
    """Gradients of `decode` for e = ∂loss/∂out [nnz]: gC[t] [n × H] of each thread t, to be summed; gV [m × H]; gb
    [m]."""
    H = C.shape[1]
    parts = gC.shape[0]
    bounds = _ranges(column_ptr, parts)
    for part in numba.prange(parts):
        G = gC[part]
        G[:] = 0
        _clear_between(gV, columns, bounds[part], bounds[part + 1])
        for j in range(bounds[part], bounds[part + 1]):
            column = columns[j]
            v = V[column]
            g = gV[column]
            g[:] = 0
            total = np.float32(0)
            for k in range(column_ptr[j], column_ptr[j + 1]):
                row = column_rows[k]
                c = C[row]
                gc = G[row]
                s = e[by_column[k]]
                total += s
                for h in range(H):
                    g[h] += s * c[h]
                    gc[h] += s * v[h]
            gb[column] = total


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)
def squared_error(
    column_ptr: Any,
    columns: Any,
    column_rows: Any,
    by_column: Any,
    targets: Any,
    C: Any,
    V: Any,
    b: Any,
    gC: Any,
    gV: Any,
    gb: Any,
    scale: float,
) -> float:
    """scale · Σ (C[row] · V[column] + b[column] − target)² over the entries, and its gradients, in one walk.

    Same arrays as in `decode_backward`; targets [nnz] in row order.
    """
    parts = gC.shape[0]
    bounds = _ranges(column_ptr, parts)
    sums = np.zeros(parts)
    factor = np.float32(2 * scale)
    for part in numba.prange(parts):
        G = gC[part]
        G[:] = 0
        _clear_between(gV, columns, bounds[part], bounds[part + 1])
        sse = 0.0
        for j in range(bounds[part], bounds[part + 1]):
            column = columns[j]
            first, last = column_ptr[j], column_ptr[j + 1]
            places = column_rows[first:last], by_column[first:last]
            gV[column] = 0
            column_sse, gb[column] = _column_error(*places, targets, C, V[column], b[column], G, gV[column], factor)
            sse += column_sse
        sums[part] = sse
    return float(scale * sums.sum())


@numba.njit(fastmath=True, cache=True, nogil=True)
def _column_error(rows: Any, places: Any, targets: Any, C: Any, v: Any, bias: Any, G: Any, g: Any, factor: Any) -> Any:
    """One column of `squared_error`: (Σ e², factor · Σ e); adds factor · e · C[row] to g, factor · e · v to G[row]."""
    H = len(v)
    n = len(rows)
    sse = 0.0
    total = np.float32(0)
    k = 0
    while k + 4 <= n:
        r0, r1, r2, r3 = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        c0, c1, c2, c3 = C[r0], C[r1], C[r2], C[r3]
        e0 = e1 = e2 = e3 = np.float32(0)
        for h in range(H):
            e0 += c0[h] * v[h]
            e1 += c1[h] * v[h]
            e2 += c2[h] * v[h]
            e3 += c3[h] * v[h]
        e0 += bias - targets[places[k]]
        e1 += bias - targets[places[k + 1]]
        e2 += bias - targets[places[k + 2]]
        e3 += bias - targets[places[k + 3]]
        sse += e0 * e0 + e1 * e1 + e2 * e2 + e3 * e3
        e0, e1, e2, e3 = factor * e0, factor * e1, factor * e2, factor * e3
        total += e0 + e1 + e2 + e3
        for h in range(H):
            g[h] += e0 * c0[h] + e1 * c1[h] + e2 * c2[h] + e3 * c3[h]
        g0, g1, g2, g3 = G[r0], G[r1], G[r2], G[r3]
        for h in range(H):
            vh = v[h]
            g0[h] += e0 * vh
            g1[h] += e1 * vh
            g2[h] += e2 * vh
            g3[h] += e3 * vh
        k += 4
    while k < n:
        c0, g0 = C[rows[k]], G[rows[k]]
        e0 = np.float32(0)
        for h in range(H):
            e0 += c0[h] * v[h]
        e0 += bias - targets[places[k]]
        sse += e0 * e0
        e0 = factor * e0
        total += e0
        for h in range(H):
            g[h] += e0 * c0[h]
            g0[h] += e0 * v[h]
        k += 1
    return sse, total


@numba.njit(cache=True, nogil=True)
def _clear_between(G: Any, columns: Any, first: int, last: int) -> None:
    """Zero the rows of G that lie before column `columns[j]` and after its predecessor, for j in first … last − 1.

    The last range also takes what follows its last column, so that all ranges together zero every absent column once.
    """
    for j in range(first, last):
        start = columns[j - 1] + 1 if j > 0 else 0
        for row in range(start, columns[j]):
            G[row] = 0
    if last == len(columns):
        start = columns[last - 1] + 1 if last > 0 else 0
        for row in range(start, len(G)):
            G[row] = 0
