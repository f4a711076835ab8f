"""Write ratings of any size to Parquet: long-tailed popularity and activity, planted tastes, bounded memory.

python scripts/make_ratings.py OUT.parquet --users 480189 --items 17770 --ratings 100000000

With --dense, a small catalogue of which users rate most, on the continuous scale −10 … 10, as Jester's jokes are:

python scripts/make_ratings.py OUT.parquet --dense --users 7000 --items 100
"""
# ruff: noqa: NPY002 (in compiled code the legacy functions are Numba's own, with a state for each thread)

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from autorec.files import atomic_file

RANK = 8  # dimensions of taste
BLOCK = 2_000_000  # ratings made at once
PARTS = 16  # of the users of a block, taken by the threads


def blocks(users: int, items: int, ratings: int, seed: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(user, item, rating 1 … 5) in blocks of about BLOCK, users and their items ascending; about `ratings` different
    pairs in all.

    Popularity falls as (rank + items/50)^−1, activity is lognormal; a rating is 3.6 + biases + taste · film + noise.
    What a user rates depends on `seed` and the user's number, not on the threads.
    """
    rng = np.random.default_rng(seed)
    popularity = 1 / (rng.permutation(items) + 1 + items / 50)
    alias = _alias_table(popularity / popularity.mean())
    taste_of_item = rng.normal(0, 0.35, (items, RANK)).astype(np.float32)
    item_bias = rng.normal(0, 0.35, items).astype(np.float32)
    activity = rng.lognormal(0, 1.0, users)
    wanted = np.minimum(np.maximum(activity / activity.sum() * ratings, 1), items // 3 + 1).astype(np.int64)
    ends = np.cumsum(wanted)
    start = 0
    while start < users:
        base = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, base + BLOCK)))
        ptr = np.concatenate(([0], np.cumsum(wanted[start:stop])))
        item, rating = np.empty(ptr[-1], dtype=np.int64), np.empty(ptr[-1], dtype=np.float32)
        found = np.zeros(stop - start, dtype=np.int64)
        _rate(seed * 1_000_003 + start, ptr, *alias, taste_of_item, item_bias, item, rating, found)
        kept = np.arange(ptr[-1]) < np.repeat(ptr[:-1] + found, wanted[start:stop])
        yield start + np.repeat(np.arange(stop - start), found), item[kept], rating[kept]
        start = stop


def dense_ratings(users: int, items: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(user, item, rating −10 … 10), users and their items ascending; a third, two thirds or all of the items a user.

    A rating is 0.8 + biases + taste · item + noise of standard deviation 3.6, clipped, with two decimals.
    """
    rng = np.random.default_rng(seed)
    share = rng.choice([0.35, 0.7, 1.0], users, p=[0.5, 0.3, 0.2])
    user, item = np.nonzero(rng.random((users, items)) < share[:, None])
    taste, strength = rng.normal(0, 1, (users, RANK)), np.geomspace(1.3, 0.3, RANK)
    of_item = rng.normal(0, 1, (items, RANK)) * strength
    expected = 0.8 + rng.normal(0, 2.2, users)[:, None] + rng.normal(0, 1.1, items) + taste @ of_item.T
    rating = expected[user, item] + rng.normal(0, 3.6, len(user))
    return user, item, np.round(np.clip(rating, -10, 10), 2).astype(np.float32)


@numba.njit(cache=True)
def _alias_table(weights: Any) -> Any:
    """Walker's tables of weights with mean 1: an item drawn evenly stays with its share, else its alias is taken."""
    share, alias = weights.copy(), np.arange(len(weights))
    small, large = (
        [i for i in range(len(weights)) if weights[i] < 1],
        [i for i in range(len(weights)) if weights[i] >= 1],
    )
    while small and large:
        poor, rich = small.pop(), large[-1]
        alias[poor] = rich
        share[rich] -= 1 - share[poor]
        if share[rich] < 1:
            small.append(large.pop())
    return share, alias


@numba.njit(parallel=True, cache=True)
def _rate(
    seed: int, ptr: Any, share: Any, alias: Any, tastes: Any, biases: Any, item: Any, rating: Any, found: Any
) -> None:
    """Different items of each user from `ptr` on, ascending, and their ratings; `found` [users]: how many."""
    users, items = len(found), len(share)
    for part in numba.prange(PARTS):
        owner = np.full(items, -1)  # the last user that drew the item
        for user in range(users * part // PARTS, users * (part + 1) // PARTS):
            np.random.seed((seed + user) % 2**32)
            taste = np.random.normal(0, 0.6, RANK)
            bias = 3.6 + np.random.normal(0, 0.4)
            first, n, wanted = ptr[user], 0, ptr[user + 1] - ptr[user]
            for _ in range(3 * wanted + 2):  # popular items come up again and are kept once
                place = int(np.random.random() * items)
                chosen = place if np.random.random() < share[place] else alias[place]
                if owner[chosen] != user:
                    owner[chosen] = user
                    item[first + n] = chosen
                    n += 1
                    if n == wanted:
                        break
            item[first : first + n].sort()
            for k in range(first, first + n):
                stars = bias + biases[item[k]] + np.random.normal(0, 0.7)
                for d in range(RANK):
                    stars += taste[d] * tastes[item[k], d]
                rating[k] = min(max(round(stars), 1), 5)
            found[user] = n


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    for name in ("users", "items"):
        parser.add_argument(f"--{name}", type=int, required=True)
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--ratings", type=int)
    kind.add_argument("--dense", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    schema = pa.schema({"user": pa.int64(), "item": pa.int64(), "rating": pa.float32()})
    total, sizes = 0, (options.users, options.items)
    made = [dense_ratings(*sizes, options.seed)] if options.dense else blocks(*sizes, options.ratings, options.seed)
    with atomic_file(options.out) as path, pq.ParquetWriter(path, schema) as writer:
        for block in made:
            writer.write_table(pa.table(dict(zip(schema.names, block, strict=True)), schema=schema))
            total += len(block[0])
    print(f"{total:,} ratings of {options.users:,} users and {options.items:,} items: {options.out}")


if __name__ == "__main__":
    main()
