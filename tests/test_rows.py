"""Ratings in few bytes: what is cut from Rows is what SciPy cuts; streamed training is kept training, bit for bit."""

import gc
import weakref
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import bytes_at_most
from scipy import sparse
from test_training import epochs_of, loss_of

import autorec.fitting.fit
from autorec import AutoRec, Ratings, words
from autorec.fitting import biases, dampings
from autorec.fitting.biases import fit_biases, item_means
from autorec.fitting.scale import inside, rows_inside
from autorec.network.autoencoder import build_autoencoder
from autorec.network.batch import Batch, make_batch
from autorec.network.example import Example
from autorec.network.rows import Rows, to_levels
from autorec.ratings.convert import as_ratings
from autorec.threads import set_threads, thread_count
from autorec.training import memory, validation
from autorec.training.batches import Streamed
from autorec.training.validation import rows_to_encode

HALF_STARS = np.arange(1, 11) / 2


def random_csr(n: int = 40, m: int = 30, different: int = 10, seed: int = 0) -> sparse.csr_array:
    """Ratings −1, −.5, 0, … (`different` of them); the second row and the second column are empty."""
    rng = np.random.default_rng(seed)
    observed = rng.random((n, m)) < 0.4
    observed[1], observed[:, 1] = False, False
    rows, columns = np.nonzero(observed)
    values = (rng.integers(0, different, len(rows)) / 2 - 1).astype(np.float32)
    return sparse.csr_array((values, (rows, columns)), shape=(n, m))


def few_bytes(csr: sparse.csr_array) -> Rows:
    """On the scale of the ratings themselves."""
    found = to_levels(csr.data)
    levels, table = (csr.data, csr.data[:0]) if found is None else found
    return Rows(csr.shape[1], csr.indptr, csr.indices, levels, table)


def assert_same(batch: Batch, csr: sparse.csr_array) -> None:
    expected = make_batch(csr)
    for name in ("indptr", "indices", "values", "column_values"):
        assert torch.equal(getattr(batch, name), getattr(expected, name)), name
    for name in ("ptr", "slot", "rows"):
        assert torch.equal(getattr(batch.pattern.by_column, name), getattr(expected.pattern.by_column, name)), name


@pytest.mark.parametrize("different", [1, 10, 255, 256, 5000])
def test_a_byte_holds_up_to_255_different_values_and_more_stay_floats(different: int) -> None:
    values = np.random.default_rng(0).permutation(np.tile(np.arange(different, dtype=np.float32) / 7 - 3, 3))
    found = to_levels(values)
    assert (found is None) == (different > 255)
    if found is not None:
        levels, table = found
        assert levels.dtype == np.uint8
        np.testing.assert_array_equal(table[levels], values)
        assert np.isnan(table[255])


@pytest.mark.parametrize("different", [10, 2000])
def test_batches_transposition_and_parts_are_those_of_scipy(different: int) -> None:
    csr = random_csr(different=different)
    rows = few_bytes(csr)
    assert rows.levels.dtype == (np.uint8 if different == 10 else np.float32)
    assert_same(rows.batch(), csr)
    chosen = np.array([0, 1, 7, 39])
    assert_same(rows.batch(chosen), csr[chosen])
    assert_same(rows.batch(slice(5, 11)), csr[5:11])
    flipped = csr.T.tocsr()
    flipped.sort_indices()
    assert rows.transposed().shape == (30, 40)
    assert_same(rows.transposed().batch(), flipped)


@pytest.mark.parametrize("different", [10, 2000])
def test_what_is_left_out_is_nowhere_and_nothing_else_is_missing(different: int) -> None:
    csr = random_csr(different=different)
    places = np.sort(np.random.default_rng(1).permutation(csr.nnz)[:50])
    coo, kept = csr.tocoo(), np.ones(csr.nnz, dtype=bool)
    kept[places] = False

    def part(entries: np.ndarray) -> sparse.csr_array:
        return sparse.csr_array((coo.data[entries], (coo.row[entries], coo.col[entries])), shape=csr.shape)

    rows = few_bytes(csr)
    without = rows.without(places)
    assert_same(without.batch(), part(kept))
    assert_same(rows.only(places).batch(), part(~kept))
    assert_same(rows.batch(), csr)  # itself untouched
    flipped = part(kept).T.tocsr()
    flipped.sort_indices()
    assert_same(without.transposed().batch(), flipped)
    one, other = fit_biases(without), fit_biases(part(kept))
    assert one.mean == pytest.approx(other.mean, abs=1e-12)
    np.testing.assert_allclose(one.user, other.user, atol=1e-12)
    np.testing.assert_allclose(one.item, other.item, atol=1e-12)


def test_item_means_are_damped_towards_the_mean_of_all() -> None:
    csr = random_csr()
    sums, counts = csr.sum(axis=0), np.bincount(csr.indices, minlength=30)
    expected = (sums + 10 * csr.data.mean(dtype=np.float64)) / (counts + 10)
    np.testing.assert_allclose(item_means(csr, 10.0), expected, rtol=1e-6)


@pytest.mark.parametrize("different", [10, 2000])
@pytest.mark.parametrize("scale", [(-1.0, 1000.0), (-7.0, 1023.0)])
def test_the_scale_inside_is_the_same_bits(different: int, scale: tuple[float, float]) -> None:
    csr = random_csr(different=different)
    assert_same(rows_inside(csr, scale).batch(), inside(csr, scale))
    low, high = scale
    np.testing.assert_allclose(inside(csr, scale).data, 1 + 4 * (csr.data - low) / (high - low), rtol=1e-6)


