"""A comparison in words: what both reports, the page and Markdown, say of it. Works on `Comparison.to_dict()`."""

from collections.abc import Sequence
from typing import Any

from autorec.evaluation.data_audit import audit_lines
from autorec.report.evaluation_text import counts_text, formulas_text, interval_text
from autorec.report.tables import markdown_table, number, size, with_interval

Told = dict[str, Any]
Table = tuple[list[str], list[list[tuple[str, str]]]]


def comparison_markdown(told: Told) -> str:
    """Verdict, table of means (± half the 95 % interval), what can be told apart, audit, examples, formulas, how it was
    made."""
    names = metric_names(told)
    parts = [
        "# Comparison",
        f"**{told['audit']['caution']}**" if told["audit"]["caution"] else "",
        verdict(told),
        _table(main_table(told)),
        spread_text(told),
        _listed("What can be told apart", [entry["sentence"] for entry in told["significance"]]),
        f"## All metrics\n\n{_table(full_table(told))}",
        _listed("Data audit", audit_lines(told["audit"])),
        "\n\n".join(["## Examples", *map(_example, told["examples"])]) if told["examples"] else "",
        _listed("Settings chosen on validation ratings", choices_text(told)),
        "## How it was made",
        made_counts(told),
        formulas_text(names),
        "Splits: " + ", ".join(f"{name} {value}" for name, value in told["split"].items()) + ".",
        f"Command: `{told['command']}`" if told["command"] else "",
        "Made with: " + ", ".join(f"{name} {value}" for name, value in told["environment"].items()) + ".",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def verdict(told: Told) -> str:
    """One sentence: who predicts ratings best, who ranks best, and whether that can be told from the next best."""
    parts = []
    for metric, does, lower in (("RMSE", "predicts ratings best", True), ("NDCG", "ranks best", False)):
        name = next((n for n in metric_names(told) if n.partition("@")[0] == metric.lower()), None)
        ordered = _ordered(told, name, lower) if name else []
        if ordered and name:
            means = [number(model["metrics"][name]["mean"]) for model in ordered]
            said = f"{ordered[0]['name']} {does}, {name.replace(metric.lower(), metric)} {means[0]}"
            parts.append(said + _ahead(told, ordered, name.upper(), means))
    return "; ".join(parts) + "."


def _ordered(told: Told, name: str, lower: bool) -> list[Told]:
    """Models that have the metric, best first."""
    have = [m for m in told["models"] if m["metrics"].get(name, {}).get("mean") is not None]
    return sorted(have, key=lambda m: m["metrics"][name]["mean"] * (1 if lower else -1))


def _ahead(told: Told, ordered: Sequence[Told], metric: str, means: Sequence[str]) -> str:
    """How sure the first place is."""
    if len(ordered) < 2:
        return ""
    pair = {ordered[0]["name"], ordered[1]["name"]}
    entry = next((e for e in told["significance"] if e["metric"] == metric and set(e["models"]) == pair), None)
    sure = "ahead of" if entry is not None and entry["winner"] == ordered[0]["name"] else "not told apart from"
    return f" ({sure} {ordered[1]['name']}, {means[1]})"


def metric_names(told: Told) -> list[str]:
    """All metrics that a model has, in the order of the evaluation."""
    return list(dict.fromkeys(name for model in told["models"] for name in model["metrics"]))


def main_table(told: Told) -> Table:
    """(head, rows) with the metrics that say most, models down; each cell as (text, small print)."""
    names = told["main_metrics"]
    rows = [
        [
            (model["name"], ""),
            *(_cell(model, name) for name in names),
            (f"{model['fit_seconds']:.1f}", ""),
            (size(model["fit_memory"]), ""),
        ]
        for model in told["models"]
    ]
    return ["model", *names, "fit s", "memory MiB"], rows


def full_table(told: Told) -> Table:
    """(head, rows) with all metrics, models across."""
    rows = [[(name, ""), *(_cell(model, name) for model in told["models"])] for name in metric_names(told)]
    return ["metric", *(model["name"] for model in told["models"])], rows


def _cell(model: Told, name: str) -> tuple[str, str]:
    """Mean and ± over the splits; of one split the value and its interval over the users."""
    interval = (model["intervals_over_users"] or {}).get(name)
    text, small = with_interval(model["metrics"].get(name))
    return text, small if interval is None else interval_text(interval)


def spread_text(told: Told) -> str:
    """What the small print of the table means."""
    splits = told["split"]["splits"]
    means = (
        "One split, with 95 % intervals over its users."
        if splits == 1
        else f"Means of {splits} splits, ± half the 95 % t-interval."
    )
    left_out = "".join(f" {name} is left out: {why}." for name, why in told["left_out"].items())
    return f"{means} fit s: seconds of a training; memory: what it took at its peak, beside the ratings.{left_out}"


def choices_text(told: Told) -> list[str]:
    """One line a model whose settings were chosen: those of the first split, out of how many, at what cost."""
    lines = []
    for model in told["models"]:
        choice = model["choices"][0] if model["choices"] else {}
        if choice:
            settings = ", ".join(f"{name}={value}" for name, value in choice["settings"].items())
            cost = f"{len(choice['tried'])} tried in {choice['seconds']:.1f} s"
            more = f", {len(model['choices']) - 1} more splits each with their own" if len(model["choices"]) > 1 else ""
            lines.append(f"{model['name']}: {settings} ({cost}{more})")
    return lines


def made_counts(told: Told) -> str:
    """The counts of the first split in sentences."""
    first = told["models"][0]
    return f"First split: {counts_text(first['counts'][0], first['settings'])}"


def shown_item(item: Told) -> str:
    """Title, or the raw id, and the rating when there is one."""
    stars = f" ({item['rating']:g})" if "rating" in item else ""
    return f"{item.get('title') or item['item']}{stars}"


def _example(example: Told) -> str:
    asked = {item["item"] for item in example["test"]}
    rows = [("rated in training", example["known"]), ("rated in test", example["test"][:6])]
    lines = [f"- {name}: {'; '.join(map(shown_item, items))}" for name, items in rows]
    for name, items in example.get("lists", {}).items():
        marked = [f"**{shown_item(item)}**" if item["item"] in asked else shown_item(item) for item in items]
        lines.append(f"- {name} shows: {'; '.join(marked)}")
    return "\n".join([f"User {example['user']} (bold: rated in test)", "", *lines])


def _table(table: Table) -> str:
    head, rows = table
    return markdown_table(head, [[" ".join(cell).strip() for cell in row] for row in rows])


def _listed(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines) if lines else ""
