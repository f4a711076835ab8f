"""What a person's list would be with other ratings, and which ratings hold its first place."""

import itertools
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from autorec import checks, words
from autorec.array_types import FloatArray
from autorec.errors import InputError
from autorec.insight.person import find_columns, find_person, map_scores, rank_items, score_histories, without
from autorec.models.base import Recommender
from autorec.models.histories import each_alone, make_history
from autorec.models.hooks import fitted
from autorec.ratings.ids import as_collection

SETS_MOST = 2_000  # sets of ratings of one size that are all tried; of more, the best set before grows by one


def what_if(
    model: Recommender,
    user: Any = None,
    n: int = 10,
    *,
    history: Any = None,
    remove: Any = (),
    change: Mapping[Any, float] | None = None,
    add: Mapping[Any, float] | Collection[Any] | None = None,
    by: words.RankedBy | None = None,
) -> pd.DataFrame:
    """The n best items of a person with other ratings → DataFrame item, score, rank, rank_before and, if known, title.

    user, history  a user of the model, a history of anyone, or both, as in `recommend`
    remove         raw ids of items whose rating is taken away; they may then be in the list
    change         raw id of a rated item → its other rating
    add            raw id of an item that is not rated → its rating, or ids of items that the person likes

    Both lists are of the ratings alone, as of a person never seen: a user's vector that was learned in training says
    nothing about other ratings. rank_before is 1 + the number of items, not rated before, that scored higher then.
    InputError: an item that is not known, (not) rated where it has to be, or both removed and changed; no rating left.

    >>> ratings = autorec.load_sample()
    >>> autorec.what_if(autorec.Ease().fit(ratings), user=1, n=2, add={7: 5}).columns.tolist()
    ['item', 'score', 'rank', 'rank_before', 'title']
    """
    fitted(model)
    ranked = model.ranked_by(by)
    before, _ = find_person(ranked, user, history)
    changed = checks.mapping("change", change, "items and ratings")
    after = edit(ranked, before, remove, changed, {} if add is None else add)
    scores_before, scores = (score_histories(ranked, one) for one in (before, after))
    columns = rank_items(scores, after, checks.whole("n", n))
    free = np.ones(len(scores[0]), dtype=bool)
    free[before.indices] = False
    higher = scores_before[0, free][None] > scores_before[0, columns][:, None]  # [n × free]
    ratings = ranked.ratings_
    table = pd.DataFrame(
        {
            "item": ratings.item_ids[columns],
            "score": scores[0, columns],
            "rank": np.arange(1, len(columns) + 1),
            "rank_before": 1 + higher.sum(axis=1),
        }
    )
    return table if ratings.titles is None else table.assign(title=ratings.titles[columns])


@dataclass(frozen=True, eq=False)
class Overturn:
    """The ratings that hold the first place of a list.

    first     the item at the first place
    then      the item that has it without the ratings in `removed`; None: none was found
    removed   DataFrame item, rating and, if known, title; empty where none was found
    smallest  whether no smaller set of ratings does it; where none was found, whether there is none within `most`

    >>> ratings = autorec.load_sample()
    >>> found = autorec.overturn(autorec.Ease().fit(ratings), user=1)
    >>> found.first != found.then, found.smallest
    (True, True)
    """

    first: Any
    then: Any
    removed: pd.DataFrame
    smallest: bool


def overturn(
    model: Recommender, user: Any = None, *, history: Any = None, most: int = 5, by: words.RankedBy | None = None
) -> Overturn:
    """The smallest set of at most `most` of a person's ratings whose removal gives another item the first place.

    user, history, by: as for `explain`; the list is that of the ratings alone, see `what_if`. Items that the person
    rated stay out of it.

    For models whose score is a sum over the ratings (`additive`) the set is the smallest: for each rival it is that of
    the ratings that help the first item most beside the rival, as many as its lead takes. For others all sets of a size
    are tried, the smaller sizes first, as long as there are at most 2,000; beyond, the best set of the size before
    grows by the rating that lowers the lead most, which may miss a smaller one: `Overturn.smallest` says so. Each set
    is confirmed by encoding the rest; a tie leaves the first item its place. InputError: no other item is left.

    >>> ratings = autorec.load_sample()
    >>> autorec.overturn(autorec.Ease().fit(ratings), user=1).removed.columns.tolist()
    ['item', 'rating', 'title']
    """
    fitted(model)
    ranked = model.ranked_by(by)
    person, _ = find_person(ranked, user, history)
    most = min(checks.whole("most", most), person.nnz - 1)
    first = int(rank_items(score_histories(ranked, person), person, 1)[0])
    if person.nnz + 1 >= person.shape[1]:
        raise InputError("this person rated all items but one: the first place has no rival")
    search = _search_sums if ranked.additive else _search_sets
    removed, smallest = search(ranked, person, first, most)
    ratings, columns = ranked.ratings_, person.indices[removed]
    table = pd.DataFrame({"item": ratings.item_ids[columns], "rating": person.data[removed]})
    then = None
    if removed:
        scores = score_histories(ranked, without(person, [removed]))
        then = ratings.item_ids[rank_items(scores, person, 1)].tolist()[0]
    return Overturn(
        first=ratings.item_ids[first : first + 1].tolist()[0],
        then=then,
        removed=table if ratings.titles is None else table.assign(title=ratings.titles[columns]),
        smallest=smallest,
    )


