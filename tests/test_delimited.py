"""Delimited text: the two passes read the same, rows are those of a naive reader, and a fault is told with its line."""

import csv
import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autorec.errors import InputError
from autorec.ratings import delimited, records
from autorec.ratings.dialect import Dialect
from autorec.ratings.matrix import Parsed

COLUMNS = {"user": 0, "item": 1, "rating": 2, "timestamp": 3}
COMMA = Dialect(",", ".", 0, 1, 4, COLUMNS)


def dialect(separator: str = ",", start: int = 0, line: int = 1, decimal: str = ".") -> Dialect:
    return Dialect(separator, decimal, start, line, 4, COLUMNS)


def rows(found: Parsed) -> list[tuple[object, ...]]:
    assert found.ratings is not None
    times = [None] * len(found.users) if found.timestamps is None else found.timestamps.tolist()
    users, items = found.user_ids[found.users].tolist(), found.item_ids[found.items].tolist()
    return list(zip(users, items, found.ratings.astype(np.float32).tolist(), times, strict=True))


def parse(content: str | bytes, how: Dialect = COMMA, on_error: str = "raise") -> list[tuple[object, ...]]:
    data = content.encode() if isinstance(content, str) else content
    return rows(delimited.parse_text("file", data, how, on_error))


few, many = st.integers(0, 9999), st.integers(0, 10**18 - 1)
numbers = st.one_of(few, st.integers(99_999_998, 100_000_001), many).map(str)
words = st.one_of(
    st.text("abcxyzAÖ私0123456789-_/.+", min_size=1, max_size=40),
    st.integers(0, 99).map(lambda n: f"{n:010d}"),
    st.sampled_from(["a" * n for n in (7, 8, 9, 16, 17, 255)]),
)
decimals = st.one_of(
    st.integers(-9, 9).map(str),
    st.floats(-100, 100).map(lambda x: f"{x:.4f}"),
    st.decimals(0, 10, places=13).map(lambda x: f"{x:f}"),
    st.sampled_from(["5.", ".5", "-.5", "-0", "0.0", "00.5", "99999999", "-9999999", "12345.67", "1e3", " 4 ", "+2"]),
)
table = st.tuples(st.sampled_from([numbers, words]), st.sampled_from([numbers, words])).flatmap(
    lambda ids: st.lists(st.tuples(*ids, decimals, st.integers(-(2**40), 2**40).map(str)), min_size=1, max_size=90)
)


def as_ids(tokens: list[str]) -> list[object]:
    integers = all(re.fullmatch("0|-?[1-9][0-9]*", token) and abs(int(token)) < 2**63 for token in tokens)
    return [int(token) for token in tokens] if integers else list(tokens)


