"""Scores of single pairs: user vector · item vector, without copies of the vectors."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]


def pair_products(left: Vectors, rows: npt.NDArray[Any], right: Vectors, columns: npt.NDArray[Any]) -> Vectors:
    """[pairs] left[rows[p]] · right[columns[p]]; left [n × d], right [m × d]."""
    products = np.empty(len(rows), dtype=np.float32)
    _products(np.ascontiguousarray(left), rows, np.ascontiguousarray(right), columns, products)
    return products


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)
def _products(left: Any, rows: Any, right: Any, columns: Any, products: Any) -> None:
    for pair in numba.prange(len(products)):
        a, b = left[rows[pair]], right[columns[pair]]
        total = np.float32(0)
        for i in range(len(a)):
            total += a[i] * b[i]
        products[pair] = total
