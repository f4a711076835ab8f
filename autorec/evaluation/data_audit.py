"""The audits of what a comparison stands on: the ratings as a whole and each split, as part of its report."""

from collections.abc import Sequence
from typing import Any

from autorec.audits.finding import LEVELS
from autorec.audits.of_ratings import audit_ratings
from autorec.audits.of_split import audit_split, whole
from autorec.ratings.matrix import Ratings
from autorec.ratings.split import Split

CLEAN = "Nothing suspicious was found."


def data_audit(ratings: Ratings | None, splits: Sequence[Split]) -> dict[str, Any]:
    """{"caution", "ratings": [finding …], "splits": [{"split", "findings"} …]}, ready for JSON.

    caution: the leaks of the first split that has any, as sentences; None without. Where the parts were given and there
    are no ratings to split, those of the first split together are taken.
    """
    of_ratings = audit_ratings(whole(splits[0]) if ratings is None else ratings)
    of_splits = [audit_split(one) for one in splits]
    leaks = next(filter(None, ([f.sentence for f in found if f.level == "leak"] for found in of_splits)), [])
    return {
        "caution": f"Caution: {' '.join(leaks)}" if leaks else None,
        "ratings": [finding.to_dict() for finding in of_ratings],
        "splits": [
            {"split": one.name, "findings": [finding.to_dict() for finding in found]}
            for one, found in zip(splits, of_splits, strict=True)
        ],
    }


def audit_lines(audited: dict[str, Any]) -> list[str]:
    """The findings about the first split and the ratings, worst first: level and sentence. CLEAN without any."""
    found = sorted(audited["splits"][0]["findings"] + audited["ratings"], key=lambda f: LEVELS.index(f["level"]))
    return [f"{finding['level'].capitalize()}: {finding['sentence']}" for finding in found] or [CLEAN]
