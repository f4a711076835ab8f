"""Evaluation: full ranking, nothing dropped in silence, nothing of the test part in training."""

import math

import numpy as np
import pandas as pd
import pytest
from conftest import random_frame

from autorec import AutoRec, Bias, Popularity, Ratings, evaluate, split
from autorec.errors import InputError, ParameterError
from autorec.evaluation.bootstrap import bootstrap_intervals
from autorec.evaluation.evaluate import value_of
from autorec.evaluation.lists import ranked_lists
from autorec.ratings.convert import as_ratings
from autorec.ratings.split import random_split
from autorec.report.evaluation_report import Counts


def test_ranking_is_full_and_by_hand() -> None:
    """Popularity over 5 items: user a has seen p and q, so that the list is r, s, t; ties to the lower item."""
    train = pd.DataFrame({"user": list("aabbccde"), "item": list("pqpqprst"), "rating": [5, 4, 5, 3, 4, 5, 1, 2]})
    test = pd.DataFrame({"user": list("aaab"), "item": list("stxr"), "rating": [5, 1, 5, 2]})
    result = evaluate(Popularity().fit(train), test, k=(1, 2))
    # a: relevant are s and x (unknown: missed); list r, s → hit at rank 2. b: no relevant item, left out.
    assert result.metrics["precision@2"] == 0.5
    assert result.metrics["recall@2"] == 0.5
    assert result.metrics["mrr@2"] == 0.5
    assert result.metrics["hit@1"] == 0.0
    assert result.metrics["ndcg@2"] == pytest.approx((1 / math.log2(3)) / (1 + 1 / math.log2(3)))
    assert result.counts == Counts(
        test_ratings=4, test_users=2, cold_ratings=1, ranked_users=1, users_without_relevant=1, unknown_users=0
    )
    assert "rmse" not in result.metrics


def test_cold_pairs_are_answered_and_counted() -> None:
    train = random_frame()
    test = pd.DataFrame({"user": [0, 0, 999], "item": [1, 777, 888], "rating": [5.0, 3, 1]})
    model = Bias().fit(train)
    result = evaluate(model, test)
    predicted = model.predict(test["user"], test["item"])
    assert result.metrics["rmse"] == pytest.approx(math.sqrt(np.mean((predicted - test["rating"]) ** 2)))
    assert (result.counts.cold_ratings, result.counts.test_ratings) == (2, 3)
    assert predicted[2] == pytest.approx(train["rating"].mean())


def test_seen_items_are_never_recommended() -> None:
    ratings = as_ratings(random_frame())
    one = random_split(ratings, 0.3)
    model = Popularity().fit(one.train)
    everything = evaluate(model, one.train, k=(5,), relevant=1)
    assert everything.metrics["hit@5"] == 0  # what was trained on is left out, so it cannot hit


def test_the_threshold_moves_with_the_scale() -> None:
    frame = random_frame()
    of_five = evaluate(Bias().fit(frame), frame)
    of_hundred = evaluate(
        Bias().fit(frame.assign(rating=frame["rating"] * 20)), frame.assign(rating=frame["rating"] * 20)
    )
    assert (of_five.settings.relevant, of_hundred.settings.relevant) == (4, 80)
    assert of_five.counts == of_hundred.counts


def test_held_out_users_fold_in() -> None:
    (one,) = split(random_frame(), "users:5", 0)
    model = Bias().fit(one.train)
    alone = evaluate(model, one.test)
    assert alone.counts.unknown_users + alone.counts.users_without_relevant == 5
    folded = evaluate(model, one.test, fold_in=one.fold_in)
    assert folded.counts.unknown_users == 0


def test_bad_arguments() -> None:
    model = Bias().fit(random_frame())
    with pytest.raises(ParameterError, match="k is"):
        evaluate(model, random_frame(), k=(0,))
    with pytest.raises(InputError, match="no test ratings"):
        evaluate(model, random_frame().head(0).astype({"user": int, "item": int}))


def test_cold_pairs_may_have_an_answer_of_their_own() -> None:
    train = random_frame()
    test = pd.DataFrame({"user": [0, 0, 999], "item": [1, 777, 888], "rating": [5.0, 3, 1]})
    model = Bias().fit(train)
    known = (model.predict([0], [1])[0] - 5) ** 2
    found = evaluate(model, test, cold=3)
    assert found.metrics["rmse"] == pytest.approx(math.sqrt((known + 0 + 4) / 3))
    assert found.counts.cold_ratings == 2
    assert "answered by 3, as asked for" in found.to_markdown()


@pytest.mark.parametrize("model", [Bias(), Popularity(), AutoRec(hidden=4, epochs=3, penalty="l2:10")])
def test_changing_every_test_rating_changes_no_recommendation(model) -> None:
    frame = random_frame(40, 30)
    (one,) = split(frame, "random:0.2", 0)
    keys = set(map(tuple, one.test.to_frame()[["user", "item"]].to_numpy()))
    poisoned = frame.assign(rating=[99.0 if (u, i) in keys else r for u, i, r in frame.itertuples(index=False)])
    (other,) = split(poisoned, "random:0.2", 0)
    a, b = type(model)(**model.get_params()).fit(one.train), type(model)(**model.get_params()).fit(other.train)
    pd.testing.assert_frame_equal(a.recommend(), b.recommend())


