"""Which items to ask a new person about next: what teaches most, times the chance that the person knows it.

Where a person's vector v is a ridge regression on the vectors z of the rated items, the bias one more unit of them, v
has, in the model of that regression (r = v · z + noise of variance σ², v normal), the covariance σ² A⁻¹, A = ZᵀZ +
strength · I over the rated items. A rating of item i takes from the variance of all predictions, each item j weighted
by the share w_j of users who rate it (Sherman and Morrison),

    fall_i = Σ_j w_j (z_jᵀ A⁻¹ z_i)² / (1 + z_iᵀ A⁻¹ z_i)

whatever the rating will be. The chance that the person knows i is taken from how many users rated it, (n_i + 1) /
(users + 2), and items are asked for by the product of both: the expected fall.
"""

from typing import Any

import numpy as np
import pandas as pd

from autorec import checks
from autorec.array_types import FloatArray, IntArray
from autorec.errors import InputError, ParameterError
from autorec.models.base import Recommender
from autorec.models.histories import make_history
from autorec.models.hooks import fitted
from autorec.ratings.ids import as_collection


class Belief:
    """What is not known of a person: A⁻¹ of the ridge regression, after the items that are rated.

    Z [items × units] with the unit of the bias, weights [items] w, total: the weighted variance of all predictions, in
    units of σ².
    """

    def __init__(self, Z: FloatArray, weights: FloatArray, strength: float, rated: IntArray) -> None:
        self.Z, self.weights = Z, weights
        A = Z[rated].T @ Z[rated] + strength * np.eye(Z.shape[1])
        self.product = np.linalg.solve(A, Z.T).T  # [items × units] Z A⁻¹
        self._gram = (Z * weights[:, None]).T @ Z

    @property
    def total(self) -> float:
        return float(self.weights @ np.einsum("iu,iu->i", self.product, self.Z))

    def falls(self, items: Any = slice(None)) -> FloatArray:
        """[items] by how much the total falls when the item is rated; items: columns, by default all."""
        product = self.product[items]
        own = np.einsum("iu,iu->i", product, self.Z[items])
        return np.asarray(np.einsum("iu,iu->i", product @ self._gram, product) / (1 + own))

    def rate(self, item: int) -> None:
        """The belief after a rating of the item, whatever it was."""
        across = self.product @ self.Z[item]  # [items] z_jᵀ A⁻¹ z_i
        self.product = self.product - np.outer(across, self.product[item]) / (1 + across[item])


def interview(model: Recommender, user: Any = None, n: int = 5, *, history: Any = None, skip: Any = ()) -> pd.DataFrame:
    """The n items to ask a person about next → DataFrame item, known, fall, gain and, if titles are known, title.

    user, history  as in `recommend`; neither: a person of whom nothing is known
    skip           raw ids that are not asked for, such as those that the person did not know

    known is the chance that the person knows the item, fall the share by which a rating of it would lower the variance
    of all predictions, gain their product, the largest first. Each item is chosen as if those before it had been
    answered, so that no two ask for the same. For models whose person is a ridge regression on the items: autorec,
    i-autorec with a linear output, biased-mf. ParameterError: another model. InputError: no item is left.

    >>> model = autorec.BiasedMF(factors=4).fit(autorec.load_sample())
    >>> autorec.interview(model, n=2).columns.tolist()
    ['item', 'known', 'fall', 'gain', 'title']
    """
    person, _ = make_history(fitted(model), {} if history is None else history, _find_row(model, user))
    belief, known = start_belief(model, person.indices), chance_known(model)
    total, table = belief.total, []
    free = np.ones(len(known), dtype=bool)
    free[person.indices] = False
    asked = model.ratings_.find_items(as_collection(skip))
    free[asked[asked >= 0]] = False
    if not free.any():
        raise InputError("every item is rated or skipped: there is nothing left to ask")
    for _ in range(min(checks.whole("n", n), int(free.sum()))):
        falls = belief.falls() / total
        best = int(np.argmax(np.where(free, falls * known, -1)))
        table.append((best, known[best], falls[best], falls[best] * known[best]))
        belief.rate(best)
        free[best] = False
    columns = np.array([one[0] for one in table])
    found = pd.DataFrame([one[1:] for one in table], columns=["known", "fall", "gain"])
    found.insert(0, "item", model.ratings_.item_ids[columns])
    return found if model.ratings_.titles is None else found.assign(title=model.ratings_.titles[columns])


def start_belief(model: Recommender, rated: IntArray) -> Belief:
    """Of a person who rated the items in the columns `rated`. ParameterError: no ridge regression."""
    ranked = model.ranked_by("rating") if "rating" in model.ranks_by else model
    facts: dict[str, Any] = {"kind": ""}
    if ranked.rates:
        from autorec.exports.formula import find_formula  # which imports torch; models of choices need none

        facts, arrays = find_formula(ranked)
    if facts["kind"] != "ridge" or facts["unit"] is None:
        raise ParameterError(
            f"{type(ranked).__name__} finds a person's vector by no ridge regression with a damped bias, which would "
            "say what a question teaches; models that do: autorec, i-autorec, biased-mf"
        )
    Z = arrays["items"].astype(np.float64)
    strength = facts["l2"] * (max(len(rated), 1) if facts["times_n"] else 1)
    counts = model.ratings_.item_counts
    unit = np.full((len(Z), 1), facts["unit"])
    return Belief(np.hstack((Z, unit)), counts / max(model.ratings_.n_users, 1), strength, rated)


def chance_known(model: Recommender) -> FloatArray:
    """[items] (n_i + 1) / (users + 2)."""
    return np.asarray((model.ratings_.item_counts + 1) / (model.ratings_.n_users + 2))


def _find_row(model: Recommender, user: Any) -> int:
    return -1 if user is None else int(model._find_rows([user])[0])
