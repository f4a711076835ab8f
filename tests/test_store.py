"""Models as folders: the same bits back, damage named, and whole at every moment of a save."""

import json
import mmap
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import autorec
from autorec import folders
from autorec.errors import AutoRecError, InputError, ModelFileError, NotFittedError, ParameterError
from autorec.hashes import hash_of
from autorec.models import store
from autorec.ratings.convert import as_ratings
from autorec.storage import folder as model_folder
from autorec.storage import manifest
from autorec.storage.manifest import FILES, PARTS

ON_LINUX = sys.platform == "linux"


@pytest.fixture
def folder(tmp_path, ratings):
    autorec.Bias().fit(ratings).save(tmp_path / "model")
    return tmp_path / "model"


def test_the_folder_holds_what_the_contract_says(folder):
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    told = json.loads((folder / "model.json").read_text())
    assert told["class"] == "Bias" and told["version"] == manifest.VERSION and told["scale"] == [1.0, 5.0]
    assert set(told["files"]) == set(PARTS)


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


def test_of_a_mapped_model_arrays_stay_in_the_file(tmp_path, ratings):
    """The file may be replaced meanwhile, and what is changed in memory does not reach it."""
    model = autorec.AutoRec("user", hidden=3, epochs=1, penalty="l2:50").fit(ratings)
    model.save(tmp_path / "m")
    mapped, hashes = autorec.load(tmp_path / "m", mapped=True), autorec.describe(tmp_path / "m")["files"]
    for array in (mapped.ratings_.csr.data, mapped.ratings_.csr.indices, mapped.row_bias_):
        while isinstance(array, np.ndarray):
            array = array.base
        assert isinstance(getattr(array, "obj", array), mmap.mmap)
    mapped.ratings_.csr.data[0] += 1
    mapped.ratings_.csr.data[0] -= 1
    assert {name: hash_of(tmp_path / "m" / name) for name in PARTS} == hashes
    shutil.rmtree(tmp_path / "m")
    pd.testing.assert_frame_equal(mapped.recommend(n=3), model.recommend(n=3), check_exact=True)
    blocks = list(autorec.recommend_anyone(mapped, n=3))
    expected = model.recommend(n=3).assign(source="model")
    pd.testing.assert_frame_equal(pd.concat(blocks, ignore_index=True), expected, check_exact=True)


def test_a_loaded_model_saves_the_same_bytes(tmp_path, folder):
    autorec.load(folder).save(tmp_path / "again")
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("harm", ["missing", "cut", "one bit", "empty"])
def test_a_damaged_part_is_named(folder, name, harm):
    path = folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes({"cut": data[: len(data) // 2], "one bit": data, "empty": b""}[harm])
    for mapped in (False, True):
        with pytest.raises(ModelFileError, match=name):
            autorec.load(folder, mapped=mapped)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[]", "does not say"),
        ("{}", "does not say"),
        ("\ufffd\x00", "is not JSON"),
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": 1e999}', "not finite"),
        ('{"a": "\\ud800"}', "not Unicode"),
        ("[" * 50 + "]" * 50, "more than 16"),
        ("[" * 100_000 + "]" * 100_000, "is not JSON"),
        (" " * (manifest.MOST + 1), "at most 16,777,216"),
        ('{"format": "autorec model"}', "format version None"),
        ('{"format": "autorec model", "version": 99}', "format version 99"),
        ('{"format": "autorec model", "version": 1, "library": "0.1.0"}', "version 1, .*train the model again"),
        ('{"format": "autorec model", "version": 6}', "lacks library, class, parameters"),
    ],
)
def test_a_damaged_manifest_is_explained(folder, text, said):
    (folder / "model.json").write_text(text)
    for read in (autorec.load, autorec.describe):
        with pytest.raises(ModelFileError, match=said):
            read(folder)


def change(folder: Path, **values: object) -> None:
    """Write other values into `model.json`, with hashes that fit all that is there."""
    told = json.loads((folder / "model.json").read_text()) | values
    if "files" not in values:
        told["files"] = {name: hash_of(folder / name) for name in PARTS}
    (folder / "model.json").write_bytes(manifest.to_bytes(told))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("class", "os.system", "class 'os.system'"),
        ("class", ["Bias"], "class is .* where it is the name of a class"),
        ("parameters", {"nonsense": 1}, "nonsense"),
        ("parameters", 3, "parameters is 3 where it is an object"),
        ("scale", [0, 1], "array 'data' holds 5, which is above 1"),
        ("scale", [5, 1], "scale is .* where it is the lowest and the highest"),
        ("scale", [True, 5], "scale"),
        ("scale", [1, 10**400], "scale"),
        ("users", -1, "users is -1"),
        ("items", 1.5, "items is 1.5"),
        ("ratings", "many", "ratings is 'many'"),
        ("summary", [], "summary is"),
        ("library", None, "library is None"),
        ("files", [], "a list of files"),
        ("files", {"../../etc/passwd": "0" * 64}, "a list of files"),
    ],
)
def test_a_manifest_that_does_not_fit_is_explained(folder, key, value, said):
    change(folder, **{key: value})
    with pytest.raises(ModelFileError, match=said):
        autorec.load(folder)


