"""What requests may hold, as pydantic models: types and bounds are checked here, meaning in `serve.answers`."""

from typing import Annotated, NotRequired

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, with_config
from typing_extensions import TypedDict  # pydantic takes none of `typing` before Python 3.12

from autorec import words

MOST_ITEMS = 10_000  # of a history or a list of ids
MOST_LISTED = 500  # items that are asked for
MOST_EXPLAINED = 20  # items of a list with reasons
MOST_TAKEN_OUT = 300  # ratings of a person, where an explanation takes out each in turn
MOST_EDITS = 1_000  # ratings that are removed, changed, or added
LATEST = 253_402_300_799  # the last second of the year 9999, beyond which a timestamp is in other units

Text = Annotated[StrictStr, Field(max_length=1000)]
Id = StrictInt | Text
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Length = Annotated[StrictInt, Field(ge=1, le=MOST_LISTED)]
Ids = Annotated[list[Id], Field(max_length=MOST_ITEMS)]


class Message(BaseModel):
    """Unknown fields are refused, so that a misspelt one is not silently left out."""

    model_config = ConfigDict(extra="forbid")


@with_config(extra="forbid")
class Rated(TypedDict):  # of dicts, hundreds are made in half the time of objects
    """An item of a history. Without a rating it counts as the highest: the person likes it.

    timestamp: seconds since 1970. Where all items of a history have one, it is read in their order, so that of an item
    given twice the latest rating counts; beyond that no model weighs ratings by their date.
    """

    item: Id
    rating: NotRequired[Number | None]
    timestamp: NotRequired[Annotated[StrictInt, Field(ge=0, le=LATEST)] | None]


OneOfHistory = Annotated[Rated | Id, Field(union_mode="left_to_right")]


class Person(Message):
    """Who is asked for: a known user, the posted history of anyone, or both, the history added to the user's
    ratings."""

    user: Id | None = None
    history: Annotated[list[OneOfHistory], Field(max_length=MOST_ITEMS)] = Field(default_factory=list)


class RecommendRequest(Person):
    """See `Recommender.recommend` for all but `reasons`, which asks for the ratings that speak most for each item; with
    it n is at most 20."""

    n: Length = 10
    by: words.RankedBy | None = None
    exclude_seen: StrictBool = True
    allow: Ids | None = None
    deny: Ids = Field(default_factory=list)  # of a default that is there pydantic makes a deep copy
    where: dict[Text, Text | list[Text]] = Field(default_factory=dict)
    boost: Annotated[dict[Text, Number], Field(max_length=MOST_ITEMS)] = Field(default_factory=dict)
    diversify: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    reasons: StrictBool = False


class PredictRequest(Person):
    """The ratings that the person would give to these items."""

    items: Annotated[list[Id], Field(min_length=1, max_length=MOST_ITEMS)]


class ExplainRequest(Person):
    """Why the item has its score; without an item the first of the person's list."""

    item: Id | None = None
    by: words.RankedBy | None = None


class WhatIfRequest(Person):
    """The list of a person with some ratings taken away, some changed, some added; see `autorec.what_if`. change: id of
    a rated item → its other rating. With reasons n is at most 20."""

    n: Length = 10
    by: words.RankedBy | None = None
    remove: Annotated[list[Id], Field(max_length=MOST_EDITS)] = Field(default_factory=list)
    change: Annotated[dict[Text, Number], Field(max_length=MOST_EDITS)] = Field(default_factory=dict)
    add: Annotated[list[OneOfHistory], Field(max_length=MOST_EDITS)] = Field(default_factory=list)
    reasons: StrictBool = False


class InterviewRequest(Person):
    """Which items to ask the person about next; skip: those not to be asked for."""

    n: Annotated[StrictInt, Field(ge=1, le=MOST_EXPLAINED)] = 3
    skip: Ids = Field(default_factory=list)


class SimilarRequest(Message):
    """The nearest items of each of these."""

    items: Annotated[list[Id], Field(min_length=1, max_length=100)]
    n: Length = 10