def test_ratings_are_accepted_in_every_shape() -> None:
    frame = random_frame()
    ratings = as_ratings(frame)
    assert isinstance(ratings, Ratings)
    values = [evaluate(Bias().fit(data), data).metrics["rmse"] for data in (frame, ratings, ratings.csr)]
    assert values == pytest.approx([values[0]] * 3)


def test_bootstrap_intervals_are_those_of_the_normal_law_where_there_are_many_users() -> None:
    rng = np.random.default_rng(0)
    n = 2000
    table = pd.DataFrame(
        {"user": np.arange(n), "ratings": rng.integers(1, 20, n), "squared_error": rng.exponential(1, n)}
    )
    table["ndcg@10"] = np.where(rng.random(n) < 0.1, np.nan, rng.random(n))
    table["hit@10"] = np.where(np.arange(n) == 0, 1.0, np.nan)
    found = bootstrap_intervals(table)
    assert set(found) == {"rmse", "rmse_by_user", "ndcg@10"}
    mean, half = table["ndcg@10"].mean(), 1.96 * table["ndcg@10"].std() / math.sqrt(table["ndcg@10"].count())
    assert found["ndcg@10"] == pytest.approx((mean - half, mean + half), abs=0.1 * half)
    squares, ratings = table["ratings"] * table["squared_error"], table["ratings"]
    mse = squares.sum() / ratings.sum()
    spread = np.std(squares - mse * ratings) / ratings.mean() / math.sqrt(n)  # of a ratio, by the delta method
    assert found["rmse"] == pytest.approx(
        (math.sqrt(mse - 1.96 * spread), math.sqrt(mse + 1.96 * spread)), abs=0.1 * spread
    )
    assert bootstrap_intervals(table) == found


@pytest.mark.parametrize("model", [Bias(), Popularity()])
def test_one_metric_alone_is_that_of_the_whole(model) -> None:
    one = random_split(as_ratings(random_frame()), 0.3)
    model.fit(one.train)
    found = evaluate(model, one.test, k=(3, 5)).metrics
    for metric in ("rmse", "ndcg@5") if model.rates else ("ndcg@3", "recall@5"):
        assert value_of(metric, model, one.test) == found[metric]


def test_an_interval_holds_the_value_it_is_of() -> None:
    one = random_split(as_ratings(random_frame()), 0.3)
    result = evaluate(Bias().fit(one.train), one.test, k=(3, 5))
    assert {"rmse", "ndcg@3", "auc"} <= set(result.intervals)
    for name, (low, high) in result.intervals.items():
        assert low <= result.metrics[name] <= high, name
    assert result.to_dict()["intervals"]["rmse"] == result.intervals["rmse"]
    assert "95 % interval over users" in result.to_markdown()


def test_the_values_of_each_user_make_up_the_metrics(tmp_path) -> None:
    one = random_split(as_ratings(random_frame()), 0.3)
    result = evaluate(Bias().fit(one.train), one.test)
    table = result.per_user
    mse = (table["squared_error"] * table["ratings"]).sum() / table["ratings"].sum()
    assert math.sqrt(mse) == pytest.approx(result.metrics["rmse"], rel=1e-12)
    assert table["ndcg@10"].mean() == pytest.approx(result.metrics["ndcg@10"], rel=1e-12)


def test_rows_of_a_test_matrix_without_ratings_are_no_test_users() -> None:
    ratings = as_ratings(random_frame())
    some = ratings.select(ratings.rows() < 3, compact=False)
    model = Bias().fit(ratings)
    matrix, table = evaluate(model, some.csr), evaluate(model, some.to_frame())
    assert matrix.metrics["rmse_by_user"] == pytest.approx(table.metrics["rmse_by_user"])
    assert (matrix.counts, len(matrix.per_user)) == (table.counts, 3)
    assert matrix.intervals["rmse_by_user"] == pytest.approx(table.intervals["rmse_by_user"])


def test_a_row_of_a_training_matrix_without_ratings_is_a_user_whom_the_model_does_not_know() -> None:
    ratings = as_ratings(random_frame())
    some = ratings.rows() < 25
    train, test = ratings.select(some, compact=False), ratings.select(~some | (ratings.rows() < 3), compact=False)
    matrix = evaluate(Popularity().fit(train.csr), test.csr)
    table = evaluate(Popularity().fit(train.to_frame()), test.to_frame())
    assert matrix.counts == table.counts and matrix.counts.unknown_users > 0
    assert matrix.metrics == pytest.approx(table.metrics, nan_ok=True)
    assert Popularity().fit(train).score(test) == pytest.approx(matrix.metrics["ndcg@10"])


def test_lists_longer_than_the_catalogue_take_no_more_room_than_it() -> None:
    one = random_split(as_ratings(random_frame()), 0.3)
    model = Bias().fit(one.train)
    assert ranked_lists(model, one.test, 4.0, [5, 1_000_000]).items.shape[1] == model.ratings_.n_items
    whole, longer = (evaluate(model, one.test, k=k).metrics for k in (model.ratings_.n_items, 1_000_000))
    assert longer["ndcg@1000000"] == whole[f"ndcg@{model.ratings_.n_items}"]
