"""Stores: the same ratings as from the file, bit for bit, whatever the size of the blocks they were made of."""

import csv
import gzip
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pa_parquet
import pytest
from click.testing import CliRunner
from conftest import random_frame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import autorec
from autorec import Ratings, files, prepare, read_ratings
from autorec.cli.main import autorec as command
from autorec.errors import InputError, ParameterError
from autorec.hashes import seal
from autorec.preparation.blocks import Reading
from autorec.preparation.prepare import Room, write_store
from autorec.ratings.store import read_groups, read_manifest

pytest.importorskip("duckdb")

TINY = Room(block=64, bucket=5, group=3, database=2**28)  # bytes, rows, rows, bytes


def store_of(path: Path, room: Room = TINY, **options: Any) -> Path:
    """A store made of a file in blocks of a few rows."""
    how = {name: options.pop(name, None) for name in ("columns", "sep", "format", "header")}
    reading = Reading(how["columns"], how["sep"], ".", how["format"], how["header"], options.pop("on_error", "raise"))
    further = [options.pop(name, None) for name in ("items", "scale", "missing")]
    write_store(str(path), path.parent / "store", reading, room, *further)
    assert not options
    return path.parent / "store"


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_same(one: Ratings, other: Ratings) -> None:
    for name in ("data", "indices", "indptr"):
        ours, theirs = getattr(one.csr, name), getattr(other.csr, name)
        assert ours.dtype == theirs.dtype and ours.tobytes() == theirs.tobytes(), name
    for name in ("user_ids", "item_ids", "timestamps", "order", "titles"):
        ours, theirs = getattr(one, name), getattr(other, name)
        assert (ours is None) == (theirs is None), name
        if ours is not None and theirs is not None:
            assert ours.tolist() == theirs.tolist() and (name == "order" or ours.dtype == theirs.dtype), name
    assert one.scale == other.scale and one.given_scale == other.given_scale
    assert [one.duplicates, one.skipped, one.missing] == [other.duplicates, other.skipped, other.missing]
    assert {name: of.tolist() for name, of in one.attributes.items()} == {
        name: of.tolist() for name, of in other.attributes.items()
    }


INTEGERS = st.integers(-3, 12).map(str)
BIG = st.sampled_from(["9223372036854775807", "9223372036854775808", "-9223372036854775808", "7"])
TEXTS = st.sampled_from(["7", "007", "a", "ä", "日本", 'say "no"', "a,b", " a", "Z", "-0", "7.0", "\U0001f600"])
FLOATS = st.floats(-1e6, 1e6, width=32).map(repr)


