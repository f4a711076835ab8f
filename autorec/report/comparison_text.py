"""A comparison as sentences and tables, for both the page and Markdown."""

from collections.abc import Mapping, Sequence

from autorec.audits.finding import many
from autorec.report.comparison_report import ComparisonReport, DataAudit, Example, Item, ModelResult
from autorec.report.evaluation_text import counts_text, formulas_text, interval_text
from autorec.report.tables import (
    Cell,
    Group,
    Head,
    Table,
    arrow,
    as_markdown,
    better,
    metric_label,
    number,
    seconds,
    size,
    with_interval,
)

CLEAN = "Nothing suspicious was found."
TESTED = 6  # test items shown of a person


def comparison_markdown(report: ComparisonReport) -> str:
    """Title, verdict, table of means (± half the 95 % interval), what can be told apart, audit, examples, formulas, how
    it was made."""
    caution = report.audit.caution
    parts = [
        f"# {title(report)}",
        f"**{caution}**" if caution else "",
        "; ".join(facts(report)) + ".",
        verdict(report),
        as_markdown(main_table(report)),
        spread_text(report),
        _make_section("What can be told apart", [entry.sentence for entry in report.significance]),
        f"## All metrics\n\n{as_markdown(full_table(report))}",
        _make_section("Data audit", audit_lines(report.audit)),
        _describe_examples(report.examples),
        _make_section("Settings chosen on validation ratings", choices_text(report)),
        "## How it was made",
        first_counts(report),
        formulas_text(report.formulas),
        _make_section("Settings", settings_text(report)),
        f"Command: `{report.command}`" if report.command else "",
        "Made with: " + ", ".join(f"{name} {value}" for name, value in report.environment.items()) + ".",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


# --- head ---------------------------------------------------------------------------------------------------


def title(report: ComparisonReport) -> str:
    return f"Comparison on {report.data.name}" if report.data.name else "Comparison"


def facts(report: ComparisonReport) -> list[str]:
    """What was split, how, into what sizes, when."""
    data, split = report.data, report.split
    train, test = split.sizes[0]
    splits = "one split" if split.splits == 1 else f"{split.splits} splits"
    return [
        f"{data.ratings:,} ratings of {data.users:,} users and {data.items:,} items",
        f"{splits} by {split.by}, seed {split.seed}: {train:,} ratings for training, {test:,} for the test",
        report.date,
    ]


def verdict(report: ComparisonReport) -> str:
    """One sentence: which model predicts ratings best, which ranks best, and whether it is told apart from the next."""
    parts = []
    for metric, does in (("rmse", "predicts ratings best"), ("ndcg", "ranks best")):
        name = next((n for n in report.metrics if n.partition("@")[0] == metric), None)
        ordered = best_first(report.models, name) if name else []
        if ordered and name:
            means = [number(model.mean(name)) for model in ordered]
            first = f"{ordered[0].name} {does}, {metric_label(name)} {means[0]}"
            parts.append(first + _describe_lead(report, ordered, name.upper(), means))
    return "; ".join(parts) + "."


def best_first(models: Sequence[ModelResult], metric: str) -> list[ModelResult]:
    """[models with the metric] from the best mean to the worst."""
    known = [(mean, model) for model in models if (mean := model.mean(metric)) is not None]
    return [model for _, model in sorted(known, key=lambda pair: -better(metric) * pair[0])]


def _describe_lead(report: ComparisonReport, ordered: Sequence[ModelResult], metric: str, means: Sequence[str]) -> str:
    """How sure the first rank is."""
    if len(ordered) < 2:
        return ""
    first, second = ordered[0].name, ordered[1].name
    found = next((v for v in report.significance if v.metric == metric and set(v.models) == {first, second}), None)
    sure = "ahead of" if found is not None and found.winner == first else "not told apart from"
    return f" ({sure} {second}, {means[1]})"


# --- tables -------------------------------------------------------------------------------------------------


def sorted_models(report: ComparisonReport) -> list[ModelResult]:
    """Those asked for, then baselines; within each the best first by the first main metric, those without it last."""
    ordered: list[ModelResult] = []
    for metric in report.main_metrics:
        ordered += [model for model in best_first(report.models, metric) if model not in ordered]
    ordered += [model for model in report.models if model not in ordered]
    return sorted(ordered, key=lambda model: model.baseline)


def main_table(report: ComparisonReport) -> Table:
    """The metrics that say most, a row a model."""
    models, names = sorted_models(report), report.main_metrics
    best = {name: _find_best(models, name) for name in names}

    def row(model: ModelResult) -> list[Cell]:
        if model.refused:
            return [Cell(model.name), *[Cell("–")] * len(names), Cell("refused"), Cell("–")]
        cells = [_make_cell(model, name, best[name]) for name in names]
        return [Cell(model.name), *cells, Cell(seconds(model.fit_seconds)), Cell(size(model.fit_memory))]

    groups = [("Asked for", [m for m in models if not m.baseline]), ("Baselines", [m for m in models if m.baseline])]
    head = [Head("model"), *(_make_head(report, name) for name in names)]
    head += [
        Head("fit s", "seconds of a training, mean over the splits"),
        Head("memory MiB", "the resident memory that a training adds, at its highest"),
    ]
    return Table(head, [Group(title, [row(model) for model in members]) for title, members in groups if members])


def full_table(report: ComparisonReport) -> Table:
    """All metrics, a column a model."""
    models = sorted_models(report)
    rows = []
    for name in report.metrics:
        best = _find_best(models, name)
        rows.append([Cell(metric_label(name) + arrow(name)), *(_make_cell(model, name, best) for model in models)])
    return Table([Head("metric"), *(Head(model.name) for model in models)], [Group("", rows)])


def _make_head(report: ComparisonReport, metric: str) -> Head:
    return Head(metric_label(metric) + arrow(metric), report.formulas.get(metric.partition("@")[0], ""))


def _find_best(models: Sequence[ModelResult], metric: str) -> str:
    """The best mean as it is printed; "" where there is none."""
    ordered = best_first(models, metric)
    return number(ordered[0].mean(metric)) if better(metric) and len(ordered) > 1 else ""


def _make_cell(model: ModelResult, metric: str, best: str) -> Cell:
    """Mean and ± over the splits; of one split the value and its interval over the users."""
    interval = (model.intervals or {}).get(metric)
    text, half = with_interval(model.metrics.get(metric))
    return Cell(text, half if interval is None else interval_text(interval), best=text == best)


# --- what the tables stand on -------------------------------------------------------------------------------


def spread_text(report: ComparisonReport) -> str:
    """What the small print of the table means."""
    splits = report.split.splits
    means = (
        "One split, with 95 % intervals over its users."
        if splits == 1
        else f"Means of {splits} splits, ± half the 95 % t-interval."
    )
    without = "".join(f" {sentence}" for sentence in without_result(report))
    marks = " Arrows point to the better end; where there is none, the number describes the lists."
    return (
        f"{means}{marks} fit s: seconds of a training; memory: the resident memory that it adds, at its highest; of "
        f"the first model with the libraries that it loads.{without}"
    )


def without_result(report: ComparisonReport) -> list[str]:
    """A sentence a model that has no result, and why."""
    refused = [f"{model.name} has no result: {_sentence(model.refused)}" for model in report.models if model.refused]
    return refused + [f"{name} is left out: {_sentence(why)}" for name, why in report.left_out.items()]


def _sentence(reason: str) -> str:
    return f"{reason.rstrip('.')}."


def choices_text(report: ComparisonReport) -> list[str]:
    """One line a model whose settings were chosen: which, out of how many, at what cost."""
    return [
        f"{model.name}: {_list_settings(model.choice.settings)} ({len(model.choice.tried)} tried on the first split in "
        f"{model.choice.seconds:.1f} s)"
        for model in report.models
        if model.choice is not None
    ]


def settings_text(report: ComparisonReport) -> list[str]:
    """One line a model: the settings that were used; where one was "auto", also what it was on the first split."""
    return [f"{model.name}: {_list_settings(_used(model))}" for model in report.models]


def _used(model: ModelResult) -> dict[str, object]:
    chosen = model.summaries[0] if model.summaries else {}
    return {
        name: f"auto ({_short(chosen[name])})" if value == "auto" and name in chosen else value
        for name, value in model.params.items()
    }


def _short(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value


def _list_settings(settings: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items()) or "no settings"


def audit_lines(audit: DataAudit) -> list[str]:
    """The findings about the first split and the ratings, worst first: level and sentence. CLEAN without any."""
    return [str(finding) for finding in audit.worst_first()] or [CLEAN]


def first_counts(report: ComparisonReport) -> str:
    """The counts of the first split in sentences."""
    first = next(model for model in report.models if model.settings is not None)
    assert first.settings is not None
    return f"First split: {counts_text(first.counts[0], first.settings)}"


# --- examples -----------------------------------------------------------------------------------------------


def item_text(item: Item) -> str:
    """Title, or the raw id, and the rating when there is one."""
    rating = "" if item.rating is None else f": {item.rating:g}"
    return f"{item.title or item.item}{rating}"


def person(number: int, example: Example) -> str:
    """Person 1, with 24 training ratings; the id where it is known."""
    who = f"Person {number}" if example.user is None else f"User {example.user}"
    return f"{who}, with {many(example.ratings, 'training rating')}"


def _describe_examples(examples: Sequence[Example]) -> str:
    blocks = [_describe_example(number, example) for number, example in enumerate(examples, 1)]
    return "\n\n".join(["## Examples", *blocks]) if blocks else ""


def _describe_example(number: int, example: Example) -> str:
    tested = {item.item for item in example.test}
    rows = [("rated in training", example.known), ("rated in test", example.test[:TESTED])]
    lines = [f"- {name}: {'; '.join(map(item_text, items))}" for name, items in rows]
    for name, items in example.lists.items():
        marked = [f"**{item_text(item)}**" if item.item in tested else item_text(item) for item in items]
        lines.append(f"- {name} shows: {'; '.join(marked)}")
    return "\n".join([f"{person(number, example)} (bold: rated in test)", "", *lines])


def _make_section(heading: str, lines: Sequence[str]) -> str:
    return f"## {heading}\n\n" + "\n".join(f"- {line}" for line in lines) if lines else ""
