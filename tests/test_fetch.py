"""Fetching from a server on this machine: verified, resumed, unpacked safely."""

import contextlib
import hashlib
import http.server
import io
import stat
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from autorec import read_ratings
from autorec.datasets import fetch as module
from autorec.datasets.fetch import DataSet, fetch
from autorec.errors import InputError, ParameterError


class Server(http.server.BaseHTTPRequestHandler):
    """Serves `files`; answers ranges when `ranges`, and only the first `cut` bytes when that is set. sent: headers in
    the place of the length; endless: the content again and again."""

    files: dict[str, bytes]
    ranges = True
    cut: int | None = None
    asked: list[str | None]
    sent: dict[str, str] | None = None
    endless = False

    def do_GET(self) -> None:
        content = self.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        if content == b"moved":
            self.send_response(302)
            self.send_header("Location", self.path)
            self.end_headers()
            return
        wanted = self.headers.get("Range")
        type(self).asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.ranges else 0
        if start and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        for name, value in ({"Content-Length": str(len(content) - start)} if self.sent is None else self.sent).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[start : self.cut])
        with contextlib.suppress(OSError):
            while self.endless:
                self.wfile.write(content * 1000)

    def log_message(self, *_: object) -> None:
        """Silent."""


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return buffer.getvalue()


RATINGS = b"userId,movieId,rating,timestamp\n" + b"".join(f"{n},{n % 7},{n % 5 + 1},{n}\n".encode() for n in range(500))
GOOD = archive(tiny__ratings_dot_csv=RATINGS, tiny__README_dot_txt=b"hello")


