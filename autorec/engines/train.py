"""A training on Ray or Spark, from what is checked before it to the model that it wrote."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from autorec import checks, files, group
from autorec.engines.job import Job
from autorec.engines.ray import train_in_ray
from autorec.engines.spark import train_in_spark
from autorec.errors import AutoRecError, ParameterError
from autorec.models.presets import create
from autorec.storage.manifest import check_save_path, describe
from autorec.training.checkpoint import Checkpoint

_PYTHON_ERROR = re.compile(r"^\s*((?!org\.|java|py4j)[\w.]*(?:Error|Exception)): (.+)$", re.MULTILINE)

ENGINES: dict[str, Callable[[Job, int], None]] = {"ray": train_in_ray, "spark": train_in_spark}


def train_on(
    engine: str,
    ratings: files.PathLike,
    output: files.PathLike,
    model: str = "autorec",
    *,
    parameters: Mapping[str, Any] | None = None,
    reading: Mapping[str, Any] | None = None,
    workers: int = 2,
    checkpoint: Checkpoint | None = None,
    mesh: str | None = None,
) -> dict[str, Any]:
    """Train on a cluster and write the model, the same folder as of one process; returns what `describe` says of it.

    engine      "ray": Ray Train's TorchTrainer, "spark": Spark's TorchDistributor, each an extra of its own
    ratings     a file or a store, which every process reads; output: the folder of the model, which the first writes;
                both on a file system that all nodes see
    parameters  of `create(model)`; reading: options of `read_ratings`
    workers     processes, a group of torch.distributed; which models share their columns among them, and which learn
                in each, says `fit`
    checkpoint  as for `fit`
    mesh        "DxS" of D · S workers: D groups, each with some of the rows of a batch, of S, each with some of the
                columns; None: one group

    An engine that runs already (RAY_ADDRESS, a Spark session) is used, else one is started on this machine.
    ParameterError, ModelFileError: what `create` and `save` refuse, before anything starts. AutoRecError: a process has
    failed.

    >>> told = autorec.train_on("ray", "store", "my-model", "i-autorec", workers=4)  # doctest: +SKIP
    """
    checks.one_of("engine", engine, list(ENGINES))
    checks.whole("workers", workers)
    group.parse_mesh(mesh, workers)
    chosen = dict(parameters or {})
    create(model, **chosen)._check_parameters()
    check_save_path(output)
    if str(ratings) == "-":
        raise ParameterError("ratings is '-', stdin, which processes of a cluster cannot read; give a file or a store")
    model = str(files.resolved(model)) if model.endswith(".json") else model
    how = dict(reading or {})
    if how.get("items") is not None:
        how["items"] = str(files.resolved(how["items"]))
    paths = str(files.resolved(ratings)), str(files.resolved(output))
    job = Job(*paths, model, chosen, how, _absolute(checkpoint), mesh)
    try:
        ENGINES[engine](job, workers)
    except AutoRecError:
        raise
    except Exception as error:  # what an engine makes of a failure in one of its processes
        raise AutoRecError(f"the training on {engine} has failed: {find_reason(str(error))}") from error
    return describe(output)


def _absolute(checkpoint: Checkpoint | None) -> Checkpoint | None:
    return checkpoint and replace(checkpoint, folder=files.resolved(checkpoint.folder))


def find_reason(text: str) -> str:
    """What went wrong, of the text of an engine's exception: the last error of Python that it quotes, an error of this
    library as its sentence alone."""
    errors = _PYTHON_ERROR.findall(text)
    own = [sentence for name, sentence in errors if name.startswith("autorec.")]
    lines = text.strip().splitlines() or ["no reason is given"]
    return own[-1] if own else ": ".join(errors[-1]) if errors else lines[0]