@given(
    st.sampled_from([INTEGERS, BIG, TEXTS, INTEGERS | TEXTS]).flatmap(
        lambda ids: st.lists(
            st.tuples(ids, INTEGERS | BIG, st.sampled_from(["1", "2.5", "-0.0", "5"]) | FLOATS, st.integers(0, 3)),
            min_size=1,
            max_size=40,
        )
    ),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_store_reads_as_the_file(tmp_path: Path, rows: Any, with_times: bool, in_order: bool) -> None:
    """Integers, integers beyond 64 bits, text, both; duplicates; one user or one item among them."""
    path = tmp_path / "ratings.csv"
    rows = sorted(rows, key=lambda row: (row[0], int(row[1]))) if in_order else rows
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["user", "item", "rating", "timestamp"][: 4 if with_times else 3])
        writer.writerows(row if with_times else row[:3] for row in rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert_same(read_ratings(store_of(path)), read_ratings(path))


@pytest.mark.parametrize("users", [lambda u: u, lambda u: "u" + u.astype(str), lambda u: u + 2**62])
def test_a_store_of_parquet_in_many_parts(tmp_path: Path, users: Any) -> None:
    frame = random_frame(users=300, items=40).sample(frac=1, random_state=0)
    frame["user"] = users(frame["user"])
    frame["timestamp"] = np.arange(len(frame))
    frame.to_parquet(tmp_path / "ratings.parquet", index=False, row_group_size=100)
    store = store_of(tmp_path / "ratings.parquet", Room(block=3200, bucket=500, group=50, database=2**28))
    assert_same(read_ratings(store), read_ratings(tmp_path / "ratings.parquet"))
    groups = list(read_groups(store, read_manifest(store)))
    assert len(groups) > 50 and all(len(group.users) <= 50 for group in groups)


def test_a_user_is_in_one_row_group_and_levels_are_bytes(tmp_path: Path) -> None:
    random_frame(users=9, items=20).to_csv(tmp_path / "ratings.csv", index=False)
    store = store_of(tmp_path / "ratings.csv")
    with pa_parquet.ParquetFile(store / "ratings.parquet") as file:
        assert file.schema_arrow.names == ["user", "item", "level"]  # in the order of the file: no row
        assert [str(kind) for kind in file.schema_arrow.types] == ["int32", "int32", "uint8"]
        users = [file.read_row_group(group)["user"].unique().to_pylist() for group in range(file.num_row_groups)]
    assert [user for group in users for user in group] == list(range(9))
    assert read_manifest(store)["levels"] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_the_line_at_fault_is_that_of_the_file(tmp_path: Path, ending: str) -> None:
    lines = ["user,item,rating", *(f"{k % 7},{k},3" for k in range(100)), "8,1,many", *(f"9,{k},4" for k in range(50))]
    path = tmp_path / "ratings.csv"
    path.write_bytes(ending.join(lines).encode())
    with pytest.raises(InputError, match=r"line 102: the rating 'many'") as found:
        store_of(path)
    with pytest.raises(InputError) as expected:
        read_ratings(path)
    assert str(found.value) == str(expected.value)
    assert names_in(tmp_path) == ["ratings.csv"]
    assert_same(read_ratings(store_of(path, on_error="skip")), read_ratings(path, on_error="skip"))


def test_blocks_without_a_row_that_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("user,item,rating\n" + "x,1,?\n" * 50 + "1,2,3\n" + "# a comment\n\n" * 20 + "1,3,99\n4,2,5\n")
    assert_same(
        read_ratings(store_of(path, on_error="skip", missing=[99])), read_ratings(path, on_error="skip", missing=99)
    )
    with pytest.raises(InputError, match=r"all 3 ratings are among those that stand for none"):
        store_of(path, on_error="skip", missing=[3, 5, 99])


def test_quoted_fields_with_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("user,item,rating\n" + "".join(f'"a\n{k % 5}",{k},{k % 3}\n' for k in range(60)))
    assert_same(read_ratings(store_of(path)), read_ratings(path))
    path.write_text("user,item,rating\n1,1,1\n" + '2,"2,2\n' + "3,3,3\n" * 500)
    with pytest.raises(InputError, match=r"no record ends within .* a quote may open there and not close"):
        store_of(path)


def test_packed_text_titles_and_a_scale(tmp_path: Path) -> None:
    text = random_frame().to_csv(index=False, sep="\t").encode()
    (tmp_path / "ratings.tsv.gz").write_bytes(gzip.compress(text))
    (tmp_path / "films.csv").write_text("item,title,genre\n3,Three,Drama|War\n7,Seven,\n99,None,\n")
    options: dict[str, Any] = {"items": str(tmp_path / "films.csv"), "scale": (0.0, 6.0)}
    path = tmp_path / "ratings.tsv.gz"
    store = store_of(path, **options)
    assert_same(read_ratings(store), read_ratings(path, **options))
    assert read_ratings(store, scale=(1, 9)).scale == (1, 9)
    with pytest.raises(InputError, match=r"ratings lie outside the stated scale 2…5"):
        read_ratings(store, scale=(2, 5))
    with pytest.raises(InputError, match="outside the stated scale 2…5"):
        store_of(path, scale=(2.0, 5.0))
    with pytest.raises(ParameterError, match=r"sep is ';'.* leave it out for a store, or give it to prepare"):
        read_ratings(store, sep=";")


@pytest.mark.parametrize(
    "content, said",
    [
        (b"", "is empty"),
        (b"user,item,rating\n", "no ratings below its header"),
        (b"user,item,rating\n1,2,3\n".decode().encode("utf-16"), "UTF-16 or UTF-32.* save it as UTF-8"),
        (b"PK\x03\x04 and more", "zip archive or a spreadsheet.* unpack it first, or save the sheet"),
        (b"1:\n5,3,2005-01-01\n6,4,2005-01-02\n", "Netflix Prize.* write it as CSV"),
        (b'{"user": 1, "item": 2, "rating": 3}\n', "JSON lines.* write them as CSV or Parquet"),
        (b"\x1f\x8b damaged", "is not a whole gzip file"),
        (b"\0\1\2 nothing", "is not text, Parquet"),
        (b"PAR1 damaged", "is not a whole Parquet file"),
    ],
)
def test_what_cannot_be_streamed_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "ratings").write_bytes(content)
    with pytest.raises(InputError, match=said):
        prepare(tmp_path / "ratings", tmp_path / "store")
    assert names_in(tmp_path) == ["ratings"]


