"""Matrices and tables in memory: damaged ones are refused, none is shared; an id is one whatever its source."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse

from autorec import Bias, Ease, Ratings, evaluate, read_ratings
from autorec.errors import InputError, ParameterError
from autorec.ranking.positives import select_entries
from autorec.ratings.convert import as_ratings
from autorec.ratings.entries import with_entries
from autorec.ratings.validity import is_marked_valid, mark_valid


def matrix() -> sparse.csr_array:
    return sparse.csr_array(np.array([[5, 0, 3], [0, 2, 0], [1, 0, 4]], dtype=np.float32))


DAMAGE = {
    "index too large": ("indices", [0, 9, 1, 0, 2]),
    "index below 0": ("indices", [0, -1, 1, 0, 2]),
    "indptr falls": ("indptr", [0, 3, 1, 5]),
    "indptr starts above 0": ("indptr", [1, 2, 3, 5]),
    "indptr past the end": ("indptr", [0, 2, 3, 9]),
    "indptr too short": ("indptr", [0, 2, 5]),
    "data too short": ("data", [5.0, 3.0]),
    "not finite": ("data", [5.0, np.nan, 2.0, 1.0, 4.0]),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_matrices_are_refused(name: str) -> None:
    damaged = matrix()
    part, values = DAMAGE[name]
    setattr(damaged, part, np.array(values, dtype=getattr(damaged, part).dtype))
    model = Bias().fit(matrix())
    uses = (as_ratings, Bias().fit, model.fold_in, model.encode_users, lambda csr: evaluate(model, csr))
    for use in (*uses, lambda csr: Ratings(csr, np.arange(3), np.arange(3))):
        with pytest.raises(InputError, match=r"damaged|rating 2"):
            use(damaged)


def test_ids_that_are_no_ids_end_in_a_sentence() -> None:
    ratings = Ratings(matrix(), np.arange(3), np.arange(3))
    with pytest.raises(InputError, match=r"ids of type Ratings: .*give a list of ids"):
        Ratings(matrix(), ratings, np.arange(3))  # type: ignore[arg-type]
    model = Ease().fit(ratings)
    for id_, said in ((10**400, "'10{59}'…"), ("x" * 900, "'x{60}'…"), (np.array([7]), "7")):
        with pytest.raises(InputError, match=rf"unknown item {said}: not in"):
            model.similar(id_)


def test_unsorted_and_repeated_entries_are_read_and_the_last_stays() -> None:
    csr = sparse.csr_array(
        (np.array([1, 2, 3, 4], dtype=np.float32), np.array([2, 0, 2, 1]), np.array([0, 3, 4])), shape=(2, 3)
    )
    for ratings in (as_ratings(csr), Ratings(csr, np.arange(2), np.arange(3))):
        assert ratings.csr.toarray().tolist() == [[2, 0, 3], [0, 4, 0]] and ratings.duplicates == 1


def test_no_memory_is_shared_with_the_caller() -> None:
    csr, frame = matrix(), pd.DataFrame({"user": [1, 2], "item": [1, 2], "rating": np.float64([1, 2])})
    given = [(as_ratings(csr), csr.data), (Ratings(csr, np.arange(3), np.arange(3)), csr.data)]
    given += [(as_ratings(csr.tocoo()), csr.data), (as_ratings(frame), frame["rating"].to_numpy())]
    for ratings, data in given:
        assert not np.shares_memory(ratings.csr.data, data)


LARGE = [7, 10**18, 2**63 - 1, 2**63, 2**64 - 1, 10**30]


@pytest.mark.parametrize("largest", range(len(LARGE)))
def test_an_integer_is_one_id_from_every_source(largest: int, tmp_path: Path) -> None:
    users = [1, LARGE[largest]]
    frame = pd.DataFrame({"user": pd.Series(users, dtype=object), "item": [1, 2], "rating": [1.0, 2.0]})
    text = "user,item,rating\n" + "".join(f"{u},{i},{r}\n" for u, i, r in frame.itertuples(index=False))
    found = [as_ratings(frame), as_ratings(frame.astype({"user": str})), read_ratings(io.StringIO(text))]
    if users[1] < 2**64:
        unsigned = frame.assign(user=np.array(users, dtype=np.uint64))
        parquet = io.BytesIO()
        unsigned.to_parquet(parquet)
        found += [as_ratings(unsigned), as_ratings(pa.table(unsigned)), read_ratings(io.BytesIO(parquet.getvalue()))]
    for ratings in found:
        expected = ratings.find_users(list(map(str, users)))
        assert sorted(expected) == [0, 1]
        np.testing.assert_array_equal(ratings.find_users(users), expected)
    (tmp_path / "titles.csv").write_text(f"item,title\n{users[1]},Large\n", encoding="utf-8")
    flipped = found[-1].to_frame().rename(columns={"user": "item", "item": "user"})
    flipped.to_parquet(tmp_path / "ratings.parquet")
    titles = read_ratings(tmp_path / "ratings.parquet", items=tmp_path / "titles.csv").titles
    assert titles is not None and sorted(titles) == ["", "Large"]


def test_what_is_no_rating_file_is_a_sentence() -> None:
    for given in (None, 7, ["a"]):
        with pytest.raises(ParameterError, match="give a path"):
            read_ratings(given)  # type: ignore[arg-type]
    for column, values in (("rating", pd.to_timedelta([1, 2])), ("timestamp", np.array([1e30, 1.0]))):
        frame = pd.DataFrame({"user": [1, 2], "item": [1, 2], "rating": [1.0, 2.0]}).assign(**{column: values})
        with pytest.raises(InputError, match=f"column {column}"):
            as_ratings(frame)


def test_other_entries_for_a_matrix_are_those_of_the_constructor() -> None:
    """Also for matrices that SciPy goes on computing with, of either type of index."""
    given = matrix()
    for integers in (np.int32, np.int64):
        csr = given.copy()
        csr.indices, csr.indptr = csr.indices.astype(integers), csr.indptr.astype(integers)
        kept = select_entries(csr, csr.data >= 3)
        expected = np.where(given.toarray() >= 3, given.toarray(), 0)
        np.testing.assert_array_equal(kept.toarray(), expected)
        np.testing.assert_array_equal((kept.T @ kept).toarray(), expected.T @ expected)
        assert kept.indptr.dtype == kept.indices.dtype == integers and kept.nnz == np.count_nonzero(expected)
        mapped = with_entries(csr, csr.data * 2, csr.indices, csr.indptr)
        np.testing.assert_array_equal(mapped.toarray(), 2 * given.toarray())
        np.testing.assert_array_equal(csr.toarray(), given.toarray())
        assert not is_marked_valid(select_entries(mark_valid(csr), csr.data >= 3)) and is_marked_valid(csr)
