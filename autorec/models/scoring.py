"""One number for how good a model is on test ratings; all others by `autorec.evaluation`."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec.ranking.dcg import ndcg_of_each
from autorec.ranking.topn import top_n
from autorec.ratings.matrix import Ratings, liked_from

LIST = 10  # items

Model = Any  # autorec.models.base.Recommender, which imports this file


def rmse(model: Model, test: Ratings) -> float:
    """√(mean squared error) over all test ratings, unknown pairs answered by the fallback; NaN without ratings."""
    true = test.csr.data.astype(np.float64)
    predicted = model.predict(test.user_ids[test.rows()], test.item_ids[test.csr.indices], test.timestamps)
    return float(np.sqrt(np.mean(np.square(predicted - true)))) if len(true) else float("nan")


def ndcg(model: Model, test: Ratings) -> float:
    """Mean of `ndcg_of_users`, as `autorec.evaluate` has it; NaN without such users. Liked: low + ¾·(high − low) of the
    model's scale or more."""
    found = ndcg_of_users(model, test, liked_from(model._fitted().scale))
    return float(found.mean()) if len(found) else float("nan")


def ndcg_of_users(model: Model, test: Ratings, threshold: float) -> npt.NDArray[np.float64]:
    """NDCG@10 [users] of the test items rated `threshold` or more, all items but the rated ones ranked, of the users
    who have some and whom the model knows, in the order of the test."""
    fitted, rows = model._fitted(), model._fitted().find_users(test.user_ids)
    likes = test.csr.data >= threshold
    counts = np.bincount(test.rows()[likes], minlength=test.n_users)
    users = np.flatnonzero((counts > 0) & model._has_history(rows))
    if not len(users):
        return np.empty(0)
    blocks = top_n(model._score_rows, rows[users], fitted.n_items, LIST, fitted.csr)
    items = np.concatenate([found for _, found, _ in blocks])  # [users × n], −1 where none is left
    columns = fitted.find_items(test.item_ids)[test.csr.indices]  # [ratings] −1 where unknown
    known = likes & (columns >= 0)
    shape = (test.n_users, fitted.n_items)
    wanted = sparse.csr_array((known[known], (test.rows()[known], columns[known])), shape=shape)
    return ndcg_of_each(items, wanted[users], counts[users], LIST)
