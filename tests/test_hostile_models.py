"""Model folders that were made to do harm: hashes that fit, and arrays, ids and parameters that do not.

Every model of the registry is asked, as it was fitted and with new users and new items folded in: each array and each
column of its files is made too short, too long, of another type, not finite, missing, and joined by one more.
"""

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pa_parquet
import pytest
import safetensors.numpy
from conftest import random_frame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import autorec
from autorec.errors import ModelFileError
from autorec.hashes import hash_of
from autorec.storage import id_arrays, manifest
from autorec.storage.arrays import Expected, read_arrays

ARRAY_FILES = ("weights.safetensors", "ratings.safetensors")
STATES = ("fitted", "users folded in", "items folded in")
SMALL = {"hidden": [6, 4], "epochs": 3, "factors": 3}
ONE_LAYER = ("contractive-ae",)


def small(name: str) -> autorec.AutoRec:
    """A model that is fitted in no time."""
    model = autorec.create(name)
    settings = SMALL | ({"hidden": 6} if name in ONE_LAYER else {})
    return model.set_params(**{key: value for key, value in settings.items() if key in model.get_params()})


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Callable[[str, str], Path]:
    """A saved model of a name in a state."""
    made: dict[tuple[str, str], Path] = {}
    frame = random_frame(users=12, items=9).assign(timestamp=lambda f: f["item"] // 5 * 86_400)  # two days of users

    def folder(name: str, state: str) -> Path:
        if (name, state) not in made:
            model = small(name).fit(frame)
            if state == "users folded in":
                model = model.fold_in(frame[frame["user"] < 7].assign(user=lambda f: f["user"].map("new {}".format)))
            if state == "items folded in":
                model = model.fold_in(frame[frame["item"] < 5].assign(item=lambda f: f["item"] + 99), of="items")
            made[name, state] = tmp_path_factory.mktemp("models") / "model"
            model.save(made[name, state])
        return made[name, state]

    return folder


def is_first_of_its_class(row) -> bool:
    return row == next(other for other in autorec.MODELS.values() if other.kind == row.kind)


def states(row) -> tuple[str, ...]:
    """The states that a model can be in, asked of the first row of each class."""
    if not is_first_of_its_class(row):
        return STATES[:1]
    return STATES if row.new_items != "none" else STATES[:2]


@pytest.fixture(params=[(row.name, state) for row in autorec.MODELS.values() for state in states(row)], ids=", ".join)
def source(request, folders) -> Path:
    return folders(*request.param)


@pytest.fixture
def thoroughly(request) -> bool:
    """Whether everything is tried with the model: once for each class, as it was fitted."""
    name, state = request.node.callspec.params["source"]
    return state == STATES[0] and is_first_of_its_class(autorec.MODELS[name])


@pytest.fixture
def folder(source, tmp_path) -> Path:
    return Path(shutil.copytree(source, tmp_path / "model"))


def rehash(folder: Path, **values: object) -> None:
    """Make the hashes of `model.json` those of the files that are there."""
    told = json.loads((folder / "model.json").read_text()) | values
    told["files"] = {name: hash_of(folder / name) for name in manifest.PARTS}
    (folder / "model.json").write_bytes(manifest.to_bytes(told))


def harmed(array: np.ndarray, thoroughly: bool) -> Iterator[tuple[str, np.ndarray | None]]:
    """The array in every way in which it must not be, or in one of each kind."""
    for axis, size in enumerate(array.shape):
        yield f"axis {axis} too long", np.concatenate((array, array.take([0], axis)), axis) if size else None
        yield f"axis {axis} too short", array.take(range(size - 1), axis)
    if not thoroughly:
        yield "bool", array.astype(bool)
        yield "NaN", np.full_like(array, math.nan) if array.size and array.dtype.kind == "f" else None
        return
    yield "empty", array[:0]
    yield "one axis more", array[..., None]
    yield "flat", array.reshape(-1) if array.ndim > 1 else None
    others = {"f": ("float64", "float32", "int32", "bool"), "i": ("float32", "uint8"), "u": ("int64", "float32")}
    for dtype in others[array.dtype.kind]:
        yield dtype, array.astype(dtype) if dtype != array.dtype else None
    for value in {"f": (math.nan, math.inf, -math.inf, 1e30), "i": (-1,), "u": (255,)}[array.dtype.kind]:
        changed = array.copy()
        changed.reshape(-1)[-1:] = value
        yield f"{value} at the end", changed if array.size else None


def test_a_whole_folder_is_read_and_answers(folder):
    model = autorec.load(folder)
    assert len(model.recommend(n=3))


@pytest.mark.parametrize("file", ARRAY_FILES)
def test_arrays_that_do_not_fit_are_refused(folder, file, thoroughly):
    arrays = safetensors.numpy.load_file(folder / file)
    assert len(arrays) >= 3
    for name, array in arrays.items():
        cases = [(how, arrays | {name: changed}) for how, changed in harmed(array, thoroughly) if changed is not None]
        if name.endswith("days.numbers") or (name in ("users", "items") and array.dtype.kind == "i"):  # any integer
            cases = [(how, changed) for how, changed in cases if not how.startswith("-1 at the end")]
        cases.append(("missing", {other: arrays[other] for other in arrays if other != name}))
        for how, changed in cases:
            safetensors.numpy.save_file(changed, folder / file)
            rehash(folder)
            with pytest.raises(ModelFileError, match=f"{file} does not fit the model"):
                autorec.load(folder)
                pytest.fail(f"{name}, {how}: read")
    safetensors.numpy.save_file(arrays | {"more": np.zeros(3)}, folder / file)
    rehash(folder)
    with pytest.raises(ModelFileError, match="also has the array 'more'"):
        autorec.load(folder)


@pytest.mark.parametrize("side", ["users", "items"])
def test_ids_that_do_not_fit_are_refused(folder, side):
    file = folder / "ratings.safetensors"
    arrays = safetensors.numpy.load_file(file)
    ids = id_arrays.unpack(side, arrays)
    others = {name: array for name, array in arrays.items() if not name.startswith(side)}
    text = id_arrays.pack(side, ids.astype(str).astype(object))
    offsets = f"{side}.offsets"
    fallen = text[offsets].copy()
    fallen[1] = fallen[-1]
    cases = {
        "stands there twice": id_arrays.pack(side, np.full_like(ids, ids[0])),
        "ends at byte": text | {side: np.append(text[side], np.uint8(65))},
        "ends at byte [0-9,]* of": text | {offsets: text[offsets] + 1},
        "monotonically|offset": text | {offsets: fallen},
        "UTF8": text | {side: np.full_like(text[side], 255)},
        "lacks the array": {offsets: text[offsets]},
    }
    for said, changed in cases.items():
        safetensors.numpy.save_file(others | changed, file)
        rehash(folder)
        with pytest.raises(ModelFileError, match=f"ratings.safetensors does not fit the model: .*({said})"):
            autorec.load(folder)
            pytest.fail(said)


def test_titles_are_kept_and_may_be_alike(tmp_path):
    ratings = autorec.load_sample()
    titled = replace(ratings, titles=np.full(ratings.n_items, "Ünder \n\0 title", dtype=object))
    small("bias").fit(titled).save(tmp_path / "m")
    loaded = autorec.load(tmp_path / "m").ratings_
    assert loaded.titles.tolist() == titled.titles.tolist()
    assert loaded.user_ids.tolist() == ratings.user_ids.tolist()
    table = pa_parquet.read_table(tmp_path / "m" / "items.parquet")
    genres = ratings.attributes["genre"].tolist()
    assert table.to_pydict() == {"item": ratings.item_ids.tolist(), "title": titled.titles.tolist(), "genre": genres}


def test_parameters_of_another_kind_are_refused(folder):
    told = json.loads((folder / "model.json").read_text())
    for name, value in told["parameters"].items():
        for wrong in ("nonsense", [], {}, True, -1, -0.5, 10**400, [[]], {"a": []}, "l2:-3", "1-" * 50 + "1"):
            if wrong == value or (isinstance(value, list) and wrong == "1-" * 50 + "1"):
                continue
            rehash(folder, parameters=told["parameters"] | {name: wrong})
            try:
                model = autorec.load(folder)
            except ModelFileError:
                continue
            assert type(wrong) in (type(value), int, float, str), f"{name} = {wrong!r}: read"
            assert len(model.recommend(n=2))


def test_a_network_that_the_file_does_not_hold_is_never_made(folders, tmp_path):
    folder = Path(shutil.copytree(folders("i-autorec", "fitted"), tmp_path / "m"))
    told = json.loads((folder / "model.json").read_text())
    for hidden in (10**6, 10**9, 10**30, [10**6] * 3, "-".join(["2"] * 1000)):
        rehash(folder, parameters=told["parameters"] | {"hidden": hidden})
        with pytest.raises(ModelFileError, match="does not fit the model"):
            autorec.load(folder)


def test_counts_that_the_files_do_not_hold_are_refused(folder):
    told = json.loads((folder / "model.json").read_text())
    for name in ("users", "items", "ratings"):
        for value in (0, told[name] - 1, told[name] + 1, 2**62):
            rehash(folder, **{name: value})
            with pytest.raises(ModelFileError):
                autorec.load(folder)
        rehash(folder, **{name: told[name]})
    for scale in ([1, 4.5], [1.5, 5], [0, 5], [3, 3]):
        rehash(folder, scale=scale)
        with pytest.raises(ModelFileError):
            autorec.load(folder)


def test_entries_out_of_order_or_twice_are_refused(folders, tmp_path):
    folder = Path(shutil.copytree(folders("ease", "fitted"), tmp_path / "m"))
    arrays = safetensors.numpy.load_file(folder / "ratings.safetensors")
    for change in (lambda i: i[[1, 0]], lambda i: i[[0, 0]]):
        indices = arrays["indices"].copy()
        indices[:2] = change(indices)
        safetensors.numpy.save_file(arrays | {"indices": indices}, folder / "ratings.safetensors")
        rehash(folder)
        with pytest.raises(ModelFileError, match="ascending indices in each row, each once"):
            autorec.load(folder)


def test_the_network_is_the_saved_one_bit_for_bit(folders):
    import torch

    for name in ("i-autorec", "u-autorec"):
        for state in STATES:
            first = autorec.load(folders(name, state))
            assert first.network_.state_dict().keys() > {"encoder.bias"}
            fitted = small(name).fit(random_frame(users=12, items=9))
            pairs = zip(first.network_.state_dict().items(), fitted.network_.state_dict().items(), strict=True)
            for (left, value), (right, saved) in pairs:
                assert left == right and torch.equal(value, saved) and value.dtype == saved.dtype


# Loads one folder after the other; prints how many MiB more the process had at its highest, and what was said.
LOADER = """
import resource, sys
import autorec
from autorec.errors import ModelFileError

autorec.load(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for folder in sys.argv[2:]:
    try:
        autorec.load(folder)
    except ModelFileError as error:
        print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory as Linux tells it")
def test_a_folder_that_is_larger_than_it_looks_takes_no_memory(folders, tmp_path):
    good = folders("i-autorec", "fitted")
    bad = {what: Path(shutil.copytree(good, tmp_path / what)) for what in ("blanks", "hole", "network")}
    with (bad["blanks"] / "model.json").open("ab") as file:
        file.write(b" " * 300_000_000)
    os.truncate(bad["hole"] / "weights.safetensors", 2**42)
    rehash(bad["network"], parameters=json.loads((good / "model.json").read_text())["parameters"] | {"hidden": 10**7})
    command = [sys.executable, "-c", LOADER, good, *bad.values()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *said, grown = done.stdout.splitlines()
    for line, expected in zip(said, ("at most 16,777,216", "are free", "also has the array"), strict=True):
        assert expected in line
    assert int(grown) < 50


@given(data=st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_changed_at_random_end_in_an_answer_or_in_a_sentence(source, tmp_path_factory, data):
    folder = Path(shutil.copytree(source, tmp_path_factory.mktemp("random") / "m"))
    file = data.draw(st.sampled_from(manifest.PARTS))
    content = bytearray((folder / file).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.one_of(st.integers(0, min(400, len(content) - 1)), st.integers(0, len(content) - 1)))
        content[position] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    (folder / file).write_bytes(content)
    rehash(folder)
    try:
        model = autorec.load(folder)
    except ModelFileError as error:
        assert "\n" not in str(error)
    else:
        assert len(model.recommend(n=2))


def header(text: str, data: bytes = b"") -> bytearray:
    return bytearray(len(text).to_bytes(8, "little") + text.encode() + data)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "header of 0 bytes"),
        (b"\xff" * 8, "header of 18,446,744,073,709,551,615 bytes in a file of 8"),
        (header("[]"), "is no object"),
        (header("[" * 100_000), "nested too deep|Expecting"),
        (header("{}", b"more"), "end at byte"),
        (header('{"a": 3}'), "nothing sensible of array 'a'"),
        (header('{"a": {"dtype": "F99", "shape": [1], "data_offsets": [0, 8]}}', bytes(8)), "type 'F99'"),
        (header('{"a": {"dtype": ["F64"], "shape": [1], "data_offsets": [0, 8]}}', bytes(8)), "nothing sensible"),
        (header('{"a": {"dtype": "F64", "shape": [2], "data_offsets": [0, 8]}}', bytes(8)), "does not have the bytes"),
        (header('{"a": {"dtype": "F64", "shape": [-1], "data_offsets": [8, 0]}}', bytes(8)), "does not have the bytes"),
        (header('{"a": {"dtype": "F64", "shape": [true], "data_offsets": [0, 8]}}', bytes(8)), "not have the bytes"),
        (header('{"a": {"dtype": "F64", "shape": [0, 99999], "data_offsets": [0, 0]}}'), "does not have the bytes"),
        (header('{"a": {"dtype": "F64", "shape": [1], "data_offsets": [8, 16]}}', bytes(16)), "do not follow"),
        (
            header(
                '{"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]},'
                ' "b": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}',
                bytes(8),
            ),
            "do not follow",
        ),
    ],
)
def test_a_header_that_lies_is_refused(content, said):
    with pytest.raises(ValueError, match=said):
        read_arrays(bytearray(content), lambda shapes: {"a": Expected("float64", (1,))})


def test_arrays_are_views_of_what_was_read():
    content = header('{"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}', bytes(8))
    (array,) = read_arrays(content, lambda _: {"a": Expected("float64", (1,))}).values()
    content[-8:] = np.array([2.5]).tobytes()
    assert array.tolist() in ([2.5], [0.0])  # [0.0] where the bytes do not lie as the processor wants them
    padded = header('{"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}   ', bytes(8))
    (array,) = read_arrays(padded, lambda _: {"a": Expected("float64", (1,))}).values()
    assert np.shares_memory(array, np.frombuffer(padded, "uint8"))
