"""What the three afternoons share: ratings as people have them, in their own columns."""

import os
from pathlib import Path

import pandas as pd
import pytest

import autorec

ROOT = Path(autorec.__file__).parents[1]
DATASETS = Path(os.environ.get("AUTOREC_DATA", ROOT.parent / "shared" / "datasets"))


def movielens() -> Path:
    """The folder of MovieLens 100K."""
    folder = DATASETS / "ml-100k"
    if not (folder / "u.data").exists():
        pytest.skip("ml-100k is not there; set AUTOREC_DATA to a folder that has it")
    return folder


def own_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The sample in column names of somebody's own: (ratings, films)."""
    ratings = autorec.load_sample()
    names = {"user": "customer", "item": "film", "rating": "score", "timestamp": "at"}
    films = pd.DataFrame({"film": ratings.item_ids, "title": ratings.titles, "genre": ratings.attributes["genre"]})
    return ratings.to_frame().rename(columns=names), films


COLUMNS = "user=customer,item=film,rating=score,timestamp=at"
