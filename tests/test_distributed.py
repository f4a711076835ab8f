"""Several processes that share the columns learn what one process learns."""

import importlib.util
import itertools
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.distributed as dist
from click.testing import CliRunner
from threadpoolctl import threadpool_limits

import autorec
from autorec import group
from autorec.cli.main import autorec as command
from autorec.errors import NotFittedError, ParameterError
from autorec.fitting.one_training import HEAD, make_data, new_network
from autorec.fitting.settings import check_settings
from autorec.models import choice_network
from autorec.network.autoencoder import Autoencoder
from autorec.network.corruption import CORRUPTIONS
from autorec.network.likelihood import LIKELIHOODS
from autorec.network.parts import parse, parse_sum
from autorec.network.penalty import PENALTIES
from autorec.network.shard import Mesh, Shard
from autorec.ratings.convert import as_ratings
from autorec.training import tensor_tree
from autorec.training.adam import Adam
from autorec.training.batches import partition
from autorec.training.distributed import meshed
from autorec.training.objective import Loss, objective
from autorec.training.part import from_rows
from autorec.training.state import State
from autorec.training.steps import Examples, Step, descend
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
        process.join(800)
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
    "noisy": {"hidden": 5, "penalty": "l2:3", "corruption": "masking:0.3"},
}
CHOICES: dict[str, dict[str, Any]] = {  # presets
    "mult-dae": {"hidden": 5},
    "mult-vae": {"hidden": 4, "sample": 30},
    "rec-vae": {"hidden": "6-6-4", "encoder_steps": 0},
}
Course = tuple[str, str, int]  # case, mesh, steps
NORMAL: list[Course] = [
    ("item", "2x2", 50),
    ("mult-dae", "2x2", 10),
    ("mult-vae", "1x4", 5),
    ("drawn", "2x2", 5),
    ("noisy", "4x1", 5),
]

Learned = tuple[list[dict[str, float]], list[list[torch.Tensor]], list[str]]


def learn(name: str, mesh: Mesh, steps: int) -> Learned:
    """(terms of the loss, gradients of all parameters) of each step, names of the parameters; of the own columns."""
    network, examples, loss, step = (of_choices if name in CHOICES else of_ratings)(name, mesh)
    terms, gradients = [], []
    for number in range(steps):
        example = examples[number % len(examples)]
        network.zero_grad()
        torch.stack(list(loss(example, number).values())).sum().backward()
        rows = example.mesh.rows
        gradients.append([rows.total(parameter.grad.clone()) for parameter in network.parameters()])
        terms.append(step(example, number))
    return terms, gradients, [name for name, _ in network.named_parameters()]


Parts = tuple[Autoencoder, Examples, Loss, Step]  # the loss draws what the step does


def of_choices(name: str, mesh: Mesh) -> Parts:
    model = autorec.create(name, **CHOICES[name])
    data = choice_network.prepare(as_ratings(taste_frame()), 4.0, 0.0, 0)
    n_items = data.chosen.shape[1]
    network = model._build(data.n_users, n_items, torch.Generator().manual_seed(0), mesh.columns)
    examples = choice_network.make_choice_examples(data, 20, mesh=mesh)
    if "composite_kl" in model.penalty:
        with torch.no_grad():
            examples = [replace(one, earlier=network.encoder(one.inputs, one.identity)) for one in examples]
    generators = [torch.Generator().manual_seed(3) for _ in range(2)]
    step = model._make_step(network, model._choose_likelihood(n_items, generators[1]), 100, generators[1], State([]))
    likelihoods = {choice_network.HEAD: model._choose_likelihood(n_items, generators[0])}
    corruption = parse("corruption", model.corruption, CORRUPTIONS)
    loss = objective(network, likelihoods, model._penalties(), corruption, generators[0])
    return network, examples, loss, step


