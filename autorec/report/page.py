"""Reports as one HTML page each: nothing fetched, light and dark, for a screen, a phone or paper.

The pages are jinja2 templates in `templates/`; what stands in them comes from the results as text, tables and figures.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autorec.extras import require
from autorec.report import comparison_text as text
from autorec.report.comparison_report import ComparisonReport, Example, Item, ModelResult, Spread
from autorec.report.evaluation_report import Coverage, EvaluationReport
from autorec.report.evaluation_text import (
    COVERAGE,
    INTERVAL,
    counts_text,
    coverage_rows,
    coverage_texts,
    evaluation_facts,
    evaluation_title,
    interval_text,
)
from autorec.report.figures import difference_figures, model_figures
from autorec.report.tables import Cell, Group, Head, Table, arrow, metric_label, number, printable

TEMPLATES = Path(__file__).parent / "templates"
IN_VIEW = 2  # people whose lists are not folded


def comparison_page(report: ComparisonReport) -> str:
    """The page of a comparison."""
    require("report", "an HTML report")
    models = [model for model in text.sorted_models(report) if not model.refused]
    return render(
        "comparison.html",
        title=text.title(report),
        facts=text.facts(report),
        caution=report.audit.caution,
        verdict=text.verdict(report),
        main=text.main_table(report),
        spread=text.spread_text(report),
        differences=difference_figures(models, report.significance),
        verdicts=[entry.sentence for entry in report.significance],
        figures=model_figures(models),
        people=[_describe_person(number, example, models) for number, example in enumerate(report.examples, 1)],
        in_view=IN_VIEW,
        full=text.full_table(report),
        audit=text.audit_lines(report.audit),
        counts=text.first_counts(report),
        formulas=_label_metrics(report.formulas),
        command=report.command,
        choices=text.choices_text(report),
        settings=text.settings_text(report),
        environment=report.environment,
    )


def evaluation_page(report: EvaluationReport) -> str:
    """The page of an evaluation."""
    require("report", "an HTML report")
    rows = [
        [
            Cell(metric_label(name) + arrow(name)),
            Cell(number(value)),
            Cell(interval_text(report.intervals.get(name))),
            Cell(report.formulas.get(name.partition("@")[0], ""), prose=True),
        ]
        for name, value in report.metrics.items()
    ]
    return render(
        "evaluation.html",
        title=evaluation_title(report),
        facts=evaluation_facts(report),
        caution=report.caution,
        main=Table([Head("metric"), Head("value"), Head(INTERVAL), Head("formula")], [Group("", rows)]),
        coverage=_coverage_tables(report.coverage),
        figures=model_figures([_to_result(report)]),
        counts=counts_text(report.counts, report.settings),
    )


def _coverage_tables(coverage: Coverage | None) -> list[tuple[str, Table]]:
    """(sentence, table) at random and, with dates, by time; none where no interval was asked for."""
    if coverage is None:
        return []
    head = [Head(name) for name in COVERAGE]
    return [
        (sentence, Table(head, [Group("", [[Cell(text) for text in row] for row in coverage_rows(groups)])]))
        for sentence, groups in zip(coverage_texts(coverage), (coverage.at_random, coverage.by_time), strict=True)
        if groups is not None
    ]


def _to_result(report: EvaluationReport) -> ModelResult:
    """An evaluation as the only model of a comparison, for the figures."""
    metrics = {name: Spread(value, None, None, (value,)) for name, value in report.metrics.items()}
    return ModelResult(
        name="model",
        baseline=False,
        params={},
        fit_seconds=0.0,
        fit_memory=None,
        metrics=metrics,
        intervals=report.intervals,
        counts=(report.counts,),
        settings=report.settings,
        slices=report.slices,
    )


def _label_metrics(formulas: Any) -> dict[str, str]:
    return {metric_label(name): formula for name, formula in formulas.items()}


def _describe_person(number: int, example: Example, models: Sequence[ModelResult]) -> dict[str, Any]:
    """What the template shows of one user: own items, lists of the models asked for, lists of baselines."""
    tested = {item.item for item in example.test}
    own = [
        ("Rated in training, best first", _mark_hits(example.known, set())),
        ("Rated in test", _mark_hits(example.test[: text.TESTED], set())),
    ]
    lists = {
        baseline: [
            (model.name, _mark_hits(example.lists[model.name], tested))
            for model in models
            if model.baseline is baseline and model.name in example.lists
        ]
        for baseline in (False, True)
    }
    return {"who": text.person(number, example), "own": own, "asked": lists[False], "baselines": lists[True]}


def _mark_hits(items: Sequence[Item], tested: set[object]) -> list[tuple[str, bool]]:
    """(text, whether it is a hit) of each item."""
    return [(text.item_text(item), item.item in tested) for item in items]


def render(template: str, **values: Any) -> str:
    """The page of a template in `templates/`; `values` are text, escaped where they stand."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    return environment.get_template(template).render(**values) + "\n"
