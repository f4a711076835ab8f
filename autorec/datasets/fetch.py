"""Public data sets by name: download, verify, unpack. An interrupted download is continued."""

import hashlib
import http.client
import os
import re
import shutil
import ssl
import stat
import urllib.error
import urllib.request
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from autorec import checks, files, folders, locks, progress
from autorec.errors import InputError, ParameterError, nearest, shown

BASE_URL = "https://files.grouplens.org/datasets/movielens"

_BLOCK = 2**20  # bytes read at once
_LARGER = 2  # times the size in the catalogue: what is larger is not the data set
_RATIO = 200  # an archive that unpacks to more than this times its size is refused as a bomb
_SECONDS = 30  # without an answer
_BROKEN = (urllib.error.URLError, TimeoutError, ConnectionError, ssl.SSLError, http.client.HTTPException)


@dataclass(frozen=True)
class DataSet:
    """archive: its name at the source, where its MD5 lies beside it as archive + ".md5". size: bytes, about."""

    archive: str
    size: int
    ratings: str
    md5: str | None = None


_TERMS = "research use; see the README inside for the terms and how to cite"

DATA_SETS: dict[str, DataSet] = {
    "ml-100k": DataSet("ml-100k.zip", 4_924_029, "100,000", "0e33842e24a9c977be4e0107933c0723"),
    "ml-1m": DataSet("ml-1m.zip", 5_917_549, "1,000,209", "c4d9eecfca2ab87c1945afe126590906"),
    "ml-10m": DataSet("ml-10m.zip", 65_566_137, "10,000,054", "ce571fd55effeba0271552578f2648bd"),
    "ml-20m": DataSet("ml-20m.zip", 198_702_078, "20,000,263", "cd245b17a1ae2cc31bb14903e1204af3"),
    "ml-25m": DataSet("ml-25m.zip", 261_978_986, "25,000,095", "6b51fb2759a8657d3bfcbfc42b592ada"),
    "ml-32m": DataSet("ml-32m.zip", 238_950_008, "32,000,204", "d472be332d4daa821edc399621853b57"),
    "ml-latest-small": DataSet("ml-latest-small.zip", 978_202, "100,836"),
}


def fetch(name: str, folder: str | os.PathLike[str] | None = None, *, base_url: str = BASE_URL) -> Path:
    """Download the data set `name` into `folder` (default: its name) and return the folder.

    The archive is checked against its MD5, pinned here or published beside it, and unpacked into a temporary folder
    that is renamed when whole. A download that broke off leaves `.FOLDER.fetch-ARCHIVE` and goes on from there.
    ParameterError: unknown name. InputError: the folder is there, no connection, something else than the archive comes,
    wrong checksum, an unsafe archive.

    >>> autorec.fetch("ml-100")
    Traceback (most recent call last):
        ...
    autorec.errors.ParameterError: unknown data set 'ml-100'; allowed: ml-100k, ...
    >>> folder = autorec.fetch("ml-latest-small")  # doctest: +SKIP
    """
    if not isinstance(name, str) or name not in DATA_SETS:
        near = nearest(name, DATA_SETS)
        raise ParameterError(f"unknown data set {shown(name)}; allowed: {', '.join(DATA_SETS)}{near}")
    target = checks.path("folder", name if folder is None else folder)
    if not isinstance(base_url, str) or not re.match(r"https?://[!-~]+$", base_url):
        raise ParameterError(f"base_url is {shown(base_url)}; allowed: an address that begins with https://")
    folders.require_absent(target)
    data_set = DATA_SETS[name]
    url = f"{base_url}/{data_set.archive}"
    part = files.resolved(target)
    part = part.with_name(f".{part.name}.fetch-{data_set.archive}")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.touch()
    with locks.locked(part):
        try:
            folders.require_absent(target)  # again, after another process that fetched the same
            _download(url, part, data_set.size)
            _verify(part, data_set.md5 or _read_published_md5(url), url)
            with folders.atomic_folder(target) as temporary:
                _unpack(part, temporary)
            part.unlink()
        finally:
            if part.exists() and not part.stat().st_size:
                part.unlink()
    return target


