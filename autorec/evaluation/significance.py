"""Which models can be told apart: paired tests over users, corrected for the number of pairs, as sentences.

Each user is one pair of values, averaged over the splits in which the user was tested. The test is Student's paired t
over users; p-values are corrected by Holm (1979), so that among all pairs a false claim has a chance of at most 5 %.
Intervals are those of the mean difference, 95 %, not corrected.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from autorec.evaluation.evaluate import Evaluation

LEVEL = 0.05
Float = npt.NDArray[np.float64]


def verdicts(evaluations: dict[str, Sequence[Evaluation]]) -> list[dict[str, Any]]:
    """One entry a pair of models: what was tested, difference, interval, corrected p, a sentence.

    Pairs of rating models are tested on each user's mean squared error, and every pair on NDCG at the first k.
    """
    entries = []
    for column, what, lower_is_better in _tested(evaluations):
        tables = {name: _per_user(list(runs), column) for name, runs in evaluations.items()}
        pairs = [(a, b) for a, b in combinations(tables, 2) if tables[a] is not None and tables[b] is not None]
        found = [_paired(tables[a], tables[b]) for a, b in pairs]
        corrected = holm([p for _, _, p in found])
        for (a, b), (mean, half, _), p in zip(pairs, found, corrected, strict=True):
            entries.append(_entry(a, b, what, mean, half, p, lower_is_better))
    return entries


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: the i-th smallest of m p-values times (m − i + 1), never falling, at most 1."""
    order = np.argsort(p_values)
    corrected = np.empty(len(order))
    highest = 0.0
    for place, which in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - place) * p_values[which]))
        corrected[which] = highest
    return [float(p) for p in corrected]


def _tested(evaluations: dict[str, Sequence[Evaluation]]) -> list[tuple[str, str, bool]]:
    names = [name for runs in evaluations.values() for run in runs for name in run.per_user.columns]
    tested = [("squared_error", "squared error", True)] if "squared_error" in names else []
    ndcg = next((name for name in names if name.startswith("ndcg@")), None)
    return [*tested, (ndcg, f"NDCG{ndcg.removeprefix('ndcg')}", False)] if ndcg else tested


def _per_user(runs: list[Evaluation], column: str) -> "pd.Series[float] | None":
    """User → mean over the splits; None when the model has no such column."""
    if any(column not in run.per_user.columns for run in runs):
        return None
    table = pd.concat([run.per_user[["user", column]] for run in runs])
    means: pd.Series[float] = table.groupby("user")[column].mean().dropna()
    return means


def _paired(a: Any, b: Any) -> tuple[float, float, float]:
    """(mean difference a − b, half its 95 % interval, p of a difference of 0) over the users of both."""
    difference = (a - b).dropna().to_numpy(dtype=np.float64)
    n = len(difference)
    if n < 2:
        return (float(difference.mean()) if n else 0.0, float("inf"), 1.0)
    mean, error = float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(n))
    if error == 0:
        return mean, 0.0, 1.0 if mean == 0 else 0.0
    p = 2 * stats.t.sf(abs(mean) / error, n - 1)
    return mean, float(stats.t.ppf(1 - LEVEL / 2, n - 1) * error), float(p)


def _entry(a: str, b: str, what: str, mean: float, half: float, p: float, lower_is_better: bool) -> dict[str, Any]:
    if p >= LEVEL:
        sentence = f"{a} and {b} cannot be told apart by {what} (p = {p:.2g} after Holm's correction)."
    else:
        winner, loser = (a, b) if (mean < 0) == lower_is_better else (b, a)
        size = abs(mean)
        sentence = (
            f"{winner} beats {loser} by {size:.4f} in mean {what} per user "
            f"(95 % interval {size - half:.4f} to {size + half:.4f}, p = {p:.2g} after Holm's correction)."
        )
    interval = [mean - half, mean + half] if np.isfinite(half) else None
    return {"models": [a, b], "metric": what, "difference": mean, "interval": interval, "p": p, "sentence": sentence}
