"""A training on a cluster: what each of its processes does, whoever starts them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autorec import group
from autorec.models.presets import create
from autorec.ratings.read import read_ratings
from autorec.training.checkpoint import Checkpoint


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

    ratings = read_ratings(job.ratings, **job.reading)
    with group.mesh(job.mesh):
        model = create(job.model, **job.parameters).fit(ratings, checkpoint=job.checkpoint)
    if dist.get_rank() == 0:
        model.save(job.output)
    dist.barrier()
