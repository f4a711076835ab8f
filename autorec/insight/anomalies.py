"""What a model cannot reconstruct: users whose ratings follow no taste that others share, and single ratings."""

from typing import Any, get_args

import numpy as np
import pandas as pd

from autorec import checks, words
from autorec.array_types import FloatArray
from autorec.errors import ParameterError
from autorec.models.base import Recommender
from autorec.models.hooks import fitted
from autorec.models.registry import named
from autorec.ratings.matrix import Ratings


def anomalies(model: Recommender, of: words.Worst = "users", n: int | None = None) -> pd.DataFrame:
    """The n users, or ratings, that a fitted model reconstructs worst, the worst first; None: all.

    The error of a training rating is r − r̂, r̂ clipped to the scale. Of users → DataFrame with columns
        user, ratings   who, and how many ratings
        rmse            √(mean of the squared errors of the user)
        z               (mean squared error of the user − that of all ratings) / (its sd over all ratings / √ratings):
                        by how many standard errors it is above that; the table is sorted by it
        mean_deviation  mean |r − mean of the item|, which needs no model
        rdma            mean of |r − mean of the item| / ratings of the item (Chirita, Nejdl and Zamfir, WIDM 2005),
                        which needs none either, and is the better one where most items have few ratings and a profile
                        is of items drawn at random
        worst, title    the item of the largest error, its title when titles are known
    Of ratings → user, item, rating, predicted, error, and title when titles are known, by |error|.

    The model saw the ratings that it is asked about. I-AutoRec cannot fit a single user and shows well who is not like
    others; a model with many free numbers a user (biased-mf) fits even a random profile, and so hides it.
    ParameterError: the model predicts no ratings.

    >>> ratings = autorec.load_sample()
    >>> autorec.anomalies(autorec.Bias().fit(ratings), n=2).columns.tolist()
    ['user', 'ratings', 'rmse', 'z', 'mean_deviation', 'rdma', 'worst', 'title']
    """
    checks.one_of("of", of, get_args(words.Worst))
    ratings = fitted(model)
    n = len(ratings) if n is None else checks.whole("n", n)
    if not model.rates:
        able = ", ".join(named("ratings"))
        raise ParameterError(f"{type(model).__name__} predicts no ratings to compare with; models that do: {able}")
    rows, columns = ratings.rows(), ratings.csr.indices
    predicted = np.clip(model._to_ratings(model._score_pairs(rows, columns)), *ratings.scale)
    error = ratings.csr.data - predicted
    if of == "ratings":
        return _worst_ratings(ratings, predicted, error, n)
    return _worst_users(ratings, error).sort_values("z", ascending=False, kind="stable", ignore_index=True).head(n)


def _worst_users(ratings: Ratings, error: FloatArray) -> pd.DataFrame:
    """Errors [ratings] → a row for each user with a rating, see `anomalies`."""
    rows, columns, values = ratings.rows(), ratings.csr.indices, ratings.csr.data
    rated = np.flatnonzero(np.diff(ratings.csr.indptr))  # users with a rating
    count = np.diff(ratings.csr.indptr)[rated]

    def mean(of_ratings: FloatArray) -> FloatArray:
        return np.bincount(rows, of_ratings, minlength=ratings.n_users)[rated] / count

    squared = mean(error**2)
    spread = (error**2).std() / np.sqrt(count)
    departure = squared - (error**2).mean()
    times_rated = ratings.item_counts[columns]
    deviation = np.abs(values - (np.bincount(columns, values, ratings.n_items)[columns] / times_rated))
    by_error = np.lexsort((-np.abs(error), rows))  # of each user the largest error first
    worst = columns[by_error[ratings.csr.indptr[rated]]]
    table = pd.DataFrame(
        {
            "user": ratings.user_ids[rated],
            "ratings": count,
            "rmse": np.sqrt(squared),
            "z": np.divide(departure, spread, out=np.zeros(len(rated)), where=spread > 0),
            "mean_deviation": mean(deviation),
            "rdma": mean(deviation / times_rated),
            "worst": ratings.item_ids[worst],
        }
    )
    return table if ratings.titles is None else table.assign(title=ratings.titles[worst])


def _worst_ratings(ratings: Ratings, predicted: FloatArray, error: FloatArray, n: int) -> pd.DataFrame:
    """Predictions and errors [ratings] → the n ratings of the largest |error|."""
    worst = np.argsort(-np.abs(error), kind="stable")[:n]
    columns = ratings.csr.indices[worst]
    table: dict[str, Any] = {
        "user": ratings.user_ids[ratings.rows()[worst]],
        "item": ratings.item_ids[columns],
        "rating": ratings.csr.data[worst],
        "predicted": predicted[worst],
        "error": error[worst],
    }
    if ratings.titles is not None:
        table["title"] = ratings.titles[columns]
    return pd.DataFrame(table)
