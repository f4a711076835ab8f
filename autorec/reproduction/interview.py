"""New people who are asked about items: how good the model is after so many answers, on MovieLens 100K."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autorec.array_types import IntArray
from autorec.evaluation.evaluate import evaluate
from autorec.insight.interview import chance_known, start_belief
from autorec.models.base import Recommender
from autorec.models.presets import create
from autorec.ratings.matrix import Ratings
from autorec.ratings.read import read_ratings
from autorec.ratings.split import Split, user_split

SEEDS, HELD_OUT = range(3), 200  # users
ANSWERS = (1, 2, 3, 5, 10)

Order = Callable[[IntArray, int], IntArray]  # columns that a user knows, how many answers → those asked for, in turn


def interview(datasets: Path) -> Iterator[str]:
    """`autorec` on MovieLens 100K; of 200 users it has not seen, a random 80 % of the ratings of each are the answers
    that there are, the others are the test. Each way asks until a user knows an item: only answers count."""
    ratings = read_ratings(datasets / "ml-100k")
    tables = [measure(user_split(ratings, HELD_OUT, seed), "autorec") for seed in SEEDS]
    yield f"MovieLens 100K, {HELD_OUT} new users, {len(SEEDS)} splits: means and standard deviations"
    for index, row in enumerate(tables[0].itertuples()):
        values = np.array([table[["rmse", "ndcg@10"]].iloc[index] for table in tables])
        numbers = "  ".join(
            f"{mean:.4f} ± {sd:.4f}" for mean, sd in zip(values.mean(0), values.std(0, ddof=1), strict=True)
        )
        yield f"  {row.way:<20} {row.answers:>3} answers: RMSE, NDCG@10  {numbers}"


def measure(split: Split, name: str, **settings: Any) -> pd.DataFrame:
    """DataFrame way, answers, rmse, ndcg@10 of a preset, fitted on the training part."""
    model, held_out = create(name, **settings).fit(split.train), split.fold_in
    assert held_out is not None
    rows = []
    for way, order in find_ways(model).items():
        asked = ask(model, held_out, order)
        for answers in ANSWERS:
            given = held_out.select(asked < answers, compact=False)
            found = evaluate(model, split.test, fold_in=given).metrics
            rows.append((way, answers, found["rmse"], found["ndcg@10"]))
    return pd.DataFrame(rows, columns=["way", "answers", "rmse", "ndcg@10"])


def ask(model: Recommender, held_out: Ratings, order: Order) -> IntArray:
    """[ratings] of the held-out users: how many are asked for before each, a large number where it never is."""
    asked = np.full(len(held_out), np.iinfo(np.int64).max)
    columns = model.ratings_.find_items(held_out.item_ids)[held_out.csr.indices]
    for row in range(held_out.n_users):
        own = np.arange(held_out.csr.indptr[row], held_out.csr.indptr[row + 1])
        own = own[columns[own] >= 0]
        asked[own[order(columns[own], max(ANSWERS))]] = np.arange(min(len(own), max(ANSWERS)))
    return asked


def find_ways(model: Recommender) -> dict[str, Order]:
    """By name, ways to ask; each gives positions in the columns that a user knows."""
    counts = model.ratings_.item_counts
    nothing, known = start_belief(model, np.arange(0)), chance_known(model)

    def by(values: npt.NDArray[Any]) -> Order:
        return lambda columns, n: np.argsort(-values[columns], kind="stable")[:n]

    def by_fall(columns: IntArray, n: int) -> IntArray:
        belief, left = copy.copy(nothing), np.ones(len(columns), dtype=bool)
        found: list[int] = []
        while len(found) < min(n, len(columns)):
            best = int(np.argmax(np.where(left, belief.falls(columns) * known[columns], -1)))
            belief.rate(columns[best])
            left[best] = False
            found.append(best)
        return np.array(found, dtype=np.int64)

    popular_and_mixed = np.log(np.maximum(counts, 1)) * entropies(model.ratings_)
    return {"expected fall": by_fall, "popularity": by(counts), "popularity × entropy": by(popular_and_mixed)}


def entropies(ratings: Ratings) -> npt.NDArray[np.float64]:
    """[items] entropy of the ratings of each item, in nats (Rashid et al.: Getting to know you, IUI 2002, which
    multiply it by the logarithm of the popularity)."""
    levels, level = np.unique(ratings.csr.data, return_inverse=True)
    table = np.zeros((ratings.n_items, len(levels)))
    np.add.at(table, (ratings.csr.indices, level), 1)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    return np.asarray(-(shares * np.log(np.where(shares > 0, shares, 1))).sum(axis=1))
