"""The memory of a training, told and refused before it begins."""

import pytest

from autorec import AutoRec, AutoRecError
from autorec.errors import NotEnoughMemoryError
from autorec.models import fitting
from autorec.models.preflight import available_memory, require, training_memory
from autorec.ratings.sample import load_sample


def test_the_parts_by_hand() -> None:
    """100 ratings of 10 rows × 20 columns, 5 hidden units (16 with those that fill up a cache line), batches of 4."""
    needed = training_memory(100, 10, 20, (5,), 4)
    assert needed["parameters and optimiser"] == 4 * 4 * (2 * 20 * 16 + 20 + 16)
    assert needed["ratings"] == 100 * 24 + 30 * 16
    assert needed["one batch"] == 4 * 16 * 5 * 4


def test_what_fits_is_let_go_and_what_does_not_gets_a_remedy_that_fits() -> None:
    sizes = (100_000_000, 17_770, 480_189)
    needed = training_memory(*sizes, (500,), 4096)
    require(needed, (500,), sum(needed.values()))
    require(needed, (500,), None)
    with pytest.raises(NotEnoughMemoryError, match=r"needs about .* GiB .*set hidden to (\d+) or less") as caught:
        require(needed, (500,), 8 * 2**30)
    hidden = int(str(caught.value).split("set hidden to ")[1].split()[0])
    assert 10 < hidden < 500
    assert sum(training_memory(*sizes, (hidden,), 4096).values()) <= 8 * 2**30
    with pytest.raises(NotEnoughMemoryError, match="fewer ratings"):
        require(needed, (500,), 2**30)


def test_fit_refuses_before_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "available_memory", lambda: 1_000_000)
    with pytest.raises(AutoRecError, match="MiB are free"):
        AutoRec().fit(load_sample())


def test_some_memory_is_free_here() -> None:
    free = available_memory()
    assert free is None or free > 2**20