def test_every_bit_of_the_manifest_counts(folder):
    data = (folder / "model.json").read_bytes()
    for place in range(0, len(data)):
        for bit in (0, 3, 5, 7) if place % 7 == 0 else (place % 8,):
            (folder / "model.json").write_bytes(data[:place] + bytes([data[place] ^ (1 << bit)]) + data[place + 1 :])
            with pytest.raises(ModelFileError):
                autorec.describe(folder)


def test_indices_outside_the_matrix_are_refused_though_the_hashes_agree(folder, ratings):
    """The kernels do not check bounds, so a crafted file must not reach them."""
    import safetensors.numpy

    parts = store._pack(ratings)
    parts["indices"] = parts["indices"] + 1000
    safetensors.numpy.save_file(parts, folder / "ratings.safetensors")
    change(folder)
    with pytest.raises(ModelFileError, match="does not fit the model: a damaged CSR matrix: indices from 10"):
        autorec.load(folder)


@pytest.mark.skipif(not ON_LINUX, reason="pipes and links as POSIX has them")
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["pipe", "link", "link to itself", "device", "folder"])
def test_only_ordinary_files_are_read(folder, name, kind):
    path = folder / name
    elsewhere = path.rename(folder.parent / name)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"link": elsewhere, "link to itself": path, "device": "/dev/zero"}[kind])
    with pytest.raises(ModelFileError, match=f"{name} is a link, a folder, a pipe or a device"):
        autorec.load(folder)


def test_what_is_no_model_is_said(tmp_path):
    with pytest.raises(ModelFileError, match="no model at"):
        autorec.load(tmp_path / "nowhere")
    with pytest.raises(ModelFileError, match="not a model"):
        autorec.load(tmp_path)


