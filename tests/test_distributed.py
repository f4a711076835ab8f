"""Several processes that share the columns learn what one process learns."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.distributed as dist
from click.testing import CliRunner

import autorec
from autorec.cli.main import autorec as command
from autorec.errors import NotFittedError, ParameterError
from autorec.fitting.one_training import HEAD, new_network, prepare
from autorec.fitting.settings import check_settings
from autorec.network.corruption import CORRUPTIONS
from autorec.network.likelihood import LIKELIHOODS
from autorec.network.parts import parse, parse_sum
from autorec.network.penalty import PENALTIES
from autorec.network.shard import Shard
from autorec.ratings.convert import as_ratings
from autorec.training import tensor_tree
from autorec.training.adam import Adam
from autorec.training.batches import partition
from autorec.training.distributed import current_shard
from autorec.training.objective import objective
from autorec.training.steps import descend
from autorec.training.tensor_tree import Columns, read_part, write_tree
from tests.conftest import random_frame

Work = Callable[..., Any]


def run_rank(rank: int, size: int, folder: Path, work: Work, arguments: tuple[Any, ...]) -> None:
    warnings.simplefilter("ignore")
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=size)
    torch.save(work(*arguments), folder / f"{rank}.pt")
    dist.destroy_process_group()


def in_group(size: int, folder: Path, work: Work, *arguments: Any) -> list[Any]:
    """[processes] what work(*arguments) returns in each of `size` processes of a gloo group."""
    started = start_group(size, folder, work, arguments)
    assert exit_codes(started) == [0] * size
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(size)]


def start_group(size: int, folder: Path, work: Work, arguments: tuple[Any, ...]) -> list[Any]:
    folder.mkdir()
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__, "autorec.models.autorec"])
    started = [
        processes.Process(target=run_rank, args=(rank, size, folder, work, arguments), daemon=True)
        for rank in range(size)
    ]
    for process in started:
        process.start()
    return started


def exit_codes(started: list[Any]) -> list[int]:
    for process in started:
        process.join(200)
    return [process.exitcode for process in started]


def taste_frame(users: int = 90, items: int = 41) -> pd.DataFrame:
    """Ratings that two factors explain in part, so that there is something to learn."""
    frame, rng = random_frame(users, items, density=0.5), np.random.default_rng(1)
    taste = rng.normal(size=(users, 2)) @ rng.normal(size=(2, items))
    values = 3 + taste[frame["user"], frame["item"]] + 0.3 * rng.normal(size=len(frame))
    return frame.assign(rating=np.clip(np.round(values), 1, 5))


CASES: dict[str, dict[str, Any]] = {
    "item": {"hidden": 5, "penalty": "l2:20"},
    "user": {"orientation": "user", "inputs": "residuals+rated", "hidden": 5, "penalty": "l2:20"},
    "deep": {"hidden": "6-4", "penalty": "l2:3+l1:0.1", "decoder": "sigmoid"},
    "drawn": {"hidden": 4, "code": "gaussian", "penalty": "l2:3+gaussian_kl:0.5", "inputs": "ratings"},
    "contractive": {"hidden": 5, "penalty": "contractive:0.1", "inputs": "ratings", "offset": "none"},
}
STEPS = {"item": 50, "user": 50}  # of the other cases FEW
FEW = 10


def learn(name: str) -> tuple[list[dict[str, float]], list[list[torch.Tensor]], list[str]]:
    """(terms of the loss, gradients of all parameters) of each step, names of the parameters; of the own columns."""
    model = autorec.AutoRec(**CASES[name])
    settings = check_settings(model.get_params())
    rows = model._rows_of(as_ratings(taste_frame()).csr, (1.0, 5.0))
    parts = partition(rows.shape[0], 20, np.random.default_rng(0))
    inputs = settings.inputs if settings.inputs != "auto" else "residuals" if settings.biases else "ratings"
    dampings = (3.0, 5.0) if settings.biases else (0.0, 0.0)
    data = prepare(rows, rows.only(np.arange(0)), parts, dampings, inputs, settings, False, shard=current_shard())
    network = new_network(data, settings)
    likelihoods = {HEAD: parse("likelihood", "gaussian", LIKELIHOODS)}
    penalties = parse_sum("penalty", f"{model.penalty}+bias:2", PENALTIES)
    corruption = parse("corruption", "none", CORRUPTIONS)
    # Two generators, so that the pass for the gradients draws the codes of the step.
    losses = [
        objective(network, likelihoods, penalties, corruption, torch.Generator().manual_seed(3)) for _ in range(2)
    ]
    step = descend(losses[1], Adam(network.parameters(), lambda number: 0.003))
    terms, gradients = [], []
    for number in range(STEPS.get(name, FEW)):
        example = data.examples[number % len(data.examples)]
        network.zero_grad()
        torch.stack(list(losses[0](example, number).values())).sum().backward()
        gradients.append([parameter.grad.clone() for parameter in network.parameters()])
        terms.append(step(example, number))
    return terms, gradients, [name for name, _ in network.named_parameters()]


def learn_all() -> dict[str, Any]:
    return {name: learn(name) for name in CASES}


def assert_learned_the_same(several: list[dict[str, Any]]) -> None:
    for name in CASES:
        terms, gradients, names = learn(name)
        assert terms[0] != terms[-1]
        for learned, _, _ in (one[name] for one in several):
            for ours, theirs in zip(terms, learned, strict=True):
                assert theirs == pytest.approx(ours, rel=1e-6)
        for step in range(len(terms)):
            for index, parameter in enumerate(names):
                expected = gradients[step][index]
                bound = 1e-6 * max(expected.abs().max().item(), 1.0)
                for rank, one in enumerate(several):
                    found = one[name][1][step][index]
                    own = expected[Shard(rank, len(several)).columns] if of_columns(parameter) else expected
                    assert (found - own).abs().max() <= bound, f"{name}, {parameter}, step {step}, process {rank}"


def of_columns(parameter: str) -> bool:
    return parameter.startswith(("encoder.weights", "heads.rating.weight", "heads.rating.bias"))


FITS: dict[str, dict[str, Any]] = {
    "i-autorec": {"hidden": 6, "epochs": 8},
    "u-autorec": {"hidden": 6, "epochs": 8, "penalty": "l2:20", "batch": 20},
}


def fit(name: str) -> autorec.Recommender:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so few epochs may end worse than biases
        return autorec.create(name, **FITS[name]).fit(taste_frame(120, 60))


def fit_and_save(folder: Path) -> list[str]:
    """What processes other than the first say when asked for predictions; what all say to what they cannot train."""
    said = []
    for name in FITS:
        model = fit(name)
        try:
            model.predict([0], [0])
            model.save(folder / name)
        except NotFittedError as error:
            said.append(str(error))
    autorec.create("ease").fit(taste_frame()).recommend([0])  # each process for itself
    for refused in (
        autorec.AutoRec(optimizer="lbfgs"),
        autorec.AutoRec(corruption="masking:0.2"),
    ):
        with pytest.raises(ParameterError) as caught:
            refused.fit(taste_frame())
        said.append(str(caught.value))
    return said


def assert_fitted_the_same(folder: Path, said: list[list[str]]) -> None:
    frame = taste_frame(120, 60)
    for name in FITS:
        one, several = fit(name), autorec.load(folder / name)
        for key in ("l2", "inputs", "best_epoch", "stopped", "train_ratings", "parameters", "user_damping"):
            assert several.summary_[key] == one.summary_[key]
        ours, theirs = ([record["validation_rmse"] for record in model.summary_["tried"]] for model in (one, several))
        assert theirs == pytest.approx(ours, abs=0.0005)
        errors = [model.predict(frame["user"], frame["item"]) - frame["rating"] for model in (one, several)]
        rmse = [float(np.sqrt(np.mean(np.square(error)))) for error in errors]
        assert rmse[0] == pytest.approx(rmse[1], abs=0.0005)
        assert rmse[0] < frame["rating"].std()
    for rank, sentences in enumerate(said):
        assert sum("is not fitted" in sentence for sentence in sentences) == (len(FITS) if rank else 0)
        assert sentences[-2] == "optimizer lbfgs trains in one process; several share one by adam"
        assert sentences[-1].startswith("corruption masking is drawn rating by rating, in one process; several share")


def learn_and_fit(folder: Path) -> tuple[dict[str, Any], list[str]]:
    return learn_all(), fit_and_save(folder)


@pytest.mark.parametrize("size", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_several_processes_learn_and_fit_what_one_does(size: int, tmp_path: Path):
    learned, said = zip(*in_group(size, tmp_path / "group", learn_and_fit, tmp_path), strict=True)
    assert_learned_the_same(list(learned))
    assert_fitted_the_same(tmp_path, list(said))


def test_a_state_is_read_by_any_number_of_processes_bit_for_bit(tmp_path: Path):
    full = {"weight": torch.rand(11, 3), "bias": torch.rand(11), "code": torch.rand(4)}

    def written(size: int, of: list[dict[str, torch.Tensor]]) -> list[Path]:
        paths = [tmp_path / f"{rank}-of-{size}" for rank in range(size)]
        for path, own in zip(paths, of, strict=True):
            tree = {name: own[name] if name == "code" else Columns(own[name], 11) for name in own}
            write_tree(path, {"state": [tree, None]})
        return paths

    def read(paths: list[Path], size: int) -> list[dict[str, torch.Tensor]]:
        return [read_part(paths, Shard(rank, size))["state"][0] for rank in range(size)]

    two = [{name: full[name] if name == "code" else full[name][rank::2] for name in full} for rank in range(2)]
    (one,) = read(written(2, two), 1)
    assert all(torch.equal(one[name], full[name]) for name in full)
    four = read(written(1, [one]), 4)
    three = read(written(4, four), 3)
    for size, parts in ((4, four), (3, three)):
        for rank, own in enumerate(parts):
            assert torch.equal(own["code"], full["code"])
            assert all(torch.equal(own[name], full[name][rank::size]) for name in ("weight", "bias"))


def fit_in_folder(folder: Path, dies: int | None = None) -> dict[str, np.ndarray]:
    """The arrays of a model whose states are in a folder, in the first process; process 1 dies at its write `dies`."""
    writes, write = 0, tensor_tree.write_tree

    def write_or_die(path: Path, tree: object) -> None:
        nonlocal writes
        writes += 1
        if writes == dies and dist.get_rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        write(path, tree)

    tensor_tree.write_tree = write_or_die
    model = autorec.create("u-autorec", **FITS["u-autorec"])
    model.fit(taste_frame(120, 60), checkpoint=autorec.Checkpoint(folder, every=0, resume=True))
    return model._arrays() if dist.get_rank() == 0 else {}


def test_a_process_that_dies_changes_no_bit(tmp_path: Path):
    """The other one has written a state that the dead one has not; both go on from the one before."""
    expected = in_group(2, tmp_path / "whole", fit_in_folder, tmp_path / "other")[0]
    for dies in (4, 10):  # of an epoch; the end of the first training
        with pytest.raises(AssertionError):
            in_group(2, tmp_path / f"killed {dies}", fit_in_folder, tmp_path / "kept", dies)
    assert list((tmp_path / "kept").glob("training-*.0-of-2.safetensors"))
    found = in_group(2, tmp_path / "resumed", fit_in_folder, tmp_path / "kept")[0]
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    assert not list((tmp_path / "kept").glob("*-epoch-*"))


def test_torchrun_is_for_train_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    told = CliRunner().invoke(command, ["models"])
    assert told.exit_code == 2 and "which can `train` together; give this verb alone" in told.output
    taste_frame().to_csv(tmp_path / "r.csv", index=False)
    for words, sentence in (
        (
            [str(tmp_path / "r.csv"), "-m", "ease"],
            "Ease is trained by one process; several, as torchrun starts them, share",
        ),
        (["-", "-m", "i-autorec"], "stdin, which several processes cannot share"),
    ):
        told = CliRunner().invoke(command, ["train", *words, "-o", str(tmp_path / "model")])
        assert told.exit_code == 1 and sentence in told.output


@pytest.mark.slow
def test_twenty_kills_at_random_moments_change_no_bit(tmp_path: Path):
    """SIGKILL of one of two processes, wherever it is; all are started again, as torchrun does."""
    expected = in_group(2, tmp_path / "whole", fit_in_folder, tmp_path / "other")[0]
    rng, killed = np.random.default_rng(0), 0
    for number in range(20):
        started = start_group(2, tmp_path / f"group {number}", fit_in_folder, (tmp_path / "kept",))
        started[0].join(rng.uniform(0.05, 1.0))
        first, other = rng.permutation(started)
        killed += first.exitcode is None
        first.kill()
        other.join(5)  # it knows as soon as it waits for the dead one, but not while the two still meet
        other.kill()
        exit_codes(started)
    assert killed >= 10
    found = in_group(2, tmp_path / "resumed", fit_in_folder, tmp_path / "kept")[0]
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


@pytest.mark.slow
def test_torchrun_starts_again_what_is_killed(tmp_path: Path):
    """The command as documented: one process in two is killed while it trains; the model has the bits of a run without
    kills, and one process goes on from what two have left."""
    taste_frame(120, 60).to_csv(tmp_path / "ratings.csv", index=False)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--max-restarts", "9"]
    command += ["-m", "autorec", "train", str(tmp_path / "ratings.csv"), "-m", "u-autorec", "--quiet"]
    command += [word for name, value in FITS["u-autorec"].items() for word in ("--set", f"{name}={value}")]

    def run(name: str, kills: int) -> None:
        folder = tmp_path / f"kept {name}"
        options = ["--checkpoint", str(folder), "--every", "0", "--resume", "-o", str(tmp_path / name)]
        with subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as torchrun:
            dead: set[int] = set()
            while torchrun.poll() is None:
                time.sleep(0.05)
                states = len(list(folder.glob("*-epoch-*")))
                children = Path(f"/proc/{torchrun.pid}/task/{torchrun.pid}/children")
                workers = [int(pid) for pid in children.read_text().split()] if children.exists() else []
                if states and len(dead) < kills and workers and workers[-1] not in dead:
                    os.kill(workers[-1], signal.SIGKILL)
                    dead.add(workers[-1])
        assert torchrun.returncode == 0
        assert len(dead) == kills

    run("whole", 0)
    run("killed", 2)
    one, other = (autorec.load(tmp_path / name)._arrays() for name in ("whole", "killed"))
    assert all(np.array_equal(one[name], other[name]) for name in one)
    ended = autorec.create("u-autorec", **FITS["u-autorec"])
    resume = autorec.Checkpoint(tmp_path / "kept killed", resume=True)
    assert ended.fit(autorec.read_ratings(tmp_path / "ratings.csv"), checkpoint=resume)
    assert all(np.array_equal(one[name], value) for name, value in ended._arrays().items() if "network" in name)