def test_the_number_of_threads_changes_no_bit() -> None:
    rows = few_bytes(random_csr(200, 90))
    before = thread_count()
    try:
        set_threads(1)
        alone, expected = rows.transposed(), rows.batch()
        expected_columns = expected.pattern.by_column.rows
        set_threads(before)
        np.testing.assert_array_equal(rows.transposed().indices, alone.indices)
        np.testing.assert_array_equal(rows.transposed().levels, alone.levels)
        assert torch.equal(rows.batch().pattern.by_column.rows, expected_columns)
    finally:
        set_threads(before)


def planted(users: int = 60, items: int = 40, seed: int = 0) -> Ratings:
    rng = np.random.default_rng(seed)
    user, item = np.nonzero(rng.random((users, items)) < 0.5)
    of_own_kind = (user + item) % 2 == 0
    stars = np.where(of_own_kind, rng.choice(HALF_STARS[-4:], len(user)), rng.choice(HALF_STARS[:4], len(user)))
    return as_ratings(pd.DataFrame({"user": user, "item": item, "rating": stars}))


@pytest.mark.parametrize("orientation", ["item", "user"])
@pytest.mark.parametrize(
    "settings",
    [
        {"penalty": "l2:20", "validation": 0.1, "batch": 7},
        {"validation": "auto", "batch": 16},
        {"penalty": "l2:20", "offset": "none", "validation": 0.0},
        {"penalty": "l2:20", "hidden": "8-4-8", "validation": 0.1, "batch": 16},
        {"penalty": "l2:20", "decoder": "sigmoid", "validation": 0.2, "batch": 16},
        {"penalty": "l2:20", "optimizer": "rprop", "validation": 0.1},
        {"penalty": "l2:20", "optimizer": "lbfgs", "validation": 0.1},
    ],
    ids=["plain", "search and a last training", "paper", "deep", "curved", "rprop", "lbfgs"],
)
def test_streamed_is_kept_bit_for_bit(
    monkeypatch: pytest.MonkeyPatch, orientation: str, settings: dict[str, object]
) -> None:
    ratings = planted()
    fitted = []
    for streams in (False, True):
        monkeypatch.setattr(autorec.fitting.fit, "choose_streaming", lambda *_, streams=streams: streams)
        fitted.append(AutoRec(orientation, **({"hidden": 8, "epochs": 4} | settings)).fit(ratings))
    kept, streamed = fitted
    assert (kept.summary_["batches"], streamed.summary_["batches"]) == ("kept", "streamed")
    for one, other in zip(kept.network_.parameters(), streamed.network_.parameters(), strict=True):
        assert torch.equal(one, other)
    without_times = [
        [{name: value for name, value in look.items() if name != "seconds"} for look in model.summary_["curve"]]
        for model in fitted
    ]
    assert without_times[0] == without_times[1]


def test_only_rows_with_validation_ratings_are_encoded_to_validate() -> None:
    csr = random_csr(100, 30)
    unseen = few_bytes(csr).only(np.array([3, 4, 200]))
    parts = [np.arange(50), np.arange(50, 100)]
    for part, rows in zip(parts, rows_to_encode(parts, unseen), strict=True):
        has = np.diff(unseen.indptr)[part] > 0
        np.testing.assert_array_equal(rows, part[has])
    everywhere = few_bytes(csr).only(np.arange(csr.nnz))
    assert all(rows is part for part, rows in zip(parts, rows_to_encode(parts, everywhere), strict=True))


@pytest.mark.parametrize("optimizer", get_args(words.Optimizer))
def test_one_streamed_batch_is_alive_at_a_time(optimizer: str) -> None:
    csr = random_csr()
    rows = few_bytes(csr)
    alive: weakref.WeakSet[Batch] = weakref.WeakSet()

    def make(index: int) -> Example:
        gc.collect(1)  # what is young: all is looked at in vain
        assert not alive
        batch = rows.batch(slice(10 * index, 10 * index + 10))
        alive.add(batch)
        return Example((batch,), {"rating": batch}, torch.zeros(batch.n_rows), 1 / 4)

    network = build_autoencoder(30, (4,), "sigmoid", "identity", torch.Generator().manual_seed(0))
    epoch = epochs_of(optimizer, network, loss_of(network, "l2:2"), Streamed(make, 4), epochs=3)
    epoch(1), epoch(2)


@pytest.mark.parametrize(
    ("orientation", "inputs", "most"),
    [("user", "residuals+rated", 3.5), pytest.param("item", "auto", 8, marks=pytest.mark.slow)],
)
def test_a_streamed_training_takes_few_bytes_a_rating(
    monkeypatch: pytest.MonkeyPatch, orientation: str, inputs: str, most: float
) -> None:
    """1 byte beside the ratings themselves, 5 where they are transposed and 1 more meanwhile; the rest is the batch."""
    monkeypatch.setattr(memory, "KEEP_MOST", 0)
    monkeypatch.setattr(validation, "_RUN", 2**14)
    monkeypatch.setattr(biases, "_BLOCK", 2**14)
    monkeypatch.setattr(dampings, "SAMPLE", 2**12)
    rng = np.random.default_rng(0)
    n, m, each = 4000, 2000, 300
    indices = np.sort(rng.permuted(np.tile(np.arange(m, dtype=np.int32), (n, 1)), axis=1)[:, :each], axis=1).ravel()
    values = rng.choice(HALF_STARS, len(indices)).astype(np.float32)
    csr = sparse.csr_array((values, indices, np.arange(n + 1, dtype=np.int32) * each), shape=(n, m))
    ratings = Ratings(csr, np.arange(n), np.arange(m))
    model = AutoRec(orientation, hidden=4, epochs=1, batch=20, penalty="l2:20", inputs=inputs)
    model.fit(planted())  # compiles
    assert bytes_at_most(lambda: model.fit(ratings)) < most * len(indices)
