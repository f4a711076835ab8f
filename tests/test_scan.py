"""The scan of plain text against the general reader, and the order of pairs against a stable sort."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autorec.errors import InputError
from autorec.ratings import order, scan, text
from autorec.ratings.layout import Layout

LAYOUT = Layout(",", 0, 4, {"user": 0, "item": 1, "rating": 2, "timestamp": 3})


def scanned(content: bytes, layout: Layout = LAYOUT) -> scan.Scanned | None:
    return scan.scan(content, layout)


few, many = st.integers(0, 9999), st.integers(0, 10**18 - 1)
ids = st.one_of(few, st.integers(2**31 - 2, 2**31 + 1), many).map(str)
decimals = st.one_of(
    st.integers(-9, 9).map(str),
    st.floats(-100, 100).map(lambda x: f"{x:.4f}"),
    st.decimals(0, 10, places=13).map(lambda x: f"{x:f}"),
)
rows = st.lists(st.tuples(ids, ids, decimals, st.integers(0, 2**40).map(str)), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(rows, st.sampled_from([",", "::", "\t", " "]), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_the_scan_reads_what_the_general_reader_reads(table, separator, newline, header, ended):
    body = newline.join(separator.join(row) for row in table) + (newline if ended else "")
    content = (("a" + separator + "b" + newline if header else "") + body).encode()
    layout = Layout(separator, int(header), 4, LAYOUT.columns)
    found = scanned(content, layout)
    assert found is not None
    expected = text.parse("file", content, layout, "raise")
    np.testing.assert_array_equal(found.users, expected.user_ids[expected.users])
    np.testing.assert_array_equal(found.items, expected.item_ids[expected.items])
    np.testing.assert_array_equal(found.ratings, expected.ratings.astype(np.float32))  # to the bit
    np.testing.assert_array_equal(found.timestamps, expected.timestamps)


@settings(max_examples=300, deadline=None)
@given(st.text('0123456789,.:-+e \n\r"x\t', max_size=60), st.sampled_from([0, 30]))
def test_the_scan_never_reads_what_the_general_reader_refuses(content, after):
    content += "\n8,1,3,5" * after  # room for lines to be read eight letters at once
    found = scanned(content.encode())
    if found is None:
        return
    if not len(found.users):
        assert not content
        return
    try:
        expected = text.parse("file", content.encode(), LAYOUT, "raise")
    except InputError:
        raise AssertionError(f"{content!r} was scanned, and is refused") from None
    np.testing.assert_array_equal(found.users, expected.user_ids[expected.users])
    np.testing.assert_array_equal(found.ratings, expected.ratings.astype(np.float32))


@pytest.mark.parametrize(
    "line",
    [
        "07,1,3,5", "+7,1,3,5", "-7,1,3,5", "a,1,3,5", '"7",1,3,5', "7 ,1,3,5", ",1,3,5", "7,1,,5", "7,1,nan,5",
        "7,1,3,5,6", "7,1,3", "", "7,1,1e3,5", "7,1,3,2.5", "7,1,3,", "1234567890123456789,1,3,5",
        "7,1,1.23456789012345678,5", "7,1,.,5",
    ],
)  # fmt: skip
def test_whatever_is_not_plain_ends_the_scan(line):
    for after in (1, 30):  # with room to be read eight letters at once, too
        assert scanned((f"7,1,3,5\n{line}\n" + "8,1,3,5\n" * after).encode()) is None


def test_columns_that_play_no_role_are_passed_over():
    layout = Layout(",", 1, 5, {"item": 1, "user": 3, "rating": 4})
    found = scanned("x,i,y,u,r\nöl,1,,2,3.5\nz,4,w,5,.5\n".encode(), layout)
    assert found is not None and found.timestamps is None
    assert found.users.tolist() == [2, 5] and found.items.tolist() == [1, 4] and found.ratings.tolist() == [3.5, 0.5]


@pytest.mark.parametrize("highest", [5, 10**12])
def test_codes_are_ranks_among_the_different_ids(highest):
    numbers = np.random.default_rng(0).integers(0, highest, 1000)
    codes, unique = scan.coded(numbers)
    np.testing.assert_array_equal(unique, np.unique(numbers))
    np.testing.assert_array_equal(unique[codes], numbers)


def test_counting_is_a_stable_sort(monkeypatch):
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, 20, 500), rng.integers(0, 7, 500)
    expected = np.lexsort((np.arange(500), items, users))
    for least in (10**6, 0):
        monkeypatch.setattr(order, "LEAST", least)
        np.testing.assert_array_equal(order.order_of_pairs(users, items, 20, 7), expected)


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