def of_ratings(name: str, mesh: Mesh) -> Parts:
    model = autorec.AutoRec(**CASES[name])
    settings = check_settings(model.get_params())
    rows = model._rows_of(as_ratings(taste_frame()).csr, (1.0, 5.0))
    parts = partition(rows.shape[0], 20, np.random.default_rng(0))
    inputs = settings.inputs if settings.inputs != "auto" else "residuals" if settings.biases else "ratings"
    dampings = (3.0, 5.0) if settings.biases else (0.0, 0.0)
    own = from_rows(rows).hold(mesh, parts, np.arange(0)).rows
    data = make_data(own, rows.only(np.arange(0)), parts, dampings, inputs, settings, False, mesh=mesh)
    network = new_network(data, settings)
    likelihoods = {HEAD: parse("likelihood", "gaussian", LIKELIHOODS)}
    penalties = parse_sum("penalty", f"{model.penalty}+bias:2", PENALTIES)
    corruption = parse("corruption", model.corruption, CORRUPTIONS)
    # Two generators, so that the pass for the gradients draws the codes of the step.
    losses = [
        objective(network, likelihoods, penalties, corruption, torch.Generator().manual_seed(3)) for _ in range(2)
    ]
    step = descend(losses[1], Adam(network.parameters(), lambda number: 0.003))
    return network, data.examples, losses[0], step


def learn_all(courses: list[Course]) -> list[Learned]:
    learned = []
    for name, shape, steps in courses:
        with group.mesh(shape), meshed() as mesh:
            learned.append(learn(name, mesh, steps))
    return learned


def assert_learned_the_same(courses: list[Course], several: list[list[Learned]]) -> None:
    for index, (name, shape, steps) in enumerate(courses):
        terms, gradients, names = learn(name, Mesh(), steps)
        assert terms[0] != terms[-1]
        for rank, (found, in_mesh, _) in enumerate(one[index] for one in several):
            for ours, theirs in zip(terms, found, strict=True):
                assert theirs == pytest.approx(ours, rel=1e-6, abs=1e-6 * sum(ours.values()))
            shares = int(shape[-1])
            for step, parameter in itertools.product(range(steps), range(len(names))):
                expected = gradients[step][parameter]
                bound = 2e-6 * max(expected.abs().max().item(), 1.0)  # rounding of 50 steps, summed in another order
                own = expected[Shard(rank % shares, shares).own] if of_columns(names[parameter]) else expected
                worst = (in_mesh[step][parameter] - own).abs().max()
                assert worst <= bound, f"{name}, {shape}, {names[parameter]}, step {step}, process {rank}"


def of_columns(parameter: str) -> bool:
    return re.fullmatch(r"encoder\.weights\.\d|heads\.\w+\.(weight|bias)", parameter) is not None


FITS: dict[str, dict[str, Any]] = {
    "u-autorec": {"hidden": 6, "epochs": 4, "penalty": "l2:20", "inputs": "ratings", "batch": 60},
    "mult-vae": {"hidden": "8-6", "epochs": 4, "batch": 60, "validation": 0.3},
}
CHOOSING: dict[str, dict[str, Any]] = {  # what serves from the data too; in the slow tier
    "i-autorec": {"hidden": 6, "epochs": 8},
    "u-autorec": {"hidden": 6, "epochs": 8, "penalty": "l2:20", "batch": 20},
}


class SmallJoint(autorec.Joint):
    """With a rating model of few units."""

    def _make_rating(self, seed: int) -> autorec.Recommender:
        how = {"penalty": "l2:20", "inputs": "ratings", "batch": 20, "random_state": seed}
        return autorec.create("i-autorec", hidden=5, epochs=4, **how)


def fit_joint(ratings: Any) -> dict[str, np.ndarray]:
    """The arrays of a model that ranks and rates; of processes other than the first, {}. BLAS, whose sums round by the
    number of its threads, has one in all processes, whatever another test has set."""
    with threadpool_limits(1, user_api="blas"):
        model = SmallJoint(choice="ease").fit(ratings)
    return {} if group.place()[0] else model._arrays()


