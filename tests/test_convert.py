"""Ratings in memory: tables are understood as files are, whatever library made them."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

import autorec
from autorec.errors import InputError, ParameterError

ROWS = {"user_id": ["b", "a", "b"], "movie_id": [2, 1, 1], "stars": [4.0, 3.5, 5.0]}


@pytest.fixture
def frame():
    return pd.DataFrame(ROWS)


def same(one, other):
    return one.to_frame().equals(other.to_frame())


def test_a_table_gets_the_recognition_of_names_that_a_file_gets(frame, tmp_path):
    frame.to_csv(tmp_path / "ratings.csv", index=False)
    of_file = autorec.read_ratings(tmp_path / "ratings.csv")
    for table in (frame, pa.table(ROWS), pl.DataFrame(ROWS)):
        assert same(autorec.read_ratings(table), of_file)
        assert same(autorec.Popularity().fit(table).ratings_, of_file)


def test_a_polars_frame_is_understood_whatever_its_types_are():
    text = pl.DataFrame(ROWS).with_columns(pl.lit("1970-01-02").alias("timestamp"))
    typed = text.cast({"user_id": pl.Categorical, "movie_id": pl.Decimal(20, 2)})
    typed = typed.with_columns(pl.col("timestamp").str.to_date())
    written = text.cast({"stars": pl.String, "timestamp": pl.Categorical})
    expected = autorec.read_ratings(text)
    assert expected.timestamps.tolist() == [86_400] * 3
    for table in (typed, written):
        found = autorec.read_ratings(table)
        assert same(found, expected)
        model = autorec.Bias().fit(table)
        assert model.predict(typed["user_id"], text["movie_id"]).shape == (3,)
        assert model.recommend(pl.Series(["a"]), n=1)["item"].tolist() == [2]
    with pytest.raises(InputError, match=r"ratings of type LazyFrame; give .*; collect\(\) a lazy frame first"):
        autorec.Bias().fit(text.lazy())
    for column in (text["stars"], pd.Series([1])):
        with pytest.raises(InputError, match="ratings of type Series; give Ratings"):
            autorec.Bias().fit(column)


def test_columns_says_which_is_which(frame):
    other = frame.set_axis(["who", "what", "much"], axis=1)
    for table in (other, pa.Table.from_pandas(other)):
        found = autorec.read_ratings(table, columns={"user": "who", "item": 2, "rating": "much"})
        assert same(found, autorec.read_ratings(frame))
    with pytest.raises(InputError, match=r"the table has .*'who', 'what', 'much': which is the user and the item"):
        autorec.read_ratings(other)


def test_columns_whose_names_are_numbers_are_found_by_them(frame):
    numbered = frame.set_axis(range(3), axis=1)
    assert same(
        autorec.read_ratings(numbered, columns={"user": 0, "item": 1, "rating": 2}), autorec.read_ratings(frame)
    )


def test_two_columns_that_could_be_the_rating_are_a_tie(frame):
    with pytest.raises(InputError, match="the columns 'stars' and 'score': which is the rating is not clear"):
        autorec.read_ratings(frame.assign(score=1.0))


def test_scale_titles_and_missing_are_those_of_a_file(frame, tmp_path):
    (tmp_path / "items.csv").write_text("item,title\n1,One\n2,Two\n")
    found = autorec.read_ratings(frame, scale=(1, 5), missing=3.5, items=tmp_path / "items.csv")
    assert found.scale == (1, 5) and found.missing == 1 and len(found) == 2
    assert dict(zip(found.item_ids, found.titles, strict=True)) == {1: "One", 2: "Two"}


def test_a_matrix_has_numbers_as_ids():
    matrix = sparse.csr_array(np.array([[0, 3.0], [5.0, 0]]))
    found = autorec.read_ratings(matrix, scale=(1, 5))
    assert list(found.user_ids) == [0, 1] and found.scale == (1, 5) and len(found) == 2
    with pytest.raises(ParameterError, match="a matrix users × items has none"):
        autorec.read_ratings(matrix, columns="user=1,item=2,rating=3")


def test_what_says_how_a_file_is_read_is_refused(frame):
    with pytest.raises(ParameterError, match="sep is ';', which says how a file is read"):
        autorec.read_ratings(frame, sep=";")
    with pytest.raises(ParameterError, match="on_error is 'skip'"):
        autorec.read_ratings(frame, on_error="skip")


def test_titles_come_from_a_table_as_from_a_file(frame, tmp_path):
    films = pd.DataFrame({"title": ["Heat (1995)", "Alien"], "year": [1995.0, None], "film_id": [2, 1]})
    films[["film_id", "title", "year"]].to_csv(tmp_path / "films.csv", index=False, float_format="%.0f")
    of_file = autorec.read_ratings(frame, items=tmp_path / "films.csv")
    for table in (films, films.set_index("film_id"), pl.from_pandas(films), pa.Table.from_pandas(films)):
        found = autorec.read_ratings(frame, items=table)
        assert found.titles.tolist() == of_file.titles.tolist() == ["Alien", "Heat (1995)"]
        assert found.attributes["year"].tolist() == of_file.attributes["year"].tolist() == ["", "1995"]
    with pytest.raises(InputError, match="the table of items has 1 titles and none of a rated item"):
        autorec.read_ratings(frame, items=pd.DataFrame({"item": [9], "title": ["Ran"]}))
    with pytest.raises(InputError, match="titles need two"):
        autorec.read_ratings(frame, items=films[["film_id"]])


def test_a_matrix_has_the_ids_of_the_model_it_is_given_to(frame):
    ratings = autorec.read_ratings(frame)
    model = autorec.Bias().fit(ratings)
    assert model.score(ratings.csr) == model.score(ratings)
    assert autorec.evaluate(model, ratings.csr).metrics["rmse"] == -model.score(ratings)
    of_matrix, of_table = (
        model.fold_in(new).ratings_ for new in (ratings.csr[:1], ratings.select(ratings.rows() == 0))
    )
    assert (of_matrix.csr != of_table.csr).nnz == 0 and of_matrix.user_ids.tolist() == [0]
    columns = model.fold_in(ratings.csr[:, :1], of="items").ratings_
    assert columns.item_ids.tolist() == [0] and columns.user_ids.tolist() == ["a", "b"]
    with pytest.raises(InputError, match="a matrix of 1 users, which has no ids, for a model of 2"):
        model.score(ratings.csr[:1])
    with pytest.raises(InputError, match="a matrix of 1 items"):
        model.fold_in(ratings.csr[:, :1])


def test_ratings_are_chosen_by_their_rows():
    ratings = autorec.load_sample()
    rows = np.random.default_rng(0).permutation(len(ratings))[:50]
    expected = ratings.to_frame().iloc[np.sort(rows)].reset_index(drop=True)
    pd.testing.assert_frame_equal(ratings[rows].to_frame(), expected)
    assert ratings[:10].titles is not None and ratings.shape == (len(ratings),)
    with pytest.raises(TypeError):
        list(ratings)
