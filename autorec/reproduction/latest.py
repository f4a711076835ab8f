"""Lists of what comes next: the latest ratings of MovieLens 1M, ranked by what was known before."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scipy import stats

from autorec.models.base import Recommender
from autorec.models.joint import Joint
from autorec.models.presets import create
from autorec.models.scoring import ndcg_of_users
from autorec.ratings.matrix import Ratings
from autorec.ratings.read import read_ratings
from autorec.ratings.split import Split, time_split

LIKED = 4.0
BEFORE: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "popularity": [{}],
    "ease": [{"l2": l2} for l2 in (250.0, 500.0, 1000.0, 2000.0)],
    "item-knn": [{"k": k} for k in (50, 200, 800)],
    "inf-ae": [{"l2": l2} for l2 in (5.0, 10.0, 20.0)],
}  # baselines, and the settings of which the best on the latest tenth of the training part is taken


def latest(datasets: Path) -> Iterator[str]:
    """MovieLens 1M, `time:0.1`: NDCG@10 of the items rated 4 or 5 in the latest tenth, of the users who rated before,
    all unseen items ranked, without a half-life and with the one chosen on the latest tenth of the training part.

    The settings of the baselines are chosen there too. `autorec` is measured as it learns choices from all rated items
    and from liked ones; both have the same rating model.
    """
    one = time_split(read_ratings(datasets / "ml-1m"), 0.1)
    yield "MovieLens 1M, time:0.1: NDCG@10 ± standard error without a half-life, with the chosen one; which; settings"
    for name, grid in BEFORE.items():
        settings = _choose(name, grid, one.train)
        yield _measure(name, create(name, half_life="auto", **settings).fit(one.train), one, settings)
    joint = Joint(half_life="auto").fit(one.train)
    for learns in ("rated", "liked"):
        model = _learn(joint, learns, one.train)
        yield _measure("autorec", model, one, {"learns": learns, "l2": round(model.choice_.l2)})


def _learn(joint: Joint, learns: str, train: Ratings) -> Joint:
    """The fitted model, its choices learned from other items."""
    model: Joint = copy.copy(joint).set_params(learns=learns)
    if learns != joint.learns:
        model.choice_ = model._fit_choice(joint.summary_["choice"]["model"], joint.rating_, joint.spread_, train)
    return model


def _choose(name: str, grid: Sequence[Mapping[str, Any]], train: Ratings) -> Mapping[str, Any]:
    if len(grid) == 1:
        return grid[0]
    one = time_split(train, 0.1)
    return max(grid, key=lambda settings: _ndcg(create(name, **settings).fit(one.train), one.test).mean())


def _measure(name: str, model: Recommender, one: Split, settings: Mapping[str, Any]) -> str:
    plain, aged = (_ndcg(with_it, one.test) for with_it in (_without(model), model))
    part = model.choice_ if isinstance(model, Joint) else model
    days = part.summary_["half_life"]
    return (
        f"  {name:<10} {_tell(plain)}  {_tell(aged)}  {'none' if days is None else f'{days:g} days'}  {dict(settings)}"
    )


def _without(model: Recommender) -> Recommender:
    """The fitted model without its half-life."""
    if not isinstance(model, Joint):
        plain: Recommender = model._with_half_life(None)
        return plain
    joint = copy.copy(model)
    joint.choice_ = model.choice_._with_half_life(None)
    return joint


def _ndcg(model: Recommender, test: Ratings) -> Any:
    """[users]"""
    return ndcg_of_users(model, test, LIKED)


def _tell(found: Any) -> str:
    return f"{found.mean():.4f} ± {stats.sem(found):.4f}"
