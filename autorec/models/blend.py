"""Several rating models as one: their predictions averaged with weights that are learned on held-out ratings.

    r̂(u, i) = Σ_m w_m r̂_m(u, i) [+ the day's effect],  w ≥ 0, Σ w = 1  by least squares on ratings that no member saw

(linear stacking: Breiman, Machine Learning 24, 1996). Members that err in different ways gain most from each other, as
a network of item codes and a Bayesian factorisation do. Each is a sum of user vector · item vector and biases, so their
vectors side by side are those of the blend.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, sparse

from autorec import checks
from autorec.errors import ParameterError, shown
from autorec.fitting.scale import outside
from autorec.fitting.settings import SEARCH_MOST
from autorec.models.base import FloatArray, IntArray, OnValidation, RandomState, Recommender
from autorec.models.presets import create
from autorec.models.registry import MODELS, find_model
from autorec.models.user_days import on_scale
from autorec.models.vectors import Vectors, vectors
from autorec.ratings.matrix import Ratings
from autorec.storage.arrays import Expected, Shape
from autorec.training.validation import held_out_entries

LINEAR = ("AutoRec", "BayesianMF", "BiasedMF")  # classes whose presets are sums of products of vectors on 1 … 5
_ONE = 1e3  # how much more Σ w = 1 counts than all ratings


class Blend(Recommender):
    """The weighted mean of other rating models; all that a model does it does: fold-in, save, recommend.

    members       names of presets of these classes: AutoRec, BayesianMF, BiasedMF; joined by +; a name may occur
                  again, with another seed
    random_state  seed of the held-out ratings; the m-th member, from 0, gets this seed + m

    Held out are 10 % of the ratings, at most 20,000; up to 300,000 ratings, the members then learn again from all of
    them. Where fewer than 100 would be held out all weights are equal.

    Learned: `members_`, fitted models; `weights_` [members]; `summary_["members"]`, name, weight, validation RMSE and
    summary of each.

    >>> ratings = autorec.load_sample().to_frame()[:3000]
    >>> model = autorec.Blend("biased-mf").fit(ratings)
    >>> model.predict([1], [2]).shape
    (1,)
    """

    members_: list[Recommender]
    weights_: FloatArray

    def __init__(self, members: str = "i-autorec+bayesian-mf", random_state: RandomState = 0) -> None:
        self.members = members
        self.random_state = random_state

    def _check_parameters(self) -> None:
        checks.random_state("random_state", self.random_state)
        self._create(0)

    def _create(self, seed: int) -> list[Recommender]:
        """The members, not fitted."""
        if not isinstance(self.members, str):
            raise ParameterError(f"members is {shown(self.members)}; allowed: names of models joined by +")
        names = [name.strip() for name in self.members.split("+")]
        rows = [find_model(name) for name in names]
        for row in rows:
            if row.kind not in LINEAR:
                allowed = ", ".join(name for name, row in MODELS.items() if row.kind in LINEAR)
                raise ParameterError(f"members holds {row.name!r}; allowed: {allowed}, joined by +")
        return [create(name, random_state=seed + index) for index, name in enumerate(names)]

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        seed = checks.seed("random_state", self.random_state)
        aside = np.zeros(len(ratings), dtype=bool)
        aside[held_out_entries(len(ratings), "auto", np.random.default_rng(seed))] = True
        seen = ratings.select(~aside, compact=False) if aside.any() else ratings
        members = [member.fit(_with_scale(seen, ratings)) for member in self._create(seed)]
        weights: FloatArray = np.full(len(members), 1 / len(members))
        errors: list[float | None] = [None] * len(members)
        if aside.any():
            users, items = ratings.user_ids[ratings.rows()[aside]], ratings.item_ids[ratings.csr.indices[aside]]
            predicted = np.column_stack([member.predict(users, items) for member in members])
            wanted, times = ratings.csr.data[aside], ratings.timestamps
            effects = None if times is None else _mean_effects(members, ratings.rows()[aside], times[aside])
            if effects is not None:
                wanted = wanted - on_scale(effects, members[0]._to_ratings)
            weights, errors = learn_weights(predicted, wanted)
        if aside.any() and len(ratings) <= SEARCH_MOST:
            members = [member.fit(ratings) for member in self._create(seed)]
        self.members_, self.weights_ = members, weights
        told = zip(self.members.split("+"), weights.tolist(), errors, members, strict=True)
        return {
            "members": [
                {"name": name.strip(), "weight": weight, "validation_rmse": error, **member.summary_}
                for name, weight, error, member in told
            ],
            "validation_ratings": int(aside.sum()),
        }

    def _memory(self, n_users: int, n_items: int, n_ratings: int) -> int:
        needs = [member._memory(n_users, n_items, n_ratings) for member in self._create(0)]
        return sum(needs)  # a fitted member is a small part of what its fit took

    def _seconds(self, n_users: int, n_items: int, n_ratings: int) -> float:
        fits = 2 if n_ratings <= SEARCH_MOST else 1
        return fits * sum(member._seconds(n_users, n_items, n_ratings) for member in self._create(0))

    # --- vectors: those of the members side by side, weights on the items' side ------------------------------

    def _ready(self) -> list[Recommender]:
        """The members, whose users and items are those of the blend."""
        for member in self.members_:
            member.ratings_ = self.ratings_
        return self.members_

    def _encode(self, histories: sparse.csr_array) -> Vectors:
        return self._join_users([member._encode(histories) for member in self._ready()])

    def _users(self, rows: IntArray) -> Vectors:
        return self._join_users([member._users(rows) for member in self._ready()])

    def _join_users(self, parts: list[Vectors]) -> Vectors:
        bias = sum(weight * part.bias for weight, part in zip(self.weights_, parts, strict=True))
        return vectors(np.hstack([part.factors for part in parts]), np.asarray(bias))

    def _items(self) -> Vectors:
        parts = [(weight, member._items()) for weight, member in zip(self.weights_, self._ready(), strict=True)]
        factors = np.hstack([np.float32(weight) * part.factors for weight, part in parts])
        return vectors(factors, np.asarray(sum(weight * part.bias for weight, part in parts)))

    def _day_effects(self, rows: IntArray, timestamps: IntArray) -> FloatArray | None:
        return _mean_effects(self.members_, rows, timestamps)

    def _to_ratings(self, scores: FloatArray) -> FloatArray:
        return outside(scores, self.ratings_.scale)

    # --- fold-in: each member's own --------------------------------------------------------------------------

    def _with_users(self, histories: sparse.csr_array) -> dict[str, Any]:
        return self._with_members(lambda member: member._with_users(histories))

    def _with_items(self, histories: sparse.csr_array) -> dict[str, Any]:
        return self._with_members(lambda member: member._with_items(histories))

    def _with_members(self, change: Callable[[Recommender], dict[str, Any]]) -> dict[str, Any]:
        changed = []
        for member in self._ready():
            other = copy.copy(member)
            for name, value in change(member).items():
                setattr(other, name, value)
            changed.append(other)
        return {"members_": changed}

    # --- file ------------------------------------------------------------------------------------------------

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        parts = enumerate(self._ready())
        arrays = {f"{index}.{name}": array for index, member in parts for name, array in member._arrays().items()}
        return arrays | {"weights": self.weights_}

    def _expected_arrays(self, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
        members = self._create(0)
        expected = {"weights": Expected("float64", (len(members),), least=0, most=1)}
        for index, member in enumerate(members):
            member.ratings_, member.summary_ = self.ratings_, self.summary_["members"][index]
            own = member._expected_arrays(_part(shapes, index))
            expected |= {f"{index}.{name}": _own_sizes(spec, index) for name, spec in own.items()}
        return expected

    def _set_arrays(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.members_, self.weights_ = self._create(0), arrays["weights"]
        for index, member in enumerate(self._ready()):
            member.summary_ = self.summary_["members"][index]
            member._set_arrays(_part(arrays, index))


def learn_weights(predicted: FloatArray, ratings: FloatArray) -> tuple[FloatArray, list[float | None]]:
    """(w [members], the RMSE of each member) of predictions [n × members] and ratings [n]:
    w = argmin ‖ratings − predicted · w‖², w ≥ 0, Σ w = 1."""
    errors = predicted - ratings[:, None]  # with Σ w = 1 the error of the blend is errors · w
    scale = _ONE * np.linalg.norm(errors, axis=0).max(initial=1e-6)
    one = np.full((1, errors.shape[1]), scale)
    weights = optimize.nnls(np.vstack((errors, one)), np.append(np.zeros(len(errors)), scale))[0]
    return weights / weights.sum(), np.sqrt(np.mean(np.square(errors), axis=0)).tolist()


def _mean_effects(members: list[Recommender], rows: IntArray, timestamps: IntArray) -> FloatArray | None:
    """[pairs] effects of days, whole and not weighted: the other members miss them too. None where none knows days."""
    found = [member._day_effects(rows, timestamps) for member in members]
    known = [effects for effects in found if effects is not None]
    return np.mean(known, axis=0) if known else None


def _part(named: Mapping[str, Any], index: int) -> dict[str, Any]:
    """Of what is named "index.name", that of one member, by name."""
    start = f"{index}."
    return {name.removeprefix(start): value for name, value in named.items() if name.startswith(start)}


def _own_sizes(spec: Expected, index: int) -> Expected:
    """The sizes that a file sets are those of the member."""
    shape = tuple(f"{index}.{size}" if isinstance(size, str) else size for size in spec.shape)
    return Expected(spec.dtype, shape, spec.least, spec.most)


def _with_scale(part: Ratings, whole: Ratings) -> Ratings:
    """The part on the scale of the whole, of which it may lack the ends."""
    return replace(part, given_scale=whole.scale)