def _download(url: str, part: Path, size: int) -> None:
    """Append to `part` what is missing. size: of the whole, about."""
    have = part.stat().st_size
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            if answer.status != 206:
                have = 0
            total = _find_total(answer, url, have, size)
            with part.open("ab" if have else "wb") as file, progress.bar("downloading", total or size) as update:
                done = have
                while block := answer.read(_BLOCK):
                    done += len(block)
                    if done > _LARGER * size:
                        file.truncate(0)
                    _refuse_larger(done, size, url)
                    file.write(block)
                    update(done, f"{done / 1e6:.1f} of {(total or size) / 1e6:.1f} MB")
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is left to fetch
            return
        what = "redirects in a circle" if 300 <= error.code < 400 else f"answers {error.code} {error.reason}"
        raise InputError(f"{url} {what}; try again later") from None
    except _BROKEN as error:
        reason = getattr(error, "reason", error)
        raise InputError(f"{url} cannot be reached ({reason}); run this again to go on from what is there") from None
    if total is not None and done < total:
        raise InputError(f"{url} broke off after {done:,} of {total:,} bytes; run this again to go on from there")


def _find_total(answer: http.client.HTTPResponse, url: str, have: int, size: int) -> int | None:
    """Bytes of the whole, None when the answer does not say; what cannot be the archive is refused."""
    if answer.headers.get_content_type() == "text/html":
        raise InputError(f"{url} answers with a web page instead of the archive; try again later")
    length = answer.headers.get("Content-Length") or ""
    if not length.isdecimal():
        return None
    _refuse_larger(have + int(length), size, url)
    return have + int(length)


def _refuse_larger(done: int, size: int, url: str) -> None:
    if done > _LARGER * size:
        raise InputError(
            f"{url} sends {done:,} bytes and more, but the data set has about {size:,}: it is not what was asked for"
        )


def _read_published_md5(url: str) -> str:
    try:
        with urllib.request.urlopen(f"{url}.md5", timeout=_SECONDS) as answer:
            text = answer.read(4096).decode("ascii", errors="replace")
    except _BROKEN as error:
        raise InputError(f"{url}.md5, the checksum, cannot be read ({error}); try again later") from None
    found = re.search(r"\b[0-9a-f]{32}\b", text)
    if found is None:
        raise InputError(f"{url}.md5 holds no checksum; try again later")
    return found.group()


def _verify(part: Path, md5: str, url: str) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    with part.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    if digest.hexdigest() != md5:
        part.unlink()
        raise InputError(
            f"{url}: the download has MD5 {digest.hexdigest()} and should have {md5}; it is removed, run again"
        )


def _unpack(archive: Path, folder: Path) -> None:
    """All files; where one folder on top holds all, its content. Links, outside paths and bombs are refused."""
    try:
        with zipfile.ZipFile(archive) as source:
            members = [info for info in source.infolist() if not info.is_dir()]
            _refuse_unsafe(archive, members)
            paths = [PurePosixPath(info.filename).parts for info in members]
            top = 1 if len({path[0] for path in paths}) == 1 and all(len(path) > 1 for path in paths) else 0
            for info, parts in zip(members, paths, strict=True):
                path = folder.joinpath(*parts[top:])
                path.parent.mkdir(parents=True, exist_ok=True)
                with source.open(info) as packed, path.open("xb") as file:
                    shutil.copyfileobj(packed, file, _BLOCK)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{archive} is not a whole zip archive ({error}); remove it and run again") from None


def _refuse_unsafe(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    for info in members:
        path = PurePosixPath(info.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in info.filename:
            raise InputError(
                f"{archive}: the member {info.filename!r} would be written outside the folder; not unpacked"
            )
        if stat.S_ISLNK(info.external_attr >> 16):
            raise InputError(f"{archive}: the member {info.filename!r} is a link; not unpacked")
    size = sum(info.file_size for info in members)
    if size > _RATIO * max(archive.stat().st_size, 1):
        raise InputError(f"{archive} unpacks to {size:,} bytes, more than {_RATIO} times its size; not unpacked")
