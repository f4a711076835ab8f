"""Public data sets by name: download, verify, unpack. What was interrupted is taken up again."""

import hashlib
import os
import re
import shutil
import stat
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from autorec import folders, progress
from autorec.errors import InputError, ParameterError

BASE_URL = "https://files.grouplens.org/datasets/movielens"

_BLOCK = 2**20  # bytes read at once
_RATIO = 200  # an archive whose content is larger by more than this is taken for a bomb
_SECONDS = 30  # without an answer


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
    that is renamed when whole. A download that broke off leaves FOLDER.part and goes on from there.
    ParameterError: unknown name. InputError: the folder is there, no connection, wrong checksum, an unsafe archive.
    """
    if name not in DATA_SETS:
        raise ParameterError(f"unknown data set {name!r}; allowed: {', '.join(DATA_SETS)}")
    target = Path(name if folder is None else folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} is there already; remove it or choose another folder")
    data_set = DATA_SETS[name]
    url = f"{base_url}/{data_set.archive}"
    part = target.with_name(f"{target.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    _download(url, part, data_set.size)
    _verify(part, data_set.md5 or _published_md5(url), url)
    with folders.atomic_folder(target) as temporary:
        _unpack(part, temporary)
    part.unlink()
    return target


def _download(url: str, part: Path, size: int) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            resumed = answer.status == 206
            total = int(answer.headers.get("Content-Length") or size) + (have if resumed else 0)
            done = have if resumed else 0
            with part.open("ab" if resumed else "wb") as file, progress.bar("downloading", total) as update:
                while block := answer.read(_BLOCK):
                    file.write(block)
                    done += len(block)
                    update(done, f"{done / 1e6:.1f} of {total / 1e6:.1f} MB")
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is left to fetch
            return
        raise InputError(f"{url} answers {error.code} {error.reason}; try again later") from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise InputError(f"{url} cannot be reached ({reason}); run this again to go on from what is there") from None
    if done < total:
        raise InputError(f"{url} broke off after {done:,} of {total:,} bytes; run this again to go on from there")


def _published_md5(url: str) -> str:
    try:
        with urllib.request.urlopen(f"{url}.md5", timeout=_SECONDS) as answer:
            text = answer.read(4096).decode("ascii", errors="replace")
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
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
    """Members without the one folder that archives of data sets have on top. Links, outside paths and bombs are
    refused."""
    try:
        with zipfile.ZipFile(archive) as source:
            members = [info for info in source.infolist() if not info.is_dir()]
            _refuse_unsafe(archive, members)
            for info in members:
                path = folder.joinpath(*PurePosixPath(info.filename).parts[1:] or (info.filename,))
                path.parent.mkdir(parents=True, exist_ok=True)
                with source.open(info) as packed, path.open("wb") as file:
                    shutil.copyfileobj(packed, file, _BLOCK)
    except zipfile.BadZipFile as error:
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