def fit(name: str, given: dict[str, Any]) -> autorec.Recommender:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so few epochs may end worse than biases
        return autorec.create(name, **given).fit(taste_frame(120, 60))


def fit_and_save(folder: Path, fits: dict[str, dict[str, Any]]) -> list[str]:
    """What processes other than the first say when asked for predictions; what all say to what they cannot train."""
    said = []
    for name, given in fits.items():
        model = fit(name, given)
        try:
            model.known([0], [0])
            model.save(folder / name)
        except NotFittedError as error:
            said.append(str(error))
    autorec.create("bias").fit(taste_frame()).predict([0], [0])  # each process for itself
    for refused, mesh in (
        (autorec.AutoRec(optimizer="lbfgs"), None),
        (autorec.AutoRec(penalty="mmd:1", epochs=1), f"{dist.get_world_size()}x1"),
        (autorec.ChoiceAutoencoder(half_life="auto"), None),
        (autorec.ChoiceAutoencoder(features=1.0), None),
        (autorec.AutoRec(), "3x7"),
    ):
        with pytest.raises(ParameterError) as caught, group.mesh(mesh):
            refused.fit(taste_frame())
        said.append(str(caught.value))
    return said


def assert_fitted_the_same(folder: Path, fits: dict[str, dict[str, Any]], said: list[list[str]]) -> None:
    frame = taste_frame(120, 60)
    for name, given in fits.items():
        one, several = fit(name, given), autorec.load(folder / name)
        if name == "mult-vae":
            assert several.summary_["best_epoch"] == one.summary_["best_epoch"]
            assert several.summary_["validation_ndcg"] == pytest.approx(one.summary_["validation_ndcg"], abs=0.0005)
            for found, expected in zip(several._items(), one._items(), strict=True):
                assert np.allclose(found, expected, rtol=0, atol=1e-4)
            continue
        for key in ("l2", "inputs", "best_epoch", "stopped", "train_ratings", "parameters", "user_damping"):
            assert several.summary_[key] == one.summary_[key]
        ours, theirs = ([record["validation_rmse"] for record in model.summary_["tried"]] for model in (one, several))
        assert theirs == pytest.approx(ours, abs=0.0005)
        errors = [model.predict(frame["user"], frame["item"]) - frame["rating"] for model in (one, several)]
        rmse = [float(np.sqrt(np.mean(np.square(error)))) for error in errors]
        assert rmse[0] == pytest.approx(rmse[1], abs=0.0005)
        assert rmse[0] < frame["rating"].std()
    for rank, sentences in enumerate(said):
        assert sum("is not fitted" in sentence for sentence in sentences) == (len(fits) if rank else 0)
        assert sentences[-5] == "optimizer lbfgs trains in one process; several share one by adam"
        assert sentences[-4].startswith("penalty mmd compares the rows of a batch, which")
        assert sentences[-3].startswith("half_life auto is chosen by one process; give several")
        assert sentences[-2].startswith("features are computed of all items, in one process; several")
        assert sentences[-1].startswith("mesh 3x7 is for 21 processes; there are")


def assert_same_joint(several: list[dict[str, np.ndarray]]) -> None:
    """The ratings up to rounding; the choices, which the first process learns alone, to the bit."""
    one, (first, *others) = fit_joint(taste_frame(120, 60)), several
    assert not any(others) and one.keys() == first.keys()
    for name, array in one.items():
        np.testing.assert_allclose(first[name], array, rtol=0, atol=0 if name.startswith("choice.") else 1e-4)


def assert_read_in_parts(store: Path, expected: dict[str, np.ndarray]) -> None:
    """A fit on a store, of which only the first process reads all, has the bits of one on all ratings in each."""
    stored: Any = autorec.open_ratings(store)
    found = fit_joint(stored)
    assert ("whole" in vars(stored)) == (group.place()[0] == 0)
    if found:
        assert_equal(found, expected)


