"""A comparison in words: what both reports, the page and Markdown, say of it."""

from collections.abc import Sequence

from autorec.report.evaluation_text import counts_text, formulas_text, interval_text
from autorec.report.results import ComparisonReport, DataAudit, Example, Item, ModelResult
from autorec.report.tables import markdown_table, number, size, with_interval

Cell = tuple[str, str]  # text and small print
Table = tuple[list[str], list[list[Cell]]]  # head, rows

CLEAN = "Nothing suspicious was found."


def comparison_markdown(report: ComparisonReport) -> str:
    """Verdict, table of means (± half the 95 % interval), what can be told apart, audit, examples, formulas, how it was
    made."""
    caution = report.audit.caution
    parts = [
        "# Comparison",
        f"**{caution}**" if caution else "",
        verdict(report),
        _table(main_table(report)),
        spread_text(report),
        _section("What can be told apart", [entry.sentence for entry in report.significance]),
        f"## All metrics\n\n{_table(full_table(report))}",
        _section("Data audit", audit_lines(report.audit)),
        "\n\n".join(["## Examples", *map(_example, report.examples)]) if report.examples else "",
        _section("Settings chosen on validation ratings", choices_text(report)),
        "## How it was made",
        first_counts(report),
        formulas_text(report.formulas),
        "Splits: " + ", ".join(f"{name} {value}" for name, value in report.split.to_dict().items()) + ".",
        f"Command: `{report.command}`" if report.command else "",
        "Made with: " + ", ".join(f"{name} {value}" for name, value in report.environment.items()) + ".",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def verdict(report: ComparisonReport) -> str:
    """One sentence: which model predicts ratings best, which ranks best, and whether it is told apart from the next."""
    parts = []
    for metric, does, lower in (("RMSE", "predicts ratings best", True), ("NDCG", "ranks best", False)):
        name = next((n for n in report.metrics if n.partition("@")[0] == metric.lower()), None)
        ordered = best_first(report.models, name, lower) if name else []
        if ordered and name:
            means = [number(model.mean(name)) for model in ordered]
            first = f"{ordered[0].name} {does}, {name.replace(metric.lower(), metric)} {means[0]}"
            parts.append(first + _ahead(report, ordered, name.upper(), means))
    return "; ".join(parts) + "."


def best_first(models: Sequence[ModelResult], metric: str, lower: bool) -> list[ModelResult]:
    """The models that have the metric, by its mean."""
    known = [(mean, model) for model in models if (mean := model.mean(metric)) is not None]
    return [model for _, model in sorted(known, key=lambda pair: pair[0] if lower else -pair[0])]


def _ahead(report: ComparisonReport, ordered: Sequence[ModelResult], metric: str, means: Sequence[str]) -> str:
    """How sure the first rank is."""
    if len(ordered) < 2:
        return ""
    first, second = ordered[0].name, ordered[1].name
    found = next((v for v in report.significance if v.metric == metric and set(v.models) == {first, second}), None)
    sure = "ahead of" if found is not None and found.winner == first else "not told apart from"
    return f" ({sure} {second}, {means[1]})"


def main_table(report: ComparisonReport) -> Table:
    """The metrics that say most, a row a model."""
    rows = [
        [
            (model.name, ""),
            *(_cell(model, name) for name in report.main_metrics),
            (f"{model.fit_seconds:.1f}", ""),
            (size(model.fit_memory), ""),
        ]
        for model in report.models
    ]
    return ["model", *report.main_metrics, "fit s", "memory MiB"], rows


def full_table(report: ComparisonReport) -> Table:
    """All metrics, a column a model."""
    rows = [[(name, ""), *(_cell(model, name) for model in report.models)] for name in report.metrics]
    return ["metric", *(model.name for model in report.models)], rows


def _cell(model: ModelResult, metric: str) -> Cell:
    """Mean and ± over the splits; of one split the value and its interval over the users."""
    interval = (model.intervals or {}).get(metric)
    text, half = with_interval(model.metrics.get(metric))
    return text, half if interval is None else interval_text(interval)


def spread_text(report: ComparisonReport) -> str:
    """What the small print of the table means."""
    splits = report.split.splits
    means = (
        "One split, with 95 % intervals over its users."
        if splits == 1
        else f"Means of {splits} splits, ± half the 95 % t-interval."
    )
    left_out = "".join(f" {name} is left out: {why}." for name, why in report.left_out.items())
    return f"{means} fit s: seconds of a training; memory: what it took at its peak, beside the ratings.{left_out}"


def choices_text(report: ComparisonReport) -> list[str]:
    """One line a model whose settings were chosen: those of the first split, out of how many, at what cost."""
    lines = []
    for model in report.models:
        choice = model.choices[0] if model.choices else None
        if choice is not None:
            settings = ", ".join(f"{name}={value}" for name, value in choice.settings.items())
            cost = f"{len(choice.tried)} tried in {choice.seconds:.1f} s"
            more = f", {len(model.choices) - 1} more splits each with their own" if len(model.choices) > 1 else ""
            lines.append(f"{model.name}: {settings} ({cost}{more})")
    return lines


def audit_lines(audit: DataAudit) -> list[str]:
    """The findings about the first split and the ratings, worst first: level and sentence. CLEAN without any."""
    return [str(finding) for finding in audit.worst_first()] or [CLEAN]


def first_counts(report: ComparisonReport) -> str:
    """The counts of the first split in sentences."""
    first = report.models[0]
    return f"First split: {counts_text(first.counts[0], first.settings)}"


def item_text(item: Item) -> str:
    """Title, or the raw id, and the rating when there is one."""
    rating = "" if item.rating is None else f" ({item.rating:g})"
    return f"{item.title or item.item}{rating}"


def _example(example: Example) -> str:
    tested = {item.item for item in example.test}
    rows = [("rated in training", example.known), ("rated in test", example.test[:6])]
    lines = [f"- {name}: {'; '.join(map(item_text, items))}" for name, items in rows]
    for name, items in example.lists.items():
        marked = [f"**{item_text(item)}**" if item.item in tested else item_text(item) for item in items]
        lines.append(f"- {name} shows: {'; '.join(marked)}")
    return "\n".join([f"User {example.user} (bold: rated in test)", "", *lines])


def _table(table: Table) -> str:
    head, rows = table
    return markdown_table(head, [[" ".join(cell).strip() for cell in row] for row in rows])


def _section(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines) if lines else ""
