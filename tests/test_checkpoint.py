"""A fit that is killed and resumed ends with the bits of one that was not."""

import multiprocessing
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import autorec
from autorec import Checkpoint, locks
from autorec.errors import InputError, ParameterError
from autorec.training.checkpoint import keeping
from autorec.training.tensor_tree import read_tree, write_tree
from tests.conftest import random_frame

MODELS = {
    "item": ("i-autorec", {"hidden": 5, "epochs": 4, "validation": 0.4}),
    "user": ("u-autorec", {"hidden": 5, "epochs": 4, "validation": 0.4, "corruption": "masking:0.2"}),
    "choices": ("mult-vae", {"hidden": "6-4", "epochs": 6, "validation": 0.6, "relevant": 2}),
    "in turn": ("rec-vae", {"hidden": "6-4", "epochs": 6}),
    "features": ("dfc-vae", {"hidden": "6-4", "epochs": 6}),
    "adversarial": ("aae", {"hidden": 4, "epochs": 6}),
    "elsa": ("elsa", {"factors": 4, "epochs": 6}),
    "levels": ("cf-nade", {"hidden": 4, "epochs": 6}),
    "lbfgs": (
        "i-autorec",
        {"hidden": 4, "epochs": 4, "optimizer": "lbfgs", "penalty": "l2:20", "validation": 0.4, "inputs": "ratings"},
    ),
    "rprop": (
        "i-autorec",
        {"hidden": 4, "epochs": 4, "optimizer": "rprop", "penalty": "l2:20", "validation": 0.4, "inputs": "ratings"},
    ),
    "kernels": ("glocal-k", {"hidden": 4, "epochs": 3, "global_epochs": 3}),
    "joint": ("autorec", {"choice": "ease"}),
}


class Killed(BaseException):
    """Stands for the end of the process."""


def fit(name: str, checkpoint: Checkpoint | None = None, **options: object) -> autorec.Recommender:
    model, settings = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a network of so few epochs may be worse than biases
        return autorec.create(model, **settings).fit(random_frame(40, 25), checkpoint=checkpoint, **options)


def assert_same(one: autorec.Recommender, other: autorec.Recommender) -> None:
    ours, theirs = one._arrays(), other._arrays()
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)
    assert curve(one) == curve(other)


def curve(model: autorec.Recommender) -> list[dict[str, object]]:
    """Without what a clock says."""
    points = model.summary_.get("curve") or model.summary_["rating"]["curve"]
    return [{key: value for key, value in point.items() if key != "seconds"} for point in points]