@settings(max_examples=150, deadline=None)
@given(table, st.sampled_from([",", "::", "\t", ";", "||"]), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
def test_plain_tables_are_read_at_once_as_a_naive_reader_reads_them(table, separator, newline, ended):
    content = newline.join(separator.join(row) for row in table) + (newline if ended else "")
    users, items, ratings, times = zip(*table, strict=True)
    expected = list(
        zip(
            as_ids(list(users)),
            as_ids(list(items)),
            np.array(list(map(float, ratings)), dtype=np.float32).tolist(),
            map(int, times),
            strict=True,
        )
    )
    found = delimited._convert_at_once("file", content.encode(), dialect(separator))
    assert rows(found) == expected
    assert found.user_ids.tolist() == sorted({row[0] for row in expected})
    assert found.item_ids.tolist() == sorted({row[1] for row in expected})


@settings(max_examples=600, deadline=None)
@given(
    st.text('01789,.:-+eöxT #\n\r"\t\0\x1f', max_size=60),
    st.sampled_from([b"", b"\xff", b"\xef\xbb\xbf"]),
    st.sampled_from(["", "8,1,3,5\n", "8,1,3,5\r\n", "b,1,3,5\n", "b,1,3,2020-01-01\n", '"a,b\nc",1,3,5\n']),
    st.sampled_from([0, 3, 30]),
    st.sampled_from(
        [COMMA, dialect("::"), dialect("\t"), Dialect(",", ".", 0, 1, 4, {"user": 0, "item": 2, "rating": 3})]
    ),
    st.sampled_from([40, 200, 2**20]),
)
def test_what_the_first_pass_reads_the_second_reads_as_the_same(content, odd, line, around, how, block):
    line = line.replace(",", how.separator)
    data = (line * around + content).encode() + odd + b"\n" + (line * around).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_BLOCK", block)
        try:
            found = delimited._convert_at_once("file", data, how)
        except (delimited.pa.ArrowException, ValueError, OverflowError):
            return
    if len(found.users):
        assert rows(found) == rows(records.convert_by_field("file", data, how, "raise"))


FAULTS = {
    "7,1,3": "has 3 columns where the first line has 4",
    "7,1,3,5,6": "has 5 columns where the first line has 4",
    ",1,3,5": "the user is missing",
    "7, ,3,5": "the item is missing",
    "7,1,,5": "the rating '' is not a finite number",
    "7,1,nan,5": "the rating 'nan' is not a finite number",
    "7,1,1e39,5": "the rating '1e39' is larger than any",
    '7,1,"3,5",5': "for decimal commas give",
    "7,1,3,soon": "the timestamp 'soon' is neither seconds nor an ISO date",
    "7,1,3,1e30": "the timestamp '1e30' does not fit 64 bits",
    "7,1,3,inf": "the timestamp 'inf' is neither",
    "7,1,3,12345678901234567890": "does not fit 64 bits",
    "7,1,3,0x1F": "neither seconds nor an ISO date",
    "7\0,1,3,5": "the user holds a NUL byte",
    "7\udcff,1,3,5": "the user is not UTF-8 text",
}
FILLER = ["8,1,3,5", "", '"a\nb\r\nc",2,4,6', "# a comment", " \t", "9,2,2.5,7", ",,,"]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(FILLER), max_size=12),
    st.sampled_from(sorted(FAULTS)),
    st.lists(st.sampled_from(FILLER + sorted(FAULTS)), max_size=12),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_a_fault_is_told_with_its_line_and_skipping_drops_it_alone(before, fault, after, newline):
    text = newline.join([*before, fault, *after])
    data = text.encode(errors="surrogateescape")
    line = sum(len(re.findall("\r\n|\n|\r", record)) + 1 for record in before) + 1
    with pytest.raises(InputError, match=f"^file, line {line + 10}: ") as caught:
        parse(data, dialect(line=11))
    assert FAULTS[fault] in str(caught.value) and "on_error='skip'" in str(caught.value)
    kept = [record for record in [*before, *after] if record in FILLER and record[:1].strip(", #")]
    expected = [next(csv.reader(io.StringIO(record, newline=""))) for record in kept]
    if not kept:
        with pytest.raises(InputError, match="no row that can be read"):
            parse(data, on_error="skip")
        return
    found = delimited.parse_text("file", data, COMMA, "skip")
    assert found.skipped == 1 + sum(record in FAULTS for record in after)
    assert [tuple(map(str, row)) for row in rows(found)] == [
        (user, item, str(float(rating)), time) for user, item, rating, time in expected
    ]


def test_quoted_lines_are_one_record_and_an_open_quote_is_told_with_its_line():
    title = Dialect(",", ".", 0, 1, 4, {"user": 0, "item": 1, "rating": 2})
    assert parse('1,2,3,"The\nMummy"\n1,3,4,x\n', title) == [(1, 2, 3, None), (1, 3, 4, None)]
    found = delimited.parse_text("file", b'1,2,3,"The\nMummy"\n1,3,x,y\n1,4,5,"a, ""b"""\n', title, "skip")
    assert (len(found.users), found.skipped) == (2, 1)
    for on_error in ("raise", "skip"):
        with pytest.raises(InputError, match=r"file, line 2: a quote opens here and never closes"):
            parse('1,2,3,x\n1,3,4,"The\n1,4,5,y\n1,5,5,z', title, on_error)


