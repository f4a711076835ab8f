"""One fit that ranks and rates, against the best models of one purpose and against two models in a row."""

import copy
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from autorec.evaluation.evaluate import evaluate
from autorec.models.base import Recommender, Scores
from autorec.models.ease import Ease
from autorec.models.joint import Joint
from autorec.models.presets import create
from autorec.models.scoring import rmse
from autorec.ratings.matrix import Ratings
from autorec.ratings.read import read_ratings
from autorec.ratings.split import Split, random_split
from autorec.reproduction.strong import hold_out, rank

FIRST, SECOND = range(5), range(5, 10)  # seeds: those of the table, those that confirm it
POPULARITY = (0.0, 0.35)  # κ of autorec; for held-out users the better on validation users is taken
LIKED = 4.0  # and above
LAMBDAS = (250.0, 500.0, 1000.0, 2000.0)  # of EASE; the best on validation ratings is taken


def joint(datasets: Path) -> Iterator[str]:
    """MovieLens 1M, random 90/10, five seeds and five more: RMSE, log-loss of the five levels (of a normal error around
    the prediction), NDCG@100 of test items rated at all and of those rated 4 or 5, unseen items ranked.

    EASE takes the λ that is best on a tenth of the training ratings of the first seed, for liked items and for rated
    ones. The pipeline ranks by the first and puts items behind that would be rated below 3.5.
    """
    ratings = read_ratings(datasets / "ml-1m")
    l2 = [_choose_l2(random_split(ratings, 0.1, 0).train, relevant) for relevant in (LIKED, 1.0)]
    yield f"MovieLens 1M, random 90/10; λ of EASE: {l2[0]:g} for liked items, {l2[1]:g} for rated ones"
    for seeds in (FIRST, SECOND):
        yield f"seeds {seeds[0]} to {seeds[-1]}: RMSE, log-loss, NDCG@100 rated, liked, fit seconds; or the two NDCG"
        yield from _measure(ratings, l2, seeds)


def _measure(ratings: Ratings, l2: Sequence[float], seeds: Sequence[int]) -> Iterator[str]:
    """Lines of the models, mean and standard deviation over the seeds; l2: of EASE for liked and for rated items."""
    found: dict[str, list[list[float]]] = {}
    for seed in seeds:
        one = random_split(ratings, 0.1, seed)
        start = time.perf_counter()
        model = Joint(random_state=seed).fit(one.train)
        seconds = time.perf_counter() - start
        liked = Ease(l2[0]).fit(one.train)
        rated = Ease(l2[1], relevant=1.0).fit(one.train)
        rows: dict[str, list[float]] = {
            "autorec": [*_errors(model, one.test), *_lists(model, one.test), seconds],
            "  its choice": [*_lists(model.ranked_by("choice"), one.test)],
            "  its rating": [*_lists(model.ranked_by("rating"), one.test)],
            "ease, liked": [*_lists(liked, one.test)],
            "ease, rated": [*_lists(rated, one.test)],
            "pipeline": [*_lists(_chain(model, liked), one.test)],
        }
        for name, values in rows.items():
            found.setdefault(name, []).append(values)
    for name, of_seeds in found.items():
        spread = zip(np.mean(of_seeds, axis=0), np.std(of_seeds, axis=0), strict=True)
        yield f"  {name:<14} " + "  ".join(f"{mean:.4f} ± {sd:.4f}" for mean, sd in spread)


