"""Readers: every format gives the same ratings, ids stay as written, and a bad file is one sentence with its line."""

import gzip
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autorec import read_ids, read_json_lines, read_pairs, read_ratings
from autorec.errors import InputError, ParameterError
from autorec.ratings.matrix import Ratings

ROWS = [("7", "10", 4.0, 100), ("7", "11", 3.0, 101), ("8", "10", 5.0, 99), ("9", "12", 1.0, 98)]
NAMES = ["userId", "movieId", "rating", "timestamp"]


def lines(separator: str, header: str = "") -> bytes:
    body = "".join(separator.join((u, i, f"{r:g}", str(t))) + "\n" for u, i, r, t in ROWS)
    return (header + body).encode()


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return buffer.getvalue()


def parquet() -> bytes:
    buffer = io.BytesIO()
    frame = pd.DataFrame(ROWS, columns=["user_id", "item_id", "rating", "timestamp"])
    frame.astype({"user_id": int, "item_id": int}).to_parquet(buffer)
    return buffer.getvalue()


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


CSV = lines(",", "userId,movieId,rating,timestamp\n")
NETFLIX = b"10:\n7,4,1970-01-02\n8,5,1970-01-01\n11:\n7,3,1970-01-02\n12:\n9,1,1970-01-01\n"

GOOD = {
    "u.data": lines("\t"),
    "ratings.dat": lines("::"),
    "ratings.csv": CSV,
    "bom.csv": b"\xef\xbb\xbf" + CSV,
    "crlf.csv": CSV.replace(b"\n", b"\r\n"),
    "no newline at the end.csv": CSV.rstrip(b"\n"),
    "blank lines.csv": CSV.replace(b"\n", b"\n\n"),
    "quoted.csv": b"user,item,rating\n" + b"".join(f'"{u}","{i}",{r}\n'.encode() for u, i, r, _ in ROWS),
    "sample.inter": lines("\t", "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"),
    "semicolon.txt": lines(";"),
    "blank.txt": lines(" "),
    "pipe.txt": lines("|"),
    "netflix.txt": NETFLIX,
    "ratings.parquet": parquet(),
    "ratings.csv.gz": gzip.compress(CSV),
    "ratings.dat.zst": zstd(lines("::")),
    "one.zip": zipped(ml__ratings_dot_csv=CSV, ml__movies_dot_csv=b"movieId,title\n10,A\n", README=b"read me"),
    "ratings.jsonl": pd.DataFrame(ROWS, columns=NAMES).to_json(orient="records", lines=True).encode(),
    "iso.csv": b"user,item,rating,date\n7,10,4,2020-01-02\n7,11,3,2020-01-03T10:00:00\n"
    b"8,10,5,2020-01-01\n9,12,1,2020-01-01\n",
}


