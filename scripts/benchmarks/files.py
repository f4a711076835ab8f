"""From file to Ratings, and from file to model."""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
from make_ratings import blocks
from scipy import sparse

import autorec
from benchmarks.timing import SHAPES, Row, best, make_file, process, python


def reading() -> Iterator[Row]:
    """A file of 10 million ratings, against pandas.read_csv (C engine) of the same file; one of text ids, out of order,
    also against what pandas and SciPy take to make a matrix of it."""
    columns = [np.concatenate(column) for column in zip(*blocks(*SHAPES["ml-10m"]), strict=True)]
    frame = pd.DataFrame(dict(zip(("userId", "movieId", "rating"), columns, strict=True)))
    frame["timestamp"] = 1_000_000_000 + np.arange(len(frame))
    with tempfile.TemporaryDirectory() as folder:
        comma, colons, texts = (Path(folder) / name for name in ("ratings.csv", "ratings.dat", "texts.csv"))
        frame.to_csv(comma, index=False)
        named = frame.sample(frac=1, random_state=0)
        for side, length in (("userId", 14), ("movieId", 10)):
            named[side] = _names(int(named[side].max()) + 1, length)[named[side]]
        named.to_csv(texts, index=False)
        del named
        with comma.open("rb") as source, colons.open("wb") as target:
            next(source)
            target.writelines(line.replace(b",", b"::") for line in source)
        rivals = {
            "CSV": (comma, lambda: pd.read_csv(comma)),
            "::": (colons, lambda: pd.read_csv(colons, sep=":", usecols=[0, 2, 4, 6], header=None)),
            "CSV of text ids, shuffled": (texts, lambda: pd.read_csv(texts)),
            "the same, to a matrix": (texts, lambda: _matrix(pd.read_csv(texts))),
        }
        for name, (path, theirs) in rivals.items():
            seconds = best({"ours": lambda path=path: autorec.read_ratings(path), "pandas": theirs})
            yield Row(
                f"reading 10 million ratings, {name}",
                f"{seconds['ours']:.3g} s",
                f"pandas.read_csv {seconds['pandas']:.3g} s",
                seconds["pandas"] / seconds["ours"],
                "times faster",
            )


def _names(n: int, length: int) -> np.ndarray:
    """[n] text ids without order, such as shops have."""
    characters = np.random.default_rng(0).choice(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"), (n, length))
    return np.array(["".join(name) for name in characters], dtype=object)


def preparing(ratings: int = 100_000_000) -> Iterator[Row]:
    """`autorec prepare` of a file of text ids, out of order, within 4 GB, and reading what it makes."""
    with tempfile.TemporaryDirectory() as folder:
        texts, store = Path(folder) / "texts.csv", Path(folder) / "store"
        _write_texts(texts, 4_000_000, 200_000, ratings)
        command = [
            sys.executable,
            "-m",
            "autorec",
            "prepare",
            texts,
            "--memory",
            "4GB",
            "-o",
            store,
            "--json",
            "--quiet",
        ]
        done = process(command)
        found = json.loads(done.output)
        what = (
            f"{found['ratings']:,} ratings of {found['users']:,} users, text ids, {texts.stat().st_size / 1e9:.1f} GB"
        )
        yield Row(f"preparing {what}", f"{done.seconds:.0f} s, peak {done.gib:.2f} GiB")
        read = python("import autorec, sys; autorec.read_ratings(sys.argv[1])", store)
        size = sum(file["bytes"] for file in found["files"].values()) / 1e9
        yield Row(f"reading that store, {size:.1f} GB", f"{read.seconds:.1f} s, peak {read.gib:.2f} GiB")


def _write_texts(path: Path, users: int, items: int, ratings: int) -> None:
    """A CSV of ratings with text ids, shuffled."""
    columns = [np.concatenate(column) for column in zip(*_narrow(users, items, ratings), strict=True)]
    names = [pa.array(_names(users, 14), pa.string()), pa.array(_names(items, 10), pa.string())]
    order = np.random.default_rng(0).permutation(len(columns[0]))
    schema = pa.schema({"user": pa.string(), "item": pa.string(), "rating": pa.int8()})
    with pa_csv.CSVWriter(path, schema) as writer:
        for start in range(0, len(order), 2**20):
            user, item, rating = (column[order[start : start + 2**20]] for column in columns)
            writer.write_table(pa.table([names[0].take(user), names[1].take(item), rating], schema=schema))


def _narrow(users: int, items: int, ratings: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    for user, item, rating in blocks(users, items, ratings):
        yield user.astype(np.int32), item.astype(np.int32), rating.astype(np.int8)


def _matrix(frame: pd.DataFrame) -> sparse.csr_array:
    (users, user_ids), (items, item_ids) = (pd.factorize(frame[side], sort=True) for side in ("userId", "movieId"))
    shape = len(user_ids), len(item_ids)
    matrix = sparse.csr_array((frame["rating"].to_numpy(np.float32), (users, items)), shape=shape)
    matrix.sort_indices()
    return matrix


def start_up() -> Iterator[Row]:
    """`autorec --help`, beside an empty Python."""
    seconds = best(
        {
            "ours": lambda: process([sys.executable, "-m", "autorec", "--help"]),
            "python": lambda: process([sys.executable, "-c", ""]),
        }
    )
    yield Row("autorec --help", f"{seconds['ours']:.3g} s", f"python -c '' {seconds['python']:.3g} s")


def first_run() -> Iterator[Row]:
    """`autorec train` on ratings of ML-1M's shape and `autorec demo`, with nothing compiled yet and again after it: the
    difference is what compiling costs."""
    program = [sys.executable, "-m", "autorec"]
    with tempfile.TemporaryDirectory() as folder:
        ratings = Path(folder) / "ratings.parquet"
        make_file(ratings, *SHAPES["ml-1m"])
        verbs = {
            "train": [*program, "train", ratings, "-m", "i-autorec", "-o", Path(folder) / "model", "--quiet"],
            "demo": [*program, "demo", "-o", Path(folder) / "demo", "--quiet"],
        }
        for verb, command in verbs.items():
            cache = Path(folder) / f"compiled-{verb}"
            first, *later = (process(command, NUMBA_CACHE_DIR=str(cache)).seconds for _ in range(3))
            text = f"first run {first:.1f} s, compiling {first - min(later):.1f} s of it"
            yield Row(f"autorec {verb}", text, f"later {min(later):.1f} s", first / min(later), "times as long")


def whole(path: Path) -> Iterator[Row]:
    """`autorec train` in a new process: file → saved model, with start-up; the test error of what it makes."""
    with tempfile.TemporaryDirectory() as folder:
        (one,) = autorec.split(autorec.read_ratings(path), "random:0.1", 0)
        train, model = Path(folder) / "train.csv", Path(folder) / "model"
        one.train.to_frame().to_csv(train, index=False)
        for settings in ([], ["--set", "epochs=20"]):
            command = [sys.executable, "-m", "autorec", "train", train, "-m", "i-autorec", "-o", model, "--quiet"]
            done = process([*command, *settings])
            rmse = autorec.evaluate(autorec.load(model), one.test).metrics["rmse"]
            name = " ".join(settings[1:]) or "defaults"
            text = f"{done.seconds:.1f} s, peak {done.gib:.2f} GiB, test RMSE {rmse:.4f}"
            yield Row(f"file of ML-1M to saved i-autorec, {name}", text)
