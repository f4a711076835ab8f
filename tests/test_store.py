"""Models as folders: the same bits back, damage named, and whole at every moment of a save."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import autorec
from autorec.errors import InputError, ModelFileError, NotFittedError, ParameterError
from autorec.models import store
from autorec.ratings.matrix import as_ratings

ON_LINUX = sys.platform == "linux"


@pytest.fixture
def folder(tmp_path, ratings):
    autorec.Bias().fit(ratings).save(tmp_path / "model")
    return tmp_path / "model"


def test_the_folder_holds_what_the_contract_says(folder):
    assert sorted(path.name for path in folder.iterdir()) == sorted([*store.PARTS, "model.json"])
    told = json.loads((folder / "model.json").read_text())
    assert told["class"] == "Bias" and told["version"] == 1 and told["scale"] == [1.0, 5.0]
    assert set(told["files"]) == set(store.PARTS)


@pytest.mark.parametrize("ids", [lambda n: n, lambda n: f"{n:03}", lambda n: f'ü{n}, "{n}"\n'])
def test_ids_titles_and_scores_come_back_as_they_were(tmp_path, frame, ids):
    ratings = as_ratings(frame.assign(user=frame["user"].map(ids), item=frame["item"].map(ids)))
    titles = np.array([f"Title {n} 'é'" if n else "" for n in range(ratings.n_items)], dtype=object)
    model = autorec.Bias(user_damping=3.5).fit(replace(ratings, titles=titles))
    model.save(tmp_path / "m")
    again = autorec.load(tmp_path / "m")
    assert again.get_params() == model.get_params()
    assert again.ratings_.user_ids.tolist() == ratings.user_ids.tolist()
    assert again.ratings_.user_ids.dtype == ratings.user_ids.dtype
    pd.testing.assert_frame_equal(again.recommend(), model.recommend(), check_exact=True)
    unknown = ["nobody"] * ratings.n_items
    assert np.array_equal(again.predict(unknown, ratings.item_ids), model.predict(unknown, ratings.item_ids))


def test_a_loaded_model_saves_the_same_bytes(tmp_path, folder):
    autorec.load(folder).save(tmp_path / "again")
    for name in [*store.PARTS, "model.json"]:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize("name", store.PARTS)
@pytest.mark.parametrize("harm", ["missing", "cut", "one bit", "empty"])
def test_a_damaged_part_is_named(folder, name, harm):
    path = folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes({"cut": data[: len(data) // 2], "one bit": data, "empty": b""}[harm])
    with pytest.raises(ModelFileError, match=name):
        autorec.load(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[]", "does not say"),
        ("{}", "does not say"),
        ("\ufffd\x00", "is not JSON"),
        ('{"format": "autorec model"}', "format version None"),
        ('{"format": "autorec model", "version": 99}', "format version 99"),
        ('{"format": "autorec model", "version": 1}', "lacks class, parameters"),
    ],
)
def test_a_damaged_manifest_is_explained(folder, text, said):
    (folder / "model.json").write_text(text)
    with pytest.raises(ModelFileError, match=said):
        autorec.load(folder)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("class", "os.system", "class 'os.system'"),
        ("class", ["Bias"], "class"),
        ("parameters", {"nonsense": 1}, "nonsense"),
        ("parameters", 3, "does not hold together"),
        ("scale", [0, 1], "scale"),
        ("files", [], "list of files"),
    ],
)
def test_a_manifest_that_does_not_fit_is_explained(folder, key, value, said):
    told = json.loads((folder / "model.json").read_text()) | {key: value}
    (folder / "model.json").write_text(json.dumps(told))
    with pytest.raises(ModelFileError, match=said):
        autorec.load(folder)


def test_indices_outside_the_matrix_are_refused_though_the_hashes_agree(folder, ratings):
    """The kernels do not check bounds, so a crafted file must not reach them."""
    import safetensors.numpy

    parts = store._pack(ratings)
    parts["indices"] = parts["indices"] + 1000
    path = folder / "ratings.safetensors"
    safetensors.numpy.save_file(parts, path)
    told = json.loads((folder / "model.json").read_text())
    told["files"][path.name] = store._sha256(path)
    (folder / "model.json").write_text(json.dumps(told))
    with pytest.raises(ModelFileError, match="does not hold together"):
        autorec.load(folder)


def test_what_is_no_model_is_said(tmp_path):
    with pytest.raises(ModelFileError, match="no model at"):
        autorec.load(tmp_path / "nowhere")
    with pytest.raises(ModelFileError, match="not a model"):
        autorec.load(tmp_path)


def test_save_replaces_models_and_nothing_else(tmp_path, folder, ratings):
    autorec.GlobalMean().fit(ratings).save(folder)
    assert isinstance(autorec.load(folder), autorec.GlobalMean)
    (tmp_path / "empty").mkdir()
    autorec.GlobalMean().fit(ratings).save(tmp_path / "empty")
    (tmp_path / "file").write_text("precious")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "precious").write_text("precious")
    for name in ("file", "other"):
        with pytest.raises(ModelFileError, match="give a"):
            autorec.GlobalMean().fit(ratings).save(tmp_path / name)
    assert (tmp_path / "file").read_text() == (tmp_path / "other" / "precious").read_text() == "precious"


def test_save_refuses_what_a_file_cannot_say(tmp_path, ratings):
    class Mine(autorec.Bias):
        pass

    with pytest.raises(NotFittedError, match="fit"):
        autorec.Bias().save(tmp_path / "m")
    with pytest.raises(ParameterError, match="class Mine"):
        Mine().fit(ratings).save(tmp_path / "m")
    model = autorec.Bias().fit(ratings)
    for value in (object(), float("nan")):
        with pytest.raises(ParameterError, match="parameters"):
            model.set_params(user_damping=value).save(tmp_path / "m")
    model.set_params(user_damping=np.float64(2)).save(tmp_path / "m")
    assert autorec.load(tmp_path / "m").user_damping == 2.0


def test_a_full_disk_leaves_the_old_model_and_no_litter(folder, ratings, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    for where in ("safetensors.numpy.save_file", "pandas.DataFrame.to_parquet", "os.fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(where, lambda *_, **__: full())
            with pytest.raises(OSError, match="No space"):
                autorec.GlobalMean().fit(ratings).save(folder)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        assert list(folder.parent.iterdir()) == [folder]


# Kills itself at the n-th thing that Python does to files, for n = 1, 2, … until a save gets through.
KILLED = """
import os, signal, sys
import numpy as np
import autorec
from autorec.ratings.matrix import from_sparse
from scipy import sparse

