"""Ordinary data in odd forms: read as meant, or refused in a sentence that helps."""

import datetime
import io
import json
import os
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest
from test_read import GOOD

from autorec import Ratings, read_ids, read_json_lines, read_ratings
from autorec.errors import AutoRecError, InputError
from autorec.ratings import arrow
from autorec.ratings.convert import as_ratings

NEW_YEAR = 1_577_836_800  # 2020-01-01 in UTC


def read(content: str | bytes, **options: Any) -> Ratings:
    return read_ratings(io.BytesIO(content) if isinstance(content, bytes) else io.StringIO(content), **options)


@pytest.mark.parametrize(
    "content",
    [
        "sep=;\nuser;item;rating\n1;10;4\n2;11;3\n",
        "# made by hand\n# one, two, three\nuser,item,rating\n1,10,4\n2,11,3\n",
        "1,10,4\n# nothing\n2,11,3\n",
        "user,item,rating\r1,10,4\r2,11,3\r",
        "1, 10, 4\n2, 11, 3\n",
        "user,item,rating\n1,10,4\n2,11,3\n".encode("utf-16"),
        "sep=;\n1;10;4\n2;11;3\n".encode("utf-32"),
        "user,customer,item,rating,score\n1,7,10,4,9\n2,7,11,3,9\n",
        'item,title,rating,user,date\n10,"Mummy, The",4,1,2020-01-01\n11,"Two\nlines",3,2,2020-01-01\n',
        "user\titem\trating\ttimestamp\n1\t10\t4\t1960-01-01\n2\t11\t3\t1960-01-01\n",
    ],
)
def test_text_in_odd_forms_is_read_as_meant(content: str | bytes) -> None:
    ratings = read(content)
    assert (ratings.user_ids.tolist(), ratings.item_ids.tolist()) == ([1, 2], [10, 11])
    assert ratings.csr.toarray().tolist() == [[4, 0], [0, 3]]


@pytest.mark.parametrize("last", ["2020-01-01", "1577836800"])  # by the second pass, by the first
def test_a_separator_may_be_any_character(last: str) -> None:
    ratings = read(f'"a"§10§4§{NEW_YEAR}\nc§11§3§{last}\n', sep="§")
    assert (ratings.user_ids.tolist(), ratings.item_ids.tolist()) == (['"a"', "c"], [10, 11])
    assert ratings.timestamps is not None and ratings.timestamps.tolist() == [NEW_YEAR] * 2


@pytest.mark.parametrize("header", ["", "user;item;rating;timestamp\n"])
def test_decimal_commas_do_not_separate_where_semicolons_do(header: str) -> None:
    """Cut at its commas each line would have a user `1;10;3`, too."""
    rows = "".join(f"{user};{item};3,5;2020-01-01 10:00:00,123\n" for user in (1, 2) for item in (10, 11))
    with pytest.raises(InputError, match=r"the rating '3,5' is not .*; for decimal commas give decimal=','"):
        read(header + rows)
    ratings = read(header + rows, decimal=",")
    assert ratings.user_ids.tolist() == [1, 2] and ratings.csr.toarray().tolist() == [[3.5, 3.5]] * 2


def test_lines_that_end_in_a_carriage_return_alone_are_read_in_large_files_too() -> None:
    n = 1_000_000  # more than one block of the parser
    ratings = read("user,item,rating\r" + "".join(f"{i},{i % 97},{i % 5 + 1}\r" for i in range(n)))
    assert (len(ratings), ratings.n_users, ratings.n_items) == (n, n, 97)


@pytest.mark.parametrize("mark", ["\u2028", "\x0b", "\x0c", "\x85", "\x1e"])
def test_only_line_ends_end_a_line(mark: str, tmp_path: Any) -> None:
    """`str.splitlines` cuts at all of these."""
    users = [f"a{mark}b", "c"]
    (tmp_path / "titles.csv").write_text(f"item,title\n1,A{mark}B\n", encoding="utf-8")
    ratings = read(f"user,item,rating\na{mark}b,1,3\nc,1,4\n", items=tmp_path / "titles.csv")
    assert ratings.user_ids.tolist() == users
    assert ratings.titles is not None and ratings.titles.tolist() == [f"A{mark}B"]
    assert read_ids(io.StringIO(f"a{mark}b\nc\n")).tolist() == users
    line = json.dumps({"user": f"a{mark}b", "item": 1, "rating": 3}, ensure_ascii=False)
    assert read_json_lines(io.StringIO(f"{line}\n")).user_ids.tolist() == users[:1]


