"""An attribute of users or items from a few labels: by logistic regression on what a model learned without any, or by
training the model on with them."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autorec import checks, words
from autorec.errors import InputError, ParameterError, shown
from autorec.insight.joint_labels import tell_jointly
from autorec.insight.joint_training import trainable
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
Told = tuple[Classes, npt.NDArray[np.floating[Any]]]  # labels [m], the probability [m] of each
Teller = Callable[[Indices, Classes, Indices], Told]  # (rows [n], their labels [n], rows [m] that are asked about)


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
    model: Recommender,
    labels: Any,
    of: words.Side = "users",
    repeats: int = 5,
    random_state: Any = 0,
    joint: bool = False,
) -> Classification:
    """Tell a label of users, or items, by logistic regression (scikit-learn) of a few that are known.

    labels: Series or mapping, raw id → label; of equal ids the last counts. Features: "model", the `profiles` of the
    fitted model, which learned from all users without labels; "ratings", the rows (of items: columns) of the ratings,
    0 where there is none, scaled to length 1; "both", side by side.

    joint: also "fine-tuned" and "joint", of users and autoencoders of choices: a copy of the network itself learns the
    labels, alone or with the reconstruction of all users beside them (`tell_jointly`), in some trainings more.

    In each of `repeats` a stratified fifth of the labels is the test; of the others 20, 50, 100 … and all are learned
    from, the strength of the penalty chosen by three folds within them.

    Ids that the model does not know, and classes of fewer than 10 labels, are left out with a warning. InputError:
    fewer than two classes, or 40 labels, are left. ParameterError: the model has no vectors, or cannot be trained on.

    >>> ratings = autorec.load_sample()
    >>> genre = ratings.attributes["genre"]
    >>> genre = pd.Series(genre, ratings.item_ids)[(genre == "Crime") | (genre == "Comedy")][:44]
    >>> found = autorec.classify(autorec.PureSVD(factors=4).fit(ratings), genre, of="items", repeats=1)
    >>> found.classes
    {'Comedy': 22, 'Crime': 22}
    """
    checks.flag("joint", joint)
    repeats, seed = checks.whole("repeats", repeats, most=1000), checks.seed("random_state", random_state) % 2**32
    tellers = _make_tellers(model, of, seed, joint)
    rows, classes = _find_labelled(model, labels, of)
    found = [
        (len(learned), name, *_measure(tell, rows, classes, learned, test))
        for learned, test in _split(classes, repeats, seed)
        for name, tell in tellers.items()
    ]
    scores = pd.DataFrame(found, columns=["labels", "features", "accuracy", "balanced"])
    curve = scores.groupby(["labels", "features"], as_index=False).agg(
        accuracy=("accuracy", "mean"), sd=("accuracy", "std"), balanced_accuracy=("balanced", "mean")
    )
    best = str(curve[curve["labels"] == curve["labels"].max()].set_index("features")["accuracy"].idxmax())
    names, counts = np.unique(classes, return_counts=True)
    rest = np.setdiff1d(np.arange(model.ratings_.n_users if of == "users" else model.ratings_.n_items), rows)
    ids = pd.DataFrame({of.removesuffix("s"): ids_of(model, of)[rest]})
    told, chances = tellers[best](rows, classes, rest) if len(rest) else (np.empty(0, dtype=str), np.empty(0))
    predicted = ids.assign(label=told, probability=chances)
    return Classification(curve, dict(zip(names.tolist(), counts.tolist(), strict=True)), best, predicted)


def _make_tellers(model: Recommender, of: str, seed: int, joint: bool) -> dict[str, Teller]:
    """By the name of what they learn from."""
    from scipy import sparse
    from sklearn.preprocessing import normalize

    own = profiles(model, of)
    csr = model.ratings_.csr
    rated = normalize(csr if of == "users" else csr.T.tocsr())
    both = sparse.hstack([sparse.csr_array(own), rated], format="csr")
    tellers: dict[str, Teller] = {
        name: partial(_regress, X) for name, X in (("model", own), ("ratings", rated), ("both", both))
    }
    if not joint:
        return tellers
    if of != "users":
        raise ParameterError("joint training learns labels of users; leave it out for items")
    network = trainable(model, "labels")

    def train(rows: Indices, classes: Classes, asked: Indices, *, reconstruct: bool) -> Told:
        names, numbers = np.unique(classes, return_inverse=True)
        chances = tell_jointly(network, rows, numbers, asked, seed, reconstruct=reconstruct)
        return names[chances.argmax(axis=1)], chances.max(axis=1)

    for name in ("fine-tuned", "joint"):
        tellers[name] = partial(train, reconstruct=name == "joint")
    return tellers


def _find_labelled(model: Recommender, labels: Any, of: str) -> tuple[Indices, Classes]:
    """(rows [n] of the labelled, their labels [n]), without unknown ids and rare classes."""
    if not isinstance(labels, (Mapping, pd.Series)):
        raise ParameterError(f"labels are {shown(labels)}; allowed: a Series, or a dict, of raw ids and their labels")
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


def _measure(tell: Teller, rows: Indices, classes: Classes, learned: Indices, test: Indices) -> tuple[float, float]:
    """(accuracy, balanced accuracy) of the test; learned, test: positions among the labelled rows [n]."""
    from sklearn.metrics import recall_score

    told, _ = tell(rows[learned], classes[learned], rows[test])
    balanced = recall_score(classes[test], told, average="macro", labels=np.unique(classes[test]), zero_division=0)
    return float((told == classes[test]).mean()), float(balanced)


def _regress(X: Any, rows: Indices, classes: Classes, asked: Indices) -> Told:
    """By logistic regression on the rows of X, dense or CSR, whose penalty is chosen by folds; with a class too rare
    for folds it is 1."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    names, counts = np.unique(classes, return_counts=True)
    if len(names) < 2:
        return np.full(len(asked), names[0]), np.ones(len(asked))
    plain = LogisticRegression(max_iter=2000)
    learner = plain if counts.min() < _FOLDS else GridSearchCV(plain, _GRID, cv=_FOLDS)
    chances = learner.fit(X[rows], classes).predict_proba(X[asked])  # [asked × classes]
    return learner.classes_[chances.argmax(axis=1)], chances.max(axis=1)
