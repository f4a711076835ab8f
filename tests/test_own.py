"""Models, metrics and splits of one's own, among those that are built in."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import autorec
from autorec.errors import InputError, ParameterError

ROOT = Path(autorec.__file__).parents[1]


class Counting:
    """Popularity, written by somebody else."""

    def fit(self, ratings):
        self.counts = np.diff(ratings.csr.tocsc().indptr).astype(float)

    def score_rows(self, rows):
        return np.tile(self.counts, (len(rows), 1))

    def score_histories(self, csr):
        return np.tile(self.counts, (csr.shape[0], 1))


class Mean(Counting):
    """Rates by the mean."""

    def fit(self, ratings):
        super().fit(ratings)
        self.mean = ratings.csr.data.mean()

    def predict_pairs(self, rows, columns):
        return np.full(len(rows), self.mean)


class Halves:
    """Vectors in place of scores."""

    def fit(self, ratings):
        rng = np.random.default_rng(0)
        self.user_vectors, self.item_vectors = (rng.normal(size=(n, 3)) for n in ratings.csr.shape)


def hits_per_list(recommended, relevant):
    """hits / k
    and more."""
    return len(relevant.intersection(recommended)) / len(recommended)


def worst(predicted, true):
    """max |r̂ − r|"""
    return np.abs(predicted - true).max()


@pytest.fixture(scope="module")
def ratings():
    return autorec.load_sample()


def values(comparison):
    return comparison.to_frame().drop(columns="fit_seconds")


def test_a_model_of_ones_own_is_judged_as_a_built_in_one_that_does_the_same(ratings):
    compared = values(autorec.compare(ratings, [Counting(), "popularity", Mean(), "global-mean"], baselines="none"))
    pd.testing.assert_series_equal(compared.loc["Counting"], compared.loc["popularity"], check_names=False)
    assert compared.loc["Mean", "rmse"] == pytest.approx(compared.loc["global-mean", "rmse"], rel=1e-5)
    assert np.isnan(compared.loc["Counting", "rmse"])


def test_held_out_users_are_scored_by_their_histories(ratings):
    compared = values(autorec.compare(ratings, [Counting(), "popularity"], by="strong:50", baselines="none"))
    pd.testing.assert_series_equal(compared.loc["Counting"], compared.loc["popularity"], check_names=False)
    with pytest.raises(ParameterError, match="Halves has no score_histories, so it cannot score users who were not in"):
        autorec.compare(ratings, Halves(), by="strong:50", baselines="none")


def test_vectors_are_multiplied(ratings):
    model = autorec.wrap(Halves()).fit(ratings)
    wanted = model.wrapped_.user_vectors[5] @ model.wrapped_.item_vectors.T
    table = model.recommend(ratings.user_ids[5], n=ratings.n_items, exclude_seen=False)
    assert list(table["item"]) == list(ratings.item_ids[np.argsort(-wanted.astype(np.float32), kind="stable")])


def test_what_is_no_model_is_refused(ratings):
    class Odd(Counting):
        def score_rows(self, rows):
            return np.zeros((len(rows), 3))

    with pytest.raises(ParameterError, match="a model of type Counting; allowed: a name, a model of this library"):
        autorec.compare(ratings, [Counting], baselines="none")
    with pytest.raises(InputError, match=r"Odd gave scores of shape \(1, 3\) for 1 users of 300 items"):
        autorec.wrap(Odd()).fit(ratings).recommend(ratings.user_ids[0])
    with pytest.raises(ParameterError, match="cannot be saved"):
        autorec.wrap(Counting()).fit(ratings).save("nowhere")
    with pytest.raises(ParameterError, match="two models are named Counting; give each its own name"):
        autorec.compare(ratings, [Counting(), Counting()], baselines="none")


def test_metrics_of_ones_own_equal_the_built_in_ones_of_the_same_formula(ratings):
    (one,) = autorec.split(ratings)
    found = autorec.evaluate(autorec.Bias().fit(one.train), one.test, k=(5, 10), metrics=[hits_per_list, worst])
    for k in (5, 10):
        assert found.metrics[f"hits_per_list@{k}"] == pytest.approx(found.metrics[f"precision@{k}"])
    pairs = one.test.to_frame()
    predicted = autorec.Bias().fit(one.train).predict(pairs["user"], pairs["item"])
    assert found.metrics["worst"] == pytest.approx(np.abs(predicted - pairs["rating"]).max())
    assert found.formulas["hits_per_list"] == "hits / k" and found.formulas["worst"] == "max |r̂ − r|"
    assert "hits_per_list@10" in found.per_user and "max |r̂ − r|" in found.to_markdown()


def test_what_is_no_metric_is_refused_before_any_work(ratings):
    def ndcg(recommended, relevant):
        return 0.0

    def odd(a, b):
        return 0.0

    for metric, said in (
        (lambda predicted, true: 0.0, "a metric is named '<lambda>'; give it a name of its own"),
        (ndcg, "a metric is named 'ndcg'"),
        (odd, r"the metric 'odd' takes \(a, b\); allowed: \(predicted, true\), arrays"),
    ):
        with pytest.raises(ParameterError, match=said):
            autorec.compare(ratings, "bias", metrics=[metric])


def test_splits_of_ones_own(ratings):
    given = autorec.split(ratings, "folds:3")
    for by in (given, lambda ratings, seed: autorec.kfold(ratings, 3, seed)):
        own = autorec.compare(ratings, "popularity", by=by, baselines="none")
        named = autorec.compare(ratings, "popularity", by="folds:3", baselines="none")
        pd.testing.assert_frame_equal(values(own), values(named))
    one = autorec.compare(None, autorec.Popularity(), by=given[0], baselines="none")
    assert one.split.by == "folds:3/1" and one.results[0].name == "Popularity"
    with pytest.raises(ParameterError, match="repeats is 2, but the splits are given"):
        autorec.compare(ratings, "bias", by=given, repeats=2)
    with pytest.raises(ParameterError, match=r"by gives 3; allowed: a word such as random:0\.1"):
        autorec.compare(ratings, "bias", by=lambda ratings, seed: 3)


def test_the_example_of_the_readme_runs_as_it_is_written(tmp_path, monkeypatch):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(import autorec\n\n\nclass .*?)```", text, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    found: dict = {}
    exec(example, found)
    frame = found["result"].to_frame()
    assert list(frame.index) == ["NewestFirst", "popularity"][:2] + list(frame.index[2:])
    np.testing.assert_allclose(frame["share_of_hits@10"], frame["precision@10"])
    assert (tmp_path / "report.html").stat().st_size > 1000


def test_of_a_split_a_model_is_fitted_first() -> None:
    ratings = autorec.load_sample()
    (one,) = autorec.split(ratings, "per-user:0.2")
    expected = autorec.evaluate(autorec.Popularity().fit(one.train), one.test).metrics
    for model in ("popularity", autorec.Popularity(), autorec.Popularity().fit(one.train)):
        assert autorec.evaluate(model, one).metrics["ndcg@10"] == expected["ndcg@10"]
    assert autorec.evaluate(Counting(), one).metrics["ndcg@10"] > 0
    (strong,) = autorec.split(ratings, "strong:50")
    compared = autorec.compare(ratings, "bias", by=[strong], baselines="none").to_frame()
    found = autorec.evaluate("bias", strong)
    assert found.metrics["ndcg@10"] == compared.loc["bias", "ndcg@10"] and "rmse" not in found.metrics
    for wrong, test, said in (
        (Counting(), one.test, "a model of type Counting; allowed: a fitted model; with a Split"),
        (["ease"], one, "compare takes several"),
        ("eese", one, "did you mean ease"),
    ):
        with pytest.raises(ParameterError, match=said):
            autorec.evaluate(wrong, test)
    with pytest.raises(ParameterError, match="fold_in is given beside a Split"):
        autorec.evaluate("bias", one, fold_in=one.train)
