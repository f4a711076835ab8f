"""A comparison as one HTML page: nothing from elsewhere, light and dark, for a screen, a phone or paper."""

from collections.abc import Sequence
from html import escape
from types import SimpleNamespace
from typing import Any

from autorec.evaluation.charts import Line, line_chart
from autorec.evaluation.data_audit import audit_lines
from autorec.evaluation.slices import GROUPS
from autorec.evaluation.tables import number

_STYLE = """
:root{--ink:#1b1f24;--paper:#fff;--faint:#667;--rule:#d5d9e0;--c0:#1f6fb4;--c1:#d1641a;--c2:#2d8a4e;--c3:#b3324b;
--c4:#7a52b3;--c5:#6b6f76;--c6:#8a7a12;--c7:#1a8f94}
@media (prefers-color-scheme:dark){:root{--ink:#e6e8eb;--paper:#14171b;--faint:#9aa3ad;--rule:#333a43;--c0:#6fb1ec;
--c1:#f0975a;--c2:#6cc78c;--c3:#ec7f92;--c4:#b899ea;--c5:#aab0b8;--c6:#d3c14f;--c7:#63cdd2}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:62rem;margin:0 auto;
padding:1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}.verdict{font-size:1.15rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .7rem;border-bottom:1px solid var(--rule);text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:1rem}
figure{margin:0;break-inside:avoid}figcaption{font-weight:600}svg{width:100%;height:auto}
svg text{font-size:11px;fill:var(--faint)}.grid{stroke:var(--rule)}.line{fill:none;stroke-width:2}
.key{margin-right:1rem;white-space:nowrap}.key:before{content:"";display:inline-block;width:.8em;height:.8em;
margin-right:.35em;background:currentColor}
.line.c0,.dot.c0{stroke:var(--c0)}.line.c1,.dot.c1{stroke:var(--c1)}.line.c2,.dot.c2{stroke:var(--c2)}
.line.c3,.dot.c3{stroke:var(--c3)}.line.c4,.dot.c4{stroke:var(--c4)}.line.c5,.dot.c5{stroke:var(--c5)}
.line.c6,.dot.c6{stroke:var(--c6)}.line.c7,.dot.c7{stroke:var(--c7)}.key.c6{color:var(--c6)}.key.c7{color:var(--c7)}
.dot{fill:var(--paper);stroke-width:2}.key.c0{color:var(--c0)}.key.c1{color:var(--c1)}.key.c2{color:var(--c2)}
.key.c3{color:var(--c3)}.key.c4{color:var(--c4)}.key.c5{color:var(--c5)}
small,dt{color:var(--faint)}dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dd{margin:0;
overflow-wrap:anywhere}
"""


def comparison_page(told: dict[str, Any], results: Sequence[Any], counts: str) -> str:
    """The page of `Comparison.to_dict()` and its results; `counts` in sentences."""
    sentences = [entry["sentence"] for entry in told["significance"]]
    figures = [figure for figure in _figures(results) if figure]
    sections = [
        f"<p class=verdict>{_caution(told)}{escape(_verdict(told))}</p>",
        _section("Models", _table(told["models"])),
        _section("Where they differ, and where they fail", f"<div class=figures>{''.join(figures)}</div>"),
        _section("What can be told apart", _items(sentences)),
        _section("Data audit", _items(audit_lines(told["audit"]))),
        _section("Counts", f"<p>{escape(counts)}</p>"),
        _section("Formulas", _facts(told["formulas"])),
        _section("How it was made", _facts({**told["split"], **told["environment"]}) + _settings(told["models"])),
    ]
    return _page("Comparison", sections)


def evaluation_page(told: dict[str, Any], evaluation: Any, counts: str) -> str:
    """The page of `Evaluation.to_dict()`; `counts` in sentences."""
    alone = SimpleNamespace(name="model", summaries=[{}], evaluations=[evaluation])
    rows = "".join(_metric_row(name, value, told["intervals"].get(name)) for name, value in told["metrics"].items())
    head = "<tr><th>metric</th><th>value</th><th>95 % interval over users</th></tr>"
    sections = [
        _section("Metrics", f"<table>{head}{rows}</table>"),
        _section("Where it fails", f"<div class=figures>{''.join(_figures([alone]))}</div>"),
        _section("Counts", f"<p>{escape(counts)}</p>"),
        _section("Formulas", _facts(told["formulas"])),
    ]
    return _page("Evaluation", sections)


def _metric_row(name: str, value: float | None, interval: Sequence[float] | None) -> str:
    between = "" if interval is None else f"{number(interval[0])} to {number(interval[1])}"
    return f"<tr><td>{escape(name)}</td><td>{number(value)}</td><td>{between}</td></tr>"


