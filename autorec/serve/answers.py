"""Requests → answers, as dicts for JSON: plain functions of a served model, below HTTP.

Raw ids may be integers or text, mixed: 7 and "7" are one id. What cannot be answered is an AutoRecError.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from autorec.array_types import FloatArray
from autorec.errors import ParameterError
from autorec.insight.explain import Explanation, explain_items
from autorec.insight.interview import interview as ask_about
from autorec.insight.person import find_person
from autorec.insight.what_if import edit
from autorec.insight.what_if import what_if as what_if_list
from autorec.models.histories import join_history, no_history
from autorec.models.recommending import best_items, predict_person, score_people
from autorec.ranking.filters import NO_FILTERS, Filters, make_filters
from autorec.serve.messages import (
    MOST_EXPLAINED,
    MOST_TAKEN_OUT,
    ExplainRequest,
    Id,
    InterviewRequest,
    Person,
    PredictRequest,
    Rated,
    RecommendRequest,
    SimilarRequest,
    WhatIfRequest,
)
from autorec.serve.served import Served

Answer = dict[str, Any]

REASONS = 3  # ratings told for an item of a list
_FIRST = np.zeros(1, dtype=np.int64)


class Wanted(NamedTuple):
    """A list that is asked for, as the model takes it; `row`, `unknown`: see `_find_person`."""

    served: Served
    asked: RecommendRequest
    model: Any
    history: sparse.csr_array
    row: int
    unknown: int
    filters: Filters


def recommend(served: Served, asked: RecommendRequest) -> Answer:
    """The n best items; source: "model", or "fallback: item means" of a person of whom nothing is known."""
    (answer,) = recommend_all([prepare(served, asked)])
    return answer


def recommend_all(wanted: Sequence[Wanted]) -> list[Answer]:
    """`recommend` of each that `prepare` gave, to the same bits; those by one model are scored together."""
    scored: dict[int, tuple[FloatArray, bool]] = {}
    for model in {one.model for one in wanted}:
        numbers = [number for number, one in enumerate(wanted) if one.model is model]
        people = [(wanted[number].history, wanted[number].row) for number in numbers]
        scored.update(zip(numbers, score_people(model, people), strict=True))
    return [_make_list(one, *scored[number]) for number, one in enumerate(wanted)]


def prepare(served: Served, asked: RecommendRequest) -> Wanted:
    """What is asked for, checked. AutoRecError: what cannot be answered."""
    model = served.model.ranked_by(asked.by)
    _bound_reasons(asked)
    filters = NO_FILTERS
    if asked.allow is not None or asked.deny or asked.where or asked.boost:
        allow, deny = None if asked.allow is None else _as_text(asked.allow), _as_text(asked.deny)
        filters = make_filters(served.ratings, allow=allow, deny=deny, where=asked.where, boost=asked.boost)
    return Wanted(served, asked, model, *_find_person(served, asked), filters)


def _make_list(wanted: Wanted, scores: FloatArray, known: bool) -> Answer:
    """The n best by the scores [1 × items]; known: whether they are the model's."""
    served, asked, model, history, row, unknown, filters = wanted
    seen, n = history if asked.exclude_seen else None, min(asked.n, served.ratings.n_items)
    blocks = best_items(model, lambda _: scores, _FIRST, n, seen, filters, asked.diversify, np.asarray)
    ((_, items, best),) = blocks
    columns = items[0][items[0] >= 0].tolist()
    listed: list[Answer] = [
        {"item": served.item_ids[column], "title": served.titles[column], "score": score, "rank": rank}
        for rank, (column, score) in enumerate(zip(columns, best[0].tolist(), strict=False), 1)
    ]
    if asked.reasons and history.nnz and listed:
        _add_reasons(listed, _explain(served, asked, [one["item"] for one in listed]))
    return {
        "items": listed,
        "source": "model" if known else "fallback: item means",
        "unknown": {"user": asked.user is not None and row == -1, "items": unknown + filters.unknown},
        "model": served.facts,
    }


def predict(served: Served, asked: PredictRequest) -> Answer:
    """The rating of each item, clipped to the scale of the training, each with its source."""
    history, row, unknown = _find_person(served, asked)
    columns = served.find_items(asked.items)
    ratings = predict_person(served.model, history, columns, row)
    by_model = bool(history.nnz)
    return {
        "items": [
            {"item": item, "title": served.titles[column] if column >= 0 else None, "rating": rating, "source": source}
            for item, column, rating, source in zip(
                asked.items, columns.tolist(), ratings.tolist(), _sources(by_model, columns), strict=True
            )
        ],
        "unknown": {"user": asked.user is not None and row == -1, "items": unknown + int((columns < 0).sum())},
        "model": served.facts,
    }


def explain(served: Served, asked: ExplainRequest) -> Answer:
    """What each rating of the person contributes to the score of an item, see `autorec.explain`."""
    _, row, unknown = _find_person(served, asked)
    (found,) = _explain(served, asked, None if asked.item is None else [asked.item])
    return {
        "item": found.item,
        "title": found.title,
        "score": found.score,
        "base": found.base,
        "training": found.training,
        "exact": found.exact,
        "contributions": _to_records(found.contributions),
        "unknown": {"user": asked.user is not None and row == -1, "items": unknown},
        "model": served.facts,
    }