def test_titles_in_the_encoding_of_windows(tmp_path: Any) -> None:
    (tmp_path / "titles.csv").write_bytes("item,title\n1,Amélie…\n".encode("cp1252"))
    titles = read("1,1,3\n2,1,4\n", items=tmp_path / "titles.csv").titles
    assert titles is not None and titles.tolist() == ["Amélie…"]


TIMES: list[Any] = [
    pa.array([datetime.date(2020, 1, 1)], pa.date32()),
    pa.array([datetime.date(2020, 1, 1)], pa.date64()),
    pa.array([NEW_YEAR], pa.uint64()),
    pa.array([NEW_YEAR + 0.5], pa.float64()),
    pa.array(["2020-01-01"]),
    pa.array(["2020-01-01T02:00:00.25+02:00"]),
    pa.array([NEW_YEAR * 1000], pa.timestamp("ms")),
    pa.array([str(NEW_YEAR)]).dictionary_encode(),
]


@pytest.mark.parametrize("times", TIMES, ids=lambda times: str(times.type))
def test_times_of_every_type_are_seconds(times: Any) -> None:
    table = pa.table({"user": [1], "item": [2], "rating": [3.0], "timestamp": times})
    content = io.BytesIO()
    pa_parquet.write_table(table, content)
    for ratings in (as_ratings(table), as_ratings(table.to_pandas()), read(content.getvalue())):
        assert ratings.timestamps is not None and ratings.timestamps.tolist() == [NEW_YEAR]


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"user": [1], "item": [2], "rating": [3.0], **columns})


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: read("user,item,score,stars\n1,2,3,4\n"), "'score' and 'stars': which is the rating is not clear"),
        (lambda: read("1,2,3\n", columns="user=1,item=1,rating=3"), "'1' is both user and item"),
        (lambda: read("1,2,3\n", columns=["user", "item", "rating"]), r"columns is \['user'.*give \{role: column\}"),
        (lambda: read("1,2,3\n", sep=""), "sep is ''; allowed"),
        (lambda: read("1,2,3\n", scale="15"), "scale is '15'; allowed"),
        (lambda: read("1,2,3\n", scale=(0, np.inf)), r"scale is \(0, inf\); allowed: .*two finite numbers"),
        (lambda: read("1,2,1e39\n"), "line 1: the rating '1e39' is larger than any"),
        (lambda: read("1,2,3,1e30\n"), "line 1: the timestamp '1e30' does not fit 64 bits"),
        (lambda: read_ratings(None), "a rating file of type NoneType"),  # type: ignore[arg-type]
        (lambda: as_ratings(frame(timestamp=[np.inf])), "neither a date nor seconds that fit 64 bits"),
        (lambda: as_ratings(frame(timestamp=np.array([2**64 - 1], np.uint64))), "seconds that fit 64 bits"),
        (lambda: as_ratings(frame(rating=pd.to_datetime(["2020"]))), "column rating has type datetime64"),
        (lambda: as_ratings(frame(rating=[1j])), "column rating has type complex128"),
        (
            lambda: as_ratings(pd.concat([frame(), frame()[["rating"]]], axis=1)),
            "'rating' and 'rating': which is the rating is not clear",
        ),
        (lambda: as_ratings(frame(rating=pd.Series([10**400], dtype=object))), "must be numbers: int too large"),
        (lambda: as_ratings(frame(rating=pd.Series([np.datetime64("2020")], dtype=object))), "of type datetime64"),
        (lambda: as_ratings(frame(rating=[b"3"])), "of type bytes; give numbers"),
        (lambda: as_ratings(frame(user=[""])), "column user: an id is blank"),
        (lambda: as_ratings(frame(user=[Decimal("1E+999999")])), "a decimal of 1,000,000 digits; integers of up to"),
        (lambda: as_ratings(frame(user=[Decimal("sNaN")])), "the decimal sNaN is not whole"),
        (lambda: as_ratings(frame(user=[10**5000])), "an integer of more than 4,300 digits; integers of up to"),
        (lambda: as_ratings(frame()).find_users([-(10**5000)]), "an integer of more than 4,300 digits"),
        (lambda: as_ratings(frame(user=pd.Series(["\ud800"], dtype=object))), r"the id '\\ud800' is no Unicode text"),
    ],
)
def test_what_has_no_meaning_is_refused_in_a_sentence(ask: Callable[[], Ratings], said: str) -> None:
    with pytest.raises(AutoRecError, match=said) as caught:
        ask()
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="devices as POSIX has them")
def test_a_device_is_no_file() -> None:
    """It may never end."""
    with pytest.raises(InputError, match="/dev/zero is a device"):
        read_ratings("/dev/zero")


