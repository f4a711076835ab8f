"""Why an item has its score: what each rating of a person contributes to it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from autorec import words
from autorec.array_types import FloatArray
from autorec.errors import ParameterError
from autorec.insight.person import find_columns, find_person, rank_items, score_histories, without
from autorec.models.base import Recommender
from autorec.models.hooks import fitted
from autorec.models.recommending import score_person
from autorec.ratings.matrix import Ratings

_SHOWN = 5  # rows of a short text
_ROUNDING = 1e-5  # what float32 may leave of a part of a score that is 0


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """score = Σ contributions + base + training.

    item, title    what is explained; the title is None when the model knows none
    score          as in `recommend`
    contributions  DataFrame item, rating, contribution and, if known, title, the largest first
    base           the score without any contribution: mean and bias of the item, 0 for models of lists that are sums;
                   where `exact` is False, what no single rating makes
    training       of a user whose vector was learned in training, or whose choices count by their age: its score less
                   that of the vector to which the same ratings lead alone; 0 for all others
    exact          True: the score is base and a sum over the ratings, given which items are rated. False: a
                   contribution is by how much the score falls when this rating alone is taken out; together they may do
                   more or less

    >>> ratings = autorec.load_sample()
    >>> explanation = autorec.explain(autorec.Ease().fit(ratings), user=1, item=7)
    >>> explanation.exact
    True
    >>> explanation.to_frame().columns.tolist()
    ['item', 'rating', 'contribution', 'title']
    """

    item: Any
    title: str | None
    score: float
    contributions: pd.DataFrame
    base: float
    training: float
    exact: bool

    def to_frame(self) -> pd.DataFrame:
        """The contributions, and below them rows whose item is "base" and, where there is such a part, "training"."""
        rest = {"base": self.base} | ({"training": self.training} if abs(self.training) > _ROUNDING else {})
        below: dict[str, Any] = {str(name): [""] * len(rest) for name in self.contributions}
        below |= {"item": list(rest), "rating": np.full(len(rest), np.nan), "contribution": list(rest.values())}
        above = self.contributions.astype({"item": object})
        return pd.concat([above, pd.DataFrame(below).astype({"item": object})], ignore_index=True)

    def __str__(self) -> str:
        return f"{self._sentence()}\n{self.to_frame().to_string(index=False)}"

    def __repr__(self) -> str:
        """The largest contributions; `print` shows all."""
        table = self.to_frame()
        more = f"\n… of {len(table)} rows" * (len(table) > _SHOWN)
        return f"{self._sentence()}\n{table.head(_SHOWN).to_string(index=False)}{more}"

    def _sentence(self) -> str:
        name = f"{self.item} ({self.title})" if self.title else str(self.item)
        return f"The score of {name} is {self.score:.6g}."


def explain(
    model: Recommender, user: Any = None, item: Any = None, *, history: Any = None, by: words.RankedBy | None = None
) -> Explanation:
    """Why `item` has its score for a user of the model, for a history of anyone, or both, as in `recommend`.

    item: a raw id; None: the first of the person's list. by: what is ranked by, one of `ranks_by`; None: its first.

    Exact for models whose score is a sum over the ratings: ease, edlae, rlae, sansa, elsa, item-knn, pure-svd, and
    svd-ae with the number of choices taken as given; and, by the weights of the ratings in the regression that finds a
    person's vector, for biased-mf and the rows of i-autorec with a linear output: there a rating contributes by its
    distance from the mean and the item's bias. For all others each rating is taken out in turn and the person encoded
    again.

    InputError: an unknown item, or a person of whom the model knows nothing. ParameterError: a wrapped model that
    cannot score a history.

    >>> ratings = autorec.load_sample()
    >>> autorec.explain(autorec.Ease().fit(ratings), user=1).to_frame().head(2)
      item  rating  contribution                           title
    0   31     4.5       0.03548    Trouble at the Bakery (1989)
    1   71     4.5       0.03051  Nobody Told the Wedding (1983)
    """
    return explain_items(model, user, None if item is None else [item], history=history, by=by)[0]


def explain_items(
    model: Recommender,
    user: Any,
    items: Any = None,
    *,
    history: Any = None,
    by: words.RankedBy | None = None,
    most: int | None = None,
) -> list[Explanation]:
    """`explain` of several items, raw ids, for which a person is encoded again but once a rating; None: the first of
    the list. most: ratings that a person may have where they are taken out in turn. ParameterError: there are more."""
    fitted(model)
    ranked = model.ranked_by(by)
    person, row = find_person(ranked, user, history)
    scores = score_person(ranked, person, row)[0]  # [1 × items]
    columns = rank_items(scores, person, 1) if items is None else find_columns(ranked, items)
    encoded = score_histories(ranked, person, columns)[0].astype(np.float64)  # [columns]
    found = [ranked._contributions(person, int(column)) for column in columns]
    exact = all(one is not None for one in found)
    if exact:
        unit = np.diff(ranked._to_ratings(np.array([0.0, 1.0])))  # on the scale of the ratings
        contributions = [one * unit for one in found if one is not None]
    else:
        _bound(person.nnz, most)
        contributions = list((encoded - score_histories(ranked, without(person, _each(person)), columns)).T)
    ratings = ranked.ratings_
    return [
        Explanation(
            item=ratings.item_ids[column : column + 1].tolist()[0],
            title=None if ratings.titles is None else ratings.titles[column],
            score=float(scores[0, column]),
            contributions=_make_table(ratings, person, parts),
            base=float(before - parts.sum()),
            training=float(scores[0, column] - before),
            exact=exact,
        )
        for column, before, parts in zip(columns, encoded, contributions, strict=True)
    ]


def _each(person: sparse.csr_array) -> npt.NDArray[np.int64]:
    """[n × 1] the sets of one rating."""
    return np.arange(person.nnz)[:, None]


def _bound(n: int, most: int | None) -> None:
    if most is not None and n > most:
        raise ParameterError(
            f"this person has {n:,} ratings, and this model is explained by taking out each of at most {most:,}; give "
            "fewer, or another `by`"
        )


def _make_table(ratings: Ratings, person: sparse.csr_array, contributions: FloatArray) -> pd.DataFrame:
    order = np.argsort(-contributions, kind="stable")
    columns = person.indices[order]
    table = pd.DataFrame(
        {"item": ratings.item_ids[columns], "rating": person.data[order], "contribution": contributions[order]}
    )
    return table if ratings.titles is None else table.assign(title=ratings.titles[columns])
