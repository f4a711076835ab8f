"""Where compiled functions are kept: found again, never half, wherever the program is installed."""

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from numba.core import event
from numba.core.cpu import CPUContext

import autorec
from autorec import compiled, progress
from autorec.errors import AutoRecError, InputError


def add_one(x: Any) -> Any:
    for i in range(len(x)):
        x[i] += 1
    return x


class Compiles(event.Listener):
    """The names of the functions that are compiled while it listens."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def on_start(self, happened: Any) -> None:
        self.names.append(happened.data["dispatcher"].py_func.__name__)

    def on_end(self, happened: Any) -> None:
        """Nothing."""


@pytest.fixture
def compiles() -> Iterator[list[str]]:
    listener = Compiles()
    with event.install_listener("numba:compile", listener):
        yield listener.names


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and nothing told or noted yet."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    for once in (compiled._announce_once, compiled._warn_once):
        once.cache_clear()
    return tmp_path / "cache"


def call() -> Any:
    """As a new process would: with what is kept in files only."""
    return compiled.kernel(add_one)(np.zeros(3))


def test_a_function_is_compiled_once_for_each_kind_of_arguments(folder: Path, compiles: list[str]) -> None:
    for _ in range(3):
        np.testing.assert_array_equal(call(), [1, 1, 1])
    assert compiles == ["add_one"]
    compiled.kernel(add_one)(np.zeros(3, dtype=np.float32))
    assert compiles == ["add_one"] * 2 and len(list(folder.iterdir())) == 2


def test_what_is_kept_is_loaded_without_what_compiling_needs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call()
    monkeypatch.setattr(CPUContext, "refresh", None)
    np.testing.assert_array_equal(call(), [1, 1, 1])


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-1], lambda data: b"", lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:]],
    ids=["cut", "empty", "a flipped bit"],
)
def test_a_damaged_file_is_replaced(folder: Path, compiles: list[str], damage: Any) -> None:
    call()
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    for _ in range(2):
        np.testing.assert_array_equal(call(), [1, 1, 1])
    assert compiles == ["add_one"] * 2 and len(file.read_bytes()) == len(whole)


def test_changed_sources_are_compiled_anew(folder: Path, compiles: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    call()
    monkeypatch.setattr(compiled, "_sources", lambda: "other")
    call()
    assert compiles == ["add_one"] * 2
    (file,) = folder.iterdir()
    assert "-other-" in file.name  # what belonged to the former sources is removed


def test_the_next_folder_is_used_where_one_cannot_be_written(
    folder: Path, tmp_path: Path, compiles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(compiled, "cache_folders", lambda: [tmp_path / "file" / "below", folder])
    call(), call()
    assert compiles == ["add_one"] and len(list(folder.iterdir())) == 1


def test_without_any_folder_it_works_all_the_same_with_one_note(
    folder: Path, compiles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.touch()  # a file where the folder would be
    with pytest.warns(UserWarning, match=r"not kept.*cache cannot be written.*autorec warmup.*NUMBA_CACHE_DIR"):
        np.testing.assert_array_equal(call(), [1, 1, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call()
    assert compiles == ["add_one"] * 2


def test_a_first_run_is_told_once(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_announcing", True)
    call(), compiled.kernel(add_one)(np.zeros(3, dtype=np.float32))
    assert capsys.readouterr().err == "Compiling for this machine: once, for about ten seconds.\n"
    compiled._announce_once.cache_clear()
    compiled.kernel(add_one)(np.zeros(3, dtype=np.int32))  # some versions are kept: no first run
    assert capsys.readouterr().err == ""


def test_uncompiled_kernels_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    with pytest.raises(AutoRecError, match=r"NUMBA_DISABLE_JIT is set.*unset it"):
        call()


_USE = """
import sys
from numba.core import event
class Compiles(event.Listener):
    def on_start(self, happened): print("compiled", happened.data["dispatcher"].py_func.__name__)
    def on_end(self, happened): pass
event.register("numba:compile", Compiles())
import autorec
assert autorec.__file__.startswith(sys.argv[1]), autorec.__file__
for orientation in ("item", "user"):
    model = autorec.AutoRec(orientation, hidden=8, epochs=2).fit(autorec.load_sample())
    new = autorec.load_sample().to_frame().head(9)
    model.fold_in(new.assign(user=new["user"].astype(str) + " is new")).recommend(n=5)
autorec.AutoRec("user", hidden=8, epochs=2, optimizer="rprop", penalty="l2:10").fit(autorec.load_sample())
print(len(model.recommend([7], n=5)))
"""


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """The recipe for an image: a folder, which anyone may read, with the package and what `autorec warmup` compiled."""
    with tempfile.TemporaryDirectory() as name:
        site = Path(name)
        shutil.copytree(Path(autorec.__file__).parent, site / "autorec", ignore=shutil.ignore_patterns("*.nbc"))
        warmed = subprocess.run([sys.executable, "-m", "autorec", "warmup"], check=True, **in_image(site))
        assert warmed.stdout.strip() == str(site / "autorec" / "__pycache__")
        folders = [site, *(path for path in site.rglob("*") if path.is_dir())]
        for path in folders:
            path.chmod(0o555)
        yield site
        for path in folders:
            path.chmod(0o755)


def in_image(site: Path) -> dict[str, Any]:
    """For `subprocess.run`: without a home and caches of its own."""
    outside = ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR")
    kept = {key: value for key, value in os.environ.items() if key not in outside}
    environment = {**kept, "PYTHONPATH": str(site), "HOME": str(site)}
    return {"env": environment, "cwd": site, "capture_output": True, "text": True}


AS_ROOT = hasattr(os, "getuid") and os.getuid() == 0
_NOBODY = ["--reuid", "65534", "--regid", "65534", "--clear-groups"]
_MAY_READ = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]  # where others may not see Python


@pytest.mark.skipif(sys.platform == "win32", reason="modes of folders as POSIX has them")
@pytest.mark.skipif(AS_ROOT and shutil.which("setpriv") is None, reason="root needs setpriv to be another user")
@pytest.mark.slow  # all kernels are compiled once more
def test_a_warmed_package_is_used_by_who_can_write_nowhere(image: Path) -> None:
    """As another user where the tests run as root, who may write everywhere; else as the same user, who may not here.

    Nothing is compiled, and there is no note.
    """
    command = [*(["setpriv", *_NOBODY, *_MAY_READ] if AS_ROOT else []), sys.executable, "-W", "error", "-c"]
    run = in_image(image)
    assert subprocess.run([*command, "open('x', 'w')"], check=False, **run).returncode == 1
    used = subprocess.run([*command, _USE, str(image)], check=False, **run)
    assert (used.stdout, used.stderr, used.returncode) == ("5\n", "", 0)


def test_warming_up_says_where_or_that_it_cannot(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = compiled.Path(autorec.__file__).parent / "__pycache__"
    monkeypatch.setattr(compiled, "cache_folders", lambda: [kept])
    assert autorec.warm_up() == kept
    monkeypatch.setattr(compiled, "find_kept", lambda: None)
    with pytest.raises(InputError, match=r"cannot be kept: .*__pycache__ cannot be written; set NUMBA_CACHE_DIR"):
        autorec.warm_up()
