"""Threads of our own, and the settings of libraries around them."""

import threading
import time

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from autorec import set_threads
from autorec.errors import ParameterError
from autorec.models import topn
from autorec.threads import map_in_threads, thread_count, torch_on_one_thread


def library_threads() -> tuple[int, ...]:
    """Of torch and of each BLAS."""
    return torch.get_num_threads(), *(one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas")


needs_two = pytest.mark.skipif(thread_count() < 2, reason="one core")


@needs_two
def test_results_come_in_order_from_several_threads_with_one_thread_each() -> None:
    before = library_threads()

    def work(part: int) -> tuple[int, int, int, set[int]]:
        time.sleep(0.02 if part % 2 else 0)
        return part, threading.get_ident(), thread_count(), set(library_threads())

    parts, threads, counts, inside = zip(*map_in_threads(work, range(12)), strict=True)
    assert parts == tuple(range(12))
    assert len(set(threads)) == thread_count() and threading.get_ident() not in threads
    assert set(counts) == {1} and set.union(*inside) == {1}
    assert library_threads() == before and thread_count() > 1


def test_a_single_part_stays_in_the_thread_that_asks() -> None:
    assert list(map_in_threads(lambda _: threading.get_ident(), [0])) == [threading.get_ident()]
    assert list(map_in_threads(lambda _: 1 / 0, [])) == []


@needs_two
def test_few_results_are_made_before_they_are_asked_for_and_none_after_an_end() -> None:
    before, made = library_threads(), []
    results = map_in_threads(made.append, range(1000))
    next(results)
    time.sleep(0.05)
    assert len(made) <= 2 * thread_count() + 1
    results.close()
    assert len(made) < 1000 and library_threads() == before


@needs_two
def test_an_error_in_a_thread_comes_out_and_settings_are_restored() -> None:
    before = library_threads()
    with pytest.raises(ZeroDivisionError):
        list(map_in_threads(lambda part: 1 / (part - 5), range(12)))
    assert library_threads() == before


@needs_two
def test_whoever_leaves_last_restores_the_settings() -> None:
    """The first to come is the first to go: restoring what each found would leave one thread for ever."""
    before = torch.get_num_threads()
    first, second = torch_on_one_thread(), torch_on_one_thread()
    with first:
        second.__enter__()
    assert torch.get_num_threads() == 1
    second.__exit__(None, None, None)
    assert torch.get_num_threads() == before > 1


def test_blocks_of_rows_are_whole_and_as_many_for_each_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.random.default_rng(0).normal(size=(103, 50)).astype(np.float32)
    for block_bytes in (1, 4 * 50 * 7, 4 * 50 * 60, 2**24):
        monkeypatch.setattr(topn, "BLOCK_BYTES", block_bytes)
        blocks = list(topn.map_blocks(lambda rows: scores[rows], np.arange(103), 50, lambda _, block: block.copy()))
        np.testing.assert_array_equal(np.concatenate(blocks), scores)
        assert max(map(len, blocks)) <= max(1, block_bytes // 200)
        assert len(blocks) in (1, 103) or len(blocks) % thread_count() == 0


@pytest.mark.parametrize("threads", [0, -1, 10_000])
def test_as_many_threads_as_there_are_cores(threads: int) -> None:
    with pytest.raises(ParameterError, match=f"{threads} threads; this machine allows 1 to"):
        set_threads(threads)
