"""An evaluation in words: formulas, counts, intervals. Works on what `Evaluation` holds."""

from collections.abc import Iterable, Sequence
from typing import Any

from autorec.evaluation import metrics
from autorec.report.tables import number

INTERVAL = "95 % interval over users"


def interval_text(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"{number(interval[0])} to {number(interval[1])}"


def formulas(names: Iterable[str]) -> dict[str, str]:
    """The formula of each metric that occurs."""
    used = dict.fromkeys(name.partition("@")[0] for name in names)
    return {name: metrics.FORMULAS[name] for name in used}


def formulas_text(names: Iterable[str]) -> str:
    lines = [f"- {name}: {formula}" for name, formula in formulas(names).items()]
    return "Formulas, each ranking metric a mean over users:\n\n" + "\n".join(lines)


def counts_text(counts: dict[str, int], settings: dict[str, Any]) -> str:
    """What went in and what could not be answered, in sentences."""
    answered = "its fallback" if settings["cold"] is None else f"{settings['cold']:g}, as asked for"
    return (
        f"{counts['cold_ratings']:,} of {counts['test_ratings']:,} test ratings have a user or item unknown to "
        f"the model: answered by {answered}, and counted. Relevant: a test rating of {settings['relevant']:g} or "
        f"more. Lists are the best of all items not rated in training, for {counts['ranked_users']:,} of "
        f"{counts['test_users']:,} test users; "
        f"{counts['users_without_relevant']:,} have no relevant test item, "
        f"{counts['unknown_users']:,} are unknown to the model."
    )
