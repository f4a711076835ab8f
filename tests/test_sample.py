"""The built-in sample: the files are the generator's, and models find the tastes planted in it."""

import io
from pathlib import Path

import pytest

from autorec import AutoRec, Bias, evaluate, load_sample, random_split, read_ratings, sample_groups
from autorec.datasets.sample import sample_tables

FOLDER = Path(__file__).resolve().parent.parent / "data" / "sample"


def test_the_files_are_what_the_generator_makes() -> None:
    for frame, name in zip(sample_tables(), ("ratings.csv", "movies.csv"), strict=True):
        text = io.StringIO()
        frame.to_csv(text, index=False, lineterminator="\n")
        assert (FOLDER / name).read_text(encoding="utf-8") == text.getvalue()
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_000_000


def test_the_files_read_as_the_sample() -> None:
    of_files, built_in = read_ratings(FOLDER), load_sample()
    assert (of_files.csr != built_in.csr).nnz == 0
    assert of_files.titles is not None and built_in.titles is not None
    assert of_files.titles.tolist() == built_in.titles.tolist()
    assert len(set(built_in.titles)) == built_in.n_items == 300
    assert built_in.n_users == 600


@pytest.mark.parametrize("orientation", ["item", "user"])
def test_the_planted_tastes_are_found(orientation: str) -> None:
    one = random_split(load_sample())
    model = AutoRec(orientation, hidden=64, penalty="l2:60").fit(one.train)
    recommended = model.recommend(n=10)
    users, items = sample_groups()
    assert (users.loc[recommended["user"]].to_numpy() == items.loc[recommended["item"]].to_numpy()).mean() > 0.6
    assert evaluate(model, one.test).metrics["rmse"] < evaluate(Bias().fit(one.train), one.test).metrics["rmse"] - 0.2