def test_a_first_character_of_ids_is_no_comment():
    ids = Dialect(",", ".", 0, 1, 3, {"user": 0, "item": 1, "rating": 2})
    assert parse("#1,10,5\n#2,11,4\n", ids) == [("#1", 10, 5, None), ("#2", 11, 4, None)]
    with pytest.raises(InputError, match="line 2: has 2 columns"):
        parse("#1,10,5\n#2,11\n", ids)


@pytest.mark.parametrize("separator", [",", "::", ";"])
def test_spaces_around_integers_are_left_out_and_a_mixture_of_texts_is_told(separator):
    lines = [separator.join(row) for row in (("1", " 10", "4", "5"), (" 2", "11", " 3 ", " 6"), ("1 ", "10", "5", "7"))]
    assert parse("\n".join(lines), dialect(separator)) == [(1, 10, 4, 5), (2, 11, 3, 6), (1, 10, 5, 7)]
    with pytest.warns(UserWarning, match=r"column user: 1 ids differ .* ' ann' and 'ann'"):
        found = parse(
            f"\nann{separator}1{separator}2{separator}3\n ann{separator}1{separator}2{separator}3", dialect(separator)
        )
    assert [row[0] for row in found] == ["ann", " ann"]
    assert parse(f" ann{separator}1{separator}2{separator}3", dialect(separator))[0][0] == " ann"


TIMES = {
    "0": 0,
    "-5": -5,
    "1.9": 1,
    "-0.5": -1,
    "9007199254740993": 9007199254740993,
    "1970-01-02": 86_400,
    "1950-01-01": -631_152_000,
    "1969-12-31T23:59:59.5": -1,
    "2020-01-01 10:00:00,123": 1_577_872_800,
    "2020-01-01T10:00:00.1234567": 1_577_872_800,
    "2020-01-01T12:00:00+02:00": 1_577_872_800,
    "2020-01-01T10:00:00Z": 1_577_872_800,
}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(sorted(TIMES)), min_size=1, max_size=8), st.booleans())
def test_times_are_whole_seconds_however_they_are_written(tokens, quoted):
    sign = '"' if quoted or any("," in token for token in tokens) else ""
    lines = [f"1,{n},3,{sign}{token}{sign}\n" for n, token in enumerate(tokens)]
    assert [row[3] for row in parse("".join(lines))] == [TIMES[token] for token in tokens]


def test_decimal_commas_where_they_are_told():
    lines = "1;10;3,5;100\n1;11;4;100,9\n"
    assert parse(lines, dialect(";", decimal=",")) == [(1, 10, 3.5, 100), (1, 11, 4.0, 100)]
    with pytest.raises(InputError, match=r"line 2: the rating '4\.5' is not"):
        parse("1;10;3,5;100\n1;11;4.5;100\n", dialect(";", decimal=","))


def test_a_double_colon_separates_and_a_single_one_does_not():
    assert parse("1::10::5::9\na:b::11::4::8\n", dialect("::")) == [("1", 10, 5, 9), ("a:b", 11, 4, 8)]
    with pytest.raises(InputError, match="line 1: has 1 columns"):
        parse("1:x:10:y:5:z:9\n", dialect("::"))
    with pytest.raises(InputError, match="line 2: the rating '' is not"):
        parse("1::10::5::9\n1::10::::9\n", dialect("::"))


def test_integers_of_any_size_are_ids():
    large = str(2**63 - 1), str(2**63), str(10**40), str(-(2**63))
    assert [row[0] for row in parse(f"{large[0]},1,2,3\n{large[3]},1,2,3")] == [2**63 - 1, -(2**63)]
    found = parse("".join(f"{id_},1,2,3\n" for id_ in large))
    assert [row[0] for row in found] == list(large)
