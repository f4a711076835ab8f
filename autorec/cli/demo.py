"""autorec demo: the main job on the built-in sample, start to report."""

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

import autorec
from autorec.cli.inspect import show_summary
from autorec.cli.output import require_form, write_file, write_json
from autorec.cli.paths import OutputFolder, require_free
from autorec.cli.text import show_table
from autorec.cli.verb import verb

_MODELS = ("autorec", "i-autorec")
_METRICS = ("rmse", "mae", "ndcg@10", "recall@10")
_REPORTS = ("html", "md", "json")
_PEOPLE = 1  # whose recommendations are shown
_FILMS = 5  # of each


@verb
@click.option(
    "-o",
    "--output",
    type=OutputFolder(),
    default=Path("demo-output"),
    show_default=True,
    metavar="DIR",
    help="Folder for the models, the recommendations and the report.",
)
def demo(output: Path, as_json: bool) -> None:
    """Train on the built-in sample, recommend, and write the evaluation report.

    The sample's people were made to like one genre each; the last lines tell how often it was found.
    """
    require_form(output / "report.html")
    for name in _MODELS:
        autorec.check_save_path(output / name)
    require_free([output / f"report.{form}" for form in _REPORTS] + [output / f"{name}.csv" for name in _MODELS])
    steps = Steps(show=not as_json)
    with steps("Read the built-in sample: invented people and films, planted tastes"):
        ratings = autorec.load_sample()
        summary = autorec.summarize(ratings)
    if not as_json:
        show_summary(summary, most_rated=0)
    with steps("Train on nine tenths, test on the tenth that no model saw"):
        comparison = autorec.compare(ratings, list(_MODELS), name="the built-in sample")
    for suffix in ("html", "md", "json"):
        comparison.save(output / f"report.{suffix}")
    if not as_json:
        _show_errors(comparison.to_dict())
    found = {name: _recommend(name, ratings, output, steps) for name in _MODELS}
    chance = 1 / autorec.sample_groups()[1].nunique()
    if as_json:
        facts = {"seconds": steps.seconds(), "output": str(output), "own_genre": found, "chance": chance}
        write_json({**facts, "ratings": summary, "comparison": comparison.to_dict()})
        return
    _show_verdict(found, chance)
    click.echo(f"\nDone in {steps.seconds():.1f} s. In {output}: report.html, .md, .json, and of each model its folder")
    click.echo(f"and recommendations. Next: autorec recommend {output / _MODELS[0]} --user 7")


class Steps:
    """Says each step before it begins and its time when it has ended, on a line of its own where bars are shown."""

    def __init__(self, show: bool) -> None:
        self.show, self.start, self.number = show, time.perf_counter(), 0

    def seconds(self) -> float:
        return time.perf_counter() - self.start

    @contextlib.contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        self.number += 1
        if self.show:
            title = "\n" * (self.number > 1) + click.style(f"{self.number}. {what}", bold=True)
            click.echo(title, nl=sys.stderr.isatty())
        start = time.perf_counter()
        yield
        if self.show:
            click.echo(f" ({time.perf_counter() - start:.1f} s)")


def _recommend(name: str, ratings: Any, output: Path, steps: Steps) -> float:
    """Train on all ratings, save, recommend, show some; the share of recommended films of the people's own genre."""
    with steps(f"Train {name} on all ratings, save it, recommend ten films to everyone"):
        model = autorec.create(name).fit(ratings)
        if model.summary_["stopped"] == "interrupted":
            raise KeyboardInterrupt
        model.save(output / name)
        table = model.recommend(n=10)
        write_file([table], output / f"{name}.csv")
    liked, genres = autorec.sample_groups()
    if steps.show:
        for person in table["user"].unique()[:_PEOPLE]:
            best = table[table["user"] == person].head(_FILMS)
            rows = [[row.title, genres[row.item], row.score] for row in best.itertuples()]
            show_table(["title", "genre", "score"], rows, f"Person {person}, made to like {liked[person]}")
    own = liked.loc[table["user"]].to_numpy() == genres.loc[table["item"]].to_numpy()
    return float(own.mean())


def _show_errors(report: dict[str, Any]) -> None:
    rows = [
        [model["name"], *(model["metrics"].get(metric, {}).get("mean") for metric in _METRICS)]
        for model in report["models"]
    ]
    show_table(["model", *_METRICS], rows)


def _show_verdict(found: dict[str, float], chance: float) -> None:
    click.secho("\nWere the planted tastes found?", bold=True)
    for name, share in found.items():
        verdict = "found" if share > 2 * chance else "not found"
        click.echo(f"  {name}: {verdict}. {share:.0%} of the recommended films are of the person's own genre.")
    click.echo(f"  By chance it would be {chance:.0%}.")
