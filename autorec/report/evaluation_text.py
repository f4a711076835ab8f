"""An evaluation in words: Markdown, formulas, counts, intervals."""

from collections.abc import Mapping, Sequence

from autorec.report.evaluation_report import Counts, Coverage, CoverageGroup, EvaluationReport, Interval, Settings
from autorec.report.tables import markdown_table, number

INTERVAL = "95 % interval over users"
COVERAGE = ("training ratings", "ratings", "coverage", "mean width")


def evaluation_markdown(report: EvaluationReport) -> str:
    """Caution, table of metrics, counts and formulas."""
    rows = [[name, number(value), interval_text(report.intervals.get(name))] for name, value in report.metrics.items()]
    table = markdown_table(["metric", "value", INTERVAL], rows)
    caution = f"**{report.caution}**" if report.caution else ""
    counts = counts_text(report.counts, report.settings)
    facts = "; ".join(evaluation_facts(report)) + "."
    parts = [f"# {evaluation_title(report)}", facts, caution, table, *_coverage_markdown(report.coverage), counts]
    parts.append(formulas_text(report.formulas))
    return "\n\n".join(part for part in parts if part) + "\n"


def evaluation_title(report: EvaluationReport) -> str:
    return f"Evaluation on {report.name}" if report.name else "Evaluation"


def evaluation_facts(report: EvaluationReport) -> list[str]:
    """Which model, on how many ratings, when."""
    counts = report.counts
    return [report.model, f"{counts.test_ratings:,} test ratings of {counts.test_users:,} users", report.date]


def coverage_rows(groups: Sequence[CoverageGroup]) -> list[list[str]]:
    """[groups] rows: group, number of ratings, coverage, mean width."""
    return [[one.group, f"{one.ratings:,}", number(one.coverage), number(one.width)] for one in groups]


def coverage_texts(coverage: Coverage) -> tuple[str, str]:
    """What the two tables of a coverage are, at random and by time; the second "" where there are no dates."""
    share = f"{coverage.interval:g}"
    at_random = (
        f"Intervals that are to hold {share} of the ratings: a random half of the test ratings made them, the other "
        "half is counted."
    )
    if coverage.by_time is None:
        return at_random, ""
    off = f"{coverage.by_time[0].coverage - coverage.interval:+.4f}".replace("-", "−")
    return at_random, (
        f"The earlier half of the test ratings made the intervals, the later half is counted: off by {off}. The "
        "guarantee is for ratings that could come in any order; later ratings could not, so it does not hold here."
    )


def _coverage_markdown(coverage: Coverage | None) -> list[str]:
    if coverage is None:
        return []
    tables = [
        [text, markdown_table(COVERAGE, coverage_rows(groups))]
        for text, groups in zip(coverage_texts(coverage), (coverage.at_random, coverage.by_time), strict=True)
        if groups is not None
    ]
    return ["## Coverage of intervals", *(part for table in tables for part in table)]


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
