"""Of a store each process reads its part, the one that it would cut out of all ratings."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import autorec
from autorec.errors import InputError, ParameterError
from autorec.fitting.scale import rows_inside
from autorec.fitting.stored import from_store
from autorec.models.kept_fit import describe_fit
from autorec.network.rows import Rows
from autorec.network.shard import Mesh, Shard
from autorec.preparation.prepare import Reading, Room, write_store
from autorec.ratings import read
from autorec.ratings.store import MANIFEST, RATINGS
from autorec.ratings.stored import Stored, open_store
from autorec.training.batches import partition
from autorec.training.part import from_rows
from tests.conftest import random_frame

MESHES = [
    Mesh(Shard(a, rows), Shard(b, size))
    for rows, size in ((1, 1), (1, 3), (2, 2))
    for a in range(rows)
    for b in range(size)
]


def store_of(frame: pd.DataFrame, folder: Path) -> Path:
    """A store of many row groups."""
    frame.to_csv(folder / "ratings.csv", index=False)
    room = Room(block=2000, bucket=300, group=60, database=2**28)
    write_store(
        str(folder / "ratings.csv"),
        folder / "store",
        Reading(None, None, ".", None, None, "raise"),
        room,
        None,
        None,
        None,
    )
    return folder / "store"


def opened(store: Path) -> Stored:
    return open_store(store, None, partial(autorec.read_ratings, store))


@pytest.fixture(scope="module", params=["levels", "floats"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    pytest.importorskip("duckdb")
    frame = random_frame(70, 23, density=0.4)
    if request.param == "floats":
        frame["rating"] += np.random.default_rng(0).random(len(frame))
    yield store_of(frame, tmp_path_factory.mktemp("stored"))


def assert_same(found: Rows, expected: Rows) -> None:
    assert found.shape == expected.shape
    ours, theirs = found.batch(), expected.batch()
    for one, other in ((ours.indptr, theirs.indptr), (ours.indices, theirs.indices), (ours.values, theirs.values)):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("orientation", ["user", "item"])
def test_a_part_is_what_would_be_cut_out_of_all(store: Path, orientation: str) -> None:
    stored = opened(store)
    whole = rows_inside(stored.whole.csr, stored.whole.scale)
    source = from_rows(whole if orientation == "user" else whole.transposed())
    rng = np.random.default_rng(0)
    parts = partition(source.shape[0], 9, rng)
    aside = np.sort(rng.permutation(source.nnz)[:100])
    assert len(list(stored.groups())) > 5
    assert (from_store(stored, orientation).shape, len(stored)) == (source.shape, source.nnz)
    together = 0
    for mesh in MESHES:
        found = from_store(stored, orientation).hold(mesh, parts, aside)
        expected = source.hold(mesh, parts, aside)
        assert_same(found.rows, expected.rows)
        np.testing.assert_array_equal(found.aside, expected.aside)
        together += found.rows.nnz
    assert together == 3 * source.nnz  # each mesh has each rating once


def test_a_store_is_known_by_its_ratings_wherever_they_are(store: Path) -> None:
    """Its scale and counts, and the hash by which a checkpoint knows them."""
    stored, model = opened(store), autorec.AutoRec()
    whole = autorec.read_ratings(store)
    assert repr(stored) == repr(whole) and stored.scale == whole.scale
    assert describe_fit(model, stored) == describe_fit(model, whole)
    np.testing.assert_array_equal(stored.item_counts, np.bincount(whole.csr.indices, minlength=whole.n_items))
    assert autorec.Bias().fit(stored).ratings_ is stored.whole


def test_a_store_without_its_manifest_is_named_so(store: Path, tmp_path: Path) -> None:
    shutil.copytree(store, tmp_path / "copy")
    (tmp_path / "copy" / MANIFEST).unlink()
    with pytest.raises(InputError, match=r"copy holds the files of a store but no store.json; restore it, or prepare"):
        autorec.read_ratings(tmp_path / "copy")


def test_what_is_wrong_with_a_store_is_said_before_a_training(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read.group, "place", lambda: (1, 2))
    assert isinstance(autorec.open_ratings(store), Stored)
    with pytest.raises(ParameterError, match="sep is ',', which says how a file is read: leave it out for a store"):
        autorec.open_ratings(store, sep=",")
    with pytest.raises(InputError, match="outside the stated scale 2…9"):
        autorec.open_ratings(store, scale=(2, 9))
    stored = opened(store)
    with pytest.raises(InputError, match=rf"is damaged: {RATINGS} has"):
        list(replace(stored, manifest=stored.manifest | {"ratings": 3}).groups())
