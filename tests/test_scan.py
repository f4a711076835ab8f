"""The scan of plain text against the general reader, codes of ids, and the order of pairs against a stable sort."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autorec.errors import InputError
from autorec.ratings import codes, order, scan, text, text_ids
from autorec.ratings.columns import Columns
from autorec.ratings.layout import Layout

LAYOUT = Layout(",", 0, 4, {"user": 0, "item": 1, "rating": 2, "timestamp": 3})


def scanned(content: bytes, layout: Layout = LAYOUT) -> Columns | None:
    return scan.scan(content, layout)


def assert_same(found: Columns | None, expected: Columns) -> None:
    assert found is not None
    for side in ("user", "item"):
        codes, ids = getattr(found, f"{side}s"), getattr(found, f"{side}_ids")
        assert ids.dtype == getattr(expected, f"{side}_ids").dtype
        assert ids.tolist() == getattr(expected, f"{side}_ids").tolist()
        np.testing.assert_array_equal(codes, getattr(expected, f"{side}s"))
    np.testing.assert_array_equal(found.ratings, expected.ratings.astype(np.float32))  # to the bit
    if expected.timestamps is None:
        assert found.timestamps is None
    else:
        np.testing.assert_array_equal(found.timestamps, expected.timestamps)


few, many = st.integers(0, 9999), st.integers(0, 10**18 - 1)
numbers = st.one_of(few, st.integers(99_999_998, 100_000_001), many).map(str)
words = st.one_of(
    st.text("abcxyzAÖ私0123456789-_/.+ ", min_size=1, max_size=40).filter(str.strip),
    st.integers(0, 99).map(lambda n: f"{n:010d}"),
    st.sampled_from(["a" * n for n in (7, 8, 9, 16, 17, 255)]),
)
decimals = st.one_of(
    st.integers(-9, 9).map(str),
    st.floats(-100, 100).map(lambda x: f"{x:.4f}"),
    st.decimals(0, 10, places=13).map(lambda x: f"{x:f}"),
    st.sampled_from(["5.", ".5", "-.5", "-0", "0.0", "00.5", "99999999", "-9999999", "12345.67"]),
)


@st.composite
def tables(draw):
    """Rows whose ids are all numbers, all text, or mixed; short ones with few odd ones among them, or all odd."""
    plain = st.tuples(few.map(str), few.map(str), st.sampled_from(["1", "2.5", "4.0"]), st.just("978300760"))
    users, items = draw(st.sampled_from([numbers, words])), draw(st.sampled_from([numbers, words]))
    odd = st.tuples(users, items, decimals, st.integers(0, 2**40).map(str))
    before, rows, after = (
        draw(st.integers(0, 90)),
        draw(st.lists(odd, min_size=1, max_size=30)),
        draw(st.integers(0, 90)),
    )
    return [*[draw(plain)] * before, *rows, *[draw(plain)] * after]


@settings(max_examples=200, deadline=None)
@given(tables(), st.sampled_from([",", "::", "\t", ";"]), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_the_scan_reads_what_the_general_reader_reads(table, separator, newline, header, ended):
    body = newline.join(separator.join(row) for row in table) + (newline if ended else "")
    content = (("a" + separator + "b" + newline if header else "") + body).encode()
    layout = Layout(separator, int(header), 4, LAYOUT.columns)
    assert_same(scanned(content, layout), text.parse("file", content, layout, "raise"))


@settings(max_examples=400, deadline=None)
@given(
    st.text('0123456789,.:-+eö \n\r"x\t\0\x1f', max_size=60),
    st.sampled_from([b"", b"\xff", b"\xef\xbb\xbf"]),
    st.sampled_from(["", "8,1,3,5\n", "8,1,3,5\r\n", "b,1,3,5\n"]),
    st.sampled_from([0, 3, 30]),
    st.sampled_from(
        [
            LAYOUT,
            Layout(",", 0, 4, {"user": 0, "item": 2, "rating": 3}),
            Layout("::", 0, 3, {"user": 0, "item": 1, "rating": 2}),
        ]
    ),
)
def test_the_scan_never_reads_what_the_general_reader_refuses(content, odd, line, around, layout):
    line = (
        line.replace(",", layout.separator)
        if layout.n_columns == 4
        else line.replace(",", layout.separator).replace("::5", "")
    )
    content = (line * around + content).encode() + odd + b"\n" + (line * around).encode()
    found = scanned(content, layout)
    if found is None or not len(found.users):
        return
    try:
        expected = text.parse("file", content, layout, "raise")
    except InputError:
        raise AssertionError(f"{content!r} was scanned, and is refused") from None
    assert_same(found, expected)


@pytest.mark.parametrize(
    "line",
    [
        '"7",1,3,5', ",1,3,5", " ,1,3,5", "7,1,,5", "7,1,nan,5", "7,1,3,5,6", "7,1,3", "", "7,1,1e3,5", "7,1,3,2.5",
        "7,1,3,", "7,1,1.23456789012345678,5", "7,1,.,5", "7,1,-,5", "7,1,1.2.3,5", "7,1,--1,5", "7\t,1,3,5",
        "7,\xff,3,5", "a" * 256 + ",1,3,5", "7,1,3,5,7\n8,1,3", "7,1\n3,5", "7,1,3,12345678901234567890",
    ],
)  # fmt: skip
def test_whatever_is_not_plain_ends_the_scan(line):
    for around in (0, 1, 30):  # with room to be read with others, too
        plain = "8,1,3,5\n" * around
        assert scanned((plain + line + "\n" + plain).encode("latin-1")) is None


@pytest.mark.parametrize("rows", ["", "7,1,3,5", "7,1,3,5\n", "7,1,3,5\n8,1,3,5"])
@pytest.mark.parametrize("header", ["", "a,b\n", "\ufeff", "\ufeffa,b\n"])
def test_few_rows_or_none_are_scanned_with_and_without_what_comes_before(header, rows):
    found = scanned((header + rows).encode(), Layout(",", int("a" in header), 4, LAYOUT.columns))
    assert found is not None
    assert found.user_ids[found.users].tolist() == [int(row[0]) for row in rows.split()]


@pytest.mark.parametrize("lines", [511, 512, 513, 1500])
@pytest.mark.parametrize("name", ["{}", "user number {}"])
def test_many_lines_at_once_are_the_same_as_a_few(lines, name):
    rng = np.random.default_rng(lines)
    users, items, stars, times = (
        rng.integers(0, 10**7, lines),
        rng.integers(0, 30, lines),
        *rng.integers(0, 10, (2, lines)),
    )
    rows = zip(users.tolist(), items.tolist(), (stars / 2).tolist(), times.tolist(), strict=True)
    content = "".join(f"{name.format(u)}::{i}::{r}::{t}\n" for u, i, r, t in rows).encode()
    layout = Layout("::", 0, 4, LAYOUT.columns)
    found = scanned(content, layout)
    assert_same(found, text.parse("file", content, layout, "raise"))
    assert found.user_ids[found.users].tolist() == [int(u) if name == "{}" else name.format(u) for u in users]


def test_text_ids_of_several_threads_get_the_codes_of_one_order(monkeypatch):
    names = [f"id {k * 7919 % 5000}" for k in range(20_000)]
    content = "".join(f"{name},{len(name)},{k % 5 + 1},{k}\n" for k, name in enumerate(names)).encode()
    for threads in (1, 2, 5):
        monkeypatch.setattr(scan.numba, "get_num_threads", lambda threads=threads: threads)
        found = scanned(content)
        assert found.user_ids.tolist() == sorted(set(names))
        assert found.user_ids[found.users].tolist() == names


def test_a_table_grows_and_keeps_its_codes():
    names = [f"{'x' * (k % 40)}{k}".encode() for k in range(30_000)]
    letters = np.frombuffer(b"".join(names) + bytes(8), dtype=np.uint8)
    lengths = np.array([len(name) for name in names], dtype=np.uint64)
    starts = (np.cumsum(lengths) - lengths).astype(np.uint64)
    table = text_ids.new_table()
    for _ in range(2):  # the second time none is new
        found = []
        for first in range(0, len(names), text_ids.AHEAD):
            part = slice(first, first + text_ids.AHEAD)
            codes_of_part = np.empty(len(names[part]), dtype=np.int32)
            table = text_ids.with_room(table)
            text_ids.codes_of(letters, starts[part], lengths[part], table, codes_of_part)
            found += codes_of_part.tolist()
        assert found == list(range(len(names)))
    back, offsets = text_ids.letters_of(table)
    assert [back[a:b].tobytes() for a, b in pairwise(offsets)] == names


def test_columns_that_play_no_role_are_passed_over():
    layout = Layout(",", 1, 5, {"item": 1, "user": 3, "rating": 4})
    found = scanned("x,i,y,u,r\nöl,1,,2,3.5\nz,4,w,5,.5\n".encode(), layout)
    assert found is not None and found.timestamps is None
    assert found.user_ids.tolist() == [2, 5] and found.item_ids.tolist() == [1, 4]
    assert found.users.tolist() == [0, 1] and found.items.tolist() == [0, 1] and found.ratings.tolist() == [3.5, 0.5]


@pytest.mark.parametrize("highest", [5, 10**12])
def test_codes_are_ranks_among_the_different_ids(highest):
    numbers = np.random.default_rng(0).integers(0, highest, 1000)
    found, unique = codes.of_numbers(numbers)
    np.testing.assert_array_equal(unique, np.unique(numbers))
    np.testing.assert_array_equal(unique[found], numbers)


@pytest.mark.parametrize("n, n_users, n_items", [(500, 20, 7), (3, 1, 1), (1, 9, 9), (40, 1000, 2), (2000, 3, 900)])
def test_pairs_are_sorted_as_by_a_stable_sort(monkeypatch, n, n_users, n_items):
    rng = np.random.default_rng(n)
    users, items = (rng.integers(0, most, n).astype(np.int32) for most in (n_users, n_items))
    expected = np.lexsort((np.arange(n), items, users))
    for least, threads in ((10**6, 1), (0, 1), (0, 2), (0, 5)):
        monkeypatch.setattr(order, "LEAST", least)
        monkeypatch.setattr(order.numba, "get_num_threads", lambda threads=threads: threads)
        places, sorted_users, sorted_items = order.sorted_pairs(users, items, n_users, n_items)
        np.testing.assert_array_equal(places, expected)
        np.testing.assert_array_equal(sorted_users, users[expected])
        np.testing.assert_array_equal(sorted_items, items[expected])
        np.testing.assert_array_equal(order.taken(users, places), users[expected])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=80), st.integers(1, 9), st.booleans())
def test_pairs_are_gone_through_as_by_loops(pairs, more, sort):
    pairs = sorted(pairs) if sort else pairs
    users, items = np.array(pairs, dtype=np.int32).reshape(-1, 2).T
    n_users = int(users.max(initial=0)) + more
    for least in (10**6, 1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(order, "LEAST", least)
            ordered, repeats, starts = order.gone_through(users, items, n_users)
        assert ordered == (pairs == sorted(pairs))
        if ordered:
            assert starts.tolist() == [int((users < user).sum()) for user in range(n_users + 1)]
            assert repeats == sum(one == other for one, other in pairwise(pairs))