PART = ".tiny.fetch-tiny.zip"


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The server with the data set "tiny" and its checksum; known to `fetch`."""
    Server.files = {"/tiny.zip": GOOD, "/tiny.zip.md5": hashlib.md5(GOOD).hexdigest().encode() + b"  tiny.zip\n"}
    Server.ranges, Server.cut, Server.asked, Server.sent, Server.endless = True, None, [], None, False
    monkeypatch.setitem(module.DATA_SETS, "tiny", DataSet("tiny.zip", len(GOOD), "500"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_fetch_verifies_and_unpacks(base: str, tmp_path: Path) -> None:
    folder = fetch("tiny", tmp_path / "there", base_url=base)
    assert sorted(path.name for path in folder.iterdir()) == ["README.txt", "ratings.csv"]
    assert len(read_ratings(folder)) == 500
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there"]
    with pytest.raises(InputError, match="is there already"):
        fetch("tiny", folder, base_url=base)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_goes_on(base: str, tmp_path: Path, ranges: bool) -> None:
    Server.ranges = ranges
    part = tmp_path / PART
    part.write_bytes(GOOD[:100])
    assert len(read_ratings(fetch("tiny", tmp_path / "tiny", base_url=base))) == 500
    assert Server.asked[0] == "bytes=100-"
    assert not part.exists()


def test_what_breaks_off_is_kept_and_taken_up(base: str, tmp_path: Path) -> None:
    Server.cut = 200
    with pytest.raises(InputError, match="run this again"):
        fetch("tiny", tmp_path / "tiny", base_url=base)
    assert (tmp_path / PART).stat().st_size == 200
    assert not (tmp_path / "tiny").exists()
    Server.cut = None
    assert len(read_ratings(fetch("tiny", tmp_path / "tiny", base_url=base))) == 500


def test_a_whole_part_needs_no_download(base: str, tmp_path: Path) -> None:
    (tmp_path / PART).write_bytes(GOOD)
    assert len(read_ratings(fetch("tiny", tmp_path / "tiny", base_url=base))) == 500


def test_a_wrong_checksum_is_refused_and_removed(base: str, tmp_path: Path) -> None:
    Server.files["/tiny.zip"] = GOOD[:-1] + b"x"
    with pytest.raises(InputError, match="should have"):
        fetch("tiny", tmp_path / "tiny", base_url=base)
    assert list(tmp_path.iterdir()) == []


def serve(content: bytes) -> None:
    Server.files = {"/tiny.zip": content, "/tiny.zip.md5": hashlib.md5(content).hexdigest().encode()}


def linked() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        info = zipfile.ZipInfo("tiny/link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(info, "/etc/passwd")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (archive(**{"../../evil": b"x"}), "outside the folder"),
        (archive(**{"/evil": b"x"}), "outside the folder"),
        (archive(tiny__zeros=b"\0" * 1_000_000), "times its size"),
        (linked(), "is a link"),
        (b"no archive at all", "not a whole zip archive"),
    ],
    ids=["parent", "absolute", "bomb", "link", "no zip"],
)
def test_unsafe_archives_are_not_unpacked(base: str, tmp_path: Path, content: bytes, told: str) -> None:
    serve(content)
    with pytest.raises(InputError, match=told):
        fetch("tiny", tmp_path / "inner" / "tiny", base_url=base)
    assert not (tmp_path / "evil").exists()
    assert not (tmp_path / "inner" / "tiny").exists()


def test_files_and_folders_of_ones_own_stay(base: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.part").write_text("a part of my own")
    fetch("tiny", tmp_path / "tiny", base_url=base)
    assert (tmp_path / "tiny.part").read_text() == "a part of my own"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny", "tiny.part"]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (("top/a.csv", "top/more/b.csv"), ["a.csv", "more/b.csv"]),
        (("one/a.csv", "two/a.csv"), ["one/a.csv", "two/a.csv"]),
        (("a.csv", "more/b.csv"), ["a.csv", "more/b.csv"]),
    ],
    ids=["one on top", "several on top", "none on top"],
)
def test_folders_in_an_archive(base: str, tmp_path: Path, members: tuple[str, ...], expected: list[str]) -> None:
    serve(archive(**dict.fromkeys(members, b"x")))
    folder = fetch("tiny", tmp_path / "tiny", base_url=base)
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == expected


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (
            {"sent": {"Content-Length": str(3 * 10**9)}},
            r"sends 3,000,000,000 bytes and more, .* about [\d,]+: it is not",
        ),
        ({"sent": {}, "endless": True}, "bytes and more"),
        ({"sent": {"Content-Type": "text/html; charset=utf-8"}}, "answers with a web page"),
        ({"sent": {"Transfer-Encoding": "chunked"}}, "cannot be reached"),
        ({"sent": {"Content-Length": "many"}, "cut": 50}, "should have"),
        ({"files": {"/tiny.zip": b"moved"}}, "redirects in a circle"),
        ({"files": {"/tiny.zip": GOOD, "/tiny.zip.md5": b"<html>"}}, "holds no checksum"),
        ({"files": {"/tiny.zip": GOOD, "/tiny.zip.md5": b"moved"}}, "checksum, cannot be read"),
    ],
    ids=[
        "declared too large",
        "endless",
        "web page",
        "no chunks",
        "no length",
        "circle",
        "no checksum",
        "circle of md5",
    ],
)
def test_bad_replies_end_in_a_sentence(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: dict[str, object], told: str
) -> None:
    for name, value in reply.items():
        monkeypatch.setattr(Server, name, value)
    with pytest.raises(InputError, match=told):
        fetch("tiny", tmp_path / "tiny", base_url=base)
    assert not (tmp_path / "tiny").exists()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= len(GOOD)


def test_no_server_and_no_such_set(base: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="allowed: ml-100k"):
        fetch("ml-3m", tmp_path)
    Server.files = {}
    with pytest.raises(InputError, match="answers 404"):
        fetch("tiny", tmp_path / "tiny", base_url=base)
    with pytest.raises(InputError, match="cannot be reached"):
        fetch("tiny", tmp_path / "tiny", base_url="http://127.0.0.1:9")


def test_a_full_disk_leaves_no_folder(base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        fetch("tiny", tmp_path / "tiny", base_url=base)
    assert [path.name for path in tmp_path.iterdir()] == [PART]
