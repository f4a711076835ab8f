"""What a type checker says of a use of the library: `scripts/check` reads this file with mypy, nothing runs it.

`assert_type` fails where something is typed otherwise; a `type: ignore` fails where there is no such error to ignore.
"""

from typing import assert_type

import pandas as pd

import autorec


def train(ratings: autorec.Ratings) -> None:
    model = autorec.AutoRec(orientation="item", encoder="tanh", offset="means", batch="auto").fit(ratings)
    assert_type(model, autorec.AutoRec)
    assert_type(model.recommend([1, 2], n=3, by="rating"), pd.DataFrame)
    assert_type(model.fold_in(ratings, of="items"), autorec.AutoRec)
    assert_type(autorec.load("model"), autorec.Recommender)
    assert_type(autorec.load("model").recommend(), pd.DataFrame)
    assert_type(autorec.create("ease"), autorec.Recommender)
    assert_type(autorec.read_ratings("ratings.csv"), autorec.Ratings)
    assert_type(autorec.split(ratings), list[autorec.Split])
    assert_type(autorec.evaluate(model, ratings), autorec.Evaluation)
    assert_type(autorec.compare(ratings, ["bias"], baselines="none").to_frame("sd"), pd.DataFrame)


def mistype(ratings: autorec.Ratings, model: autorec.Recommender) -> None:
    autorec.AutoRec(orientation="items")  # type: ignore[arg-type]
    autorec.AutoRec(encoder="sigmod")  # type: ignore[arg-type]
    autorec.AutoRec(batch="all")  # type: ignore[arg-type]
    autorec.ChoiceAutoencoder(likelihood="gaussian")  # type: ignore[arg-type]
    model.recommend(by="ratings")  # type: ignore[arg-type]
    model.fold_in(ratings, of="user")  # type: ignore[arg-type]
    autorec.embed(model, of="item")  # type: ignore[arg-type]
    autorec.draw_map(model, by="umap")  # type: ignore[arg-type]
    autorec.compare(ratings, "bias", baselines="some")  # type: ignore[arg-type]
    autorec.read_ratings("ratings.csv", on_error="ignore")  # type: ignore[arg-type]
