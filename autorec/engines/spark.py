"""Spark: a training in the processes of a TorchDistributor, recommendations by mapInPandas."""

import os
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import pandas as pd

from autorec import files
from autorec.checks import whole
from autorec.engines.job import COLUMN, Job, load_once, recommend_batch, train_here
from autorec.errors import InputError, ParameterError
from autorec.extras import require


def recommend_in_spark(users: Any, model: files.PathLike, n: int = 10, **options: Any) -> Any:
    """The n best items of each user, computed by the executors → Spark DataFrame user, item, score, rank[, title],
    source.

    users    a Spark DataFrame with a column user
    model    the folder of a saved model, on a file system that all executors see
    options  by, exclude_seen, allow, deny, where, boost, diversify: as in `Recommender.recommend`

    Each Python process of an executor loads the model once; it is memory beside the JVM's. Users whom the model
    does not know get the fallback, as `source` says. Needs the extra `spark`. InputError: no column user.

    >>> users = spark.createDataFrame([("u3",), ("u7",)], "user string")  # doctest: +SKIP
    >>> autorec.recommend_in_spark(users, "my-model", n=20).write.parquet("lists")  # doctest: +SKIP
    """
    require("spark", "recommend_in_spark")
    from pyspark.sql import types

    if COLUMN not in users.columns:
        raise InputError(f"users has the columns {', '.join(users.columns)}; give one named {COLUMN}")
    folder, n = str(files.resolved(model)), whole("n", n)
    ratings = load_once(folder).ratings_
    item = types.LongType() if ratings.item_ids.dtype.kind == "i" else types.StringType()
    fields = {COLUMN: users.schema[COLUMN].dataType, "item": item}
    fields |= {"score": types.DoubleType(), "rank": types.LongType()}
    fields |= {} if ratings.titles is None else {"title": types.StringType()}
    fields |= {"source": types.StringType()}
    schema = types.StructType([types.StructField(name, kind) for name, kind in fields.items()])
    recommend = partial(recommend_batch, folder=folder, n=n, **options)

    def recommend_all(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        return map(_with_plain_text, map(recommend, frames))

    return users.select(COLUMN).mapInPandas(recommend_all, schema)


def _with_plain_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Text as Python's own: that of pandas 3 may be in several chunks of Arrow, which Spark does not take."""
    return frame.astype({name: object for name, kind in frame.dtypes.items() if isinstance(kind, pd.StringDtype)})


def train_in_spark(job: Job, workers: int) -> None:
    """`train_on` by Spark's TorchDistributor, in `workers` tasks of the session that is there, or of a new one."""
    require("spark", "training on Spark")
    from pyspark.ml.torch.distributor import TorchDistributor
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    session = running or _start(workers)
    try:
        _require_slots(session, workers)
        TorchDistributor(num_processes=workers, local_mode=False, use_gpu=job.on_gpu).run(_train_in_group, job)
    finally:
        if running is None:
            session.stop()


def _require_slots(session: Any, workers: int) -> None:
    """ParameterError where a session on this machine runs fewer tasks at once: Spark would ask for 10 minutes whether
    there are more now. A cluster may get more while it is asked."""
    master = session.conf.get("spark.master", "")
    if not master.startswith("local"):
        return
    slots = session.sparkContext.defaultParallelism
    if slots < workers:
        raise ParameterError(
            f"workers is {workers}, and the Spark session {master} runs {slots} tasks at once; start it as "
            f"local[{workers}], or give fewer workers"
        )


def _start(workers: int) -> Any:
    """A session where spark-submit has said, else on this machine, whose tasks run this Python."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("autorec")
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        return builder.getOrCreate()
    given = os.environ.get("PYSPARK_PYTHON")
    os.environ["PYSPARK_PYTHON"] = given or sys.executable
    try:
        return builder.master(f"local[{workers}]").getOrCreate()
    finally:
        if given is None:
            del os.environ["PYSPARK_PYTHON"]


def _train_in_group(job: Job) -> None:
    import torch.distributed as dist

    dist.init_process_group("cpu:gloo,cuda:nccl" if job.on_gpu else "gloo")
    try:
        train_here(job)
    finally:
        dist.destroy_process_group()
