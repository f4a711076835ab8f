"""Top-N of all users and its evaluation, against the product of the same vectors alone and against full sorting."""

from collections.abc import Iterator

import numpy as np
import torch

import autorec
from autorec.evaluation.evaluate import measure_ranking
from autorec.ranking.topn import BLOCK_BYTES, top_n
from benchmarks.timing import Row, best, users_by_items

LENGTHS = (10, 20, 50, 100)


def top_ten(shape: str) -> Iterator[Row]:
    """Seen items excluded."""
    seen = users_by_items(shape)
    users, items = seen.shape
    size = max(1, BLOCK_BYTES // (4 * items))
    blocks = [slice(start, start + size) for start in range(0, users, size)]
    for units in (128, 500):
        rng = np.random.default_rng(0)
        left, right = (rng.normal(size=(n, units)).astype(np.float32) for n in (users, items))

        def ours(left: np.ndarray = left, right: np.ndarray = right) -> None:
            for _ in top_n(lambda block: left[block] @ right.T, np.arange(users), items, 10, seen):
                pass

        def bare(left: np.ndarray = left, right: np.ndarray = right) -> None:
            for block in blocks:
                left[block] @ right.T

        def full_sort(left: np.ndarray = left, right: np.ndarray = right) -> None:
            for block in blocks:
                scores = torch.from_numpy(left[block]) @ torch.from_numpy(right).T
                rows, columns = seen[block].nonzero()
                scores[torch.from_numpy(rows), torch.from_numpy(columns)] = -torch.inf
                torch.topk(scores, 10)

        seconds = best({"ours": ours, "bare": bare, "full sort": full_sort}, repeats=3)
        what, mine = f"top 10 of all users, {shape}, {units} units", f"{users / seconds['ours']:,.0f} users/s"
        product = f"the product alone {users / seconds['bare']:,.0f}"
        yield Row(what, mine, product, seconds["bare"] / seconds["ours"], "of its speed")
        sort = f"torch: product, mask, topk {users / seconds['full sort']:,.0f}"
        yield Row(what, mine, sort, seconds["full sort"] / seconds["ours"], "times faster")


def evaluation(shape: str) -> Iterator[Row]:
    """All ranking metrics at four lengths of list, beyond the scores that they need."""
    one = autorec.random_split(users_by_items(shape))
    model = autorec.AutoRec(epochs=1, penalty="l2:350").fit(one.train)
    rows = model.ratings_.find_users(one.test.user_ids)

    def bare() -> None:
        for _ in model.map_scores(rows, lambda part, scores: None):
            pass

    repeats = 30 if shape == "ml-1m" else 3  # a difference of times that vary by more than it
    seconds = best({"bare": bare, "ours": lambda: measure_ranking(model, one.test, LENGTHS, 4.0)}, repeats)
    more = seconds["ours"] - seconds["bare"]
    what = f"all ranking metrics at {', '.join(map(str, LENGTHS))}, {shape}, beyond the scores"
    yield Row(
        what,
        f"{more * 1e3:.3g} ms",
        f"scores of all users {seconds['bare'] * 1e3:.3g} ms",
        more / seconds["bare"],
        "of it",
    )
