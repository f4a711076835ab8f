"""Lists for held-out users of MovieLens 1M: EASE beside the baselines, and every model of lists beside figures that are
known of others."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from autorec.evaluation.compare import compare
from autorec.evaluation.evaluate import evaluate
from autorec.models.presets import create
from autorec.models.registry import MODELS
from autorec.ranking.held_out_users import draw_wanted
from autorec.ratings.matrix import Ratings
from autorec.ratings.read import read_ratings
from autorec.ratings.split import Split
from autorec.reproduction.published import tell

MEMBERS = ("popularity", "ease", "edlae", "sansa", "inf-ae", "svd-ae", "elsa", "mult-dae", "mult-vae", "rec-vae", "wae")
SEEDS = (0, 1, 2)  # of members that draw
HELD_OUT, LEAST = 500, 5  # users, choices of each user
# NDCG@100 and truncated Recall@20 of others under this protocol, with their own draws of the wanted choices: closed
# forms in NumPy, and RecBole 1.2.1 after 50 (MultiVAE) and 20 (RecVAE) epochs.
OTHERS: Mapping[str, str] = {
    "ease": "NumPy .416 .357",
    "edlae": "NumPy .4175 .352",
    "inf-ae": "NumPy .4166 .3604",
    "mult-vae": "RecBole .404 .332",
    "rec-vae": "RecBole .409 .344",
}


def ranking(datasets: Path) -> Iterator[str]:
    """Strong generalisation on MovieLens 1M, 500 users held out, EASE and the baselines."""
    ratings = read_ratings(datasets / "ml-1m")
    compared = compare(ratings, ["ease"], by="strong:500", seed=98765, k=(20, 50, 100))
    wanted = ("recall_truncated@20", "recall_truncated@50", "ndcg@100")
    yield from tell("MovieLens 1M, strong generalisation, 500 users held out", compared, wanted)


def strong(datasets: Path) -> Iterator[str]:
    """Strong generalisation on MovieLens 1M: choices are ratings from 4 up, of users with five or more of them, in the
    order `default_rng(98765).permutation(users)`; the last 500 are tested, all others trained on.

    Of each tested user's n choices `default_rng(0)` draws ⌊n/5⌋ that are wanted; the others are given and not ranked.
    The presets were chosen by training without the 500 users before the tested ones and ranking for these. Networks
    train on all users for the preset's epochs, none held out; those that draw with three seeds.
    """
    one = hold_out(read_ratings(datasets / "ml-1m"))
    yield f"MovieLens 1M, {one.train.n_users:,} users trained on, {HELD_OUT} tested, {one.train.n_items:,} items"
    yield "  model: NDCG@100 mean ± sd, truncated Recall@20, fit seconds; others' NDCG@100, Recall@20"
    for name in MEMBERS:
        yield measure(name, one)


def hold_out(ratings: Ratings, skipped: int = 0) -> Split:
    """The split of `strong`; users are in the order of their rows, items are those of the training users. skipped:
    users at the end of the permutation who are left out, so that those before them are tested."""
    chosen = ratings.select(ratings.csr.data >= 4)
    chosen = chosen.select(np.diff(chosen.csr.indptr)[chosen.rows()] >= LEAST)
    csr = chosen.csr.copy()
    csr.data[:] = 1
    chosen = replace(chosen, csr=csr, given_scale=None)
    order = np.random.default_rng(98765).permutation(chosen.n_users)
    users = order[: len(order) - skipped]
    chosen = chosen.select(np.isin(chosen.rows(), users), compact=False)
    tested = np.isin(chosen.rows(), users[-HELD_OUT:])
    train = chosen.select(~tested)
    rest = chosen.select(tested & np.isin(chosen.item_ids, train.item_ids)[chosen.csr.indices])
    wanted = draw_wanted(rest.csr, np.random.default_rng(0))
    return Split(train, rest.select(wanted), rest.select(~wanted), "strong")


def measure(name: str, one: Split) -> str:
    """The line of a member."""
    parameters = MODELS[name].parameters()
    settings = {"validation": 0.0} if "validation" in parameters else {}
    found, seconds = [], []
    for seed in SEEDS if "random_state" in parameters else SEEDS[:1]:
        seeded = {"random_state": seed} if "random_state" in parameters else {}
        start = time.perf_counter()
        model = create(name, **settings, **seeded).fit(one.train)
        seconds.append(time.perf_counter() - start)
        metrics = evaluate(model, one.test, k=(20, 100), fold_in=one.fold_in).metrics
        found.append((metrics["ndcg@100"], metrics["recall_truncated@20"]))
    (ndcg, recall), (spread, _) = np.mean(found, axis=0), np.std(found, axis=0)
    figures = f"{ndcg:.4f} ± {spread:.4f}  {recall:.4f}  {np.mean(seconds):6.1f}"
    return f"  {name:<10} {figures}  {OTHERS.get(name, '')}".rstrip()