def test_an_open_file_that_cannot_be_read_is_a_sentence(tmp_path: Any) -> None:
    (tmp_path / "r.csv").write_bytes("ä,1,3\n".encode("latin-1"))
    closed = io.StringIO()
    closed.close()
    with (tmp_path / "r.csv").open(encoding="utf-8") as other:
        for file in (closed, other):
            with pytest.raises(InputError, match=r"the open file cannot be read: .*; open it again, as bytes"):
                read_ratings(file)


def test_gaps_among_integers_are_no_users_and_are_skipped() -> None:
    content = io.BytesIO()
    pd.DataFrame({"user": [1, None, 3], "item": [1, 2, 3], "rating": [1.0, 2, 3]}).to_parquet(content)
    ratings = read(content.getvalue(), on_error="skip")
    assert (ratings.user_ids.tolist(), ratings.skipped) == ([1, 3], 1)
    with pytest.raises(InputError, match="row 2: the user is missing"):
        read(content.getvalue())


@pytest.mark.parametrize("kind", ["gzip", "zip", "zstd"])
def test_what_unpacks_to_far_more_than_ratings_do_is_refused(kind: str) -> None:
    """65 MiB in less than 100 KB, of which no more than what is allowed is unpacked."""
    text = b"0" * (65 * 2**20)
    if kind == "zip":
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("ratings.csv", text)
        packed = content.getvalue()
    else:
        packed = pa.compress(text, kind, asbytes=True)
    with pytest.raises(InputError, match=r"unpacks to more than 67,108,864 bytes"):
        read(packed)


def test_fields_of_any_length_are_ids() -> None:
    long = "x" * 200_000
    for rows in (f"{long},1,2,3\nb,2,3,4\n", f'"{long}",1,2,1970-01-01\nb,2,3,4\n'):
        assert read("user,item,rating,timestamp\n" + rows).user_ids.tolist() == ["b", long]


def test_a_file_that_is_cut_while_it_is_read_is_a_sentence(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were it mapped into memory, the process would end by SIGBUS."""
    path = tmp_path / "ratings.parquet"
    path.write_bytes(GOOD["ratings.parquet"])

    def check_and_cut(*given: Any, check: Any = arrow._check_size) -> None:
        check(*given)
        os.truncate(path, 10)

    monkeypatch.setattr(arrow, "_check_size", check_and_cut)
    with pytest.raises(InputError, match="is not a whole Parquet file"):
        read_ratings(path)


def archive_pointing_nowhere() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("r.csv", "1,2,3\n")
    content = bytearray(file.getvalue())
    start = content.rindex(b"PK\x05\x06") + 16  # of the directory
    content[start : start + 4] = b"\xff\xff\xff\x7f"
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("1,2,1e308\n1,3,-1e308\n", "line 1: the rating '1e308' is larger than any"),
        ("user,item,rating\na\rb,x,1\nc,y,2\n", "line 2: has 1 columns where the first line has 3"),
        ("user,item,rating\n", "has a header and no ratings below it"),
        (archive_pointing_nowhere(), "is not a whole zip file .*; fetch or pack it again"),
    ],
)
def test_files_that_hold_no_ratings_are_refused_in_a_sentence(content: str | bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(content)


def test_the_exact_name_of_a_column_wins_and_odd_digits_are_text() -> None:
    assert read("user_id,customer,item,rating\n1,7,2,3\n2,7,2,4\n").user_ids.tolist() == [1, 2]
    assert read("²,2,3\n1,2,3\n").user_ids.tolist() == ["1", "²"]


def test_ids_that_differ_by_spaces_alone_are_told() -> None:
    with pytest.warns(UserWarning, match="1 ids differ from another by spaces around them alone, ' x' and 'x'"):
        assert read("user,item,rating\na,x,1\nb, x,2\n").item_ids.tolist() == [" x", "x"]