def choice(datasets: Path) -> Iterator[str]:
    """Held-out users of MovieLens 1M as in `strong`; models learn from all ratings of the training users.

    Of a tested user either the liked items alone are given, or all ratings but the wanted ones; what is given is not
    ranked. EASE takes the λ that is best for the 500 users before the tested ones, autorec its κ.
    """
    ratings = read_ratings(datasets / "ml-1m")
    one, before = hold_out(ratings), hold_out(ratings, skipped=500)
    for what, only_liked in (("liked items", True), ("all ratings", False)):
        test, validation = (_with_ratings(ratings, split, only_liked) for split in (one, before))
        l2 = max(LAMBDAS, key=lambda value: _of_new_users(Ease(value), validation)[0])
        yield f"given {what}: NDCG@100, truncated Recall@20; λ of EASE {l2:g}"
        near = Joint().fit(validation.train)
        best = max(POPULARITY, key=lambda value: rank(near.set_params(popularity=value), validation, LIKED)[0])
        models = {"ease": Ease(l2), **{name: create(name) for name in ("edlae", "inf-ae")}}
        for name, model in (models | {f"autorec, κ {best:g}": Joint(popularity=best)}).items():
            ndcg, recall = _of_new_users(model, test)
            yield f"  {name:<15} {ndcg:.4f}  {recall:.4f}"


class Pipeline(Joint):
    """Two models in a row: ranked by one of choices, and behind all others what the rating model puts below t."""

    def _score(self, users: tuple[object, object]) -> Scores:
        """[B × items]"""
        choice, vectors = users
        scores, rated = self.choice_._score(choice), self.rating_._to_ratings(self.rating_._score(vectors))
        return np.where(rated < self.threshold_, scores - np.ptp(scores), scores).astype(np.float32)


def _chain(model: Joint, ranking: Recommender) -> Pipeline:
    """The rating part of a fitted model after a fitted model of choices."""
    chained = Pipeline(**model.get_params())
    for name, value in vars(copy.copy(model)).items():
        setattr(chained, name, value)
    chained.choice_ = ranking
    return chained


def _choose_l2(train: Ratings, relevant: float) -> float:
    one = random_split(train, 0.1, 0)
    return max(LAMBDAS, key=lambda l2: _ndcg(Ease(l2, relevant=relevant).fit(one.train), one.test, relevant))


def _lists(model: Recommender, test: Ratings) -> tuple[float, float]:
    return _ndcg(model, test, 1.0), _ndcg(model, test, LIKED)


def _ndcg(model: Recommender, test: Ratings, relevant: float) -> float:
    return evaluate(model, test, k=100, relevant=relevant).metrics["ndcg@100"]


def _errors(model: Joint, test: Ratings) -> tuple[float, float]:
    """(RMSE, log-loss of the levels)."""
    predicted = model.predict(test.user_ids[test.rows()], test.item_ids[test.csr.indices], test.timestamps)
    return rmse(model, test), levels_log_loss(predicted, test.csr.data, model.spread_, np.arange(1, 6))


def levels_log_loss(
    predicted: npt.NDArray[np.float64], true: npt.NDArray[np.float32], spread: float, levels: npt.NDArray[np.int64]
) -> float:
    """−mean log P(true level), a level being the part of a normal distribution around the prediction that is nearest to
    it. predicted, true [pairs]; levels [k] ascending."""
    ends = np.concatenate(([-np.inf], (levels[1:] + levels[:-1]) / 2, [np.inf]))
    at = np.searchsorted(levels, true)
    high, low = (ndtr((ends[index] - predicted) / spread) for index in (at + 1, at))
    return float(-np.mean(np.log(np.maximum(high - low, 1e-12))))


def _with_ratings(ratings: Ratings, one: Split, only_liked: bool) -> Split:
    """A split of choices with the ratings of these pairs, and with the lower ratings of the training users; of the
    tested users too unless `only_liked`."""
    ratings = ratings.select(np.isin(ratings.item_ids, one.train.item_ids)[ratings.csr.indices])
    trained, tested = (np.isin(ratings.user_ids, part.user_ids)[ratings.rows()] for part in (one.train, one.test))
    wanted = one.test.find_ratings(ratings) >= 0
    given = tested & ~wanted & (ratings.csr.data >= (4 if only_liked else 0))
    return Split(ratings.select(trained), ratings.select(wanted), ratings.select(given), one.name)


def _of_new_users(model: Recommender, one: Split) -> tuple[float, float]:
    """`rank` of the model, fitted on the training part of the split."""
    return rank(model.fit(one.train), one, LIKED)
