"""What can be told apart: no more false claims than promised; the interval is that of the difference shown."""

import numpy as np
import pandas as pd
import pytest
from conftest import random_frame
from scipy import stats

from autorec import Bias, GlobalMean, compare
from autorec.evaluation.significance import holm, verdicts

NULLS = 200
MOST = int(stats.binom.ppf(0.999, NULLS, 0.05))  # false claims of 200 at 5 %: more have a chance of 1 in 1,000


def fake(errors: np.ndarray, ratings: np.ndarray | int = 1) -> pd.DataFrame:
    return pd.DataFrame({"user": np.arange(len(errors)), "ratings": ratings, "squared_error": errors})


def rmse(errors: np.ndarray, ratings: np.ndarray) -> float:
    return float(np.sqrt((errors * ratings).sum() / ratings.sum()))


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_models_that_are_alike_are_not_told_apart() -> None:
    rng = np.random.default_rng(0)
    false = 0
    for _ in range(NULLS):
        base, ratings = rng.exponential(size=80), rng.integers(1, 40, 80)
        one, two = (base + rng.exponential(0.3, 80) for _ in range(2))
        false += verdicts({"a": [fake(one, ratings)], "b": [fake(two, ratings)]})[0].winner is not None
    assert 1 <= false <= MOST


def test_models_with_shuffled_labels_are_not_told_apart() -> None:
    """Which of two real models a user's values are said to be of is drawn at random: then neither is better."""
    compared = compare(
        random_frame(150, 40), [("bias", Bias()), ("mean", GlobalMean())], by="random:0.3", baselines="none"
    )
    a, b = (result.evaluations[0].per_user for result in compared.results)
    rng = np.random.default_rng(0)
    columns = ["squared_error", "ndcg@10"]
    false = dict.fromkeys(("RMSE", "NDCG@10"), 0)
    for _ in range(NULLS):
        swapped = rng.random(len(a)) < 0.5
        one, two = a.copy(), b.copy()
        one.loc[swapped, columns] = b.loc[swapped, columns]
        two.loc[swapped, columns] = a.loc[swapped, columns]
        for verdict in verdicts({"a": [one], "b": [two]}):
            false[verdict.metric] += verdict.winner is not None
    assert all(count <= MOST for count in false.values()), false


def test_the_difference_is_that_of_the_rmse_and_its_interval_that_of_a_bootstrap() -> None:
    rng = np.random.default_rng(0)
    n = 400
    ratings = rng.integers(1, 60, n)
    one = rng.exponential(size=n)
    two = one * rng.uniform(0.7, 1.4, n)
    found = verdicts({"one": [fake(one, ratings)], "two": [fake(two, ratings)]})[0]
    assert found.difference == pytest.approx(rmse(one, ratings) - rmse(two, ratings))
    draws = rng.integers(0, n, (4000, n))
    spread = [rmse(one[d], ratings[d]) - rmse(two[d], ratings[d]) for d in draws]
    half = (found.interval[1] - found.interval[0]) / 2
    assert half == pytest.approx(1.96 * np.std(spread), rel=0.1)


def test_errors_are_summed_over_the_splits_of_a_user() -> None:
    rng = np.random.default_rng(1)
    errors, ratings = rng.exponential(size=(2, 2, 50)), rng.integers(1, 9, (2, 50))
    runs = {name: [fake(errors[m, s], ratings[s]) for s in range(2)] for m, name in enumerate(("a", "b"))}
    pooled = [rmse(np.concatenate(errors[m]), np.concatenate(ratings)) for m in range(2)]
    assert verdicts(runs)[0].difference == pytest.approx(pooled[0] - pooled[1])


def test_a_real_difference_is_found_and_said_plainly() -> None:
    rng = np.random.default_rng(0)
    base = rng.exponential(size=200)
    (found,) = verdicts({"good": [fake(base)], "bad": [fake(base + 0.2 + rng.normal(0, 0.1, 200))]})
    assert found.sentence.startswith("good beats bad by 0.0866 RMSE")
    assert "(95 % interval 0.0" in found.sentence and "p < 0.0001" in found.sentence
    assert found.interval[0] < found.difference < found.interval[1] < 0
    assert found.winner == "good"


def test_perfect_models_and_single_users() -> None:
    zero = np.zeros(30)
    (same,) = verdicts({"a": [fake(zero)], "b": [fake(zero)]})
    assert (same.winner, same.p) == (None, 1.0)
    (one,) = verdicts({"a": [fake(np.ones(1))], "b": [fake(np.zeros(1))]})
    assert (one.winner, one.interval) == (None, None)
    assert one.sentence == "a and b are not tested by RMSE, of which fewer than two users have values."


def test_a_difference_too_small_for_four_decimals_is_not_said_to_be_0() -> None:
    rng = np.random.default_rng(0)
    base = rng.exponential(size=200)
    (found,) = verdicts({"a": [fake(base)], "b": [fake(base + rng.uniform(1e-6, 3e-6, 200))]})
    assert found.sentence.startswith("a beats b by 1e-06 RMSE (95 % interval 9e-07 to 1e-06, p < 0.0001")


def test_the_pairs_of_the_best_are_marked() -> None:
    rng = np.random.default_rng(0)
    base = rng.exponential(size=300)
    runs = {
        name: [fake(base + worse + rng.normal(0, 0.05, 300))] for name, worse in zip("cab", (1, 0, 0.5), strict=True)
    }
    found = {tuple(entry.models): entry for entry in verdicts(runs)}
    assert {pair: entry.winner for pair, entry in found.items()} == {
        ("c", "a"): "a",
        ("c", "b"): "b",
        ("a", "b"): "a",
    }
    assert {pair for pair, entry in found.items() if entry.of_best} == {("c", "a"), ("a", "b")}


def test_the_best_is_the_one_ahead_also_where_two_win_as_often() -> None:
    rng = np.random.default_rng(0)
    base = rng.exponential(size=300)
    runs = {name: [fake(base + worse)] for name, worse in zip("abc", (0.001, 0, 0.5), strict=True)}
    runs["a"] = [fake(base + 0.001 + rng.normal(0, 0.2, 300))]
    found = verdicts(runs)
    assert found[0].winner is None and found[0].difference > 0  # a and b are not told apart; b is ahead
    assert [entry.models for entry in found if entry.of_best] == [("a", "b"), ("b", "c")]
