"""Which items to ask about: the variance is that of the regression, the order that of the expected fall."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import random_frame
from scipy.stats import entropy

import autorec
from autorec.cli.main import autorec as command
from autorec.errors import InputError, ParameterError
from autorec.insight.interview import Belief, chance_known, start_belief
from autorec.reproduction import interview as replay


@pytest.fixture(scope="module")
def model() -> Any:
    return autorec.create("biased-mf", factors=4, sweeps=3).fit(random_frame(50, 20))


def test_a_rating_changes_the_belief_as_inverting_again_does() -> None:
    rng = np.random.default_rng(0)
    Z, weights = rng.normal(size=(12, 5)), rng.random(12)
    belief = Belief(Z, weights, 0.7, np.array([3, 8]))

    def variance(rated: list[int]) -> Any:
        return np.diag(Z @ np.linalg.inv(Z[rated].T @ Z[rated] + 0.7 * np.eye(5)) @ Z.T)

    assert belief.total == pytest.approx(weights @ variance([3, 8]))
    naive = [weights @ (variance([3, 8]) - variance([3, 8, item])) for item in range(12)]
    np.testing.assert_allclose(belief.falls(), naive)
    belief.rate(5)
    assert belief.total == pytest.approx(weights @ variance([3, 8, 5]))
    np.testing.assert_allclose(belief.falls()[2], weights @ (variance([3, 8, 5]) - variance([3, 8, 5, 2])))


def test_the_variance_is_that_of_the_regression_of_the_model() -> None:
    """By simulation: persons drawn from the prior of the regression, who rate with its noise, are as far from what the
    model predicts of them as is told."""
    fitted = autorec.AutoRec(hidden=6, epochs=3, validation=0.0, penalty="l2:8", user_damping=4, item_damping=4)
    model = fitted.fit(random_frame(60, 25))
    rng, rated, sigma = np.random.default_rng(1), np.array([1, 4, 9, 16]), 0.1
    belief = start_belief(model, rated)
    own = np.einsum("iu,iu->i", belief.product, belief.Z)  # variance of each prediction, in σ²
    n, strength = 4000, model.l2_ / 2
    v = rng.normal(size=(n, belief.Z.shape[1])) * sigma / np.sqrt(strength)
    t = v @ belief.Z[rated].T + sigma * rng.normal(size=(n, len(rated)))
    A = belief.Z[rated].T @ belief.Z[rated] + strength * np.eye(belief.Z.shape[1])
    errors = (v - t @ belief.Z[rated] @ np.linalg.inv(A)) @ belief.Z.T
    np.testing.assert_allclose(errors.var(axis=0) / sigma**2, own, rtol=0.12)


def test_items_are_in_the_order_of_the_expected_fall(model: Any) -> None:
    """Against a loop that inverts for each item; the next is chosen as if the first had been answered."""
    history = {0: 5.0, 3: 2.0}
    table = autorec.interview(model, history=history, n=2)
    rated = model.ratings_.find_items(list(history)).tolist()
    known = chance_known(model)
    assert known[2] == (np.sum(model.ratings_.csr.indices == 2) + 1) / (model.ratings_.n_users + 2)
    belief = start_belief(model, np.array(rated))
    Z, weights = belief.Z, belief.weights
    strength = model.l2 * 2

    def total(items: list[int]) -> float:
        A = Z[items].T @ Z[items] + strength * np.eye(Z.shape[1])
        return float(weights @ np.einsum("iu,ui->i", Z, np.linalg.solve(A, Z.T)))

    for row in table.itertuples():
        gains = [(-1 if i in rated else known[i] * (total(rated) - total([*rated, i]))) for i in range(len(Z))]
        best = int(np.argmax(gains))
        assert row.item == model.ratings_.item_ids[best]
        assert row.gain == pytest.approx(gains[best] / belief.total) and row.gain == pytest.approx(row.known * row.fall)
        rated.append(best)


def test_what_is_rated_or_skipped_is_not_asked_for(model: Any) -> None:
    first = autorec.interview(model, n=20)
    assert sorted(first["item"]) == sorted(model.ratings_.item_ids)
    skipped = autorec.interview(model, n=3, skip=first["item"][:2])
    assert not set(skipped["item"]) & set(first["item"][:2])
    with pytest.raises(InputError, match="nothing left to ask"):
        autorec.interview(model, n=3, skip=first["item"])
    with pytest.raises(
        ParameterError, match=r"Ease finds a person's vector by no ridge .* autorec, i-autorec, biased-mf"
    ):
        autorec.interview(autorec.Ease(l2=5).fit(random_frame()))


def test_the_verb_asks_a_new_person(model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / "m")
    (tmp_path / "answers.csv").write_text("user,item,rating\nme,0,5\nme,3,2\n")
    answers = ["--new-user", str(tmp_path / "answers.csv")]
    run = CliRunner().invoke(command, ["interview", str(tmp_path / "m"), *answers, "-n", "3", "--json", "--quiet"])
    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)["rows"]
    assert [row["item"] for row in told] == autorec.interview(model, history={0: 5, 3: 2}, n=3)["item"].tolist()
    (tmp_path / "answers.csv").write_text("user,item,rating\nme,0,5\nyou,3,2\n")
    run = CliRunner().invoke(command, ["interview", str(tmp_path / "m"), *answers])
    assert run.exit_code == 1 and "holds the ratings of 2 people; an interview is of one" in run.stderr


def test_the_replay_asks_only_for_what_a_user_knows() -> None:
    """On the sample: as many answers as asked for, in the order of each way; entropies as SciPy has them."""
    split = autorec.user_split(autorec.load_sample(), 12, seed=0)
    fitted = autorec.create("biased-mf", factors=4, sweeps=3).fit(split.train)
    held_out = split.fold_in
    assert held_out is not None
    for order in replay.find_ways(fitted).values():
        asked = replay.ask(fitted, held_out, order)
        known = fitted.ratings_.find_items(held_out.item_ids)[held_out.csr.indices] >= 0
        counts = np.bincount(held_out.rows()[asked < 5], minlength=12)
        np.testing.assert_array_equal(counts, np.minimum(np.bincount(held_out.rows()[known], minlength=12), 5))
    columns = np.flatnonzero(fitted.ratings_.item_counts > 20)[:30]
    ways = replay.find_ways(fitted)
    assert (
        (fitted.ratings_.item_counts[columns[ways["popularity"](columns, 5)]]).min()
        >= np.sort(fitted.ratings_.item_counts[columns])[-5]
    )
    data = fitted.ratings_.csr[:, [3]].data
    expected = entropy(np.unique(data, return_counts=True)[1])
    assert replay.entropies(fitted.ratings_)[3] == pytest.approx(expected)
    table = replay.measure(split, "biased-mf", factors=4, sweeps=3)
    assert len(table) == 3 * len(replay.ANSWERS) and table["rmse"].between(0, 5).all()
