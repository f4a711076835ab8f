"""From file to Ratings, and from file to model."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from make_ratings import blocks

import autorec
from benchmarks.timing import SHAPES, Row, best, process


def reading() -> Iterator[Row]:
    """A file of 10 million ratings, against pandas.read_csv (C engine) of the same file."""
    columns = [np.concatenate(column) for column in zip(*blocks(*SHAPES["ml-10m"]), strict=True)]
    frame = pd.DataFrame(dict(zip(("userId", "movieId", "rating"), columns, strict=True)))
    frame["timestamp"] = 1_000_000_000 + np.arange(len(frame))
    with tempfile.TemporaryDirectory() as folder:
        comma, colons = Path(folder) / "ratings.csv", Path(folder) / "ratings.dat"
        frame.to_csv(comma, index=False)
        with comma.open("rb") as source, colons.open("wb") as target:
            next(source)
            target.writelines(line.replace(b",", b"::") for line in source)
        rivals = {
            "CSV": (comma, lambda: pd.read_csv(comma)),
            "::": (colons, lambda: pd.read_csv(colons, sep=":", usecols=[0, 2, 4, 6], header=None)),
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


def start_up() -> Iterator[Row]:
    """`autorec --help`, beside an empty Python."""
    seconds = best(
        {
            "ours": lambda: process([sys.executable, "-m", "autorec", "--help"]),
            "python": lambda: process([sys.executable, "-c", ""]),
        }
    )
    yield Row("autorec --help", f"{seconds['ours']:.3g} s", f"python -c '' {seconds['python']:.3g} s")


def whole(path: Path) -> Iterator[Row]:
    """`autorec train` as a process of its own: file → saved model, with start-up; the test error of what it makes."""
    with tempfile.TemporaryDirectory() as folder:
        (one,) = autorec.split(autorec.read_ratings(path), "random:0.1", 0)
        train, model = Path(folder) / "train.csv", Path(folder) / "model"
        one.train.to_frame().to_csv(train, index=False)
        for settings in ([], ["--set", "epochs=20"]):
            command = [sys.executable, "-m", "autorec", "train", train, "-m", "i-autorec", "-o", model, "--quiet"]
            done = process([*command, *settings])
            rmse = autorec.evaluate(autorec.load(model), one.test).metrics["rmse"]
            name = " ".join(settings[1:]) or "defaults"
            told = f"{done.seconds:.1f} s, peak {done.gib:.2f} GiB, test RMSE {rmse:.4f}"
            yield Row(f"file of ML-1M to saved i-autorec, {name}", told)
