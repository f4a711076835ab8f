"""The report as a page: everything in it, nothing from elsewhere, also in a real browser where there is one."""

import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree

import numpy as np
import pytest
from browser import CHROMIUM
from click.testing import CliRunner
from conftest import random_frame
from hypothesis import given
from hypothesis import strategies as st

from autorec import AutoRec, Bias, Comparison, compare, evaluate
from autorec.cli.main import autorec as command
from autorec.errors import AutoRecError
from autorec.evaluation.slices import calibration, error_by_count
from autorec.report.charts import Series, keep_between, move_apart, short
from autorec.report.comparison_report import ModelResult, Spread, Verdict
from autorec.report.comparison_text import full_table, main_table
from autorec.report.evaluation_report import Settings
from autorec.report.figures import _draw_lines, difference_figures
from autorec.report.tables import printable


class Tags(HTMLParser):
    """Counts tags, checks that they close, and collects what would be loaded."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] += 1
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href") and not value.startswith("#")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


NAME = "<small> & $quick$"


@pytest.fixture(scope="module")
def compared() -> Comparison:
    models = [(NAME, AutoRec(hidden=4, epochs=6, penalty="l2:10", validation=0.2)), "ease"]
    return compare(random_frame(80, 40), models, by="random:0.2", k=(3, 5, 10), name="some.csv", command="autorec c")


@pytest.fixture(scope="module")
def page(compared: Comparison) -> str:
    return compared.to_html()


def words(page: str) -> list[str]:
    """The text outside of tags and style, without blanks around."""

    class Words(HTMLParser):
        found: ClassVar[list[str]] = []

        def handle_data(self, data: str) -> None:
            if self.rawdata and data.strip():
                self.found.append(data.strip())

    parser = Words()
    parser.found = []
    parser.feed(re.sub("<style>.*?</style>", "", page, flags=re.DOTALL))
    return parser.found


def test_the_page_has_everything_and_loads_nothing(page: str) -> None:
    tags = Tags(page)
    assert tags.open == [] and tags.loaded == []
    assert tags.count["svg"] == 8  # two plots of differences, six of where models differ
    assert len(page.encode()) < 2**20
    assert "@import" not in page and page.count("url(") == page.count("url(#")
    assert page.count("http") == 0
    for text in ("&lt;small&gt; &amp; $quick$", "predicts ratings best", "not told apart", "Formulas", "numba"):
        assert text in page


def test_colours_are_the_styles_own_so_that_the_page_has_a_dark_side(page: str) -> None:
    style = page[page.index("<style>") : page.index("</style>")]
    drawn = page[page.index("</style>") :]
    assert not re.search(r"(fill|stroke): #[0-9a-f]{3}", drawn)
    used = set(re.findall(r"var\((--\w+)\)", page))
    light, dark = style.split("prefers-color-scheme: dark")[:2]
    assert used and all(f"{name}:" in light and f"{name}:" in dark for name in used)


def test_the_title_tells_data_split_sizes_and_date(page: str, compared: Comparison) -> None:
    said = words(page)
    assert said[said.index("Comparison on some.csv", 1) + 1] == "1,348 ratings of 80 users and 40 items"
    assert "one split by random:0.2, seed 0: 1,079 ratings for training, 269 for the test" in said
    assert compared.date in said and re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d UTC", compared.date)


def test_models_are_sorted_with_those_asked_for_apart_from_baselines(compared: Comparison) -> None:
    report = compared.report()
    table = main_table(report)
    assert [group.title for group in table.groups] == ["Asked for", "Baselines"]
    assert [row[0].text for row in table.groups[0].rows] == [NAME, "ease"]
    ordered = [row[0].text for row in table.groups[1].rows]
    rmse = {model.name: model.mean("rmse") for model in report.models}
    rating = [name for name in ordered if rmse[name] is not None]
    assert rating == sorted(rating, key=rmse.__getitem__) == ordered[: len(rating)]
    assert [head.text for head in table.head][:3] == ["model", "RMSE ↓", "NDCG@3 ↑"]
    assert table.head[1].tip == "√(Σ(r̂ − r)² / n), over all test ratings at once"


def test_the_best_of_each_column_is_marked_and_no_other(compared: Comparison) -> None:
    report = compared.report()
    rows = [row for group in main_table(report).groups for row in group.rows]
    for column, name in enumerate(report.main_metrics, 1):
        means = [model.mean(name) for model in report.models if model.mean(name) is not None]
        best = f"{(min if name == 'rmse' else max)(means):.4f}"
        assert {row[column].text for row in rows if row[column].best} == {best}
    (every,) = full_table(report).groups
    assert not any(cell.best for row in every.rows if row[0].text.startswith(("gini", "diversity")) for cell in row)


def test_two_people_are_in_view_with_the_hits_of_the_models_asked_for(page: str, compared: Comparison) -> None:
    assert len(compared.examples) == 3
    said = words(page)
    first, second, third = (said.index(f"Person {n}, with {e.ratings} training ratings")
                            for n, e in enumerate(compared.examples, 1))  # fmt: skip
    assert said[first:second].count(NAME) == 1 and first < second < third
    assert page.count("<h3>") == 2 and "<summary>Person 3" in page
    hits = 0
    for example in compared.examples:
        tested = {item.item for item in example.test}
        hits += sum(item.item in tested for items in example.lists.values() for item in items)
    assert page.count("<mark>") == hits + 1  # the legend's


def test_users_are_named_only_where_asked(compared: Comparison) -> None:
    for text in (compared.to_html(), compared.to_markdown()):
        assert "Person 1, with" in text and "User " not in text
    assert all(example["user"] is None for example in compared.to_dict()["examples"])
    named = compare(random_frame(), ["bias"], by="random:0.3", baselines="none", user_ids=True)
    assert f"User {named.examples[0].user}, with" in named.to_markdown()


def test_one_evaluation_is_a_page_too() -> None:
    frame = random_frame()
    page = evaluate(Bias(user_damping=3).fit(frame), frame, k=(3, 5), name="kept.csv").to_html()
    assert Tags(page).count["svg"] == 4
    said = words(page)
    assert "Bias(user_damping=3)" in said and f"{len(frame)} test ratings of 30 users" in said
    assert "hits / k" in said and "precision@3 ↑" in said and "Evaluation on kept.csv" in said


@pytest.mark.parametrize("name", ["jinja2", "matplotlib"])
def test_without_the_extra_a_sentence_says_what_to_install(compared: Comparison, monkeypatch, tmp_path, name) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    said = f"needs {name}, not installed: python -m pip install 'autorec-cf[report]'"
    with pytest.raises(AutoRecError, match=re.escape(said)):
        compared.to_html()
    assert "# Comparison on some.csv" in compared.to_markdown()
    for verb in (["compare", "x.csv", "-m", "bias"], ["evaluate", "m", "x.csv"]):  # before anything is read
        result = CliRunner().invoke(command, [*verb, "-o", str(tmp_path / "r.html")])
        assert result.exit_code == 1 and result.stderr == f"Error: a report as .html {said}\n"


def test_nothing_is_imported_for_drawing_before_something_is_drawn() -> None:
    code = "import sys, autorec; autorec.compare, autorec.tune; print({'matplotlib', 'jinja2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# --- charts -------------------------------------------------------------------------------------------------


def chart(*series: Series) -> str:
    return _draw_lines("t", "x", "y", [one.known() for one in series]).svg


def test_charts_of_one_point_and_of_equal_points() -> None:
    for x, y in (([1], [2]), ([1, 2], [3, 3]), ([0], [0])):
        assert "nan" not in chart(Series("a", x, y, 0)).lower()
    assert Series("a", [1, 2, 3], [4, float("nan"), 6], 0).known().x == [1, 3]


def test_names_of_any_kind_are_text_in_a_chart() -> None:
    for name in ("$x$ & <y>", "\x00\x1b[1m", "a" * 500, "]]>", "ünï"):
        svg = chart(Series(name, [1, 2], [3, 4], 0))
        root = ElementTree.fromstring(svg)
        tips = [title.text for title in root.iter("title")]
        assert tips == [printable(f"{name}: 3"), printable(f"{name}: 4")]
        assert short(name) in [text.text for text in root.iter("text")]


def test_the_same_chart_is_drawn_with_the_same_signs() -> None:
    assert chart(Series("a", [1, 2], [3, 4], 0)) == chart(Series("a", [1, 2], [3, 4], 0))


def test_points_of_few_ratings_are_pale_and_so_are_the_lines_to_them() -> None:
    svg = chart(Series("a", [1, 2, 3], [1, 2, 3], 0, faint=[False, False, True]))
    root = ElementTree.fromstring(svg)
    pale = [group for group in root.iter("g") if "opacity: 0.35" in ElementTree.tostring(group, encoding="unicode")]
    assert sum(len(list(group.iter("use"))) for group in pale[-1:]) == 1
    assert "stroke-opacity: 0.25" in svg


@given(st.lists(st.floats(-1e3, 1e3), max_size=12), st.floats(0.1, 100))
def test_labels_are_moved_apart_in_order(values: list[float], gap: float) -> None:
    moved = move_apart(values, gap)
    order = np.argsort(values, kind="stable")
    assert np.all(np.diff(np.array(moved)[order]) >= gap * (1 - 1e-6) - 1e-9)
    alone = [
        k for k, v in enumerate(values) if all(abs(v - w) > gap * len(values) for j, w in enumerate(values) if j != k)
    ]
    assert [moved[k] for k in alone] == pytest.approx([values[k] for k in alone])
    room = len(values) * gap
    kept = keep_between(moved, gap, -room, room)
    assert np.all(np.diff(np.array(kept)[order]) >= gap * (1 - 1e-6) - 1e-9) and max(map(abs, kept), default=0) <= room
    if all(abs(value) <= room for value in moved):
        assert kept == pytest.approx(moved)


def test_the_plot_of_differences_is_of_the_best_model_and_right_is_worse() -> None:
    verdicts = [
        Verdict(("a", "b"), "RMSE", -0.1, (-0.12, -0.08), 0.001, "a", "", of_best=True),
        Verdict(("c", "a"), "RMSE", 0.01, (-0.02, 0.04), 0.4, None, "", of_best=True),
        Verdict(("b", "c"), "RMSE", 0.09, (0.05, 0.13), 0.01, "c", "", of_best=False),
    ]
    models = [model(name, rmse) for name, rmse in (("a", 0.9), ("b", 1.0), ("c", 0.91))]
    (figure,) = difference_figures(models, verdicts)
    assert figure.title == "RMSE: a against each other model"
    tips = [title.text for title in ElementTree.fromstring(figure.svg).iter("title")]
    assert tips == ["c: 0.0100 ± 0.0300, not told apart", "b: 0.1000 ± 0.0200, told apart"]


def model(name: str, rmse: float) -> ModelResult:
    metrics = {"rmse": Spread(rmse, None, None, (rmse,))}
    return ModelResult(name, False, {}, 0.0, None, metrics, None, (), Settings((10,), 4, None), (), (), None)


def test_calibration_has_the_diagonal_and_the_counts(page: str) -> None:
    drawing = page[page.index('aria-label="Calibration') :].partition("</svg>")[0]
    assert "stroke-dasharray" in drawing
    assert re.search(r"bias: predicted \d\.\d\d, true \d\.\d\d, \d+ ratings", drawing)


def test_slices_hold_every_rating_once() -> None:
    rng = np.random.default_rng(0)
    predicted, true = rng.uniform(1, 5, 500), rng.uniform(1, 5, 500)
    levels = calibration(predicted, true, (1, 5))
    assert sum(level.ratings for level in levels) == 500
    assert all(1 + 0.4 * n <= level.predicted <= 1.4 + 0.4 * n for n, level in enumerate(levels))
    groups = error_by_count(predicted, true, rng.integers(0, 2000, 500))
    assert sum(group.ratings for group in groups) == 500
    total = sum(group.rmse**2 * group.ratings for group in groups) / 500
    assert total == pytest.approx(np.mean((predicted - true) ** 2))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [1280, 390])
def test_in_a_browser_nothing_overflows(page: str, width: int, tmp_path: Path) -> None:
    probe = "<script>document.title=document.documentElement.scrollWidth<=innerWidth?'fits':'overflows'</script>"
    path = tmp_path / "report.html"
    path.write_text(page.replace("</body>", f"{probe}</body>"), encoding="utf-8")
    assert CHROMIUM is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900", "--enable-logging=stderr"]
    done = subprocess.run(
        [CHROMIUM, *flags, f"--user-data-dir={tmp_path}/profile", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "<title>fits</title>" in done.stdout
    assert "CONSOLE" not in done.stderr
