"""A comparison as one HTML page: nothing from elsewhere, light and dark, for a screen, a phone or paper."""

from collections.abc import Sequence
from html import escape
from typing import Any

from autorec.evaluation.data_audit import audit_lines
from autorec.evaluation.slices import GROUPS
from autorec.report.charts import COLOURS, Line, line_chart
from autorec.report.comparison_text import (
    choices_text,
    full_table,
    made_counts,
    main_table,
    shown_item,
    spread_text,
    verdict,
)
from autorec.report.evaluation_text import INTERVAL, counts_text, interval_text
from autorec.report.tables import number

Told = dict[str, Any]

_STYLE = """
:root{--ink:#1b1f24;--paper:#fff;--faint:#667;--rule:#d5d9e0;--c0:#1f6fb4;--c1:#d1641a;--c2:#2d8a4e;--c3:#b3324b;
--c4:#7a52b3;--c5:#6b6f76;--c6:#8a7a12;--c7:#1a8f94;--c8:#a4369b;--c9:#7b4b27}
@media (prefers-color-scheme:dark){:root{--ink:#e6e8eb;--paper:#14171b;--faint:#9aa3ad;--rule:#333a43;--c0:#6fb1ec;
--c1:#f0975a;--c2:#6cc78c;--c3:#ec7f92;--c4:#b899ea;--c5:#aab0b8;--c6:#d3c14f;--c7:#63cdd2;--c8:#e58bdd;--c9:#c79a76}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:62rem;margin:0 auto;
padding:1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}.verdict{font-size:1.15rem}
ul{padding-left:1.2rem}.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .5rem;border-bottom:1px solid var(--rule);text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}td small{display:block}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:1rem}
figure{margin:0;break-inside:avoid}figcaption{font-weight:600}svg{width:100%;height:auto}
svg text{font-size:11px;fill:var(--faint)}.grid{stroke:var(--rule)}.line{fill:none;stroke-width:2}
.key{margin-right:1rem;white-space:nowrap}.key:before{content:"";display:inline-block;width:.8em;height:.8em;
margin-right:.35em;background:currentColor}
.dot{fill:var(--paper);stroke-width:2}
small,dt,summary{color:var(--faint)}summary{cursor:pointer}mark{background:none;color:inherit;font-weight:700}
.people{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,18rem),1fr));gap:1rem}
.people h4{margin:.4rem 0 0}.people ol{margin:0;padding-left:1.4rem}code{overflow-wrap:anywhere}
@media print{body{max-width:none;font-size:11pt}.scroll{overflow:visible}.figures{grid-template-columns:1fr 1fr}
h2,h3,h4{break-after:avoid}
th,td{padding:.1rem .25rem;font-size:7pt;white-space:normal}}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dd{margin:0;
overflow-wrap:anywhere}
"""


def comparison_page(told: Told) -> str:
    """The page of `Comparison.to_dict()`."""
    caution = told["audit"]["caution"]
    strong = f"<strong>{escape(caution)}</strong> " if caution else ""
    figures = "".join(_figures(told["models"]))
    sections = [
        f"<p class=verdict>{strong}{escape(verdict(told))}</p>",
        _section("Models", f"{_table(*main_table(told))}<p>{escape(spread_text(told))}</p>"),
        _section("What can be told apart", _apart(told["significance"])),
        _section("Where they differ, and where they fail", f"<div class=figures>{figures}</div>"),
        _section("What people would see", _examples(told["examples"])) if told["examples"] else "",
        _section("All metrics", _table(*full_table(told))),
        _section("Data audit", _items(audit_lines(told["audit"]))),
        _section("Counts", f"<p>{escape(made_counts(told))}</p>"),
        _section("Formulas", _facts(told["formulas"])),
        _section("How it was made", _made(told)),
    ]
    return _page("Comparison", sections)


def evaluation_page(told: Told) -> str:
    """The page of `Evaluation.to_dict()`."""
    metrics = {name: {"mean": value} for name, value in told["metrics"].items()}
    alone = {"name": "model", "summaries": [{}], "metrics": metrics, **{n: told[n] for n in ("settings", "slices")}}
    rows = [
        [(name, ""), (number(value), ""), (interval_text(told["intervals"].get(name)), "")]
        for name, value in told["metrics"].items()
    ]
    sections = [
        _section("Metrics", _table(["metric", "value", INTERVAL], rows)),
        _section("Where it fails", f"<div class=figures>{''.join(_figures([alone]))}</div>"),
        _section("Counts", f"<p>{escape(counts_text(told['counts'], told['settings']))}</p>"),
        _section("Formulas", _facts(told["formulas"])),
    ]
    return _page("Evaluation", sections)


def _page(title: str, sections: Sequence[str]) -> str:
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    body = f"<h1>{title}</h1>{''.join(sections)}"
    top = f"<!doctype html>\n<html lang=en><head>{head}<title>AutoRec: {title.lower()}</title>"
    return f"{top}<style>{_STYLE}{_colours()}</style></head><body>{body}</body></html>\n"