def learn_and_fit(
    folder: Path, courses: list[Course], fits: dict[str, dict[str, Any]]
) -> tuple[list[Learned], list[str], dict[str, np.ndarray]]:
    learned = learn_all(courses)
    with group.mesh(courses[0][1]):
        said, joint = fit_and_save(folder, fits), fit_joint(taste_frame(120, 60))
        if (folder / "store").exists():
            assert_read_in_parts(folder / "store", joint)
    return learned, said, joint


def every(*meshes: str) -> list[Course]:
    return [(name, mesh, 50) for mesh in meshes for name in (*CASES, *CHOICES)]


@pytest.mark.parametrize(
    ("size", "courses", "fits"),
    [
        (4, NORMAL, FITS),
        pytest.param(2, every("1x2", "2x1"), FITS | CHOOSING, marks=pytest.mark.slow),
        pytest.param(4, every("2x2", "1x4", "4x1"), FITS | CHOOSING, marks=pytest.mark.slow),
    ],
    ids=["four", "two, all", "four, all"],
)
@pytest.mark.timeout(900)  # hundreds of meetings of four processes, however few processors there are
def test_several_processes_learn_and_fit_what_one_does(size: int, courses: list[Course], fits: Any, tmp_path: Path):
    """Losses and gradients of each step; the fitted models, also from a store; in meshes of rows and columns."""
    if importlib.util.find_spec("duckdb"):
        taste_frame(120, 60).to_csv(tmp_path / "ratings.csv", index=False)
        autorec.prepare(tmp_path / "ratings.csv", tmp_path / "store")
    done = in_group(size, tmp_path / "group", learn_and_fit, tmp_path, courses, fits)
    learned, said, joint = map(list, zip(*done, strict=True))
    assert_learned_the_same(courses, learned)
    assert_fitted_the_same(tmp_path, fits, said)
    assert_same_joint(joint)


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


def fit_in_folder(
    folder: Path, given: dict[str, Any], mesh: str | None = None, dies: int | None = None
) -> dict[str, np.ndarray]:
    """The arrays of a model whose states are in a folder, in the first process; the last process of the first group,
    which writes, dies before its write `dies`."""
    writes, write = 0, tensor_tree.write_tree
    with group.mesh(mesh):
        victim = group.shape()[1] - 1

    def write_or_die(path: Path, tree: object) -> None:
        nonlocal writes
        writes += 1
        if writes == dies and group.place()[0] == victim:
            os.kill(os.getpid(), signal.SIGKILL)
        write(path, tree)

    tensor_tree.write_tree = write_or_die
    model = autorec.create("u-autorec", **given)
    with group.mesh(mesh), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in `fit`
        model.fit(taste_frame(120, 60), checkpoint=autorec.Checkpoint(folder, every=0, resume=True))
    tensor_tree.write_tree = write
    return {} if group.place()[0] else model._arrays()


def die_in_group(mesh: str, folder: Path, kept: Path, given: dict[str, Any], dies: int) -> None:
    with pytest.raises(AssertionError):
        in_group(processes_of(mesh), folder, fit_in_folder, kept, given, mesh, dies)


def processes_of(mesh: str) -> int:
    return int(mesh[0]) * int(mesh[-1])


