"""autorec train: learn a model from ratings and write it as a folder, alone or as one of the processes of torchrun."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

import autorec
from autorec import group
from autorec.cli.options import Reader, ratings_file, seconds, settings
from autorec.cli.output import write_json
from autorec.cli.paths import ModelName, OutputFolder, OutputModel, ReplaceableModel
from autorec.cli.text import brief, show_facts
from autorec.cli.verb import INTERRUPTED, be_quiet, say, verb
from autorec.errors import AutoRecError, ParameterError


@verb
@ratings_file(work="open_ratings")
@click.option(
    "-m",
    "--model",
    "name",
    type=ModelName(),
    default="autorec",
    show_default=True,
    help="A name of `autorec models`, or a preset file.",
)
@click.option(
    "--set",
    "chosen",
    callback=settings,
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the model; repeatable.",
)
@click.option(
    "--from",
    "earlier",
    type=ReplaceableModel(),
    metavar="MODEL",
    help="Add RATINGS to this model: go on from its weights. Of --set only epochs.",
)
@click.option("--seed", type=int, help="Sets random_state of models that draw at random.")
@click.option("--checkpoint", type=OutputFolder(), metavar="DIR", help="Keep the state of the training there.")
@click.option(
    "--every",
    callback=seconds,
    default="60s",
    show_default=True,
    metavar="TIME",
    help="Time from one kept state to the next, such as 90s, 5m, 1h; 0: each epoch.",
)
@click.option("--resume", is_flag=True, help="Go on from what is in DIR; where there is nothing, begin.")
@click.option("--engine", type=click.Choice(["ray", "spark"]), help="Train in processes of such a cluster.")
@click.option("--workers", type=click.IntRange(1), metavar="N", help="How many processes, with --engine.")
@click.option(
    "--mesh",
    metavar="DxS",
    help="Of D x S processes: D groups, each with some of the rows of a batch, of S, each with some of the columns. By "
    "default one group.",
)
@click.option("-o", "--output", type=OutputModel(), required=True, metavar="MODEL")
def train(
    read: Reader,
    name: str,
    chosen: dict[str, Any],
    earlier: str | None,
    seed: int | None,
    checkpoint: Path | None,
    every: float,
    resume: bool,
    engine: str | None,
    workers: int | None,
    mesh: str | None,
    output: Path,
    as_json: bool,
) -> None:
    """Train a model on RATINGS and write it to the folder MODEL.

    RATINGS is a file, a folder of a known data set, or - for stdin. With --from they are a day's ratings, say: they are
    added to those of an earlier model, whose settings stay, and it is told what changed; -o may be that model. Under
    torchrun several processes train one model together:

    torchrun --nproc-per-node 2 -m autorec train RATINGS -o MODEL
    """
    if resume and checkpoint is None:
        raise click.UsageError("--resume needs --checkpoint DIR")
    if group.is_launched() and (earlier is not None or engine is not None):
        raise click.UsageError("torchrun starts several processes; --from and --engine are for one")
    if earlier is not None:
        _refuse_settings(chosen)
        _update(earlier, read, chosen.get("epochs"), output, as_json)
        return
    if (engine is None) != (workers is None):
        raise click.UsageError("--engine and --workers go together")
    if mesh is not None:
        _check_mesh(mesh, workers)
    kept = checkpoint and autorec.Checkpoint(checkpoint, every, resume)
    model = autorec.create(name, **chosen)
    if seed is not None and "random_state" in model.get_params():
        model.set_params(random_state=seed)
        chosen["random_state"] = seed
    if engine is not None:
        start = time.perf_counter()
        where: dict[str, Any] = {"parameters": chosen, "reading": read.how, "workers": workers}
        where |= {"checkpoint": kept, "mesh": mesh}
        told = autorec.train_on(engine, read.path, output, name, **where)
        _show(name, output, time.perf_counter() - start, told["parameters"], told["summary"], as_json)
        return
    with group.mesh(mesh), joined(model, read.path) as first:
        ratings = read()
        say(f"Training {name} on {ratings}.")
        start = time.perf_counter()
        model.fit(ratings, checkpoint=kept)
        taken = time.perf_counter() - start
    if not first:
        return
    model.save(output)
    _show(name, output, taken, model.get_params(), model.summary_, as_json)
    if model.summary_.get("stopped") == "interrupted":
        say("Interrupted: the best model so far is the one written.")
        raise SystemExit(INTERRUPTED)


def _check_mesh(mesh: str, workers: int | None) -> None:
    """A usage error without several processes, an error where they are not as many as the mesh has."""
    if workers is None and not group.is_launched():
        raise click.UsageError("--mesh is for several processes: use torchrun, or --engine and --workers")
    group.parse_mesh(mesh, workers or group.launched())


def _show(
    name: str, output: Path, taken: float, parameters: dict[str, Any], summary: dict[str, Any], as_json: bool
) -> None:
    say(f"Wrote the model to {output}.")
    if as_json:
        facts = {"model": name, "parameters": parameters, "fit_seconds": taken, "summary": summary}
        write_json({**facts, "output": str(output)})
    else:
        show_facts({"model": name, "seconds": f"{taken:.1f}", **parameters, **brief(summary)})


def _refuse_settings(chosen: dict[str, Any]) -> None:
    """A usage error where a model is to be changed that keeps its settings."""
    source = click.get_current_context().get_parameter_source
    names = {"name": "--model", "seed": "--seed", "checkpoint": "--checkpoint", "engine": "--engine"}
    given = [option for name, option in names.items() if source(name) is not ParameterSource.DEFAULT]
    given += [f"--set {name}" for name in chosen if name != "epochs"]
    if given:
        raise click.UsageError(f"{given[0]} does not go with --from: the settings of the earlier model stay")


def _update(earlier: str, read: Reader, epochs: Any, output: Path, as_json: bool) -> None:
    """Add the ratings to a model and write it."""
    model, ratings = autorec.load(earlier), read()
    say(f"Adding {ratings} to {earlier}.")
    result = autorec.update(model, ratings, **({} if epochs is None else {"epochs": epochs}))
    result.model.save(output)
    say(f"Wrote the model to {output}.")
    if as_json:
        write_json({"from": earlier, "update": result.to_dict(), "output": str(output)})
    else:
        show_facts({name.replace("_", " "): value for name, value in result.to_dict().items()})


@contextlib.contextmanager
def joined(model: Any, ratings: str) -> Iterator[bool]:
    """Within the block this process is in the group of those that torchrun started to fit `model` on the file
    `ratings`; yields whether it is the first, which alone prints and writes; without torchrun it is.

    ParameterError: several processes cannot. AutoRecError: another process of the group has ended. Ctrl-C ends the
    process: the others would wait for it.
    """
    if not group.is_launched():
        yield True
        return
    if not model.spreads:
        raise ParameterError(
            f"{type(model).__name__} is trained by one process; several, as torchrun starts them, share autorec, "
            "i-autorec, u-autorec and networks of choices (mult-dae, mult-vae, rec-vae, …): give one of these, or the "
            "command without torchrun"
        )
    if ratings == "-":
        raise ParameterError("ratings is '-', stdin, which several processes cannot share; give a file or a store")
    import torch
    import torch.distributed as dist

    rank = int(os.environ["RANK"])
    if rank:
        be_quiet()
    signal.signal(signal.SIGINT, lambda *_: sys.exit(INTERRUPTED))
    on_gpu = str(getattr(model, "device", "cpu")).startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo")
    try:
        yield rank == 0
    except RuntimeError as error:
        if not (isinstance(error, dist.DistError) or "gloo" in str(error)):
            raise
        reason = str(error).strip().splitlines()[0]
        raise AutoRecError(f"process {rank} has lost the others of its training ({reason})") from error
    dist.destroy_process_group()