@pytest.mark.parametrize("name", GOOD)
def test_every_format_gives_the_same_ratings(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(GOOD[name])
    ratings = read_ratings(path)
    assert ratings.user_ids.tolist() == [7, 8, 9]
    assert ratings.item_ids.tolist() == [10, 11, 12]
    assert ratings.csr.toarray().tolist() == [[4, 3, 0], [5, 0, 0], [0, 0, 1]]
    if name not in ("quoted.csv", "netflix.txt"):
        assert ratings.timestamps is not None
        frame = ratings.to_frame()
        assert frame["user"].tolist() == [7, 7, 8, 9]  # the order of the source
        assert frame["timestamp"].rank().tolist()[:2] == [3, 4]


BAD = {
    "empty.csv": b"",
    "blank lines only.csv": b"\n \n\n",
    "header only.csv": b"userId,movieId,rating\n",
    "one column.csv": b"1\n2\n3\n",
    "two columns.csv": b"1,2\n1,3\n",
    "ragged short.csv": CSV + b"9,13\n",
    "ragged long.csv": CSV + b"9,13,4,5,6\n",
    "word as rating.csv": CSV + b"9,13,good,5\n",
    "empty rating.csv": CSV + b"9,13,,5\n",
    "nan rating.csv": CSV + b"9,13,nan,5\n",
    "infinite rating.csv": CSV + b"9,13,inf,5\n",
    "comma as point.csv": b"user;item;rating\n1;2;3,5\n",
    "no user.csv": CSV + b",13,4,5\n",
    "no item.csv": CSV + b"9,,4,5\n",
    "word as time.csv": CSV + b"9,13,4,yesterday\n",
    "unknown header.csv": b"a,b,c\n1,2,3\n",
    "many columns.csv": b"1,2,3,4,5\n1,2,3,4,5\n",
    "binary.csv": bytes(range(256)) * 20,
    "broken.csv.gz": gzip.compress(CSV * 100)[:-30],
    "broken.zip": zipped(ratings_dot_csv=CSV)[:-40],
    "no ratings.zip": zipped(README=b"hello"),
    "two ratings.zip": zipped(a_dot_csv=CSV, b_dot_csv=CSV),
    "broken.parquet": parquet()[:-20],
    "broken.zst": zstd(CSV * 100)[:-10],
    "not utf-8.csv": CSV + b"\xff\xfe,13,4,5\n",
    "sheet.xlsx": zipped(xl__workbook_dot_xml=b"<workbook/>", xl__worksheets__sheet1_dot_xml=b"<sheet/>"),
    "wide.csv": ",".join(f"c{n}" for n in range(900)).encode() + b"\n" + b"1," * 899 + b"1\n",
    "constant separator.csv": b"user item\nx y\n",
    "netflix without number.txt": b"1:\n7,x,1970-01-02\n",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_sentence_that_names_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(BAD[name])
    with pytest.raises(InputError) as caught:
        read_ratings(path)
    message = str(caught.value)
    assert name in message
    assert "\n" not in message
    assert len(message) < 600
    if name.startswith(("ragged", "word", "empty rating", "nan", "infinite", "no user", "no item", "not utf-8")):
        assert f"line {len(CSV.splitlines()) + 1}" in message


def test_a_spreadsheet_is_named_as_such() -> None:
    with pytest.raises(InputError, match="is a spreadsheet; save the sheet with the ratings as CSV"):
        read_ratings(io.BytesIO(BAD["sheet.xlsx"]))


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_ratings(tmp_path / "nothing.csv")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").touch()
    with pytest.raises(InputError, match="is the folder of a saved model; name the file of ratings"):
        read_ratings(tmp_path / "model")
    with pytest.raises(InputError, match="holds none of"):
        read_ratings(tmp_path)


@pytest.mark.parametrize("separator", [",", "::", "\t"])
def test_skip_drops_and_counts_what_cannot_be_read(separator: str, tmp_path: Path) -> None:
    path = tmp_path / "ratings.txt"
    bad = separator.join(("9", "13", "x", "5")) + "\n" + separator.join(("9", "13")) + "\n" + "\n"
    path.write_bytes(lines(separator) + bad.encode() + lines(separator).splitlines(True)[0].replace(b"7", b"6"))
    ratings = read_ratings(path, on_error="skip")
    assert (len(ratings), ratings.skipped) == (5, 2)


def test_ids_stay_as_written(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user,item,rating\n007,a b,1\n7,ü,2\n+7,“x”,3\n")
    ratings = read_ratings(path)
    assert ratings.user_ids.tolist() == ["+7", "007", "7"]
    assert ratings.item_ids.tolist() == ["a b", "ü", "“x”"]
    assert ratings.find_users(["007", 7][:1]).tolist() == [1]
    assert ratings.find_users([7]).tolist() == [2]


def test_an_explicit_zero_is_a_rating_and_a_gap_in_the_numbers_no_item(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user,item,rating\n1,1,0\n1,3952,5\n")
    ratings = read_ratings(path)
    assert (len(ratings), ratings.n_items, ratings.scale) == (2, 2, (0, 5))


def test_of_a_pair_the_latest_rating_stays(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user,item,rating,timestamp\n1,1,5,300\n1,1,2,100\n1,2,3,100\n1,2,4,100\n")
    ratings = read_ratings(path)
    assert ratings.csr.toarray().tolist() == [[5, 4]]
    assert ratings.duplicates == 2
    path.write_text("user,item,rating\n1,1,5\n1,1,2\n")
    assert read_ratings(path).csr.toarray().tolist() == [[2]]


def test_columns_by_name_and_by_place(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("when,who,stars,what,note\n5,u,4,x,hello\n6,v,3,y,\n")
    for columns in (
        "user=who,item=what,rating=stars",
        "user=2,item=4,rating=3",
        {"user": "who", "item": 4, "rating": 3},
    ):
        ratings = read_ratings(path, columns=columns, header=True)
        assert ratings.user_ids.tolist() == ["u", "v"]
        assert ratings.csr.toarray().tolist() == [[4, 0], [0, 3]]
    with pytest.raises(InputError, match="no rating column 'grade'"):
        read_ratings(path, columns="user=who,item=what,rating=grade")
    with pytest.raises(ParameterError, match="role=column"):
        read_ratings(path, columns="who")
    for choices in ("user,item\n1,2\n", "1,2\n1,3\n"):
        with pytest.raises(InputError, match="a choice without a rating, add a rating of 1 to all of them"):
            read_ratings(io.StringIO(choices))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b",\n", "has separators and no titles"),
        (b"\xc2\xa0\n", "is no text with titles"),
        (parquet(), "is no text with titles"),
        (b'{"item": 10, "title": "A"}\n', "is no text with titles"),
        (b'item,title\n10,"Open\n11,Next\n12,Last', "line 2: a quote is opened and never closed"),
    ],
)
def test_a_file_of_no_titles_is_one_sentence(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "titles").write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_ratings(io.BytesIO(CSV), items=tmp_path / "titles")


def test_titles(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_bytes(lines("::"))
    (tmp_path / "movies.dat").write_bytes(
        "10::Amélie (2001)::Comedy\n12::Alien::Horror\n99::Unseen::X\n".encode("latin-1")
    )
    for path in (tmp_path, tmp_path / "ratings.dat"):
        titles = read_ratings(path).titles
        assert titles is not None and titles.tolist() == ["Amélie (2001)", "", "Alien"]
    other = tmp_path / "names.csv"
    other.write_text('movieId,year,title\n11,1999,"A, B"\n')
    titles = read_ratings(tmp_path, items=other).titles
    assert titles is not None and titles.tolist() == ["", "A, B", ""]
    for text in (",itemId,title\n0,12,A\n10,11,B\n", "title,item\nA,12\nB,11\n"):  # the index of pandas; the item last
        other.write_text(text)
        titles = read_ratings(tmp_path, items=other).titles
        assert titles is not None and titles.tolist() == ["", "B", "A"]
    other.write_text("title,item\nA,12\nB\n")
    with pytest.raises(InputError, match="line 3: has 1 columns; item and title need 2"):
        read_ratings(tmp_path, items=other)
    for text in ("10,Alien,Horror|Drama\n", "10;Alien;Good, old\n", '"10","Alien","a|b"\n', "10|Alien|a,b\n"):
        other.write_text(text)
        described = read_ratings(tmp_path, items=other)
        assert described.titles is not None and described.titles.tolist() == ["Alien", "", ""]
    other.write_text("x,y\n")
    with pytest.raises(InputError, match="none of a rated item"):
        read_ratings(tmp_path, items=other)


def test_members_of_a_zip(tmp_path: Path) -> None:
    path = tmp_path / "two.zip"
    path.write_bytes(BAD["two ratings.zip"])
    assert len(read_ratings(path, member="a.csv")) == 4
    with pytest.raises(InputError, match=r"no member 'c.csv'; it has: a.csv, b.csv"):
        read_ratings(path, member="c.csv")


def test_a_stated_scale_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(CSV)
    assert read_ratings(path, scale=(0, 10)).scale == (0, 10)
    with pytest.raises(InputError, match=r"r.csv.*outside the stated scale 1…3"):
        read_ratings(path, scale=(1, 3))


@pytest.mark.parametrize(("option", "value"), [("on_error", "ignore"), ("format", "xml")])
def test_unknown_options_list_the_allowed_ones(option: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=f"{option} is '{value}'; allowed:"):
        read_ratings(tmp_path, **{option: value})


def test_pairs_and_ids(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("user,item\nb,2\na,3\nb,2\n")
    assert read_pairs(path).to_numpy().tolist() == [["b", 2], ["a", 3], ["b", 2]]
    path.write_bytes(lines("::"))
    assert read_pairs(path)["user"].tolist() == [7, 7, 8, 9]
    path.write_text("user,item,rating,timestamp\nb,2,?,30\na,3,,1970-01-02\n")
    pairs = read_pairs(path)
    assert pairs["timestamp"].tolist() == [30, 86400]
    pairs.to_parquet(tmp_path / "pairs.parquet")
    pd.testing.assert_frame_equal(read_pairs(tmp_path / "pairs.parquet"), pairs)
    path.write_text("user,item\n1,\n")
    with pytest.raises(InputError, match=r"line 2: the item is missing; correct it$"):  # no pair is dropped
        read_pairs(path)
    path.write_text("b\n\n a \n007\n")
    assert read_ids(path).tolist() == ["b", "a", "007"]
    path.write_text("userId\n3\n7\n")
    assert read_ids(path).tolist() == [3, 7]
    path.write_text("user\n")
    assert read_ids(path).tolist() == ["user"]


def test_json_lines() -> None:
    ratings = read_json_lines(
        ['{"user": "x", "ratings": {"12": 4, "13": 2.5}}', "", '{"user": "y", "item": 12, "rating": 1}']
    )
    assert ratings.user_ids.tolist() == ["x", "y"]
    assert ratings.item_ids.tolist() == [12, 13]
    assert ratings.csr.toarray().tolist() == [[4, 2.5], [1, 0]]
    for bad in (
        "{",
        "[]",
        '{"user": "x"}',
        '{"user": null, "item": 1, "rating": 2}',
        '{"user": "x", "item": 1, "rating": "a"}',
    ):
        with pytest.raises(InputError, match="line 1: "):
            read_json_lines([bad])
    with pytest.raises(InputError, match="no ratings"):
        read_json_lines([])


def test_milliseconds_are_suspected_as_they_are_read() -> None:
    text = "1,2,3,1500000000000\n1,3,4,1500000000001\n2,3,4,7\n"
    with pytest.warns(UserWarning, match="most timestamps lie beyond the year 2100 .* divide them by 1000"):
        read_ratings(io.StringIO(text))


def test_dates_of_other_forms_can_be_left_out() -> None:
    text = "user,item,rating,date\n1,2,3,27.10.2017\n"
    said = r"neither seconds nor an ISO date such as 2017-10-27; to read no dates, name .* by columns \(--columns\)"
    with pytest.raises(InputError, match=said):
        read_ratings(io.StringIO(text))
    assert read_ratings(io.StringIO(text), columns="user=1,item=2,rating=3").timestamps is None


def test_files_of_json_lines() -> None:
    first, second = '{"user": "x", "item": 12, "rating": 4, "date": "1970-01-02"}\n', '{"user": 7}\n'
    assert read_pairs(io.StringIO(first)).to_numpy().tolist() == [["x", 12, 86400]]
    with pytest.raises(InputError, match=r"line 2: .* is no rating \(it has no item and no rating and no date\)"):
        read_ratings(io.StringIO(first + second))
    ratings = read_ratings(io.StringIO(first + second), on_error="skip")
    assert (ratings.user_ids.tolist(), ratings.item_ids.tolist(), ratings.skipped) == (["x"], [12], 1)
    nested = read_ratings(io.StringIO('{"user": "x", "ratings": {"12": 4, "13": 2.5}}'))
    assert nested.csr.toarray().tolist() == [[4, 2.5]]
    with pytest.raises(InputError, match="columns 'who', 'item': which is the user and the rating is not clear"):
        read_ratings(io.StringIO('{"who": 1, "item": 2}'))
    for document in ('[{"user": 1}]', '{\n"user": 1}', '[\n{"user": 1}]', '{"user": 1,\n"item": 2}'):
        with pytest.raises(InputError, match="is JSON, but not an object a line"):
            read_ratings(io.StringIO(document))


tokens = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=6).filter(
    lambda text: not set(text) & set(',;|"\t:') and text.strip() == text and text not in ("user", "item", "rating")
)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.tuples(tokens, tokens), st.integers(-20, 20).map(lambda n: n / 2), min_size=2, max_size=20),
    st.sampled_from([",", "\t", ";", "::"]),
)
def test_what_is_written_is_read(table: dict[tuple[str, str], float], separator: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ratings.txt"
        text = separator.join(("user", "item", "rating")) + "\n"
        path.write_text(
            text + "".join(f"{u}{separator}{i}{separator}{r}\n" for (u, i), r in table.items()), encoding="utf-8"
        )
        frame = read_ratings(path).to_frame()
    found = {(str(u), str(i)): float(r) for u, i, r in frame.itertuples(index=False)}
    assert found == table
    assert list(found) == list(table)


def data(*parts: str) -> Path:
    home = Path(os.environ.get("AUTOREC_DATA", Path(__file__).resolve().parents[2] / "shared" / "datasets"))
    path = home.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} is not there; set AUTOREC_DATA to a folder that has it")
    return path


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "users", "items", "count"), [("ml-100k", 943, 1682, 100_000), ("ml-1m", 6040, 3706, 1_000_209)]
)
def test_real_files(name: str, users: int, items: int, count: int) -> None:
    ratings: Ratings = read_ratings(data(name))
    assert (ratings.n_users, ratings.n_items, len(ratings), ratings.scale) == (users, items, count, (1, 5))
    assert ratings.titles is not None and ratings.titles[ratings.find_items([1])[0]] == "Toy Story (1995)"
    assert ratings.timestamps is not None and np.all(ratings.timestamps > 0)