@pytest.mark.parametrize("name", MODELS)
def test_a_fit_that_dies_after_any_epoch_ends_the_same(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It dies after each fifth state that is written, before the older ones are deleted."""
    expected = fit(name)
    writes = 0

    def write_and_die(path: Path, tree: object) -> None:
        nonlocal writes
        write_tree(path, tree)
        writes += 1
        if writes % 5 == 0:
            raise Killed

    monkeypatch.setattr("autorec.training.tensor_tree.write_tree", write_and_die)
    for _ in range(200):
        try:
            resumed = fit(name, Checkpoint(tmp_path, every=0, resume=True))
            break
        except Killed:
            pass
    assert writes >= 5
    assert_same(resumed, expected)
    assert not list(tmp_path.glob("*-epoch-*"))  # each training has ended


def run(name: str, folder: Path, output: Path) -> None:
    fit(name, Checkpoint(folder, every=0, resume=True)).save(output)


@pytest.mark.parametrize("name", ["item", "user", "choices"])
def test_kills_at_random_moments_change_no_bit(name: str, tmp_path: Path):
    """SIGKILL, wherever the process is: in an epoch, in a write, between two trainings."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__, "autorec.models.autorec", "autorec.models.choice"])
    expected, rng = fit(name), np.random.default_rng(0)
    for seconds in (*rng.uniform(0.02, 0.4, size=5), None):
        process = processes.Process(target=run, args=(name, tmp_path / "kept", tmp_path / "model"))
        process.start()
        process.join(seconds)
        process.kill()
        process.join()
    assert process.exitcode == 0
    assert_same(autorec.load(tmp_path / "model"), expected)


def test_the_last_two_states_are_kept_and_a_damaged_one_is_passed_over(tmp_path: Path):
    def die(epoch: int, score: float) -> None:
        if epoch == 4:
            raise Killed

    with pytest.raises(Killed):
        fit("rprop", Checkpoint(tmp_path, every=0), on_validation=die)
    states = sorted(path.name for path in tmp_path.glob("*.safetensors"))
    assert states == ["training-1-epoch-2.safetensors", "training-1-epoch-3.safetensors"]
    content = bytearray((tmp_path / states[-1]).read_bytes())
    content[-1] ^= 1
    (tmp_path / states[-1]).write_bytes(content)
    heard: list[int] = []
    resumed = fit("rprop", Checkpoint(tmp_path, resume=True), on_validation=lambda epoch, score: heard.append(epoch))
    assert heard == [3, 4]
    assert_same(resumed, fit("rprop"))


def test_a_finished_fit_is_read_again(tmp_path: Path):
    kept = fit("item", Checkpoint(tmp_path, every=0))
    heard: list[int] = []
    again = fit("item", Checkpoint(tmp_path, resume=True), on_validation=lambda epoch, score: heard.append(epoch))
    assert not heard
    assert_same(again, kept)


def test_states_come_as_often_as_was_asked_for(tmp_path: Path):
    fit("item", Checkpoint(tmp_path, every=3600))
    assert all("epoch" not in path.name for path in tmp_path.iterdir())


def test_another_fit_does_not_go_on_from_it(tmp_path: Path):
    frame = random_frame()
    model = autorec.create("elsa", factors=3, epochs=2)
    model.fit(frame, checkpoint=tmp_path)
    with pytest.raises(InputError, match="holds a checkpoint; resume it, delete it, or give another folder"):
        model.fit(frame, checkpoint=tmp_path)
    resume = Checkpoint(tmp_path, resume=True)
    with pytest.raises(InputError, match="of another fit: factors was 3 and is 4"):
        autorec.create("elsa", factors=4, epochs=2).fit(frame, checkpoint=resume)
    with pytest.raises(InputError, match="SHA-256 of the ratings was"):
        model.fit(random_frame(seed=1), checkpoint=resume)
    with pytest.raises(ParameterError, match="random_state is None; allowed with a checkpoint: a whole number"):
        autorec.create("elsa", random_state=None).fit(frame, checkpoint=resume)
    with pytest.warns(UserWarning, match="Ease learns without epochs: nothing was kept"):
        autorec.create("ease").fit(frame, checkpoint=tmp_path / "other")


def test_other_files_are_left_alone(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is there and holds no checkpoint; give an empty or a new folder"):
        fit("elsa", Checkpoint(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    (tmp_path / "fit.json").write_text("{")
    with pytest.raises(InputError, match=r"fit\.json is damaged; delete"):
        fit("elsa", Checkpoint(tmp_path, resume=True))


def test_two_fits_do_not_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(locks, "PATIENCE", 0.05)
    with keeping(Checkpoint(tmp_path), {"fit": 1}), pytest.raises(locks.Busy, match="another process"):
        keeping(Checkpoint(tmp_path, resume=True), {"fit": 1}).__enter__()


def test_a_tree_is_read_as_it_was_written(tmp_path: Path):
    tensor = torch.arange(6.0).view(2, 3)
    tree = {"a": [tensor.T, None, {0: tensor[0, 1], "big": 2**100}], "nan": float("nan"), "empty": torch.empty(0)}
    write_tree(tmp_path / "tree", tree)
    found = read_tree(tmp_path / "tree")
    assert torch.equal(found["a"][0], tensor.T)
    assert found["a"][2] == {0: torch.tensor(1.0), "big": 2**100}
    assert found["nan"] != found["nan"]
    assert found["empty"].shape == (0,)
    with pytest.raises(ValueError, match="damaged"):
        read_tree(tmp_path / "missing")