def what_if(served: Served, asked: WhatIfRequest) -> Answer:
    """The n best items of a person with other ratings, with the rank that each had before, see `autorec.what_if`."""
    _bound_reasons(asked)
    _, row, unknown = _find_person(served, asked)
    person: Answer = {"user": asked.user, "history": _raw_history(served, asked)}
    edits: Answer = {
        "remove": _as_text(asked.remove),
        "change": asked.change,
        "add": {str(one["item"]): one.get("rating") for one in _rated(asked.add)},
    }
    table = what_if_list(served.model, n=asked.n, by=asked.by, **person, **edits)
    columns = served.find_items(table["item"].tolist()).tolist()
    listed: list[Answer] = [
        {"item": served.item_ids[column], "title": served.titles[column], **values}
        for column, values in zip(columns, _to_records(table[["score", "rank", "rank_before"]]), strict=True)
    ]
    if asked.reasons and listed:
        after = edit(served.model, find_person(served.model, **person)[0], **edits)
        history = {served.item_ids[c]: rating for c, rating in zip(after.indices, after.data.tolist(), strict=True)}
        items = [one["item"] for one in listed]
        _add_reasons(
            listed, explain_items(served.model, None, items, history=history, by=asked.by, most=MOST_TAKEN_OUT)
        )
    return {
        "items": listed,
        "unknown": {"user": asked.user is not None and row == -1, "items": unknown},
        "model": served.facts,
    }


def interview(served: Served, asked: InterviewRequest) -> Answer:
    """The items to ask a person about next, see `autorec.interview`."""
    history, row, unknown = _find_person(served, asked)
    rated = {served.item_ids[column]: rating for column, rating in zip(history.indices, history.data, strict=True)}
    table = ask_about(served.model, n=asked.n, history=rated, skip=_as_text(asked.skip))
    return {
        "items": _to_records(table),
        "scale": list(served.ratings.scale),
        "unknown": {"user": asked.user is not None and row == -1, "items": unknown},
        "model": served.facts,
    }


def similar(served: Served, asked: SimilarRequest) -> Answer:
    """The nearest items of each item, nearest first."""
    table = served.model.similar(_as_text(asked.items), asked.n)
    return {"items": table.to_dict("records"), "model": served.facts}


def search(served: Served, text: str, n: int) -> Answer:
    """The items whose title (without titles: whose id) holds `text` in upper or lower case, the most rated first."""
    wanted, found = text.casefold().strip(), []
    for column, title in zip(served.by_count, served.found_by, strict=True):
        if wanted in title:
            found.append({"item": served.item_ids[column], "title": served.titles[column]})
            if len(found) == n:
                break
    return {"items": found, "model": served.facts}


def _bound_reasons(asked: RecommendRequest | WhatIfRequest) -> None:
    if asked.reasons and asked.n > MOST_EXPLAINED:
        raise ParameterError(f"n is {asked.n}; allowed with reasons: up to {MOST_EXPLAINED}")


def _add_reasons(listed: list[Answer], found: list[Explanation]) -> None:
    """To each item the ratings that speak most for it, at most REASONS."""
    for one, explanation in zip(listed, found, strict=True):
        table = explanation.contributions.head(REASONS)
        one["reasons"] = _to_records(table[table["contribution"] > 0])


def _explain(served: Served, asked: RecommendRequest | ExplainRequest, items: list[Any] | None) -> list[Explanation]:
    history = _raw_history(served, asked)
    return explain_items(served.model, asked.user, items, history=history, by=asked.by, most=MOST_TAKEN_OUT)


def _raw_history(served: Served, asked: Person) -> dict[Any, float | None] | None:
    """The known items of a history by their raw ids, as functions of Python take it; None without a history."""
    if not asked.history:
        return None
    rated = _rated(asked.history)
    columns = served.find_items([one["item"] for one in rated]).tolist()
    return {served.item_ids[c]: one.get("rating") for c, one in zip(columns, rated, strict=True) if c >= 0}


def _rated(history: list[Rated | Id]) -> list[Rated]:
    """The items of a history; where all have a timestamp, the earliest first."""
    rated: list[Rated] = [one if isinstance(one, dict) else {"item": one} for one in history]
    if any(one.get("timestamp") is None for one in rated):
        return rated
    return sorted(rated, key=lambda one: one["timestamp"] or 0)


def _to_records(table: pd.DataFrame) -> list[Answer]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _find_person(served: Served, asked: Person) -> tuple[sparse.csr_array, int, int]:
    """(all ratings that are known of the person [1 × items]; the row of a user whose ratings these are, −1 for a
    stranger, −2 for a user with more ratings than in the training; how many items of the history are unknown)."""
    ratings = served.ratings
    row = -1 if asked.user is None else int(ratings.find_users([asked.user])[0])
    if not asked.history:
        own = ratings.csr[[row]] if row >= 0 else no_history(ratings.n_items)
        return sparse.csr_array(own), row, 0
    rated = _rated(asked.history)
    ids = [one["item"] for one in rated]
    columns = served.find_items(ids)
    return (
        join_history(ratings, ids, columns, [one.get("rating") for one in rated], row),
        -2 if row >= 0 else -1,
        int((columns < 0).sum()),
    )


def _as_text(ids: list[Any]) -> list[str]:
    """Ids of one type, as a table has them."""
    return [str(one) for one in ids]


def _sources(known: bool, columns: npt.NDArray[np.int64]) -> list[str]:
    if not known:
        return ["fallback: item mean" if column >= 0 else "fallback: mean" for column in columns]
    return ["model" if column >= 0 else "fallback: user mean" for column in columns]
