"""The columns that a reader makes of a file, with ids as codes, in the order of the file."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from autorec.ratings.ids import Codes, Ids


@dataclass(frozen=True, eq=False)
class Parsed:
    """Rows in the order of the source.

    users, items        [rows] codes into user_ids, item_ids
    user_ids, item_ids  [users], [items] the distinct ids, sorted
    ratings             [rows] finite; None where the source has none
    timestamps          [rows] seconds since 1970; None where the source has none
    skipped             rows that were dropped because they could not be read
    """

    users: Codes
    items: Codes
    user_ids: Ids
    item_ids: Ids
    ratings: npt.NDArray[np.floating[Any]] | None
    timestamps: npt.NDArray[np.int64] | None
    skipped: int = 0
