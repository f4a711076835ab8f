"""An evaluation in words: Markdown, formulas, counts, intervals."""

from collections.abc import Mapping

from autorec.report.evaluation_report import Counts, EvaluationReport, Interval, Settings
from autorec.report.tables import markdown_table, number

INTERVAL = "95 % interval over users"


def evaluation_markdown(report: EvaluationReport) -> str:
    """Caution, table of metrics, counts and formulas."""
    rows = [[name, number(value), interval_text(report.intervals.get(name))] for name, value in report.metrics.items()]
    table = markdown_table(["metric", "value", INTERVAL], rows)
    caution = f"**{report.caution}**" if report.caution else ""
    counts = counts_text(report.counts, report.settings)
    parts = ["# Evaluation", caution, table, counts, formulas_text(report.formulas)]
    return "\n\n".join(part for part in parts if part) + "\n"


def interval_text(interval: Interval | None) -> str:
    return "" if interval is None else f"{number(interval[0])} to {number(interval[1])}"


def formulas_text(formulas: Mapping[str, str]) -> str:
    lines = [f"- {name}: {formula}" for name, formula in formulas.items()]
    return "Formulas, each ranking metric a mean over users:\n\n" + "\n".join(lines)


def counts_text(counts: Counts, settings: Settings) -> str:
    """What was tested and what the model itself could not answer, in sentences."""
    answered = "its fallback" if settings.cold is None else f"{settings.cold:g}, as asked for"
    return (
        f"{counts.cold_ratings:,} of {counts.test_ratings:,} test ratings have a user or item unknown to "
        f"the model: answered by {answered}, and counted. Relevant: a test rating of {settings.relevant:g} or "
        f"more. Lists are the best of all items not rated in training, for {counts.ranked_users:,} of "
        f"{counts.test_users:,} test users; "
        f"{counts.users_without_relevant:,} have no relevant test item, "
        f"{counts.unknown_users:,} are unknown to the model."
    )