def edit(
    model: Recommender, person: sparse.csr_array, remove: Any, change: Mapping[Any, float], add: Any
) -> sparse.csr_array:
    """The ratings [1 × items] of a person with some removed, changed, added, as for `what_if`."""
    removed = find_columns(model, remove)
    added = list(add) if isinstance(add, Mapping) else as_collection(add)
    for what, items, needs in (("remove", remove, True), ("change", list(change), True), ("add", added, False)):
        for item, column in zip(as_collection(items), find_columns(model, items), strict=True):
            if (column in person.indices) != needs:
                raise InputError(f"item {item} is {'not ' if needs else ''}rated by this person: nothing to {what}")
    given = dict(add) if isinstance(add, Mapping) else dict.fromkeys(added)
    edited, _ = make_history(model.ratings_, {**change, **given})
    for column in np.intersect1d(removed, edited.indices):
        item = model.ratings_.item_ids[column]
        raise InputError(f"item {item} is to be removed and to be changed; give one of the two")
    gone = np.concatenate((removed, edited.indices))
    kept = person.indices[~np.isin(person.indices, gone)]
    values = np.zeros(person.shape[1], dtype=np.float32)
    values[person.indices], values[edited.indices] = person.data, edited.data
    columns = np.union1d(kept, edited.indices).astype(person.indices.dtype)
    if not len(columns):
        raise InputError("no rating is left: there is nothing to make a list of")
    starts = np.array([0, len(columns)], dtype=person.indptr.dtype)
    return sparse.csr_array((values[columns], columns, starts), shape=person.shape)


def _search_sums(model: Recommender, person: sparse.csr_array, first: int, most: int) -> tuple[list[int], bool]:
    """(positions of the ratings to remove, True) of a model whose score is a sum: of each rival the largest differences
    first. [] where none does it."""
    parts = score_histories(model, each_alone(person)).astype(np.float64)  # [ratings × items]
    helps = parts[:, [first]] - parts  # [ratings × items] what a rating gives the first item beyond a rival
    order = np.argsort(-helps, axis=0, kind="stable")
    lead = helps.sum(axis=0) - np.cumsum(np.take_along_axis(helps, order, axis=0), axis=0)  # after 1, 2, … are removed
    lead[:, np.append(person.indices, first)] = np.inf
    for size in range(1, most + 1):
        for rival in np.flatnonzero(lead[size - 1] < 0):
            removed = sorted(order[:size, rival].tolist())
            if _leads(model, person, [removed], first)[0] < 0:
                return removed, True
    return [], True


def _search_sets(model: Recommender, person: sparse.csr_array, first: int, most: int) -> tuple[list[int], bool]:
    """(positions of the ratings to remove, whether no smaller set does it), [] where none was found."""
    best: list[int] = []
    all_tried = True
    for size in range(1, most + 1):
        all_tried = all_tried and math.comb(person.nnz, size) <= SETS_MOST
        if all_tried:
            sets: Iterable[Any] = itertools.combinations(range(person.nnz), size)
        else:
            sets = ([*best, one] for one in range(person.nnz) if one not in best)
        candidates = [list(one) for one in sets]
        leads = _leads(model, person, candidates, first)
        best = candidates[int(leads.argmin())]
        if leads.min() < 0:
            return best, all_tried
    return [], all_tried


def _leads(model: Recommender, person: sparse.csr_array, sets: list[list[int]], first: int) -> FloatArray:
    """[sets] the score of `first` less that of the best other item that is not rated, without the ratings at the
    positions of each set."""
    rivals = np.ones(person.shape[1], dtype=bool)
    rivals[np.append(person.indices, first)] = False
    return map_scores(model, without(person, sets), lambda scores: scores[:, first] - scores[:, rivals].max(axis=1))
