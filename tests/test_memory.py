"""The memory of a training, told, and refused before it begins; whether its batches are kept or streamed."""

import pytest

from autorec import AutoRec, AutoRecError
from autorec.datasets.sample import load_sample
from autorec.errors import NotEnoughMemoryError
from autorec.memory import available_memory
from autorec.models import fitting
from autorec.training import memory
from autorec.training.memory import KEEP_MOST, streamed, training_memory

NETFLIX = (100_000_000, 17_770, 480_189)


def both(*sizes: object) -> tuple[dict[str, int], dict[str, int]]:
    kept, anew = (training_memory(*sizes, streams=streams) for streams in (False, True))
    return kept, anew


def test_the_parts_by_hand() -> None:
    """100 ratings of 10 rows × 20 columns, 5 hidden units (16 with those that fill up a cache line), batches of 4."""
    kept, anew = both(100, 10, 20, (5,), 4)
    for needed in (kept, anew):
        assert needed["parameters and optimiser"] == 4 * 4 * (2 * 20 * 16 + 20 + 16)
    sums, codes, entries = 10 * 16 + 20 * 160, 4 * 16 * 5 * 4, 50  # 40 entries a batch in the mean, a quarter more
    assert (kept["ratings"], kept["one batch"]) == (100 * 20 + sums, codes + entries * 4)
    assert (anew["ratings"], anew["one batch"]) == (100 * 6 + sums, codes + entries * 24)


def test_batches_are_kept_while_they_are_small_and_fit() -> None:
    small, large = both(1_000_000, 3706, 6040, (500,), 927), both(*NETFLIX, (500,), 3554)
    assert small[0]["ratings"] * 512 < KEEP_MOST < large[0]["ratings"] * 512
    assert not streamed(*small, (500,), None)
    assert not streamed(*small, (500,), sum(small[0].values()))
    assert streamed(*small, (500,), sum(small[0].values()) - 1)
    assert streamed(*large, (500,), None)
    assert not streamed(*large, (128,), None)  # with few units streaming would take more of the time
    one_batch = both(1000, 10, 20, (5,), 10)  # streaming it would take more
    assert not streamed(*one_batch, (5,), sum(one_batch[0].values()))


def test_what_fits_is_let_go_and_what_does_not_gets_a_remedy_that_fits() -> None:
    needed = both(*NETFLIX, (500,), 4096)
    assert streamed(*needed, (500,), sum(needed[1].values()))
    with pytest.raises(NotEnoughMemoryError, match=r"needs about .* GiB .*set hidden to (\d+) or less") as caught:
        streamed(*needed, (500,), 6 * 2**30)
    hidden = int(str(caught.value).split("set hidden to ")[1].split()[0])
    assert 10 < hidden < 500
    assert sum(training_memory(*NETFLIX, (hidden,), 4096, streams=True).values()) <= 6 * 2**30
    with pytest.raises(NotEnoughMemoryError, match="fewer ratings"):
        streamed(*needed, (500,), 2**30)


def test_what_is_decided_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(memory.progress, "note", told.append)
    streamed(*both(1_000_000, 3706, 6040, (500,), 927), (500,), None)
    streamed(*both(*NETFLIX, (500,), 3554), (500,), None)
    assert told[0].startswith("The training needs about") and "made anew" not in told[0]
    assert "batches are made anew in each epoch, kept they would take 1.9 GiB" in told[1]


def test_fit_refuses_before_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "available_memory", lambda: 1_000_000)
    with pytest.raises(AutoRecError, match="MiB are free"):
        AutoRec().fit(load_sample())


def test_fit_streams_where_kept_batches_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    ratings = load_sample()
    model = AutoRec("user", hidden=4, batch=32, epochs=1)
    assert model.fit(ratings).summary_["batches"] == "kept"
    kept, anew = both(len(ratings), *ratings.csr.shape, (4,), 32)
    assert sum(anew.values()) < sum(kept.values())
    monkeypatch.setattr(fitting, "available_memory", lambda: sum(kept.values()) - 1)
    assert model.fit(ratings).summary_["batches"] == "streamed"


def test_some_memory_is_free_here() -> None:
    free = available_memory()
    assert free is None or free > 2**20
