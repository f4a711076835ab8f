"""Threads of our own, and the settings of libraries around them."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from autorec import set_threads
from autorec.errors import ParameterError
from autorec.ranking import topn
from autorec.threads import libraries_on_one_thread, map_in_threads, run_in_threads, thread_count, torch_on_one_thread


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


def test_a_library_that_is_loaded_later_is_limited_too() -> None:
    """SciPy brings a BLAS of its own, beside NumPy's."""
    code = """
import numpy, threadpoolctl
from autorec.threads import libraries_on_one_thread
with libraries_on_one_thread():
    pass
import scipy.linalg
with libraries_on_one_thread():
    print({one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"})
"""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "{1}\n"


def test_a_library_that_has_as_many_threads_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a forked process OpenBLAS starts its threads when it is."""
    asked: list[tuple[str, int]] = []

    class Library:
        def __init__(self, name: str, threads: int) -> None:
            self.user_api, self.name, self.num_threads = "blas", name, threads

        def set_num_threads(self, threads: int) -> None:
            asked.append((self.name, threads))
            self.num_threads = threads

    libraries = [Library("one", 1), Library("two", 2)]
    monkeypatch.setattr("autorec.threads._find_blas", lambda _: libraries)
    with libraries_on_one_thread():
        assert asked == [("two", 1)]
    assert asked == [("two", 1), ("two", 2)]


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


@pytest.mark.parametrize("threads", [0, -1, 10_000, None, "2", 1.5])
def test_as_many_threads_as_there_are_cores(threads: object) -> None:
    with pytest.raises(ParameterError, match=f"{threads!r} threads; this machine allows 1 to"):
        set_threads(threads)  # type: ignore[arg-type]


@needs_two
def test_numbers_are_shared_among_threads_and_the_results_come_in_order() -> None:
    def work(i: int) -> tuple[int, int]:
        time.sleep(0.02)
        return i * i, threading.get_ident()

    squares, threads = zip(*run_in_threads(work, 9), strict=True)
    assert squares == tuple(i * i for i in range(9))
    assert len(set(threads)) == thread_count() and threading.get_ident() in threads


@needs_two
def test_after_an_error_nothing_works_on() -> None:
    begun: list[int] = []

    def work(i: int) -> None:
        begun.append(i)
        time.sleep(0.02)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_in_threads(work, 100)
    count = len(begun)
    time.sleep(0.1)
    assert len(begun) == count <= thread_count()


SIDE_BY_SIDE = """
import multiprocessing, os, threading
import numpy as np
import autorec

def rank(model):
    return model.recommend(range(1, 41), 5).score.to_numpy().tobytes()

def train(hidden):
    return autorec.AutoRec(hidden=hidden, epochs=2, penalty="l2:50").fit(autorec.load_sample()).summary_["stopped"]

def main():
    before = dict(os.environ)
    ratings = autorec.load_sample()
    train((8, 8))  # a deep network, by threads of torch
    model = autorec.AutoRec(hidden=32, epochs=2, penalty="l2:50").fit(ratings)
    expected = rank(model)
    found = []
    threads = [threading.Thread(target=lambda: found.extend(rank(model) for _ in range(5))) for _ in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert found == [expected] * 20
    with multiprocessing.get_context("fork").Pool(2) as pool:
        forked = pool.map_async(rank, [model] * 4).get(timeout=60)
        trained = pool.map_async(train, [8, (8, 8)]).get(timeout=60)
    assert forked == [expected] * 4 and trained == ["epochs"] * 2
    assert dict(os.environ) == before
    print("as one by one")

main()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_threads_and_forked_processes_work_as_one_does_and_the_environment_stays() -> None:
    done = subprocess.run([sys.executable, "-c", SIDE_BY_SIDE], capture_output=True, text=True, timeout=300)
    assert done.stdout == "as one by one\n", done.stderr