def _page(title: str, sections: Sequence[str]) -> str:
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    body = f"<h1>{title}</h1>{''.join(sections)}"
    top = f"<!doctype html>\n<html lang=en><head>{head}<title>AutoRec: {title.lower()}</title>"
    return f"{top}<style>{_STYLE}</style></head><body>{body}</body></html>\n"


def _caution(told: dict[str, Any]) -> str:
    caution = told["audit"]["caution"]
    return f"<strong>{escape(caution)}</strong> " if caution else ""


def _verdict(told: dict[str, Any]) -> str:
    rated = [m for m in told["models"] if m["metrics"].get("rmse", {}).get("mean") is not None]
    ranked = [m for m in told["models"] if any(name.startswith("ndcg@") for name in m["metrics"])]
    parts = []
    if rated:
        best = min(rated, key=lambda m: m["metrics"]["rmse"]["mean"])
        parts.append(f"{best['name']} predicts ratings best, RMSE {number(best['metrics']['rmse']['mean'])}")
    if ranked:
        name = next(name for name in ranked[0]["metrics"] if name.startswith("ndcg@"))
        best = max(ranked, key=lambda m: m["metrics"].get(name, {}).get("mean") or 0)
        parts.append(
            f"{best['name']} ranks best, NDCG{name.removeprefix('ndcg')} {number(best['metrics'][name]['mean'])}"
        )
    return "; ".join(parts) + "."


def _table(models: Sequence[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for model in models for name in model["metrics"]))
    head = "".join(f"<th>{escape(name)}</th>" for name in ["model", *names, "fit s"])
    rows = []
    for model in models:
        cells = [_cell(model["metrics"].get(name)) for name in names]
        row = [escape(model["name"]), *cells, f"{model['fit_seconds']:.1f}"]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>")
    return f"<div class=scroll><table><tr>{head}</tr>{''.join(rows)}</table></div>"


def _cell(spread: dict[str, Any] | None) -> str:
    if spread is None or spread["mean"] is None:
        return "–"
    half = "" if spread["interval"] is None else f" <small>± {spread['interval'][1] - spread['mean']:.4f}</small>"
    return number(spread["mean"]) + half


def _figures(results: Sequence[Any]) -> list[str]:
    """Of the first split: learning curves, calibration, error by activity and popularity, recall by length."""
    curves, level, by_user, by_item, recall = [], [], [], [], []
    for colour, result in enumerate(results):
        evaluation, name = result.evaluations[0], result.name
        slices, ks = evaluation.slices, evaluation.settings["k"]
        looks = [look for look in result.summaries[0].get("curve", []) if look["validation_rmse"] is not None]
        curves.append(Line(name, *_columns(looks, "epoch", "validation_rmse"), colour))
        level.append(Line(name, *_columns(slices.get("calibration", []), "predicted", "true"), colour))
        by_user.append(Line(name, *_groups(slices.get("error_by_user_ratings", [])), colour))
        by_item.append(Line(name, *_groups(slices.get("error_by_item_ratings", [])), colour))
        recall.append(Line(name, ks, [evaluation.metrics[f"recall@{k}"] for k in ks], colour))
    labels = [f"{start}+" for start in GROUPS]
    return [
        line_chart("Learning curves", "epoch", "validation RMSE", curves),
        line_chart("Calibration of ratings", "predicted", "true mean", level),
        line_chart("Error by activity of the user", "training ratings", "RMSE", by_user, labels),
        line_chart("Error by popularity of the item", "training ratings", "RMSE", by_item, labels),
        line_chart("Recall by length of the list", "k", "recall", recall) if len(recall[0].x) > 1 else "",
    ]


def _columns(rows: Sequence[dict[str, Any]], x: str, y: str) -> tuple[list[float], list[float]]:
    return [float(row[x]) for row in rows], [float(row[y]) for row in rows]


def _groups(rows: Sequence[dict[str, Any]]) -> tuple[list[float], list[float]]:
    return [float(GROUPS.index(row["from"])) for row in rows], [row["rmse"] for row in rows]


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _items(sentences: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "</ul>"


def _facts(facts: dict[str, Any]) -> str:
    pairs = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items())
    return f"<dl>{pairs}</dl>"


def _settings(models: Sequence[dict[str, Any]]) -> str:
    told = {
        model["name"]: ", ".join(f"{name}={value}" for name, value in model["params"].items()) or "no settings"
        for model in models
    }
    return _facts(told)
