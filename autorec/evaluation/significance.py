"""Which models can be told apart: paired tests over users, corrected for the number of pairs, as sentences.

A user gives one pair of numbers, summed or averaged over the splits in which the user was tested. What is tested is
what the report shows:

RMSE    θ = √(Σ_u s_u / Σ_u n_u), s_u the squared errors and n_u the test ratings of user u. The difference of two
        models is a smooth function of sums over users, so its error is that of the mean of

            d_u = U · [ (s_u − θ² n_u) / (2 θ N) of model a  −  the same of model b ],   N = Σ n_u, U users

        (delta method with users as clusters).
NDCG    d_u = NDCG of a − NDCG of b, at the first k.

Then t = difference · √U / sd(d) by Student's t with U − 1 degrees of freedom. p-values are corrected by Holm (1979), so
that among all pairs a false claim has a chance of at most 5 %. Intervals are 95 % and not corrected.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from autorec.report.comparison_report import Verdict

LEVEL = 0.05
Float = npt.NDArray[np.float64]
Difference = Callable[[pd.DataFrame, pd.DataFrame], tuple[float, Float]]


def verdicts(tables: dict[str, Sequence[pd.DataFrame]]) -> list[Verdict]:
    """[pairs of models × metrics] verdicts.

    tables: model → [splits] `Evaluation.per_user`, DataFrame user, ratings, metrics. Pairs of rating models are tested
    on RMSE, every pair on NDCG at the first k.
    """
    entries: list[Verdict] = []
    for metric, columns, difference, lower_is_better in _list_tests(tables):
        found = {name: _sum_by_user(list(runs), columns) for name, runs in tables.items()}
        pairs = [(a, b) for a, b in combinations(found, 2) if found[a] is not None and found[b] is not None]
        measured = [_test_pairs(found[a], found[b], difference) for a, b in pairs]
        corrected = holm([p for _, _, p in measured])
        entries += _mark_best(
            [
                _make_verdict(*pair, metric, size, half, p, lower_is_better)
                for pair, (size, half, _), p in zip(pairs, measured, corrected, strict=True)
            ],
            lower_is_better,
        )
    return entries


def _mark_best(entries: list[Verdict], lower_is_better: bool) -> list[Verdict]:
    """With of_best, what a reader wants first."""
    ahead = dict.fromkeys((name for entry in entries for name in entry.models), 0)
    for entry in entries:
        first, second = entry.models
        ahead[first if (entry.difference < 0) == lower_is_better else second] += 1
    best = max(ahead, key=ahead.__getitem__, default=None)
    return [replace(entry, of_best=best in entry.models) for entry in entries]


def holm(p_values: Sequence[float]) -> list[float]:
    """[tests] p-values by Holm's step-down correction: the i-th smallest of m times (m − i + 1), never falling, at most
    1."""
    order = np.argsort(p_values)
    corrected = np.empty(len(order))
    highest = 0.0
    for smaller, test in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - smaller) * p_values[test]))
        corrected[test] = highest
    return [float(p) for p in corrected]


def _list_tests(tables: dict[str, Sequence[pd.DataFrame]]) -> list[tuple[str, list[str], Difference, bool]]:
    """(metric, columns of `per_user`, difference of two tables, whether lower is better)."""
    names = [name for runs in tables.values() for run in runs for name in run.columns]
    tested: list[tuple[str, list[str], Difference, bool]] = []
    if "squared_error" in names:
        tested.append(("RMSE", ["squared_error", "ratings"], _compare_rmse, True))
    ndcg = next((name for name in names if name.startswith("ndcg@")), None)
    if ndcg is not None:
        tested.append((f"NDCG{ndcg.removeprefix('ndcg')}", [ndcg], _compare_means, False))
    return tested


def _sum_by_user(runs: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame | None:
    """User → the columns: sums of squared errors and of ratings, else means over the splits. None without them."""
    if any(column not in run.columns for run in runs for column in columns):
        return None
    table = pd.concat([run[["user", *columns]] for run in runs]).dropna()
    if "squared_error" in columns:
        table["squared_error"] *= table["ratings"]
        return table.groupby("user").sum()
    return table.groupby("user").mean()


def _compare_means(a: pd.DataFrame, b: pd.DataFrame) -> tuple[float, Float]:
    """(mean difference, [users] differences)."""
    difference = (a.iloc[:, 0] - b.iloc[:, 0]).to_numpy(dtype=np.float64)
    return float(difference.mean()), difference


def _compare_rmse(a: pd.DataFrame, b: pd.DataFrame) -> tuple[float, Float]:
    """(difference of the RMSE, [users] d_u of the module's formula)."""
    (theta_a, of_a), (theta_b, of_b) = _influence_on_rmse(a), _influence_on_rmse(b)
    return theta_a - theta_b, of_a - of_b


def _influence_on_rmse(table: pd.DataFrame) -> tuple[float, Float]:
    """(θ, [users] influence of each user on it)."""
    errors, ratings = (table[name].to_numpy(dtype=np.float64) for name in ("squared_error", "ratings"))
    theta = float(np.sqrt(errors.sum() / ratings.sum()))
    if theta == 0:  # nothing was missed: no user moves it
        return 0.0, np.zeros(len(errors))
    return theta, len(errors) * (errors - theta**2 * ratings) / (2 * theta * ratings.sum())


def _test_pairs(a: Any, b: Any, difference: Difference) -> tuple[float, float, float]:
    """(difference a − b, half its 95 % interval, p of a difference of 0) over the users of both."""
    users = a.index.intersection(b.index)
    n = len(users)
    if not n:
        return 0.0, float("inf"), 1.0
    size, of_users = difference(a.loc[users], b.loc[users])
    if n < 2:
        return size, float("inf"), 1.0
    error = float(stats.sem(of_users))
    if error == 0:
        return size, 0.0, 1.0 if size == 0 else 0.0
    p = 2 * stats.t.sf(abs(size) / error, n - 1)
    return size, float(stats.t.ppf(1 - LEVEL / 2, n - 1) * error), float(p)


def _make_verdict(a: str, b: str, metric: str, size: float, half: float, p: float, lower_is_better: bool) -> Verdict:
    corrected = f"p {'< 0.0001' if p < 0.0001 else f'= {p:.2g}'} after Holm's correction"
    winner = None
    if not np.isfinite(half):
        sentence = f"{a} and {b} are not tested by {metric}, of which fewer than two users have values."
    elif p >= LEVEL:
        sentence = f"{a} and {b} cannot be told apart by {metric} ({corrected})."
    else:
        winner, loser = (a, b) if (size < 0) == lower_is_better else (b, a)
        shown, low, high = map(_write_size, (abs(size), abs(size) - half, abs(size) + half))
        sentence = f"{winner} beats {loser} by {shown} {metric} (95 % interval {low} to {high}, {corrected})."
    interval = (size - half, size + half) if np.isfinite(half) else None
    return Verdict((a, b), metric, size, interval, p, winner, sentence)


def _write_size(size: float) -> str:
    """Four decimals; one digit of what these would show as 0."""
    return f"{size:.4f}" if size == 0 or abs(size) >= 0.00005 else f"{size:.0e}"
