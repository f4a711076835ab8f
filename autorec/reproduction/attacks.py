"""Injected profiles (shilling attacks) on MovieLens 100K, and who finds them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from autorec.insight.anomalies import anomalies
from autorec.models.presets import create
from autorec.ratings.read import read_ratings

KINDS = ("random", "average", "bandwagon")
SHARE = 0.05  # attackers, of the users
STATISTICS = ("z", "ratings", "mean_deviation", "rdma")  # z is of the model, the others need none


def attacks(datasets: Path) -> Iterator[str]:
    """MovieLens 100K, and one twentieth as many attackers as users, each with as many ratings as a median user: the
    area under the ROC curve of i-autorec, as it is, and of statistics without a model."""
    frame = read_ratings(datasets / "ml-100k").to_frame()[["user", "item", "rating"]]
    sizes = frame["user"].value_counts()
    yield f"attack: AUC of {', '.join(STATISTICS)}"
    for kind in KINDS:
        table = anomalies(create("i-autorec").fit(attack(frame, kind, round(SHARE * len(sizes)), int(sizes.median()))))
        areas = (roc_auc_score(table["user"] < 0, table[name]) for name in STATISTICS)
        yield f"  {kind}: {' '.join(f'{area:.3f}' for area in areas)}"


def attack(frame: pd.DataFrame, kind: str, attackers: int, filler: int) -> pd.DataFrame:
    """DataFrame user, item, rating with profiles of negative ids that give one unpopular item the highest rating.

    Each rates `filler` more items, drawn uniformly, around the mean of all ratings ("random"), of each item
    ("average"), or as "random" but with the highest rating for the most popular ones ("bandwagon") (Lam and Riedl,
    WWW 2004; Mobasher et al., TOIT 2007). Ratings have a standard deviation of 1.1 and are values of the frame.
    """
    rng = np.random.default_rng(0)
    means, times_rated = frame.groupby("item")["rating"].mean(), frame["item"].value_counts()
    levels = np.sort(frame["rating"].unique())
    target, popular = times_rated.index[-20], times_rated.index[: filler // 10]
    profiles = [frame]
    for number in range(1, attackers + 1):
        items = rng.choice(means.index.drop(target), filler, replace=False)
        around = means.loc[items].to_numpy() if kind == "average" else frame["rating"].mean()
        drawn = rng.normal(around, 1.1, filler)
        rating = levels[np.abs(drawn[:, None] - levels).argmin(axis=1)]
        if kind == "bandwagon":
            rating = np.where(np.isin(items, popular), levels[-1], rating)
        rows = {"user": -number, "item": np.append(items, target), "rating": np.append(rating, levels[-1])}
        profiles.append(pd.DataFrame(rows))
    return pd.concat(profiles, ignore_index=True)
