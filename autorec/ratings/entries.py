"""Other entries for a CSR matrix of one shape, where SciPy's constructor would take longer than all else: of one short
history its checks take as long as the scores of a thousand items."""

import copy
from typing import Any

import numpy.typing as npt
from scipy import sparse

from autorec.ratings.validity import unmark


def with_entries(
    csr: sparse.csr_array, data: npt.NDArray[Any], indices: npt.NDArray[Any], indptr: npt.NDArray[Any]
) -> sparse.csr_array:
    """CSR of the shape of `csr` [n × m] with these arrays, which are not checked: data [nnz], indices [nnz] and indptr
    [n + 1] of the same integer type. Rows are as sorted, and entries as distinct, as those of `csr` are said to be."""
    made: sparse.csr_array = copy.copy(csr)
    unmark(made)
    made.data, made.indices, made.indptr = data, indices, indptr
    return made
