"""U-AutoRec and I-AutoRec (Sedhain et al., WWW 2015) as one estimator."""

from typing import Any

from autorec.models.base import Recommender
from autorec.ratings.matrix import Ratings


class AutoRec(Recommender):
    """An autoencoder of the observed ratings of each item (`orientation="item"`) or user (`"user"`)."""

    def __init__(self, orientation: str = "item", hidden: int | str = 500, random_state: int = 0) -> None:
        self.orientation = orientation
        self.hidden = hidden
        self.random_state = random_state

    def _fit(self, ratings: Ratings) -> dict[str, Any]:
        raise NotImplementedError
