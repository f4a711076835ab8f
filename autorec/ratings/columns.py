"""What a reader makes of a file, before it is sorted."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from autorec.ratings.ids import Ids


@dataclass(frozen=True, eq=False)
class Columns:
    """One value a row, in the order of the source. users, items: codes into user_ids, item_ids, which are sorted and
    all different. ratings, timestamps: None where there are none. skipped: rows dropped."""

    users: npt.NDArray[np.integer[Any]]
    items: npt.NDArray[np.integer[Any]]
    user_ids: Ids
    item_ids: Ids
    ratings: npt.NDArray[np.floating[Any]] | None
    timestamps: npt.NDArray[np.int64] | None
    skipped: int = 0
