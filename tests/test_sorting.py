"""The order of pairs against a stable sort, codes of ids against sorted sets."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autorec.ratings import ids, sorting

pairs = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=80)


def arrays(of_pairs, dtype=np.int32):
    users, items = np.array(of_pairs, dtype=dtype).reshape(-1, 2).T
    return users, items


@settings(max_examples=100, deadline=None)
@given(pairs, st.integers(1, 9), st.sampled_from([np.int32, np.int64]))
def test_pairs_are_sorted_as_by_a_stable_sort(of_pairs, more, dtype):
    users, items = arrays(of_pairs, dtype)
    expected = np.lexsort((np.arange(len(users)), items, users))
    order, sorted_users, sorted_items = sorting.sort_pairs(users, items, 6 + more, 3 + more)
    np.testing.assert_array_equal(order, expected)
    np.testing.assert_array_equal(sorted_users, users[expected])
    np.testing.assert_array_equal(sorted_items, items[expected])
    starts = sorting.find_row_starts(sorted_users, 6 + more)
    assert starts.tolist() == [int((users < user).sum()) for user in range(7 + more)]


@settings(max_examples=100, deadline=None)
@given(pairs, st.booleans(), st.sampled_from([1, 3, 2**20]))
def test_repeats_are_counted_as_by_a_loop(of_pairs, sort, block):
    of_pairs = sorted(of_pairs) if sort else of_pairs
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "_BLOCK", block)
        repeats = sorting.count_repeats(*arrays(of_pairs))
    if of_pairs != sorted(of_pairs):
        assert repeats is None
    else:
        assert repeats == sum(one == other for one, other in pairwise(of_pairs))


@pytest.mark.parametrize("low", [0, -7, 2**40])
@pytest.mark.parametrize("span", [5, 10**12])
def test_codes_are_ranks_among_the_distinct_integers(low, span):
    numbers = np.random.default_rng(0).integers(low, low + span, 1000)
    codes, distinct = ids.factorize(numbers)
    np.testing.assert_array_equal(distinct, np.unique(numbers))
    np.testing.assert_array_equal(distinct[codes], numbers)


def test_codes_of_no_integers():
    codes, distinct = ids.factorize(np.array([], dtype=np.int64))
    assert len(codes) == len(distinct) == 0