def test_parameters_and_outputs_are_checked_before_the_work(tmp_path: Path, frame: pd.DataFrame) -> None:
    path = tmp_path / "ratings.csv"
    frame.to_csv(path, index=False)
    with pytest.raises(ParameterError, match="memory is 'much'; allowed: a size such as 4GB"):
        prepare(path, tmp_path / "store", memory="much")
    with pytest.raises(ParameterError, match=r"memory is '1MB'; allowed: 1.0 GiB or more"):
        prepare(path, tmp_path / "store", memory="1MB")
    with pytest.raises(ParameterError, match="of type DataFrame; prepare takes the name of a file"):
        prepare(frame, tmp_path / "store")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="is there and holds other things than a store"):
        prepare(tmp_path / "none.csv", tmp_path)
    made = prepare(path, tmp_path / "store", memory="1GiB")
    assert made == prepare(path, tmp_path / "store")  # replaced, the same bits
    with pytest.raises(InputError, match="is a store already"):
        prepare(tmp_path / "store", tmp_path / "other")
    (tmp_path / "store" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other things than a store"):
        prepare(path, tmp_path / "store")


def test_what_a_killed_process_left_is_removed(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(tmp_path / "ratings.csv", index=False)
    left = files.temporary_name(tmp_path / "store", mark=".spill-")
    (left / "deep").mkdir(parents=True)
    (left / "deep" / "file").write_text("x")
    store_of(tmp_path / "ratings.csv")
    assert names_in(tmp_path) == ["ratings.csv", "store"]


def change(store: Path, name: str, value: Any) -> None:
    told = read_manifest(store)
    told[name] = value
    (store / "store.json").write_bytes(seal(told))


@pytest.mark.parametrize(
    "harm, said",
    [
        (lambda s: (s / "store.json").write_text("{"), "does not say"),
        (lambda s: (s / "store.json").write_text((s / "store.json").read_text().replace("30", "31", 1)), "SHA-256"),
        (lambda s: change(s, "version", 2), "version 2, this autorec .* reads 1"),
        (lambda s: (s / "users.parquet").unlink(), "lacks users.parquet"),
        (lambda s: (s / "ratings.parquet").write_bytes(b"PAR1"), r"ratings.parquet is not the file that was written"),
        (lambda s: change(s, "items", 10), "ascending ids"),
        (lambda s: change(s, "ratings", 3), "rows, not 3"),
        (lambda s: change(s, "levels", [1.0]), "is damaged"),
    ],
)
def test_a_damaged_store_is_explained(tmp_path: Path, frame: pd.DataFrame, harm: Any, said: str) -> None:
    frame.to_csv(tmp_path / "ratings.csv", index=False)
    store = store_of(tmp_path / "ratings.csv", Room(2**20, 2**20, 2**20, 2**28))
    harm(store)
    with pytest.raises(InputError, match=said):
        read_ratings(store)


def test_verbs_take_a_store_where_they_take_ratings(tmp_path: Path, frame: pd.DataFrame) -> None:
    path, store = tmp_path / "ratings.csv", tmp_path / "store"
    frame.sample(frac=1, random_state=1).to_csv(path, index=False)

    def run(*words: object) -> str:
        done = CliRunner().invoke(command, [*map(str, words), "--quiet"])
        assert done.exit_code == 0, done.output
        return done.stdout

    assert json.loads(run("prepare", path, "-o", store, "--json"))["ratings"] == len(frame)
    assert "ratings     " in run("prepare", path, "-o", store)
    told = {}
    for source in (path, store):
        run("train", source, "-m", "i-autorec", "--set", "hidden=4", "--set", "epochs=2", "-o", tmp_path / "model")
        told[source] = autorec.describe(tmp_path / "model")["files"]
        told[source] = told[source], run("evaluate", tmp_path / "model", source), run("inspect", source)
    assert told[path] == told[store]
