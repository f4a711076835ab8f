"""An attribute of users or items from a few labels: logistic regression on what a model learned without any."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autorec import checks, words
from autorec.errors import InputError
from autorec.insight.profiles import profiles
from autorec.models.base import Recommender
from autorec.models.vector_tables import ids_of

FEWEST = 10  # labels of a class; rarer classes are left out
LEAST = 40  # labels in all
HELD_OUT = 0.2  # of the labels, that each repeat is tested on
NUMBERS = (20, 50, 100, 200, 500, 1000, 2000, 5000)  # of labels to learn from, as far as there are so many, and all
_FOLDS = 3
_GRID = {"C": [1.0, 10.0, 100.0]}  # of rows of length 1

Classes = npt.NDArray[np.str_]
Indices = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, repr=False)
class Classification:
    """How well labels are told, and the labels of everyone who has none.

    curve      DataFrame labels (how many to learn from), features, accuracy, sd (of it, over the repeats),
               balanced_accuracy (mean over the classes of the share told right)
    classes    label → how many have it; the share of the largest is the accuracy of a constant answer
    features   those that are most accurate with all labels, which tell `predicted`
    predicted  DataFrame user, or item, label, probability, of those without a label

    >>> ratings = autorec.load_sample()
    >>> likes, _ = autorec.sample_groups()
    >>> found = autorec.classify(autorec.PureSVD(factors=4).fit(ratings), likes[:60], repeats=1)
    >>> found.curve.columns.tolist()
    ['labels', 'features', 'accuracy', 'sd', 'balanced_accuracy']
    >>> found.predicted.columns.tolist()
    ['user', 'label', 'probability']
    """

    curve: pd.DataFrame
    classes: dict[str, int]
    features: str
    predicted: pd.DataFrame

    def __repr__(self) -> str:
        largest = max(self.classes.values()) / sum(self.classes.values())
        return (
            f"{len(self.classes)} classes, the largest {largest:.0%} of the labels\n{self.curve.to_string(index=False)}"
        )


def classify(
    model: Recommender, labels: Any, of: words.Side = "users", repeats: int = 5, random_state: Any = 0
) -> Classification:
    """Tell a label of users, or items, by logistic regression (scikit-learn) of a few that are known.

    labels: Series or mapping, raw id → label; of equal ids the last counts. Features: "model", the `profiles` of the
    fitted model, which learned from all users without labels; "ratings", the rows (of items: columns) of the ratings,
    0 where there is none, scaled to length 1; "both", side by side.

    In each of `repeats` a stratified fifth of the labels is the test; of the others 20, 50, 100 … and all are learned
    from, the strength of the penalty chosen by three folds within them.

    Ids that the model does not know, and classes of fewer than 10 labels, are left out with a warning. InputError:
    fewer than two classes, or 40 labels, are left. ParameterError: the model has no vectors.

    >>> ratings = autorec.load_sample()
    >>> genre = ratings.attributes["genre"]
    >>> genre = pd.Series(genre, ratings.item_ids)[(genre == "Crime") | (genre == "Comedy")][:44]
    >>> found = autorec.classify(autorec.PureSVD(factors=4).fit(ratings), genre, of="items", repeats=1)
    >>> found.classes
    {'Comedy': 22, 'Crime': 22}
    """
    features = _make_features(model, of)
    repeats, seed = checks.whole("repeats", repeats), checks.seed("random_state", random_state) % 2**32
    rows, classes = _find_labelled(model, labels, of)
    found = [
        (len(learned), name, *_measure(X[rows], classes, learned, test))
        for learned, test in _split(classes, repeats, seed)
        for name, X in features.items()
    ]
    scores = pd.DataFrame(found, columns=["labels", "features", "accuracy", "balanced"])
    curve = scores.groupby(["labels", "features"], as_index=False).agg(
        accuracy=("accuracy", "mean"), sd=("accuracy", "std"), balanced_accuracy=("balanced", "mean")
    )
    best = str(curve[curve["labels"] == curve["labels"].max()].set_index("features")["accuracy"].idxmax())
    names, counts = np.unique(classes, return_counts=True)
    rest = np.setdiff1d(np.arange(features[best].shape[0]), rows)
    ids = pd.DataFrame({of.removesuffix("s"): ids_of(model, of)[rest]})
    predicted = ids.join(_predict(features[best], rows, classes, rest))
    return Classification(curve, dict(zip(names.tolist(), counts.tolist(), strict=True)), best, predicted)


def _make_features(model: Recommender, of: str) -> dict[str, Any]:
    """Name → [users or items × d], dense or CSR."""
    from scipy import sparse
    from sklearn.preprocessing import normalize

    own = profiles(model, of)
    csr = model.ratings_.csr
    rated = normalize(csr if of == "users" else csr.T.tocsr())
    return {"model": own, "ratings": rated, "both": sparse.hstack([sparse.csr_array(own), rated], format="csr")}


def _find_labelled(model: Recommender, labels: Any, of: str) -> tuple[Indices, Classes]:
    """(rows [n] of the labelled, their labels [n]), without unknown ids and rare classes."""
    given = pd.Series(dict(labels) if isinstance(labels, Mapping) else labels)
    given = given[~given.index.duplicated(keep="last")]
    rows = (model.ratings_.find_users if of == "users" else model.ratings_.find_items)(given.index.tolist())
    classes, known = given.astype(str).to_numpy(dtype=str), rows >= 0
    names, counts = np.unique(classes[known], return_counts=True)
    often = names[counts >= FEWEST]
    kept = known & np.isin(classes, often)
    if not kept.all():
        warnings.warn(
            f"labels left out: {(~known).sum():,} of {of} that the model does not know, "
            f"{(known & ~kept).sum():,} of classes with fewer than {FEWEST} labels",
            stacklevel=3,
        )
    if len(often) < 2 or kept.sum() < LEAST:
        raise InputError(
            f"{kept.sum():,} labels of {len(often)} classes with {FEWEST} or more are left; needed are {LEAST} labels "
            "of two such classes"
        )
    return rows[kept], classes[kept]


def _split(classes: Classes, repeats: int, seed: int) -> Iterator[tuple[Indices, Indices]]:
    """(positions to learn from, positions of the test): in each repeat more and more, those before among them."""
    from sklearn.model_selection import StratifiedShuffleSplit

    for rest, test in StratifiedShuffleSplit(repeats, test_size=HELD_OUT, random_state=seed).split(classes, classes):
        for number in [*(number for number in NUMBERS if number < len(rest)), len(rest)]:
            yield rest[:number], test


def _measure(X: Any, classes: Classes, learned: Indices, test: Indices) -> tuple[float, float]:
    """(accuracy, balanced accuracy) of the test."""
    from sklearn.metrics import recall_score

    if len(np.unique(classes[learned])) < 2:
        told = np.full(len(test), classes[learned][0])
    else:
        told = _learn(X[learned], classes[learned]).predict(X[test])
    balanced = recall_score(classes[test], told, average="macro", labels=np.unique(classes[test]), zero_division=0)
    return float((told == classes[test]).mean()), float(balanced)


def _learn(X: Any, classes: Classes) -> Any:
    """Logistic regression whose penalty is chosen by folds; with a class too rare for folds the penalty is 1."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    plain = LogisticRegression(max_iter=2000)
    if np.unique(classes, return_counts=True)[1].min() < _FOLDS:
        return plain.fit(X, classes)
    return GridSearchCV(plain, _GRID, cv=_FOLDS).fit(X, classes)


def _predict(X: Any, rows: Indices, classes: Classes, rest: Indices) -> pd.DataFrame:
    """DataFrame label, probability of the rows `rest` [m], learned from all labels."""
    if not len(rest):
        return pd.DataFrame({"label": [], "probability": []})
    learner = _learn(X[rows], classes)
    chances = learner.predict_proba(X[rest])  # [m × classes]
    return pd.DataFrame({"label": learner.classes_[chances.argmax(axis=1)], "probability": chances.max(axis=1)})
