"""The built-in sample: invented people rate invented films, with planted tastes that a model should find.

Everything comes from one fixed seed; `data/sample` holds the same as files. Five genres, five groups of people: a
person of a group likes the films of the genre of that group and not those of the next genre. Popularity has a long
tail, people and films have biases, and about a tenth of what is rated is chosen at random.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from autorec.ratings.convert import as_ratings
from autorec.ratings.ids import Ids
from autorec.ratings.matrix import Ratings

SEED = 20150518  # the first day of WWW 2015, where AutoRec was presented
USERS, ITEMS, RATINGS = 600, 300, 24_000
GENRES = ("Adventure", "Comedy", "Crime", "Romance", "Science Fiction")

_FIRST = {
    "Adventure": "The Lost|Across the|Return to the|The Last|Beyond the|Riders of the",
    "Comedy": "My Cousin's|The Wrong|Trouble at the|Nobody Told the|Too Many|A Night at the",
    "Crime": "Murder at the|The Silent|Death of the|The Man from the|Shadows over the|A Witness at the",
    "Romance": "Letters from the|A Summer at the|Dancing in the|Two Hearts and a|Farewell to the|Rain on the",
    "Science Fiction": "Signals from the|The Electric|Children of the|The Seventh|Beyond the|Memory of the",
}
_SECOND = {
    "Adventure": "Canyon|River|Caravan|Island|Glacier|Compass|Desert|Reef|Summit|Jungle",
    "Comedy": "Wedding|Dentist|Neighbours|Hotel|Parrot|Piano|Uncles|Bakery|Reunion|Goats",
    "Crime": "Harbour|Opera|Ledger|Lighthouse|Notary|Tramway|Archive|Alibi|Vault|Sleeper",
    "Romance": "Orchard|Station|Violin|Balcony|Garden|Lantern|Bridge|Terrace|Tulips|Shore",
    "Science Fiction": "Orbit|Android|Nebula|Moon|Signal|Reactor|Comet|Machine|Colony|Void",
}


def load_sample() -> Ratings:
    """The sample as Ratings [600 users × 300 items], 24,000 of 1 to 5 stars in halves, with titles, attribute genre and
    timestamps.

    >>> autorec.load_sample()
    Ratings(600 users × 300 items, 24000 ratings)
    """
    ratings, films = sample_tables()
    loaded = as_ratings(ratings)
    films = films.set_index("movieId").loc[loaded.item_ids]
    titles, genres = (films[name].to_numpy(dtype=object) for name in ("title", "genres"))
    return replace(loaded, titles=titles, attributes={"genre": genres})


def sample_groups() -> tuple["pd.Series[str]", "pd.Series[str]"]:
    """The planted tastes: (Series [600] user id → genre that the user likes, Series [300] item id → its genre).

    >>> likes, genre = autorec.sample_groups()
    >>> likes[1], genre[1]
    ('Comedy', 'Comedy')
    """
    users, items = np.arange(1, USERS + 1), np.arange(1, ITEMS + 1)
    genres = np.array(GENRES, dtype=object)
    return pd.Series(genres[users % len(GENRES)], index=users), pd.Series(genres[items % len(GENRES)], index=items)


def sample_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """(DataFrame userId, movieId, rating, timestamp; DataFrame movieId, title, genres), as `data/sample` has them."""
    rng = np.random.default_rng(SEED)
    user, item = _draw_pairs(rng)
    liking = (user % len(GENRES) == item % len(GENRES)) * 1.5 - ((user + 1) % len(GENRES) == item % len(GENRES)) * 1.5
    user_bias, item_bias = rng.normal(0, 0.35, USERS + 1), rng.normal(0, 0.4, ITEMS + 1)
    stars = 3.2 + liking + user_bias[user] + item_bias[item] + rng.normal(0, 0.55, len(user))
    first_day = 1_420_070_400  # 2015-01-01
    ratings = pd.DataFrame(
        {
            "userId": user,
            "movieId": item,
            "rating": np.clip(np.round(stars * 2) / 2, 1, 5),
            "timestamp": first_day + rng.integers(0, 365 * 86_400, len(user)),
        }
    )
    return ratings.sort_values("timestamp", kind="stable", ignore_index=True), _draw_films(rng)


def _draw_pairs(rng: np.random.Generator) -> tuple[Ids, Ids]:
    """RATINGS different pairs: busy people, popular films, one's own genre more often than others'."""
    busy = rng.lognormal(0, 0.8, USERS)
    popular = 1 / (rng.permutation(ITEMS) + 8.0)
    own = np.arange(1, USERS + 1)[:, None] % len(GENRES) == np.arange(1, ITEMS + 1)[None] % len(GENRES)
    weight = busy[:, None] * popular[None] * np.where(own, 2.0, 1.0)
    # The largest of log(weight) + Gumbel noise are a weighted draw without replacement.
    keys = np.log(weight) + rng.gumbel(size=weight.shape)
    for user in range(USERS):  # nobody without a film, no film without somebody
        keys[user, keys[user].argmax()] = np.inf
    keys[keys.argmax(axis=0), np.arange(ITEMS)] = np.inf
    chosen = np.sort(np.argpartition(-keys.ravel(), RATINGS)[:RATINGS])
    return chosen // ITEMS + 1, chosen % ITEMS + 1


def _draw_films(rng: np.random.Generator) -> pd.DataFrame:
    _, genre = sample_groups()
    titles = []
    for name in GENRES:
        pairs = [f"{first} {second}" for first in _FIRST[name].split("|") for second in _SECOND[name].split("|")]
        titles.append(rng.permutation(np.array(pairs, dtype=object)))
    taken = dict.fromkeys(GENRES, 0)
    rows = []
    for item, of in genre.items():
        title = titles[GENRES.index(of)][taken[of]]
        taken[of] += 1
        rows.append((item, f"{title} ({rng.integers(1970, 2015)})", of))
    return pd.DataFrame(rows, columns=["movieId", "title", "genres"])
