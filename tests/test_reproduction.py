"""Jobs that measure published results again: refused by a sentence, and their lines in order."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import random_frame
from sklearn.metrics import ndcg_score

import autorec
from autorec.errors import InputError, ParameterError
from autorec.ratings.convert import as_ratings
from autorec.reproduction import reproduce as reproduction
from autorec.reproduction import strong


def test_an_unknown_job_lists_those_that_are(tmp_path):
    with pytest.raises(ParameterError, match=r"no job 'tabel'; allowed: table, .*did you mean table"):
        autorec.reproduce(tmp_path, ["tabel"])


def test_a_missing_data_set_says_how_to_get_it(tmp_path):
    (tmp_path / "ml-100k").mkdir()
    with pytest.raises(InputError, match=r"holds no folder ml-1m; autorec fetch ml-1m -o"):
        autorec.reproduce(tmp_path)


def test_lines_come_job_by_job(tmp_path, monkeypatch):
    def first(folder: Path) -> Iterator[str]:
        yield f"first {folder.name}"

    def second(folder: Path) -> Iterator[str]:
        yield from ("second", "done")

    for name in ("ml-100k", "ml-1m"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(reproduction, "JOBS", {"first": first, "second": second})
    assert list(autorec.reproduce(tmp_path)) == [f"first {tmp_path.name}", "second", "done"]
    assert list(autorec.reproduce(tmp_path, ["second"])) == ["second", "done"]


def test_users_held_out_are_those_of_the_permutation_and_a_fifth_of_their_choices_is_wanted(monkeypatch):
    monkeypatch.setattr(strong, "HELD_OUT", 20)
    frame = random_frame(90, 40, 0.5)
    one = strong.hold_out(as_ratings(frame))
    liked = frame[frame["rating"] >= 4].groupby("user").size()
    liked = liked[liked >= 5].sort_index()
    order = np.random.default_rng(98765).permutation(len(liked))
    assert set(one.test.user_ids) == set(liked.index[order[-20:]]) == set(one.fold_in.user_ids)
    assert set(one.train.user_ids) == set(liked.index[order[:-20]])
    given, wanted = (part.csr.indptr[1:] - part.csr.indptr[:-1] for part in (one.fold_in, one.test))
    np.testing.assert_array_equal(wanted, (given + wanted) // 5)
    line = strong.measure("ease", one)
    model = autorec.Ease().fit(one.train).fold_in(one.fold_in)
    scores = model.score(model.encode_users(model.ratings_.csr))
    columns = model.ratings_.find_items(one.test.item_ids)
    truth, seen = np.zeros(scores.shape), model.ratings_.csr.toarray() > 0
    truth[:, columns] = one.test.csr.toarray()
    expected = ndcg_score(truth, np.where(seen, scores.min() - 1, scores), k=100)
    assert f"{expected:.4f}" == line.split()[1]
