"""Whether the arrays of a sparse matrix are valid, so that compiled code can index by them without checks.

SciPy checks its matrices when they are made, not when their arrays are changed afterwards.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec.errors import InputError

MAX_RATING = 1e15  # a square of it, summed over 10⁸ ratings, is still a float32

_BLOCK = 2**16  # entries compared at once, so that no temporary array is as long as the ratings
_MARK = "_autorec_is_valid"


def mark_valid(csr: sparse.csr_array) -> sparse.csr_array:
    """Mark `csr` [users × items] as valid: float32, finite, indices within bounds, ascending in each row, each once,
    and no other owner writes to it. Matrices that SciPy derives from it do not carry the mark."""
    csr.has_canonical_format = True
    setattr(csr, _MARK, True)
    return csr


def adopt(csr: sparse.csr_array) -> sparse.csr_array:
    """Check and mark a matrix [users × items] that has no other owner, without a copy. InputError: see `mark_valid`."""
    check_matrix(csr)
    if csr.data.dtype != np.float32 or csr.indptr[-1] != csr.nnz or not is_canonical(csr):
        raise InputError("ratings that are not float32 with ascending indices in each row, each once")
    check_values(csr.data)
    return mark_valid(csr)


def unmark(csr: sparse.csr_array) -> None:
    """Take the mark of `mark_valid` from `csr` [users × items], unless it has none."""
    vars(csr).pop(_MARK, None)


def is_marked_valid(csr: Any) -> bool:
    return getattr(csr, _MARK, False) is True


def check_matrix(matrix: Any) -> None:
    """InputError unless the arrays of a SciPy sparse matrix fit its shape; O(stored entries).

    Unsorted and repeated entries are fine. Formats without index arrays are checked by SciPy when it converts them.
    """
    if len(matrix.shape) != 2:
        raise InputError(f"a sparse array of {len(matrix.shape)} dimensions; give users × items")
    data = matrix.data if isinstance(getattr(matrix, "data", None), np.ndarray) else np.zeros(0)
    if matrix.dtype.kind not in "biuf" or data.dtype.kind not in "biufO":
        raise InputError(f"a matrix of type {matrix.dtype}; ratings are real numbers")
    if matrix.format in ("csr", "csc"):
        n_major, n_minor = matrix.shape if matrix.format == "csr" else matrix.shape[::-1]
        _check_pointers(matrix.indptr, n_major, len(matrix.indices), len(data), matrix.format)
        _check_indices(matrix.indices, n_minor, matrix.format)
    elif matrix.format == "coo":
        row, column = matrix.coords if hasattr(matrix, "coords") else (matrix.row, matrix.col)
        if not len(row) == len(column) == len(data):
            raise InputError(f"a damaged COO matrix: {len(row)} rows, {len(column)} columns and {len(data)} values")
        _check_indices(row, matrix.shape[0], "COO")
        _check_indices(column, matrix.shape[1], "COO")


def _check_pointers(indptr: Any, n_rows: int, n_indices: int, n_values: int, what: str) -> None:
    what = f"a damaged {what.upper()} matrix"
    if np.asarray(indptr).dtype.kind not in "iu" or np.shape(indptr) != (n_rows + 1,):
        raise InputError(f"{what}: indptr has shape {np.shape(indptr)}; it needs {n_rows + 1} integers")
    if indptr[0] != 0 or (indptr[1:] < indptr[:-1]).any():
        raise InputError(f"{what}: indptr starts at {indptr[0]} or falls; it starts at 0 and never falls")
    if indptr[-1] > n_indices or n_indices != n_values:
        raise InputError(
            f"{what}: indptr ends at {indptr[-1]}, with {n_indices} indices and {n_values} values; "
            "these are as many, and indptr ends within them"
        )


def _check_indices(indices: Any, n: int, what: str) -> None:
    if np.asarray(indices).dtype.kind not in "iu" or np.ndim(indices) != 1:
        raise InputError(f"a damaged {what.upper()} matrix: indices of type {np.asarray(indices).dtype}; give integers")
    if len(indices) and (indices.min() < 0 or indices.max() >= n):
        raise InputError(
            f"a damaged {what.upper()} matrix: indices from {indices.min()} to {indices.max()}; allowed: 0 … {n - 1}"
        )


def is_canonical(csr: sparse.csr_array) -> bool:
    """Whether the indices of `csr` [n × m] ascend in each row, each once; SciPy's flags are not trusted."""
    for start in range(0, len(csr.indices) - 1, _BLOCK):
        before, after = csr.indices[start : start + _BLOCK], csr.indices[start + 1 : start + _BLOCK + 1]
        allowed = after > before[: len(after)]
        first, last = np.searchsorted(csr.indptr, (start + 1, start + 1 + len(after)))
        allowed[csr.indptr[first:last] - start - 1] = True  # where a row begins
        if not allowed.all():
            return False
    return True


def check_values(values: npt.NDArray[Any]) -> None:
    """InputError unless all ratings [n] are finite and at most MAX_RATING in size."""
    if not len(values) or (values.min() >= -MAX_RATING and values.max() <= MAX_RATING):
        return
    position = int(np.argmax(~(np.abs(values) <= MAX_RATING)))
    raise InputError(
        f"rating {position + 1} of {len(values)} is {values[position]:g}; ratings are finite numbers of at most "
        f"{MAX_RATING:g}"
    )
