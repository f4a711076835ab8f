"""The memory of a training, told, and refused before it begins; whether its batches are kept or streamed."""

from pathlib import Path

import pytest

from autorec import AutoRec, AutoRecError
from autorec import memory as limits
from autorec.datasets.sample import load_sample
from autorec.errors import NotEnoughMemoryError
from autorec.fitting import fit as fitting
from autorec.memory import available_memory
from autorec.training import memory
from autorec.training.memory import KEEP_MOST, should_stream, training_memory

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
    assert not should_stream(*small, (500,), None)
    assert not should_stream(*small, (500,), sum(small[0].values()))
    assert should_stream(*small, (500,), sum(small[0].values()) - 1)
    assert should_stream(*large, (500,), None)
    assert not should_stream(*large, (128,), None)  # with few units streaming would take more of the time
    one_batch = both(1000, 10, 20, (5,), 10)  # streaming it would take more
    assert not should_stream(*one_batch, (5,), sum(one_batch[0].values()))


def test_what_fits_is_let_go_and_what_does_not_gets_a_remedy_that_fits() -> None:
    needed = both(*NETFLIX, (500,), 4096)
    assert should_stream(*needed, (500,), sum(needed[1].values()))
    with pytest.raises(NotEnoughMemoryError, match=r"needs about .* GiB .*set hidden to (\d+) or less") as caught:
        should_stream(*needed, (500,), 6 * 2**30)
    hidden = int(str(caught.value).split("set hidden to ")[1].split()[0])
    assert 10 < hidden < 500
    assert sum(training_memory(*NETFLIX, (hidden,), 4096, streams=True).values()) <= 6 * 2**30
    with pytest.raises(NotEnoughMemoryError, match="fewer ratings"):
        should_stream(*needed, (500,), 2**30)


def test_what_is_decided_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(memory.progress, "note", told.append)
    should_stream(*both(1_000_000, 3706, 6040, (500,), 927), (500,), None)
    should_stream(*both(*NETFLIX, (500,), 3554), (500,), None)
    assert told[0].startswith("The training needs about") and "made again" not in told[0]
    assert "batches are made again in each epoch; kept they would take 1.9 GiB" in told[1]


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


def system(root: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]) -> None:
    """A machine of 64 GiB with these files below its root."""
    for name, text in {"proc/meminfo": f"MemAvailable: {64 * 2**20} kB\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.setattr(limits, "_ROOT", root)


def group(limit: object, taken: int, cache: int, version: int) -> dict[str, str]:
    names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    total = "total_" if version == 1 else ""
    stat = f"anon 5\n{total}active_file {cache // 4}\n{total}inactive_file {cache - cache // 4}\n"
    return {names[0]: f"{limit}\n", names[1]: f"{taken}\n", "memory.stat": stat}


def below(folder: str, files: dict[str, str]) -> dict[str, str]:
    return {f"{folder}/{name}": text for name, text in files.items()}


CGROUP = "sys/fs/cgroup"
TWO = {"proc/self/cgroup": "0::/pod/app\n"}
ONE = {"proc/self/cgroup": "5:cpu,cpuacct:/pod\n4:memory:/pod/app\n0::/\n"}


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, 64 * 2**30),
        (TWO | below(f"{CGROUP}/pod/app", group(1000, 700, 0, 2)), 300),
        (TWO | below(f"{CGROUP}/pod/app", group("max", 700, 0, 2)), 64 * 2**30),
        (TWO | below(f"{CGROUP}/pod/app", group(1000, 700, 600, 2)), 900),
        (TWO | below(f"{CGROUP}/pod/app", group("max", 7, 0, 2)) | below(f"{CGROUP}/pod", group(500, 300, 0, 2)), 200),
        (TWO | below(CGROUP, group(1000, 1200, 100, 2)), 0),
        (ONE | below(f"{CGROUP}/memory/pod/app", group(1000, 700, 600, 1)), 900),
        (ONE | below(f"{CGROUP}/memory/pod", group(400, 300, 0, 1)), 100),
        (ONE | below(f"{CGROUP}/memory/pod/app", group(2**63 - 4096, 700, 0, 1)), 64 * 2**30),
    ],
    ids=["none", "own", "no limit", "cache", "around", "seen as the root", "v1", "v1 around", "v1 no limit"],
)
def test_limits_of_control_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], free: int
) -> None:
    system(tmp_path, monkeypatch, files)
    monkeypatch.setattr(limits, "_free_address_space", lambda: ())
    assert limits.available_memory() == free


def test_a_limit_of_the_address_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    system(tmp_path, monkeypatch, {"proc/self/statm": "3 2 1\n"})
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_000_000, -1))
    assert limits.available_memory() == 1_000_000 - 3 * resource.getpagesize()
