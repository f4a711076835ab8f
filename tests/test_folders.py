"""Files and folders written whole or not at all, over nothing foreign, in turns, and cleared after a kill."""

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from autorec import files, folders, locks
from autorec.errors import InputError

ON_LINUX = sys.platform == "linux"
TOGETHER = pytest.mark.parametrize("exchange", [True, False])  # in one step, or by two renames

pytestmark = pytest.mark.skipif(not ON_LINUX, reason="locks, kills and links as Linux has them")


@pytest.fixture
def target(tmp_path):
    return tmp_path / "inside" / "made"


def write(target: Path, text: str, **options: object) -> None:
    with folders.atomic_folder(target, owned=lambda folder: ("one", "two"), names=("one", "two"), **options) as folder:
        (folder / "one").write_text(text)
        (folder / "two").write_text(text)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


# --- folders ------------------------------------------------------------------------------------------------


@TOGETHER
def test_a_folder_takes_the_place_of_the_old_one_and_leaves_nothing(target, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr(folders, "_exchange", lambda *_: False)
    for text in ("first", "second", "third"):
        write(target, text)
        assert content(target) == {"one": text, "two": text}
        assert names_in(target.parent) == ["made"]


def test_an_empty_folder_is_filled(target):
    target.mkdir(parents=True)
    write(target, "text")
    assert content(target) == {"one": "text", "two": "text"}


@TOGETHER
def test_what_came_in_during_the_work_is_taken_over(target, monkeypatch, exchange):
    """The owner was asked last a moment ago; a note and a repository came in since."""
    if not exchange:
        monkeypatch.setattr(folders, "_exchange", lambda *_: False)
    write(target, "old")
    publish = folders._publish

    def late(new, place):
        (target / "note").write_text("mine")
        (target / ".git").mkdir()
        (target / ".git" / "HEAD").write_text("mine too")
        return publish(new, place)

    monkeypatch.setattr(folders, "_publish", late)
    write(target, "new")
    assert (target / "one").read_text() == "new" and (target / "note").read_text() == "mine"
    assert (target / ".git" / "HEAD").read_text() == "mine too"
    assert names_in(target.parent) == ["made"]


@TOGETHER
def test_an_error_leaves_the_old_folder_and_no_litter(target, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr(folders, "_exchange", lambda *_: False)
    write(target, "old")
    with pytest.raises(KeyboardInterrupt), folders.atomic_folder(target, owned=lambda _: ("one", "two")) as folder:
        (folder / "one").write_text("half")
        raise KeyboardInterrupt
    refusals = iter([("one", "two"), InputError("no longer")])

    def refuses_later(folder):
        answer = next(refusals)
        if isinstance(answer, InputError):
            raise answer
        return answer

    with pytest.raises(InputError, match="no longer"), folders.atomic_folder(target, owned=refuses_later) as folder:
        (folder / "one").write_text("new")
    assert content(target) == {"one": "old", "two": "old"} and names_in(target.parent) == ["made"]


def test_without_an_owner_nothing_is_replaced(target):
    write(target, "old")
    with pytest.raises(InputError, match="there already"), folders.atomic_folder(target):
        pytest.fail("the block must not run")
    assert content(target) == {"one": "old", "two": "old"}


@pytest.mark.parametrize("which", ["current", "above", "home", "root"])
def test_some_folders_are_never_replaced(target, monkeypatch, which):
    write(target / "below", "old")
    monkeypatch.chdir(target / "below")
    monkeypatch.setenv("HOME", str(target / "below"))
    place = {"current": Path(), "above": target, "home": Path.home(), "root": Path("/")}[which]
    with pytest.raises(InputError, match="give the name of a folder in it"):
        folders.require_replaceable(place, lambda _: ())
    with pytest.raises(InputError, match="give the name of a folder in it"):
        write(place, "new")
    assert content(target / "below") == {"one": "old", "two": "old"}


def test_a_folder_that_may_not_be_written_is_not_replaced(target, monkeypatch):
    write(target, "precious")
    monkeypatch.setattr(folders.os, "access", lambda path, mode: mode != os.W_OK)  # whatever root may do
    with pytest.raises(PermissionError, match="made"):
        write(target, "text")
    assert content(target) == {"one": "precious", "two": "precious"}
    assert names_in(target.parent) == ["made"]


@TOGETHER
def test_a_link_is_followed_and_stays(target, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr(folders, "_exchange", lambda *_: False)
    write(target, "old")
    link = target.with_name("link")
    link.symlink_to(target)
    write(link, "new")
    assert link.is_symlink() and content(target) == {"one": "new", "two": "new"}


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_modes_follow_the_umask(target, umask):
    before = os.umask(umask)
    try:
        with folders.atomic_folder(target) as folder:
            (folder / "one").touch(0o600)
            (folder / "two").touch(0o777)
            (folder / "sub").mkdir()
            (folder / "sub" / "three").touch(0o640)
        with files.atomic_file(target / "out.csv") as path:
            path.write_text("text")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in [target, *target.rglob("*")]}
    expected = dict.fromkeys(["one", "two", "three", "out.csv"], 0o666 & ~umask)
    assert modes == {**expected, "made": 0o777 & ~umask, "sub": 0o777 & ~umask}


def test_everything_is_synced_before_and_the_folder_above_after_the_swap(target, monkeypatch):
    done = []
    sync, publish = files.sync, folders._exchange
    monkeypatch.setattr(files, "sync", lambda path: (done.append(path.name), sync(path)))
    monkeypatch.setattr(folders, "_exchange", lambda *pair: (done.append("swap"), publish(*pair))[1])
    write(target, "old")
    done.clear()
    write(target, "new")
    before, after = done[: done.index("swap")], done[done.index("swap") + 1 :]
    assert {"one", "two"} < set(before) and any(name.startswith(".made.new-") for name in before)
    assert after == ["inside"]


# --- kills and turns ----------------------------------------------------------------------------------------

HALF = """
import os, signal, sys
from pathlib import Path
from autorec import files, folders
if sys.argv[1] == "folder":
    with folders.atomic_folder(sys.argv[2], lambda _: ("one", "two"), ("one", "two")) as folder:
        (folder / "one").write_text("half")
        print("half", flush=True)
        sys.stdin.read()
with files.atomic_file(sys.argv[2]) as path:
    path.write_text("half")
    print("half", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_a_killed_process_left_is_cleared_by_the_next_of_that_name(target, kind):
    def litter():
        return sorted(path.name for path in target.parent.iterdir() if path.name.startswith("."))

    started = [
        subprocess.Popen([sys.executable, "-c", HALF, kind, target], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in started:
        assert process.stdout.readline() == b"half\n"
    assert len(litter()) == 2
    started[0].kill()
    started[0].communicate()
    foreign = target.with_name(".made.new-0123abcd") / "thesis"
    foreign.parent.mkdir()
    foreign.write_text("mine")

    def save():
        if kind == "folder":
            write(target, "new")
        else:
            with files.atomic_file(target) as path:
                path.write_text("new")

    save()
    assert len(litter()) == 2 and foreign.read_text() == "mine"  # one is still at work, one is not ours
    started[1].kill()
    started[1].communicate()
    save()
    assert litter() == [foreign.parent.name] and foreign.read_text() == "mine"


def test_a_name_of_somebody_else_is_left_alone(target):
    target.parent.mkdir()
    others = [target.with_name(name) for name in (".made.old", ".made.new", ".made.new-notes", ".made.old-01234567x")]
    for other in others:
        other.mkdir()
        (other / "one").write_text("mine")
    write(target, "old")
    write(target, "new")
    assert all((other / "one").read_text() == "mine" for other in others)


def test_writers_take_turns(target):
    """The second waits with its swap until the first lets go of the folder above."""
    write(target, "old")
    done = threading.Event()

    def second():
        write(target, "new")
        done.set()

    with locks.locked(target.parent) as alone:
        assert alone
        thread = threading.Thread(target=second)
        thread.start()
        assert not done.wait(0.3) and content(target) == {"one": "old", "two": "old"}
    thread.join(10)
    assert done.is_set() and content(target) == {"one": "new", "two": "new"}


def test_a_writer_that_waits_for_too_long_is_told(target, monkeypatch):
    write(target, "old")
    monkeypatch.setattr(locks, "PATIENCE", 0.05)
    with locks.locked(target.parent), pytest.raises(OSError, match="another process has been writing"):
        write(target, "new")
    assert content(target) == {"one": "old", "two": "old"}


def test_without_locks_nothing_is_cleared_and_all_else_works(target, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    left = target.with_name(".made.new-0123abcd")
    left.mkdir(parents=True)
    write(target, "old")
    write(target, "new")
    assert content(target) == {"one": "new", "two": "new"} and left.is_dir()


def test_a_temporary_folder_of_a_killed_process_is_removed_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, used, new, other = (tmp_path / name for name in ("some-a", "some-b", "some-c", "other"))
    for folder in (left, used, new, other):
        folder.mkdir()
        (folder / "work").touch()
    for folder in (left, used, other):
        os.utime(folder, (0, 0))
    with locks.held(used), folders.temporary_folder("some-") as own:
        assert set(tmp_path.iterdir()) == {used, new, other, own}
        assert not locks.is_abandoned(own)
    assert set(tmp_path.iterdir()) == {used, new, other}


# --- files --------------------------------------------------------------------------------------------------


def test_a_file_is_whole_or_as_before(tmp_path):
    out = tmp_path / "new folder" / "out.csv"
    with files.atomic_file(out) as path:
        assert path.suffix == ".csv"
        path.write_text("old")
    with pytest.raises(RuntimeError), files.atomic_file(out) as path:
        path.write_text("half")
        raise RuntimeError
    assert out.read_text() == "old" and names_in(out.parent) == ["out.csv"]


def test_a_link_to_a_file_is_followed_and_stays(tmp_path):
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    with files.atomic_file(tmp_path / "link.csv") as path:
        path.write_text("new")
    assert (tmp_path / "link.csv").is_symlink() and (tmp_path / "real.csv").read_text() == "new"


def test_folders_and_pipes_are_no_files_to_write(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    for path, said in ((tmp_path, "is a folder"), (tmp_path / "pipe.csv", "no ordinary file")):
        with pytest.raises(InputError, match=said):
            files.require_output(path)
        with pytest.raises(InputError, match=said), files.atomic_file(path):
            pytest.fail("the block must not run")


def test_room_is_looked_for_where_the_folder_would_be_made(tmp_path, monkeypatch):
    files.require_output(tmp_path / "a" / "b" / "out.csv")
    assert names_in(tmp_path) == []
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        files.require_output(tmp_path / "file" / "b" / "out.csv")
    full = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 (closed by the function)
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: full)
    with pytest.raises(OSError, match=r"No space.*"):
        files.require_output(tmp_path / "a" / "out.csv")


def test_an_output_that_is_an_input_is_refused_by_whatever_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "in.csv").touch()
    (tmp_path / "link.csv").symlink_to("d/in.csv")
    (tmp_path / "way").symlink_to("d")
    os.link("d/in.csv", "hard.csv")
    for output in ("d/in.csv", "./d/../d/in.csv", "link.csv", "way/in.csv", "hard.csv", tmp_path / "d" / "in.csv"):
        for given in ("d/in.csv", "link.csv"):
            with pytest.raises(InputError, match=r"written over the input .*; give another name"):
                files.require_not_input(output, ["elsewhere", given])
    for given in ("d", "way"):
        with pytest.raises(InputError, match="written over the input"):
            files.require_not_input("d/in.csv", [given])
    files.require_not_input("d/new.csv", ["d", "d/in.csv", "missing"])
