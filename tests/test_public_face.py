"""The names that `autorec` offers: sorted, documented, loaded on first use."""

import subprocess
import sys
from pathlib import Path

import pytest

import autorec

HEAVY = ("torch", "numpy", "pandas", "numba", "sklearn", "rich")


def heavy_after(code: str) -> str:
    """Which of HEAVY a fresh interpreter has imported after `code`."""
    code = f"import sys; {code}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_all_is_sorted_and_holds_no_private_name():
    assert autorec.__all__ == sorted(set(autorec.__all__))
    assert not [name for name in autorec.__all__ if name.startswith("_")]
    assert set(autorec.__all__) <= set(dir(autorec))


@pytest.mark.parametrize("name", autorec.__all__)
def test_every_name_loads_and_is_documented(name):
    value = getattr(autorec, name)
    if callable(value):
        assert value.__doc__ and value.__module__.startswith("autorec."), name


def test_every_name_is_known_to_type_checkers():
    """Type checkers read the TYPE_CHECKING block, so it must list the same names."""
    source = Path(autorec.__file__).read_text(encoding="utf-8")
    for name, home in autorec._HOME.items():
        assert f"from {home} import {name} as {name}\n" in source


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = autorec.Nothing


def test_importing_autorec_imports_nothing_heavy():
    assert heavy_after("import autorec") == "[]"


def test_the_help_imports_nothing_heavy():
    code = "from autorec.cli.main import autorec; autorec(['--help'], standalone_mode=False)"
    assert heavy_after(code) == "[]"


_CHANGES = """
import os, sys
def settings():
    from threadpoolctl import threadpool_info
    torch = sys.modules.get("torch")
    pools = sorted((one["filepath"], one["num_threads"]) for one in threadpool_info() if "numpy" in one["filepath"])
    return dict(os.environ), pools, torch and (torch.get_num_threads(), torch.get_default_dtype())
if sys.argv[1:] == ["libraries first"]:
    import numpy, torch
before = settings()
import autorec
assert settings() == before
model = autorec.AutoRec(hidden=4, epochs=1)
import numpy, torch
before = settings()
model.fit(autorec.load_sample()).recommend(n=3)
assert settings() == before
"""


@pytest.mark.parametrize("first", [[], ["libraries first"]])
def test_neither_importing_nor_training_changes_the_process(first):
    """Environment, threads of NumPy's BLAS and of torch."""
    subprocess.run([sys.executable, "-c", _CHANGES, *first], check=True)
