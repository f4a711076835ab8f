"""Results as people use them: a short text, frames, LaTeX, files by suffix, a notebook's HTML, plots."""

import json

import numpy as np
import pandas as pd
import pytest

import autorec
from autorec.errors import ParameterError


@pytest.fixture(scope="module")
def ratings():
    return autorec.load_sample()


@pytest.fixture(scope="module")
def comparison(ratings):
    return autorec.compare(ratings, ["bias", "popularity"], baselines="none", repeats=2, name="sample")


@pytest.fixture(scope="module")
def evaluation(ratings):
    (one,) = autorec.split(ratings, "random:0.1")
    return autorec.evaluate(autorec.Bias().fit(one.train), one.test, k=(5, 10))


def test_the_frame_of_an_evaluation_has_its_metrics_and_intervals(evaluation):
    frame = evaluation.to_frame()
    assert frame.index.name == "metric" and list(frame.columns) == ["value", "low", "high"]
    assert frame["value"].to_dict() == pytest.approx(evaluation.metrics, nan_ok=True)
    low, high = evaluation.intervals["rmse"]
    assert tuple(frame.loc["rmse", ["low", "high"]]) == (low, high) and low < frame.loc["rmse", "value"] < high
    assert np.isnan(frame.loc["coverage@5", "low"])


def test_the_frame_of_a_comparison_has_means_or_deviations(comparison):
    frame, deviations = comparison.to_frame(), comparison.to_frame("sd")
    assert list(frame.index) == ["bias", "popularity"] and frame.index.name == "model"
    values = comparison.results[0].values("rmse")
    assert frame.loc["bias", "rmse"] == pytest.approx(np.mean(values))
    assert deviations.loc["bias", "rmse"] == pytest.approx(np.std(values, ddof=1))
    assert np.isnan(frame.loc["popularity", "rmse"])
    with pytest.raises(ParameterError, match="of is 'median'; allowed: mean, sd"):
        comparison.to_frame("median")


def test_latex_is_bold_where_best_and_escapes_names(ratings):
    models = [("my_model", autorec.Popularity()), ("floor", autorec.GlobalMean())]
    written = autorec.compare(ratings, models, baselines="none", name="50% & more").to_latex()
    best = next(line for line in written.splitlines() if line.startswith("my\\_model"))
    assert best.count("\\textbf") >= 1 and "\\toprule" in written and "50\\% \\& more" in written
    assert "NDCG@10" in written and "my_model" not in written


def test_a_result_is_saved_by_its_suffix(tmp_path, comparison, evaluation):
    for result in (comparison, evaluation):
        for suffix in ("json", "md", "html", "csv", "tex"):
            result.save(tmp_path / f"result.{suffix}")
        assert json.loads((tmp_path / "result.json").read_text()) == json.loads(json.dumps(result.to_dict()))
        table = pd.read_csv(tmp_path / "result.csv", index_col=0)
        pd.testing.assert_frame_equal(table, result.to_frame(), check_exact=False)
        assert "<html" in (tmp_path / "result.html").read_text()
        with pytest.raises(ParameterError, match=r"result.doc ends in .doc; allowed: .json, .md, .html, .csv, .tex"):
            result.save(tmp_path / "result.doc")


def test_results_are_short_as_text_and_a_table_in_a_notebook(comparison, evaluation):
    assert repr(evaluation).startswith(
        "<Evaluation of Bias() on "
    ) and f"rmse {evaluation.metrics['rmse']:.4f}" in repr(evaluation)
    assert repr(comparison) == "<Comparison of 2 models on sample, 2 splits by random:0.1: bias, popularity>"
    for result in (comparison, evaluation):
        assert len(repr(result)) < 200 and "<table" in result._repr_html_()


def test_plots_draw_on_the_axes_that_are_given(comparison, evaluation):
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    assert comparison.plot("ndcg@10", ax=axes) is axes
    ranked = [label.get_text() for label in axes.get_yticklabels()]
    means = comparison.to_frame()["ndcg@10"]
    assert ranked == list(means.sort_values(ascending=False).index)  # the first is drawn on top
    assert axes.get_yticks()[0] > axes.get_yticks()[1] and axes.get_xlabel() == "NDCG@10 ↑"
    assert len(evaluation.plot(Figure().subplots()).get_yticks()) == len(evaluation.intervals)
    with pytest.raises(ParameterError, match=r"no model has ndgc@10; allowed: .*did you mean ndcg@10"):
        comparison.plot("ndgc@10", Figure().subplots())