ratings = from_sparse(sparse.csr_array(np.arange(12.0).reshape(3, 4)))
old, new = autorec.GlobalMean().fit(ratings), autorec.Bias().fit(ratings)
place = sys.argv[1]
left, watched = [-1], ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "shutil.rmtree")

def count(event, args):
    if left[0] > 0 and event in watched:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(count)
seen = set()
for n in range(1, 1000):
    old.save(place)
    child = os.fork()
    if child == 0:
        left[0] = n
        new.save(place)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    found = type(autorec.load(place)).__name__
    if status == 0:
        assert found == "Bias", found
        break
    assert os.WTERMSIG(status) == signal.SIGKILL, status
    seen.add(found)
print(n, *sorted(seen))
"""


@pytest.mark.skipif(not ON_LINUX, reason="needs fork and SIGKILL")
def test_killed_at_any_moment_of_a_save_there_is_a_whole_model(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "model")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    moments, *found = done.stdout.split()
    assert int(moments) > 10
    assert found == ["Bias", "GlobalMean"]  # killed late the new one, killed early the old one


def test_a_replacement_cut_between_its_renames_is_put_back(folder):
    folder.rename(folder.with_name(f".{folder.name}.old"))
    assert isinstance(autorec.load(folder), autorec.Bias)


def test_errors_are_of_the_tree():
    assert issubclass(ModelFileError, autorec.AutoRecError)
    assert issubclass(InputError, ValueError)


def test_save_and_load_take_relative_names(tmp_path, ratings, monkeypatch):
    monkeypatch.chdir(tmp_path)
    autorec.GlobalMean().fit(ratings).save("model")
    assert isinstance(autorec.load(Path("model")), autorec.GlobalMean)
