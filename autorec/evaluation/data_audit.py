"""The audits of a comparison: of all ratings and of each split."""

from collections.abc import Sequence

from autorec.audits.of_ratings import audit_ratings
from autorec.audits.of_split import audit_split
from autorec.ratings.matrix import Ratings
from autorec.ratings.split import Split
from autorec.report.comparison_report import DataAudit, SplitAudit


def data_audit(ratings: Ratings, splits: Sequence[Split]) -> DataAudit:
    """Audit the ratings [users × items] and each split."""
    of_splits = tuple(SplitAudit(one.name, tuple(audit_split(one))) for one in splits)
    return DataAudit(tuple(audit_ratings(ratings)), of_splits)
