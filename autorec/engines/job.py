"""What each process of a cluster does: train its part of a model, or recommend to a batch of users."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from autorec import group
from autorec.models.base import Recommender, load
from autorec.models.presets import create
from autorec.models.unknown import recommend_anyone
from autorec.ratings.read import open_ratings
from autorec.storage.manifest import describe
from autorec.training.checkpoint import Checkpoint

COLUMN = "user"


@dataclass(frozen=True)
class Job:
    """What is trained. ratings, output: absolute paths, the same for every process of the cluster."""

    ratings: str
    output: str
    model: str = "autorec"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    reading: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: Checkpoint | None = None
    mesh: str | None = None

    @property
    def on_gpu(self) -> bool:
        return str(self.parameters.get("device", "cpu")).startswith("cuda")


def train_here(job: Job) -> None:
    """The training in one process of a group; the first writes the model."""
    import torch.distributed as dist

    ratings = open_ratings(job.ratings, **job.reading)
    with group.mesh(job.mesh):
        model = create(job.model, **job.parameters).fit(ratings, checkpoint=job.checkpoint)
    if dist.get_rank() == 0:
        model.save(job.output)
    dist.barrier()


def recommend_batch(
    users: pd.DataFrame, folder: str, n: int, by: Any = None, exclude_seen: bool = True, **wishes: Any
) -> pd.DataFrame:
    """DataFrame with a column user [users] → DataFrame user, item, score, rank[, title], source, n rows for each user.

    folder: of the model, absolute, where each process of the cluster finds it. by, exclude_seen, wishes (allow, deny,
    where, boost, diversify): as in `Recommender.recommend`. source is "model", or "fallback" for a user whom the model
    does not know: the items by their damped mean. Ids of users have the type that they came with.
    """
    ids = users[COLUMN]
    found = list(recommend_anyone(load_once(folder), ids.tolist(), n, by=by, exclude_seen=exclude_seen, **wishes))
    of_type = [table.assign(user=table["user"].astype(ids.dtype)) for table in found if len(table) or len(found) == 1]
    return pd.concat(of_type, ignore_index=True).astype({"score": "float64", "rank": "int64"})


def load_once(folder: str) -> Recommender:
    """The model of a folder, kept in the process until another is saved there."""
    return _load(folder, describe(folder)["sha256"])


@functools.lru_cache(maxsize=1)
def _load(folder: str, sha256: str) -> Recommender:
    return load(Path(folder))
