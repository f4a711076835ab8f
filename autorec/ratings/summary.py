"""What is in a set of ratings: counts, scale, dates, how they spread, and what may surprise a model."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from autorec.ratings.convert import as_ratings
from autorec.ratings.matrix import Ratings

FEW = 5  # ratings; below this a user or item says little
BINS = 10  # of the histogram when there are more distinct ratings than DISTINCT
DISTINCT = 20
HEAD = 10  # most rated items shown


def summarize(ratings: Any) -> dict[str, Any]:
    """Facts about Ratings (or a DataFrame user, item, rating, or a sparse matrix [users × items]), ready for JSON.

    density is ratings / (users · items). histogram counts the distinct ratings, or BINS equal bins of the
    scale when there are more than DISTINCT. problems are sentences.

    >>> facts = autorec.summarize(autorec.load_sample())
    >>> facts["users"], facts["items"], facts["ratings"], round(facts["density"], 3)
    (600, 300, 24000, 0.133)
    """
    ratings = as_ratings(ratings)
    by_user = np.diff(ratings.csr.indptr)
    by_item = ratings.item_counts
    facts = {
        "users": ratings.n_users,
        "items": ratings.n_items,
        "ratings": len(ratings),
        "density": len(ratings) / max(ratings.n_users * ratings.n_items, 1),
        "scale": list(ratings.scale),
        "scale_stated": ratings.given_scale is not None,
        "mean": float(ratings.csr.data.mean(dtype=np.float64)) if len(ratings) else None,
        "first_date": None,
        "last_date": None,
        "duplicates_replaced": ratings.duplicates,
        "rows_skipped": ratings.skipped,
        "ratings_per_user": _summarize_counts(by_user),
        "ratings_per_item": _summarize_counts(by_item),
        f"users_below_{FEW}": int((by_user < FEW).sum()),
        f"items_below_{FEW}": int((by_item < FEW).sum()),
        "histogram": _count_values(ratings),
        "most_rated": _list_most_rated(ratings, by_item),
    }
    if ratings.timestamps is not None and len(ratings):
        facts["first_date"] = _to_date(int(ratings.timestamps.min()))
        facts["last_date"] = _to_date(int(ratings.timestamps.max()))
    return facts | {"problems": _find_problems(ratings, facts)}


def _summarize_counts(counts: npt.NDArray[np.integer[Any]]) -> dict[str, float] | None:
    if not len(counts):
        return None
    return {"least": int(counts.min()), "median": float(np.median(counts)), "most": int(counts.max())}


def _count_values(ratings: Ratings) -> list[dict[str, float]]:
    values, counts = np.unique(ratings.csr.data, return_counts=True)
    if len(values) <= DISTINCT:
        return [{"from": v, "to": v, "count": n} for v, n in zip(values.tolist(), counts.tolist(), strict=True)]
    binned, edges = np.histogram(ratings.csr.data, bins=BINS, range=ratings.scale)
    ends = zip(edges[:-1].tolist(), edges[1:].tolist(), binned.tolist(), strict=True)
    return [{"from": low, "to": high, "count": n} for low, high, n in ends]


def _list_most_rated(ratings: Ratings, counts: npt.NDArray[np.integer[Any]]) -> list[dict[str, Any]]:
    sums = np.bincount(ratings.csr.indices, ratings.csr.data, minlength=ratings.n_items)
    head = np.argsort(-counts, kind="stable")[:HEAD]
    return [
        {
            "item": ratings.item_ids[item],
            "title": None if ratings.titles is None else ratings.titles[item],
            "ratings": int(counts[item]),
            "mean": float(sums[item] / counts[item]) if counts[item] else None,
        }
        for item in head
    ]


def _find_problems(ratings: Ratings, facts: dict[str, Any]) -> list[str]:
    found = []
    low, high = ratings.scale
    if not len(ratings):
        found.append("There are no ratings.")
    elif low == high:
        found.append(f"All ratings are {low:g}: no rating model can learn from them; popularity can.")
    if ratings.skipped:
        found.append(f"Rows that could not be read and were skipped: {ratings.skipped:,}.")
    if ratings.missing:
        found.append(f"{ratings.missing:,} rows have a rating that stands for none and were left out.")
    if ratings.duplicates:
        found.append(f"{ratings.duplicates:,} rows were replaced by a later rating of the same user and item.")
    if ratings.titles is not None and (untitled := int((ratings.titles == "").sum())):
        found.append(f"{untitled:,} of {ratings.n_items:,} items have no title.")
    found += [
        f"{facts[f'{what}_below_{FEW}']:,} of {facts[what]:,} {what} have fewer than {FEW} ratings."
        for what in ("users", "items")
        if facts[f"{what}_below_{FEW}"]
    ]
    return found


def _to_date(seconds: int) -> str | None:
    """Calendar date in UTC; None for what no calendar holds."""
    try:
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return None
