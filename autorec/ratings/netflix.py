"""Netflix Prize files: blocks that begin with a line `ITEM:`, then lines `user,rating,date`."""

import re

from autorec.errors import InputError
from autorec.ratings.delimited import parse_text
from autorec.ratings.dialect import Dialect, Line
from autorec.ratings.matrix import Parsed

_COLUMNS = {"user": 0, "rating": 1, "timestamp": 2, "item": 3}


def is_netflix(lines: list[Line]) -> bool:
    """Whether a file begins with a line `ITEM:` and a line with commas."""
    return len(lines) > 1 and re.fullmatch(r"[0-9]+:", lines[0].text.strip()) is not None and "," in lines[1].text


def parse_netflix(source: str, data: bytes, on_error: str) -> Parsed:
    """All rows of the blocks, read as lines `user,rating,date,item`. A block's first line becomes an empty line, so
    that errors name the right line."""
    text = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    text += b"" if text.endswith(b"\n") else b"\n"
    heads = list(re.finditer(rb"^([0-9]+):[ \t]*\n", text, re.MULTILINE))
    if not heads or heads[0].start() != 0:
        raise InputError(f"{source}, line 1: Netflix Prize blocks begin with a line such as 1:")
    ends = [*(head.start() for head in heads[1:]), len(text)]
    blocks = (_rows(text[head.end() : end], head.group(1)) for head, end in zip(heads, ends, strict=True))
    dialect = Dialect(",", ".", start=0, line=1, n_columns=len(_COLUMNS), columns=_COLUMNS)
    return parse_text(source, b"".join(blocks), dialect, on_error)


def _rows(block: bytes, item: bytes) -> bytes:
    """The lines of a block with the item at the end of each that is not blank, below an empty line."""
    if block.startswith(b"\n") or b"\n\n" in block:
        return b"\n" + re.sub(rb"(?<=[^\n])\n", b"," + item + b"\n", block)
    return b"\n" + block.replace(b"\n", b"," + item + b"\n")