def snapshot(folder: Path) -> dict[str, object]:
    """All that is below a folder: contents, links, modes, times."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None,
        )
        for path in folder.rglob("*")
    }


def test_save_replaces_models_and_empty_folders(tmp_path, folder, ratings):
    autorec.GlobalMean().fit(ratings).save(folder)
    assert isinstance(autorec.load(folder), autorec.GlobalMean)
    (tmp_path / "empty").mkdir()
    autorec.GlobalMean().fit(ratings).save(tmp_path / "empty")
    assert isinstance(autorec.load(tmp_path / "empty"), autorec.GlobalMean)


FOREIGN = {
    "a file": lambda place, model: place.write_text("mine"),
    "a folder": lambda place, model: (place / "sub").mkdir(parents=True),
    "another program's model.json": lambda place, model: write(place / "model.json", '{"layers": [1, 2]}'),
    "a model.json that is a list": lambda place, model: write(place / "model.json", "[]"),
    "a model.json that is no JSON": lambda place, model: write(place / "model.json", "mine"),
    "a model.json that is a link": lambda place, model: linked(place, model),
    "a model with a note": lambda place, model: write(copied(model, place) / "note.txt", "mine"),
    "a model in a repository": lambda place, model: write(copied(model, place) / ".git" / "HEAD", "mine"),
    "a model with a hidden folder": lambda place, model: (copied(model, place) / ".hidden").mkdir(),
    "a model whose weights were changed": lambda place, model: write(copied(model, place) / PARTS[-1], "mine"),
    "a model whose ids are a link": lambda place, model: relinked(copied(model, place) / PARTS[2]),
    "a model that lost a file": lambda place, model: (copied(model, place) / PARTS[0]).unlink(),
    "a model whose manifest was changed": lambda place, model: edited(copied(model, place) / "model.json"),
    "a link to nothing but itself": lambda place, model: place.symlink_to(place),
    "a pipe": lambda place, model: os.mkfifo(place),
}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def copied(model: Path, place: Path) -> Path:
    return Path(shutil.copytree(model, place))


def linked(place: Path, model: Path) -> None:
    place.mkdir()
    (place / "model.json").symlink_to(model / "model.json")


def relinked(path: Path) -> None:
    path.symlink_to(path.rename(path.parent.parent / "elsewhere"))


def edited(path: Path) -> None:
    path.write_text(path.read_text().replace('"Bias"', '"Baas"'))


@pytest.mark.skipif(not ON_LINUX, reason="pipes and links as POSIX has them")
@pytest.mark.parametrize("what", FOREIGN)
def test_what_is_not_ours_is_never_touched(tmp_path, folder, ratings, what):
    place = tmp_path / "deep" / "place"
    place.parent.mkdir()
    FOREIGN[what](place, folder)
    before = snapshot(tmp_path)
    for attempt in (autorec.check_save_path, autorec.GlobalMean().fit(ratings).save):
        with pytest.raises(ModelFileError, match=r"give (a|another) n|give a new"):
            attempt(place)
        assert snapshot(tmp_path) == before


def test_neither_is_the_current_folder_nor_the_home_folder(tmp_path, folder, ratings, monkeypatch):
    model = autorec.GlobalMean().fit(ratings)
    monkeypatch.chdir(folder)
    before = snapshot(tmp_path)
    for place in (".", folder, "..", tmp_path):
        with pytest.raises(AutoRecError, match="give"):
            model.save(place)
    monkeypatch.chdir("/")
    monkeypatch.setenv("HOME", str(folder))
    for place in (folder, Path.home(), "/"):
        with pytest.raises(AutoRecError, match="give"):
            model.save(place)
    assert snapshot(tmp_path) == before


@pytest.mark.skipif(not ON_LINUX, reason="links as POSIX has them")
def test_a_link_to_a_model_stays_a_link_to_the_new_model(tmp_path, folder, ratings):
    (tmp_path / "link").symlink_to(folder)
    autorec.GlobalMean().fit(ratings).save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert isinstance(autorec.load(folder), autorec.GlobalMean)
    assert isinstance(autorec.load(tmp_path / "link"), autorec.GlobalMean)


def test_a_model_of_an_older_version_may_be_replaced(folder, ratings):
    told = json.loads((folder / "model.json").read_text()) | {"version": 1}
    del told["sha256"]
    (folder / "model.json").write_text(json.dumps(told))
    with pytest.raises(ModelFileError, match="train the model again"):
        autorec.load(folder)
    autorec.GlobalMean().fit(ratings).save(folder)
    assert isinstance(autorec.load(folder), autorec.GlobalMean)


def test_a_note_that_comes_in_while_a_model_is_replaced_survives(folder, ratings, monkeypatch):
    publish = folders._publish

    def late(new, target):
        write(folder / "note.txt", "mine")
        return publish(new, target)

    monkeypatch.setattr(folders, "_publish", late)
    autorec.GlobalMean().fit(ratings).save(folder)
    assert (folder / "note.txt").read_text() == "mine"
    assert isinstance(autorec.load(folder), autorec.GlobalMean)


def test_reading_changes_nothing(tmp_path, folder):
    beside = [".model.old", ".model.old-0123abcd", ".model.new-0123abcd"]
    for name in beside:
        write(tmp_path / name / "model.json", "mine")
    before = snapshot(tmp_path)
    autorec.load(folder)
    autorec.describe(folder)
    for wrong in ("", "model.json", "nowhere"):
        with pytest.raises(ModelFileError):
            autorec.load(tmp_path / wrong if wrong != "model.json" else folder / wrong)
    assert snapshot(tmp_path) == before


def test_save_refuses_parameters_that_were_changed_after_the_fit_and_keeps_the_model_on_disk(tmp_path, ratings):
    model = autorec.BiasedMF(factors=2, sweeps=1).fit(ratings)
    model.save(tmp_path / "m")
    model.set_params(factors=3)
    with pytest.raises(ParameterError, match=r"BiasedMF were changed after it was fitted.*\(30, 3\).*\(30, 4\)"):
        model.save(tmp_path / "m")
    pd.testing.assert_frame_equal(autorec.load(tmp_path / "m").recommend(n=3), model.recommend(n=3))


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

    for where in ("autorec.models.store.write_arrays", "pyarrow.parquet.write_table", "os.fsync"):
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
from autorec import folders
from autorec.ratings.convert import as_ratings
from scipy import sparse

ratings = as_ratings(sparse.csr_array(np.arange(12.0).reshape(3, 4)))
old, new = autorec.GlobalMean().fit(ratings), autorec.Bias().fit(ratings)
place = sys.argv[1]
left, watched = [-1], ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "shutil.rmtree")

def count(event, args=()):
    if left[0] > 0 and event in watched:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

def exchange(*pair, exchange=folders._exchange):
    count("os.rename")
    done = exchange(*pair) if sys.argv[2] == "exchange" else False
    count("os.rename")
    return done

folders._exchange = exchange
sys.addaudithook(count)
seen = set()
for n in range(1, 1000):
    old.save(place)
    assert os.listdir(os.path.dirname(place)) == ["model"], os.listdir(os.path.dirname(place))
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
@pytest.mark.parametrize("how", ["exchange", pytest.param("two renames", marks=pytest.mark.slow)])
def test_killed_at_any_moment_of_a_save_there_is_a_whole_model_and_the_next_save_clears_up(tmp_path, how):
    (tmp_path / "inside").mkdir()
    place = str(tmp_path / "inside" / "model")
    done = subprocess.run([sys.executable, "-c", KILLED, place, how], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    moments, *found = done.stdout.split()
    assert int(moments) > 10
    assert found == ["Bias", "GlobalMean"]  # killed late the new one, killed early the old one


# Two models in turn, which differ in every file: parameters, scale, ids, ratings and weights.
WRITER = """
import os, sys, time
import numpy as np
import autorec
from autorec import folders
from autorec.ratings.convert import as_ratings
from scipy import sparse

