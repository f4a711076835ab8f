"""Lists for held-out users of MovieLens 1M: EASE beside the baselines, and every model of lists beside figures that are
known of others."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from autorec.evaluation.compare import compare
from autorec.evaluation.evaluate import evaluate
from autorec.models.base import Recommender
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
DRAWS = 5  # of the wanted choices: the figures of one differ from those of another by ± .005
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

    Of each tested user's n choices `default_rng(draw)` draws ⌊n/5⌋ that are wanted; the others are given and not
    ranked. Figures are means over five draws for the same tested users, and those of the first draw.
    The presets were chosen by training without the 500 users before the tested ones and ranking for these. Networks
    train on all users for the preset's epochs, none held out; those that draw with three seeds.
    """
    ratings = read_ratings(datasets / "ml-1m")
    draws = [hold_out(ratings, draw=draw) for draw in range(DRAWS)]
    train = draws[0].train
    yield f"MovieLens 1M, {train.n_users:,} users trained on, {HELD_OUT} tested, {train.n_items:,} items"
    yield f"  model: NDCG@100, truncated Recall@20, means of {DRAWS} draws of what is wanted, ± sd of the NDCG over"
    yield "  seeds; both of the first draw; NDCG of each draw; fit seconds; others' NDCG@100, Recall@20"
    for name in MEMBERS:
        yield measure(name, draws)


def hold_out(ratings: Ratings, skipped: int = 0, draw: int = 0) -> Split:
    """The split of `strong`; users are in the order of their rows, items are those of the training users. skipped:
    users at the end of the permutation who are left out, so that those before them are tested. draw: seed of what is
    wanted."""
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
    wanted = draw_wanted(rest.csr, np.random.default_rng(draw))
    return Split(train, rest.select(wanted), rest.select(~wanted), "strong")


def measure(name: str, draws: Sequence[Split]) -> str:
    """The line of a member, fitted once a seed and ranking for the same users in each of the draws."""
    parameters = MODELS[name].parameters()
    settings = {"validation": 0.0} if "validation" in parameters else {}
    found, seconds = [], []
    for seed in SEEDS if "random_state" in parameters else SEEDS[:1]:
        seeded = {"random_state": seed} if "random_state" in parameters else {}
        start = time.perf_counter()
        model = create(name, **settings, **seeded).fit(draws[0].train)
        seconds.append(time.perf_counter() - start)
        found.append([rank(model, one) for one in draws])
    scores = np.array(found)  # [seeds × draws × 2]
    (ndcg, recall), spread = scores.mean(axis=(0, 1)), scores[:, :, 0].mean(axis=1).std()
    each = scores[:, :, 0].mean(axis=0)  # [draws]
    first = f"{each[0]:.4f} {scores[:, 0, 1].mean():.4f}"
    figures = f"{ndcg:.4f} ± {spread:.4f} {recall:.4f}; {first}; {' '.join(f'{one:.4f}' for one in each)}"
    return f"  {name:<10} {figures}; {np.mean(seconds):.1f}; {OTHERS.get(name, '')}".rstrip("; ")


def rank(model: Recommender, one: Split, relevant: float | None = None) -> tuple[float, float]:
    """NDCG@100 and truncated Recall@20 of the tested users. relevant: as in `evaluate`."""
    metrics = evaluate(model, one.test, k=(20, 100), relevant=relevant, fold_in=one.fold_in).metrics
    return metrics["ndcg@100"], metrics["recall_truncated@20"]