def assert_equal(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys() and found
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def resume_and_train(kept: Path, other: Path, given: dict[str, Any], mesh: str) -> list[dict[str, np.ndarray]]:
    return [fit_in_folder(folder, given, mesh) for folder in (kept, other)]


KILLS = (2, 4)  # before a write after an epoch; at the end of the first training


@pytest.mark.parametrize(
    ("mesh", "kills"),
    [("2x2", KILLS[:1]), *(pytest.param(mesh, KILLS, marks=pytest.mark.slow) for mesh in ("1x2", "2x1", "2x2"))],
)
def test_a_process_that_dies_changes_no_bit(mesh: str, kills: tuple[int, ...], tmp_path: Path):
    """Others have written a state that the dead one has not; all go on from the one before. What has ended is read to
    the bit by any number of processes."""
    given, kept = FITS["u-autorec"], tmp_path / "kept"
    for dies in kills:
        die_in_group(mesh, tmp_path / f"killed {dies}", kept, given, dies)
    assert list(kept.glob("training-*"))
    again = (resume_and_train, kept, tmp_path / "other", given, mesh)
    found, expected = in_group(processes_of(mesh), tmp_path / "resumed", *again)[0]
    assert_equal(found, expected)
    assert not list(kept.glob("*-epoch-*"))
    alone = fit_in_folder(kept, given)
    for name in ("mean", "row_bias"):  # summed anew, in another order
        np.testing.assert_allclose(alone.pop(name), expected.pop(name), rtol=1e-12, atol=1e-12)
    assert_equal(alone, expected)


@pytest.mark.slow
def test_a_training_goes_on_in_other_meshes(tmp_path: Path):
    """2 x 2 processes, then 2, then 4, each of which begins with the bits that the last have left, as the state's own
    test shows; the end is that of one process up to rounding, since sums have another order."""
    given, kept = FITS["u-autorec"], tmp_path / "kept"
    expected = fit_in_folder(tmp_path / "alone", given)
    for mesh in ("2x2", "1x2", "2x1", "1x4"):
        die_in_group(mesh, tmp_path / mesh, kept, given, 2)
    found = fit_in_folder(kept, given)
    assert found.keys() == expected.keys()
    assert all(np.allclose(found[name], expected[name], rtol=0, atol=1e-4) for name in expected)


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
        ([str(tmp_path / "r.csv"), "--mesh", "3x3"], "mesh 3x3 is for 9 processes; there are 2"),
        ([str(tmp_path / "r.csv"), "--mesh", "two"], "mesh is 'two'; allowed: groups of rows x parts of the columns"),
    ):
        told = CliRunner().invoke(command, ["train", *words, "-o", str(tmp_path / "model")])
        assert told.exit_code == 1 and sentence in told.output


@pytest.mark.slow
@pytest.mark.parametrize("mesh", ["1x2", "2x2"])
@pytest.mark.timeout(900)
def test_twenty_kills_at_random_moments_change_no_bit(mesh: str, tmp_path: Path):
    """SIGKILL of one of the processes, wherever it is; all are started again, as torchrun does."""
    given, size = CHOOSING["u-autorec"], processes_of(mesh)
    expected = in_group(size, tmp_path / "whole", fit_in_folder, tmp_path / "other", given, mesh)[0]
    rng, killed = np.random.default_rng(0), 0
    for number in range(20):
        started = start_group(size, tmp_path / f"group {number}", fit_in_folder, (tmp_path / "kept", given, mesh))
        started[0].join(rng.uniform(0.05, 1.0))
        first, *others = rng.permutation(started)
        killed += first.exitcode is None
        first.kill()
        for other in others:
            other.join(5)  # it knows as soon as it waits for the dead one, but not while they still meet
            other.kill()
        exit_codes(started)
    assert killed >= 10
    assert_equal(in_group(size, tmp_path / "resumed", fit_in_folder, tmp_path / "kept", given, mesh)[0], expected)


@pytest.mark.slow
def test_torchrun_starts_again_what_is_killed(tmp_path: Path):
    """The command as documented: one process in two is killed while it trains; the model has the bits of a run without
    kills, and one process goes on from what two have left."""
    taste_frame(120, 60).to_csv(tmp_path / "ratings.csv", index=False)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--max-restarts", "9"]
    command += ["-m", "autorec", "train", str(tmp_path / "ratings.csv"), "-m", "u-autorec", "--quiet"]
    command += [word for name, value in CHOOSING["u-autorec"].items() for word in ("--set", f"{name}={value}")]

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
    ended = autorec.create("u-autorec", **CHOOSING["u-autorec"])
    resume = autorec.Checkpoint(tmp_path / "kept killed", resume=True)
    assert ended.fit(autorec.read_ratings(tmp_path / "ratings.csv"), checkpoint=resume)
    assert all(np.array_equal(one[name], value) for name, value in ended._arrays().items() if "network" in name)