if sys.argv[2] == "two renames":
    folders._exchange = lambda *_: False
models = []
for n in (3, 40):
    ratings = as_ratings(sparse.csr_array(np.arange(1.0, n * n + 1).reshape(n, n) % 7 + n))
    models.append(autorec.Bias(user_damping=float(n)).fit(ratings))
print("ready", flush=True)
while os.getppid() == int(sys.argv[3]):
    for model in models:
        model.save(sys.argv[1])
"""


@pytest.mark.skipif(not ON_LINUX, reason="two renames are seen by readers elsewhere too, but timing differs")
@pytest.mark.parametrize(
    "how",
    # Between two renames there is no folder for a moment, which a reader waits out; on a busy machine that takes long.
    ["exchange", pytest.param("two renames", marks=pytest.mark.slow)],
)
def test_beside_two_busy_writers_a_load_is_of_one_save(folder, how):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), how, str(os.getpid())], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    try:
        for writer in writers:
            assert writer.stdout.readline() == "ready\n"
        seen, end = set(), time.monotonic() + 2
        while time.monotonic() < end or len(seen) < 2:
            described, model = autorec.describe(folder), autorec.load(folder)
            n = model.ratings_.n_users
            if n == 30:
                continue  # the model that was there before
            assert model.user_damping == n and len(model.biases_.user) == n and model.ratings_.scale == (n, n + 6)
            assert len(model.ratings_) == n * n and len(model.fallback_.item) == n
            assert described["users"] in (n, 43 - n, 30)
            seen.add(n)
        assert all(writer.poll() is None for writer in writers)
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    assert seen == {3, 40}
    autorec.load(folder).save(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_a_folder_replaced_while_it_is_opened_is_opened_anew(folder, ratings, monkeypatch):
    """The other save falls between the opening of the folder and of its files, more than once."""
    left, require = [3], model_folder._require_ordinary

    def interrupted(*arguments):
        if left[0]:
            left[0] -= 1
            autorec.GlobalMean().fit(ratings).save(folder)
        return require(*arguments)

    monkeypatch.setattr(model_folder, "_require_ordinary", interrupted)
    assert isinstance(autorec.load(folder), autorec.GlobalMean)


def test_a_replacement_cut_between_its_renames_is_read_where_it_is_and_put_back_by_a_save(folder, ratings):
    aside = folder.rename(folder.with_name(f".{folder.name}.old-0123abcd"))
    assert isinstance(autorec.load(folder), autorec.Bias) and autorec.describe(folder)["class"] == "Bias"
    assert aside.is_dir() and not folder.exists()
    with pytest.raises(RuntimeError), folders.atomic_folder(folder, manifest.owned, FILES):
        raise RuntimeError
    assert isinstance(autorec.load(folder), autorec.Bias) and not aside.exists()


def test_what_is_not_ours_is_not_put_back(tmp_path, ratings):
    (aside := tmp_path / ".m.old-0123abcd").mkdir()
    (aside / "mine").touch()
    autorec.Bias().fit(ratings).save(tmp_path / "m")
    assert (aside / "mine").is_file() and isinstance(autorec.load(tmp_path / "m"), autorec.Bias)


@pytest.mark.skipif(not ON_LINUX, reason="modes as POSIX has them")
def test_all_files_have_the_modes_of_the_umask(tmp_path, ratings):
    before = os.umask(0o027)
    try:
        autorec.Bias().fit(ratings).save(tmp_path / "m")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "m").iterdir()} == {0o640}
    assert (tmp_path / "m").stat().st_mode & 0o777 == 0o750


def test_the_place_is_looked_at_before_the_work(tmp_path, folder):
    autorec.check_save_path(folder)
    autorec.check_save_path(tmp_path / "new" / "deep")
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        autorec.check_save_path(tmp_path / "file" / "model")


def test_errors_are_of_the_tree():
    assert issubclass(ModelFileError, autorec.AutoRecError)
    assert issubclass(InputError, ValueError)


def test_save_and_load_take_relative_names(tmp_path, ratings, monkeypatch):
    monkeypatch.chdir(tmp_path)
    autorec.GlobalMean().fit(ratings).save("model")
    assert isinstance(autorec.load(Path("model")), autorec.GlobalMean)


@pytest.mark.parametrize("size", [0, 100, 3 * 2**21 + 5])
def test_a_file_of_any_size_is_read_whole_and_one_that_is_cut_meanwhile_as_it_is(tmp_path, monkeypatch, size):
    """Large ones on large pages: what is read can be written to, by this process alone."""
    content = np.random.default_rng(0).bytes(size)
    (tmp_path / "part").write_bytes(content)
    read = model_folder.read_files(tmp_path, ["part"])["part"]
    assert bytes(read) == content
    if size:
        np.frombuffer(read, dtype=np.uint8)[0] += 1
    make = model_folder._make_buffer

    def cut(wanted):
        os.truncate(tmp_path / "part", size // 2)
        return make(wanted)

    monkeypatch.setattr(model_folder, "_make_buffer", cut)
    assert bytes(model_folder.read_files(tmp_path, ["part"])["part"]) == content[: size // 2]
