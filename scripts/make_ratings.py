"""Write ratings of any size to Parquet: long-tailed popularity and activity, planted tastes, bounded memory.

python scripts/make_ratings.py OUT.parquet --users 480189 --items 17770 --ratings 100000000
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from autorec.files import atomic_file

RANK = 8  # dimensions of taste
BLOCK = 2_000_000  # ratings made at once


def blocks(users: int, items: int, ratings: int, seed: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(user, item, rating 1 … 5) in blocks of about BLOCK, users ascending; about `ratings` different pairs in all.

    Popularity falls as (rank + items/50)^−1, activity is lognormal; a rating is 3.6 + biases + taste · film + noise.
    """
    rng = np.random.default_rng(seed)
    popularity = 1 / (rng.permutation(items) + 1 + items / 50)
    cumulative = np.cumsum(popularity / popularity.sum())
    taste_of_item = rng.normal(0, 0.35, (items, RANK)).astype(np.float32)
    item_bias = rng.normal(0, 0.35, items).astype(np.float32)
    activity = rng.lognormal(0, 1.0, users)
    wanted = np.minimum(np.maximum(activity / activity.sum() * ratings, 1), items // 3 + 1).astype(np.int64)
    ends = np.cumsum(wanted)
    start = 0
    while start < users:
        base = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, base + BLOCK)))
        pairs = _pairs(rng, wanted[start:stop], cumulative, items)
        user, item = start + pairs // items, pairs % items
        taste = rng.normal(0, 0.6, (stop - start, RANK)).astype(np.float32)
        bias = rng.normal(0, 0.4, stop - start).astype(np.float32)
        liking = np.einsum("pk,pk->p", taste[user - start], taste_of_item[item])
        stars = 3.6 + bias[user - start] + item_bias[item] + liking + rng.normal(0, 0.7, len(user))
        yield user, item, np.clip(np.round(stars), 1, 5).astype(np.float32)
        start = stop


def _pairs(rng: np.random.Generator, wanted: np.ndarray, cumulative: np.ndarray, items: int) -> np.ndarray:
    """Different (user in block, item) as user · items + item, sorted; about as many a user as wanted."""
    drawn = (wanted * 1.5).astype(np.int64) + 2  # popular items come up twice and are kept once
    user = np.repeat(np.arange(len(wanted)), drawn)
    item = np.minimum(np.searchsorted(cumulative, rng.random(len(user))), items - 1)
    pairs = np.unique(user * items + item)
    owner = pairs // items
    first = np.searchsorted(owner, np.arange(len(wanted)))
    # A random part of each user's pairs, as many as wanted.
    order = np.lexsort((rng.random(len(pairs)), owner))
    place = np.arange(len(pairs)) - first[owner]
    return np.sort(pairs[order][place < wanted[owner]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    for name in ("users", "items", "ratings"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    schema = pa.schema({"user": pa.int64(), "item": pa.int64(), "rating": pa.float32()})
    total = 0
    with atomic_file(options.out) as path, pq.ParquetWriter(path, schema) as writer:
        for block in blocks(options.users, options.items, options.ratings, options.seed):
            writer.write_table(pa.table(dict(zip(schema.names, block, strict=True)), schema=schema))
            total += len(block[0])
    print(f"{total:,} ratings of {options.users:,} users and {options.items:,} items: {options.out}")


if __name__ == "__main__":
    main()
