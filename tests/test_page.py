"""The report as a page: everything in it, nothing from elsewhere, also in a real browser where there is one."""

import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from conftest import random_frame

from autorec import AutoRec, Bias, compare, evaluate
from autorec.evaluation.slices import calibration, error_by_count
from autorec.report.charts import Line, _ticks, line_chart

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


class Tags(HTMLParser):
    """Counts tags, checks that they close, and collects what would be loaded."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.count: dict[str, int] = {}
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page() -> str:
    models = [("<small> & quick", AutoRec(hidden=4, epochs=6, penalty="l2:10", validation=0.2))]
    return compare(random_frame(80, 40), models, by="random:0.2", k=(3, 5, 10)).to_html()


def test_the_page_has_everything_and_loads_nothing(page: str) -> None:
    tags = Tags(page)
    assert tags.open == [] and tags.loaded == []
    assert tags.count["svg"] == 6
    for text in ("&lt;small&gt; &amp; quick", "predicts ratings best", "cannot be told apart", "Formulas", "numba"):
        assert text in page


def test_one_evaluation_is_a_page_too() -> None:
    frame = random_frame()
    page = evaluate(Bias().fit(frame), frame, k=(3, 5)).to_html()
    assert Tags(page).count["svg"] == 4


def test_charts_of_nothing_of_one_point_and_of_equal_points() -> None:
    assert line_chart("t", "x", "y", [Line("a", [], [])]) == ""
    for x, y in (([1], [2]), ([1, 2], [3, 3]), ([0], [0])):
        assert "nan" not in line_chart("t", "x", "y", [Line("a", x, y)]).lower()


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


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [1200, 400])
def test_in_a_browser_nothing_overflows(page: str, width: int, tmp_path: Path) -> None:
    probe = "<script>document.title=document.documentElement.scrollWidth<=innerWidth?'fits':'overflows'</script>"
    path = tmp_path / "report.html"
    path.write_text(page.replace("</body>", f"{probe}</body>"), encoding="utf-8")
    assert BROWSER is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900", "--enable-logging=stderr"]
    done = subprocess.run(
        [BROWSER, *flags, f"--user-data-dir={tmp_path}/profile", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "<title>fits</title>" in done.stdout
    assert "CONSOLE" not in done.stderr


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.81, 0.89), (-3, 7), (2, 40), (0.0001, 0.00017), (0, 1e6)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    ticks = _ticks(low, high)
    assert 3 <= len(ticks) <= 7
    assert all(low - 1e-9 <= tick <= high * (1 + 1e-9) for tick in ticks)
    assert all(tick == pytest.approx(float(f"{tick:.3g}"), abs=1e-12) for tick in ticks)
