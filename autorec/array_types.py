"""Array types that annotations of all floors share; shapes stand in the docstrings."""

from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer[Any]]
FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]
Float32 = npt.NDArray[np.float32]
