"""SHA-256 of bytes and files, and JSON that holds its own, so that a changed file is known as one."""

import hashlib
import json
import mmap
from pathlib import Path
from typing import Any

OWN = "sha256"  # the key of a JSON object's own hash


def sha256(data: bytes | bytearray | mmap.mmap) -> str:
    return hashlib.sha256(data).hexdigest()


def hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(content: dict[str, Any]) -> bytes:
    """JSON bytes of `content` with their own SHA-256, taken while that entry is empty."""
    data = (json.dumps({**content, OWN: ""}, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    return data.replace(_format_own(""), _format_own(sha256(data)))


def is_whole(content: dict[str, Any], data: bytes | bytearray) -> bool:
    """Whether `data`, which reads as `content`, is what `seal` made."""
    own = content.get(OWN)
    return isinstance(own, str) and sha256(data.replace(_format_own(own), _format_own(""))) == own


def _format_own(digest: str) -> bytes:
    return f'"{OWN}": "{digest}"'.encode()
