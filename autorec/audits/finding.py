"""A finding of an audit, and what its checks share: words for numbers and ids, hashes of rows."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from autorec.ratings.ids import Ids

LEVELS = ("leak", "warning", "note")
COPIED = 5  # ratings from which equal rows are counted as copies
CERTAIN = 20  # ratings from which equal rows are no accident
MANY_COPIES = 0.01  # share of the users from which shorter copies are no accident either

UInt64 = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Finding:
    """What an audit found.

    level     leak: training contains part of the test, so the error is not that of unseen ratings; warning: check
              before you trust a number; note: good to know, often harmless
    name      short, for programs
    count     how many users, items or ratings; share: of all of these, 0 … 1, unless the check says otherwise
    meaning   a sentence: the numbers, what they mean, what to do
    example   some of the users that the finding is about, with their items; "" where it names none

    >>> finding = autorec.Finding("warning", "copies", 3, 0.01, "users who are copies of others")
    >>> finding.to_dict()["name"]
    'copies'
    """

    level: str
    name: str
    count: int
    share: float
    meaning: str
    example: str = ""

    @property
    def sentence(self) -> str:
        """The meaning, and the example where there is one."""
        return f"{self.meaning} For example {self.example}." if self.example else self.meaning

    def anonymous(self) -> "Finding":
        """The same without the ids of users."""
        return replace(self, example="")

    def __str__(self) -> str:
        return f"{self.level.capitalize()}: {self.sentence}"

    def to_dict(self) -> dict[str, Any]:
        """Level, name, count, share and sentence, ready for JSON."""
        return {name: getattr(self, name) for name in ("level", "name", "count", "share", "sentence")}


def worst_first(found: Iterable[Finding | None]) -> list[Finding]:
    """Leaks, warnings, notes; what was not found left out."""
    return sorted(filter(None, found), key=lambda finding: LEVELS.index(finding.level))


def many(count: int, what: str) -> str:
    """1 user, 2 users, 1,000 users."""
    return f"{count:,} {what}" + "s" * (count != 1)


def percent(share: float) -> str:
    """One decimal, and never 0 or 100 % where it is not all or nothing."""
    if 0 < share < 0.001:
        return "under 0.1%"
    return "over 99.9%" if 0.999 < share < 1 else f"{share:.1%}"


def named(what: str, raw: Any) -> str:
    """user 7; characters that do not print are escaped."""
    text = str(raw)
    return f"{what} {text if text.isprintable() else ascii(text)}"


def row_hashes(rows: Ids, columns: Ids, values: npt.NDArray[np.float32], n: int) -> UInt64:
    """Rows, columns, values [nnz] of a matrix of n rows → [n] the sum over each row of a 64-bit hash of (column,
    value): equal for equal rows, in any order of entries."""
    hashes: UInt64 = np.zeros(n, dtype=np.uint64)
    bits = (values + np.float32(0)).view(np.uint32)  # −0 becomes 0
    np.add.at(hashes, rows, _mix(columns.astype(np.uint64) << np.uint64(32) | bits))
    return hashes


def _mix(keys: UInt64) -> UInt64:
    """SplitMix64 (Steele, Lea, Flood 2014): every bit of a key moves every bit of the hash."""
    keys = keys + np.uint64(0x9E3779B97F4A7C15)
    keys = (keys ^ keys >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ keys >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return keys ^ keys >> np.uint64(31)
