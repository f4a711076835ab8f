"""Readers on mutated files of every format: a result or a sentence, within a bound of time and memory each."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

WORDS = [b'"', b"\r", b"\n", b"\0", b",", b"::", b"1e39", b"nan", b"9" * 30, "²".encode(), b"#", b"sep=;\n", b"PAR1"]

WORKER = """
import io, resource, signal, sys, warnings
import autorec
from autorec.errors import AutoRecError
from test_fuzz import mutations
warnings.simplefilter("ignore")
resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
signal.signal(signal.SIGALRM, signal.default_int_handler)  # a KeyboardInterrupt, which nothing below catches
n, seed, *names = sys.argv[1:]
for number, (name, data, on_error) in enumerate(mutations(int(n), int(seed), names)):
    signal.alarm(10)
    try:
        autorec.read_ratings(io.BytesIO(data), on_error=on_error)
    except (AutoRecError, OSError):
        pass
    except BaseException as error:
        raise SystemExit(f"mutation {number} of {name}: {type(error).__name__}: {error}")
    signal.alarm(0)
print(number + 1)
"""


def mutations(n: int, seed: int, names: list[str]):
    """n times (name, a good file of these names, or of all, with 1 to 20 changes, on_error)."""
    from test_read import GOOD

    rng = random.Random(seed)
    for _ in range(n):
        name = rng.choice(names or sorted(GOOD))
        data = bytearray(GOOD[name])
        for _ in range(rng.choice([1, 2, 5, 20])):
            _mutate(data, rng)
        yield name, bytes(data), rng.choice(["raise", "skip"])


def _mutate(data: bytearray, rng: random.Random) -> None:
    """Change a few bytes, anywhere or, as often, near the end, where Parquet and zip have their directories."""
    first = rng.choice([0, max(len(data) - 400, 0)])
    at, length = rng.randrange(first, len(data) + 1), rng.randrange(1, 40)
    change = rng.choice(["flip", "cut", "insert", "repeat", "word"])
    if change == "flip" and at < len(data):
        data[at] ^= 1 << rng.randrange(8)
    elif change == "cut":
        del data[at : at + length // 4 + 1]
    elif change == "insert":
        data[at:at] = rng.randbytes(length // 4 + 1)
    elif change == "repeat":
        data[at:at] = data[at : at + length]
    elif change == "word":
        data[at:at] = rng.choice(WORDS)


def run(n: int, seed: int, *names: str) -> None:
    """In a process of its own, so that its death is seen too."""
    command = [sys.executable, "-c", WORKER, str(n), str(seed), *names]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{n}\n"), done.stderr[-2000:]


@pytest.mark.skipif(sys.platform != "linux", reason="bounds memory and time by the means of Linux")
def test_mutated_files_end_in_ratings_or_a_sentence() -> None:
    run(500, seed=0)


@pytest.mark.skipif(sys.platform != "linux", reason="bounds memory and time by the means of Linux")
def test_mutated_parquet_files_end_in_ratings_or_a_sentence() -> None:
    run(1_000, 2, "ratings.parquet")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="bounds memory and time by the means of Linux")
def test_many_mutated_files_end_in_ratings_or_a_sentence() -> None:
    run(20_000, seed=1)
