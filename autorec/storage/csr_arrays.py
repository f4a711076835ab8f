"""A sparse float32 matrix as plain arrays for a safetensors file, and back."""

from scipy import sparse

from autorec.ratings import validity
from autorec.storage.arrays import Arrays, Expected


def pack(csr: sparse.csr_array) -> Arrays:
    """The arrays of a CSR matrix [n × m]."""
    return {"data": csr.data, "indices": csr.indices, "indptr": csr.indptr}


def expected(n_rows: int) -> dict[str, Expected]:
    """What the arrays of a matrix with n rows have to be."""
    return {
        "data": Expected("float32", ("entries",)),
        "indices": Expected("index", ("entries",)),
        "indptr": Expected("index", (n_rows + 1,)),
    }


def unpack(arrays: Arrays, shape: tuple[int, int]) -> sparse.csr_array:
    """The matrix [n × m] of `pack`, of arrays that are as `expected`, checked. InputError: it is not canonical CSR."""
    return validity.adopt(sparse.csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=shape))