def _colours() -> str:
    one = ".line.c{0},.dot.c{0}{{stroke:var(--c{0})}}.key.c{0}{{color:var(--c{0})}}"
    return "".join(one.format(number) for number in range(COLOURS))


def _table(head: Sequence[str], rows: Sequence[Sequence[tuple[str, str]]]) -> str:
    """Cells are (text, small print)."""
    lines = ["".join(f"<td>{escape(text)}{_small(small)}</td>" for text, small in row) for row in rows]
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    return f"<div class=scroll><table><tr>{top}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table></div>"


def _small(text: str) -> str:
    return f" <small>{escape(text)}</small>" if text else ""


def _apart(entries: Sequence[Told]) -> str:
    """The best against each other model, and the other pairs behind a click."""
    first, rest = ([entry["sentence"] for entry in entries if entry["of_best"] == wanted] for wanted in (True, False))
    more = f"<details><summary>All other pairs ({len(rest)})</summary>{_items(rest)}</details>" if rest else ""
    return _items(first) + more


def _examples(examples: Sequence[Told]) -> str:
    blocks = []
    for example in examples:
        asked = {item["item"] for item in example["test"]}
        parts = [
            _people("Rated in training, best first", example["known"], set()),
            _people("Rated in test", example["test"][:6], set()),
            *(_people(f"{name} shows", items, asked) for name, items in example.get("lists", {}).items()),
        ]
        blocks.append(f"<h3>User {escape(str(example['user']))}</h3><div class=people>{''.join(parts)}</div>")
    return "<p>Of the first split; <mark>bold</mark>: rated in test.</p>" + "".join(blocks)


def _people(title: str, items: Sequence[Told], asked: set[Any]) -> str:
    lines = [escape(shown_item(item)) for item in items]
    marked = [
        f"<mark>{line}</mark>" if item["item"] in asked else line for item, line in zip(items, lines, strict=True)
    ]
    listed = "".join(f"<li>{line}</li>" for line in marked)
    return f"<div><h4>{escape(title)}</h4><ol>{listed}</ol></div>"


def _figures(models: Sequence[Told]) -> list[str]:
    """Of the first split: learning curves, calibration, error by activity and popularity, recall by length, accuracy
    against coverage. A figure without points is left out."""
    ks = models[0]["settings"]["k"]
    labels = [f"{start}+" for start in GROUPS]
    curves = [_line(m, n, _looks(m["summaries"][0]), "epoch", "validation_rmse") for n, m in enumerate(models)]
    level = [_line(m, n, m["slices"].get("calibration", []), "predicted", "true") for n, m in enumerate(models)]
    by_user, by_item = (
        [Line(m["name"], *_groups(m["slices"].get(f"error_by_{side}_ratings", [])), n) for n, m in enumerate(models)]
        for side in ("user", "item")
    )
    recall = [Line(m["name"], ks, [_value(m, f"recall@{k}") for k in ks], n) for n, m in enumerate(models)]
    name = f"ndcg@{ks[0]}"
    against = [Line(m["name"], [_value(m, f"coverage@{ks[0]}")], [_value(m, name)], n) for n, m in enumerate(models)]
    drawn = [
        line_chart("Learning curves", "epoch", "validation RMSE", curves),
        line_chart("Calibration of ratings", "predicted", "true mean", level),
        line_chart("Error by activity of the user", "training ratings", "RMSE", by_user, labels),
        line_chart("Error by popularity of the item", "training ratings", "RMSE", by_item, labels),
        line_chart("Recall by length of the list", "k", "recall", recall) if len(ks) > 1 else "",
        line_chart("Accuracy against coverage", f"coverage@{ks[0]}", name.upper(), against) if len(models) > 1 else "",
    ]
    return [figure for figure in drawn if figure]


def _looks(summary: Told) -> list[Told]:
    return [look for look in summary.get("curve", []) if look["validation_rmse"] is not None]


def _line(model: Told, colour: int, rows: Sequence[Told], x: str, y: str) -> Line:
    return Line(model["name"], [float(row[x]) for row in rows], [float(row[y]) for row in rows], colour)


def _groups(rows: Sequence[Told]) -> tuple[list[float], list[float]]:
    return [float(GROUPS.index(row["from"])) for row in rows], [row["rmse"] for row in rows]


def _value(model: Told, metric: str) -> float:
    """NaN where the model has none: such points are not drawn."""
    mean = model["metrics"].get(metric, {}).get("mean")
    return float("nan") if mean is None else float(mean)


def _made(told: Told) -> str:
    command = f"<p><code>{escape(told['command'])}</code></p>" if told["command"] else ""
    chosen = choices_text(told)
    choices = (
        f"<p>Settings chosen on validation ratings inside the training part:</p>{_items(chosen)}" if chosen else ""
    )
    settings = {
        model["name"]: ", ".join(f"{name}={value}" for name, value in model["params"].items()) or "no settings"
        for model in told["models"]
    }
    return f"{command}{_facts({**told['split'], **told['environment']})}{choices}<p>As asked for:</p>{_facts(settings)}"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _items(sentences: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "</ul>"


def _facts(facts: Told) -> str:
    pairs = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items())
    return f"<dl>{pairs}</dl>"
