"""Ray: a training in the workers of a TorchTrainer, recommendations by map_batches of Ray Data."""

import tempfile
from typing import Any

from autorec import files
from autorec.checks import whole
from autorec.engines.job import COLUMN, Job, recommend_batch, train_here
from autorec.errors import InputError
from autorec.extras import require


def recommend_in_ray(users: Any, model: files.PathLike, n: int = 10, **options: Any) -> Any:
    """The n best items of each user, computed by the cluster → Ray Dataset user, item, score, rank[, title], source.

    users    a Ray Dataset with a column user
    model    the folder of a saved model, on a file system that all nodes see
    options  by, exclude_seen, allow, deny, where, boost, diversify: as in `Recommender.recommend`

    Each process loads the model once. Users whom the model does not know get the fallback, as `source` says. Needs the
    extra `ray`. InputError: no column user.

    >>> users = ray.data.read_parquet("users.parquet")  # doctest: +SKIP
    >>> autorec.recommend_in_ray(users, "my-model", n=20).write_parquet("lists")  # doctest: +SKIP
    """
    require("ray", "recommend_in_ray")
    columns = users.columns()
    if COLUMN not in columns:
        raise InputError(f"users has the columns {', '.join(columns)}; give one named {COLUMN}")
    arguments = {"folder": str(files.resolved(model)), "n": whole("n", n), **options}
    return users.select_columns([COLUMN]).map_batches(recommend_batch, batch_format="pandas", fn_kwargs=arguments)


def train_in_ray(job: Job, workers: int) -> None:
    """`train_on` by Ray Train's TorchTrainer, in `workers` processes of the cluster that is there, or of a local
    one."""
    require("ray", "training on Ray")
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    with tempfile.TemporaryDirectory() as folder:
        trainer = TorchTrainer(
            _train_in_group,
            train_loop_config={"job": job},
            scaling_config=ScalingConfig(num_workers=workers, use_gpu=job.on_gpu),
            torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if job.on_gpu else "gloo"),
            run_config=RunConfig(storage_path=folder),  # Ray's own notes: the model is written by its first worker
        )
        trainer.fit()


def _train_in_group(config: dict[str, Any]) -> None:
    train_here(config["job"])
