"""A comparison as one HTML page: nothing from elsewhere, light and dark, for a screen, a phone or paper."""

from collections.abc import Mapping, Sequence
from html import escape

from autorec.report.charts import COLOURS, Line, line_chart
from autorec.report.comparison_text import (
    audit_lines,
    choices_text,
    first_counts,
    full_table,
    item_text,
    main_table,
    spread_text,
    verdict,
)
from autorec.report.evaluation_text import INTERVAL, counts_text, interval_text
from autorec.report.results import (
    ComparisonReport,
    ErrorGroup,
    EvaluationReport,
    Example,
    Item,
    ModelResult,
    Spread,
    Verdict,
)
from autorec.report.tables import number

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


def comparison_page(report: ComparisonReport) -> str:
    """The page of a comparison."""
    caution = report.audit.caution
    strong = f"<strong>{escape(caution)}</strong> " if caution else ""
    figures = "".join(_figures(report.models))
    sections = [
        f"<p class=verdict>{strong}{escape(verdict(report))}</p>",
        _section("Models", f"{_table(*main_table(report))}<p>{escape(spread_text(report))}</p>"),
        _section("What can be told apart", _apart(report.significance)),
        _section("Where they differ, and where they fail", f"<div class=figures>{figures}</div>"),
        _section("What people would see", _examples(report.examples)) if report.examples else "",
        _section("All metrics", _table(*full_table(report))),
        _section("Data audit", _items(audit_lines(report.audit))),
        _section("Counts", f"<p>{escape(first_counts(report))}</p>"),
        _section("Formulas", _facts(report.formulas)),
        _section("How it was made", _made(report)),
    ]
    return _page("Comparison", sections)


def evaluation_page(report: EvaluationReport) -> str:
    """The page of an evaluation."""
    rows = [
        [(name, ""), (number(value), ""), (interval_text(report.intervals.get(name)), "")]
        for name, value in report.metrics.items()
    ]
    alone = _as_result(report)
    sections = [
        _section("Metrics", _table(["metric", "value", INTERVAL], rows)),
        _section("Where it fails", f"<div class=figures>{''.join(_figures([alone]))}</div>"),
        _section("Counts", f"<p>{escape(counts_text(report.counts, report.settings))}</p>"),
        _section("Formulas", _facts(report.formulas)),
    ]
    return _page("Evaluation", sections)


def _as_result(report: EvaluationReport) -> ModelResult:
    """An evaluation as the only model of a comparison, for the figures."""
    metrics = {name: Spread(value, None, None, (value,)) for name, value in report.metrics.items()}
    return ModelResult(
        "model", {}, 0.0, None, metrics, report.intervals, (report.counts,), report.settings, (), (), report.slices
    )


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


def _apart(entries: Sequence[Verdict]) -> str:
    """The best against each other model, and the other pairs behind a click."""
    first, rest = ([entry.sentence for entry in entries if entry.of_best == wanted] for wanted in (True, False))
    more = f"<details><summary>All other pairs ({len(rest)})</summary>{_items(rest)}</details>" if rest else ""
    return _items(first) + more


def _examples(examples: Sequence[Example]) -> str:
    blocks = []
    for example in examples:
        tested = {item.item for item in example.test}
        parts = [
            _people("Rated in training, best first", example.known, set()),
            _people("Rated in test", example.test[:6], set()),
            *(_people(f"{name} shows", items, tested) for name, items in example.lists.items()),
        ]
        blocks.append(f"<h3>User {escape(str(example.user))}</h3><div class=people>{''.join(parts)}</div>")
    return "<p>Of the first split; <mark>bold</mark>: rated in test.</p>" + "".join(blocks)


def _people(title: str, items: Sequence[Item], tested: set[object]) -> str:
    lines = [escape(item_text(item)) for item in items]
    marked = [f"<mark>{line}</mark>" if item.item in tested else line for item, line in zip(items, lines, strict=True)]
    listed = "".join(f"<li>{line}</li>" for line in marked)
    return f"<div><h4>{escape(title)}</h4><ol>{listed}</ol></div>"


def _figures(models: Sequence[ModelResult]) -> list[str]:
    """Of the first split: learning curves, calibration, error by activity and popularity, recall by length, accuracy
    against coverage. A figure without points is left out."""
    ks = models[0].settings.k
    sliced = [(n, model.name, model.slices) for n, model in enumerate(models) if model.slices is not None]
    starts = sorted({g.at_least for _, _, s in sliced for g in (*s.error_by_user_ratings, *s.error_by_item_ratings)})
    labels = [f"{start}+" for start in starts]
    curves = [
        Line(m.name, [point.epoch for point in m.curve], [point.rmse for point in m.curve], n)
        for n, m in enumerate(models)
    ]
    level = [
        Line(name, [b.predicted for b in s.calibration], [b.true for b in s.calibration], n) for n, name, s in sliced
    ]
    by_user = [Line(name, *_groups(s.error_by_user_ratings, starts), n) for n, name, s in sliced]
    by_item = [Line(name, *_groups(s.error_by_item_ratings, starts), n) for n, name, s in sliced]
    recall = [Line(m.name, ks, [_value(m, f"recall@{k}") for k in ks], n) for n, m in enumerate(models)]
    name = f"ndcg@{ks[0]}"
    against = [Line(m.name, [_value(m, f"coverage@{ks[0]}")], [_value(m, name)], n) for n, m in enumerate(models)]
    drawn = [
        line_chart("Learning curves", "epoch", "validation RMSE", curves),
        line_chart("Calibration of ratings", "predicted", "true mean", level),
        line_chart("Error by activity of the user", "training ratings", "RMSE", by_user, labels),
        line_chart("Error by popularity of the item", "training ratings", "RMSE", by_item, labels),
        line_chart("Recall by length of the list", "k", "recall", recall) if len(ks) > 1 else "",
        line_chart("Accuracy against coverage", f"coverage@{ks[0]}", name.upper(), against) if len(models) > 1 else "",
    ]
    return [figure for figure in drawn if figure]


def _groups(groups: Sequence[ErrorGroup], starts: Sequence[int]) -> tuple[list[float], list[float]]:
    return [float(starts.index(group.at_least)) for group in groups], [group.rmse for group in groups]


def _value(model: ModelResult, metric: str) -> float:
    """NaN where the model has none: such points are not drawn."""
    mean = model.mean(metric)
    return float("nan") if mean is None else mean


def _made(report: ComparisonReport) -> str:
    command = f"<p><code>{escape(report.command)}</code></p>" if report.command else ""
    chosen = choices_text(report)
    choices = (
        f"<p>Settings chosen on validation ratings inside the training part:</p>{_items(chosen)}" if chosen else ""
    )
    settings = {
        model.name: ", ".join(f"{name}={value}" for name, value in model.params.items()) or "no settings"
        for model in report.models
    }
    facts = _facts({**report.split.to_dict(), **report.environment})
    return f"{command}{facts}{choices}<p>As asked for:</p>{_facts(settings)}"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _items(sentences: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "</ul>"


def _facts(facts: Mapping[str, object]) -> str:
    pairs = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items())
    return f"<dl>{pairs}</dl>"
