"""Several models on the same splits of the same ratings, beside the baselines."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from autorec import progress
from autorec.errors import NotEnoughMemoryError, ParameterError
from autorec.evaluation.baselines import at_its_best
from autorec.evaluation.baselines import baselines as baseline_models
from autorec.evaluation.data_audit import data_audit
from autorec.evaluation.environment import environment
from autorec.evaluation.evaluate import Evaluation, evaluate, formulas
from autorec.evaluation.examples import example_users, lists, rated
from autorec.evaluation.memory import peak_memory
from autorec.evaluation.significance import verdicts
from autorec.evaluation.spread import spread
from autorec.models.base import Recommender
from autorec.models.presets import create, shown
from autorec.ratings.matrix import Ratings, as_ratings
from autorec.ratings.read import read_ratings
from autorec.ratings.split import Split, split
from autorec.report.comparison_text import comparison_markdown
from autorec.report.page import comparison_page
from autorec.report.results import (
    Choice,
    ComparisonReport,
    CurvePoint,
    DataAudit,
    Example,
    ModelResult,
    SplitFacts,
    Verdict,
)

Model = str | tuple[str, Recommender]


@dataclass(frozen=True, eq=False)
class Result:
    """One model, an entry a split in each list: evaluations, seconds of fit, bytes of memory that it took at its peak
    (None where unknown), the fitted model's summary, how its settings were chosen (None where they were not)."""

    name: str
    params: dict[str, Any]
    evaluations: list[Evaluation] = field(default_factory=list)
    fit_seconds: list[float] = field(default_factory=list)
    fit_memory: list[int | None] = field(default_factory=list)
    summaries: list[dict[str, Any]] = field(default_factory=list)
    choices: list[Choice | None] = field(default_factory=list)

    def values(self, metric: str) -> list[float]:
        """[splits] NaN where undefined."""
        return [evaluation.metrics.get(metric, float("nan")) for evaluation in self.evaluations]


@dataclass(frozen=True, eq=False)
class Comparison:
    """results: one a model, in the order asked for, then baselines.

    audit: what is suspicious in the ratings and the splits. examples: a few users of the first split, what they rated
    and what each model lists. left_out: baseline → why it could not run. command: how it was asked for.
    """

    results: list[Result]
    split: SplitFacts
    environment: dict[str, str | int | None]
    audit: DataAudit
    examples: list[Example] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    command: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """{"models": [{"name", "params", "fit_seconds", "metrics": {name: {"mean", "sd", "values", …}}}], "split", …}.

        sd is that of the sample (n − 1), interval the 95 % t-interval of the mean; both None for a single split, which
        has 95 % intervals over its users instead, see `Evaluation.intervals`.
        """
        return self.report().to_dict()

    def report(self) -> ComparisonReport:
        """What pages and files print."""
        return ComparisonReport(
            models=tuple(self._model(result) for result in self.results),
            split=self.split,
            significance=tuple(self.significance),
            main_metrics=self._main_metrics(),
            formulas=formulas(self.metrics()),
            environment=self.environment,
            audit=self.audit,
            examples=tuple(self.examples),
            left_out=self.left_out,
            command=self.command,
        )

    @cached_property
    def significance(self) -> list[Verdict]:
        """What can be told apart; see `autorec.evaluation.significance`."""
        return verdicts({result.name: [one.per_user for one in result.evaluations] for result in self.results})

    def per_user(self) -> pd.DataFrame:
        """One row a model, split and test user: model, split (from 0), and the columns of `Evaluation.per_user`."""
        tables = [
            evaluation.per_user.assign(model=result.name, split=split)
            for result in self.results
            for split, evaluation in enumerate(result.evaluations)
        ]
        table = pd.concat(tables, ignore_index=True)
        return table[["model", "split", *table.columns.drop(["model", "split"])]]

    def to_markdown(self) -> str:
        """The report as Markdown; see `autorec.report.comparison_text`."""
        return comparison_markdown(self.report())

    def to_html(self) -> str:
        """One page with table, figures, what can be told apart, and how it was made; needs nothing from elsewhere."""
        return comparison_page(self.report())

    def metrics(self) -> list[str]:
        """Names of all metrics that a model has."""
        return list(dict.fromkeys(name for r in self.results for e in r.evaluations for name in e.metrics))

    def _main_metrics(self) -> list[str]:
        """Those that say most, few enough for a terminal."""
        ks = self.results[0].evaluations[0].settings.k
        wanted = ["rmse", *(f"ndcg@{k}" for k in ks), f"recall@{ks[0]}", f"coverage@{ks[0]}"]
        known = self.metrics()
        return [name for name in wanted if name in known]

    def _model(self, result: Result) -> ModelResult:
        measured = {name: spread(result.values(name)) for name in self.metrics()}
        alone = result.evaluations[0].intervals if len(result.evaluations) == 1 else None
        memory = [size for size in result.fit_memory if size is not None]
        return ModelResult(
            name=result.name,
            params=result.params,
            fit_seconds=float(np.mean(result.fit_seconds)),
            fit_memory=max(memory, default=None),
            metrics={name: found for name, found in measured.items() if found.mean is not None},
            intervals=alone,
            counts=tuple(evaluation.counts for evaluation in result.evaluations),
            settings=result.evaluations[0].settings,
            summaries=tuple(result.summaries),
            choices=tuple(result.choices),
            slices=result.evaluations[0].slices,
            curve=_curve(result.summaries[0]),
        )


def compare(
    ratings: Any,
    models: Sequence[Model],
    *,
    by: str = "random:0.1",
    repeats: int = 1,
    seed: int = 0,
    k: Sequence[int] | int = (10,),
    relevant: float | None = None,
    cold: float | None = None,
    baselines: str = "all",
    command: str | None = None,
    read: Callable[[str], Ratings] = read_ratings,
) -> Comparison:
    """Fit and evaluate each model on the same splits.

    models: preset names, preset files (shown by their stem), or (name, estimator) pairs. by: as in `autorec.split`;
    repeat i uses seed + i, for the split and for the models' random_state. baselines: "all" adds damped biases, global
    mean, popularity, biased matrix factorisation, item neighbours, PureSVD and EASE where they are not asked for;
    "simple" the first three; "none" nothing. Of presets given by name, those of `baselines.GRIDS` choose their settings
    on validation ratings inside each training part. Nothing of a test part reaches `fit`. command: for the report.
    Other arguments as in `evaluate`.
    """
    if not (isinstance(repeats, (int, np.integer)) and repeats >= 1):
        raise ParameterError(f"repeats is {repeats!r}; allowed: a whole number from 1 up")
    data = None if ratings is None else as_ratings(ratings)
    asked = _asked(models)
    rounds = [(i, one) for i in range(repeats) for one in split(data, by, seed + i, read)]
    added = [pair for pair in baseline_models(baselines, rounds[0][1].train) if pair[0] not in asked]
    if not asked and not added:
        raise ParameterError("there is no model to compare; name one")
    chosen = asked | dict(added)
    how = _How(k, relevant, cold, tuned={*(m for m in models if isinstance(m, str)), *(name for name, _ in added)})
    found = {name: Result(name, _plain_params(model)) for name, model in chosen.items()}
    audited = data_audit(data, [one for _, one in rounds])
    shown = example_users(rounds[0][1], relevant)
    examples = rated(rounds[0][1], shown)
    left_out: dict[str, str] = {}
    with progress.bar("comparing", len(rounds) * len(chosen)) as update:
        for place, (i, one) in enumerate(rounds):
            for number, (name, model) in enumerate(chosen.items()):
                if name in left_out:
                    continue
                update(place * len(chosen) + number, f"{name}, split {place + 1} of {len(rounds)}")
                try:
                    folded = _measure(found[name], model, one, seed + i, how)
                except NotEnoughMemoryError as error:
                    if name in asked:
                        raise
                    left_out[name] = str(error)
                    continue
                if place == 0:
                    listed = zip(examples, lists(folded, shown), strict=True)
                    examples = [replace(example, lists={**example.lists, name: items}) for example, items in listed]
    sizes = tuple((len(one.train), len(one.test)) for _, one in rounds)
    about = SplitFacts(by, int(seed), int(repeats), len(rounds), sizes)
    results = [result for name, result in found.items() if name not in left_out]
    return Comparison(results, about, environment(), audited, examples, left_out, command)


@dataclass(frozen=True)
class _How:
    """The arguments of `evaluate`; tuned: models whose settings are chosen."""

    k: Sequence[int] | int
    relevant: float | None
    cold: float | None
    tuned: set[str]


def _measure(result: Result, model: Recommender, one: Split, seed: int, how: _How) -> Recommender:
    """Fit and evaluate on one split; the fitted model, its users those of the test."""
    fresh: Recommender = clone(model)
    if "random_state" in fresh.get_params():
        fresh.set_params(random_state=seed)
    choice: Choice | None = None
    if result.name in how.tuned:
        fresh, choice = at_its_best(result.name, fresh, one.train, int(np.min(how.k)), seed)
    start = time.perf_counter()
    with peak_memory() as peak:
        fresh.fit(one.train)
    if fresh.summary_.get("stopped") == "interrupted":
        raise KeyboardInterrupt  # half a training is no result
    result.fit_seconds.append(time.perf_counter() - start)
    result.fit_memory.append(peak.bytes)
    result.summaries.append(fresh.summary_)
    result.choices.append(choice)
    folded = fresh if one.fold_in is None else fresh.fold_in(one.fold_in)
    result.evaluations.append(evaluate(folded, one.test, k=how.k, relevant=how.relevant, cold=how.cold))
    return folded


def _asked(models: Iterable[Model]) -> dict[str, Recommender]:
    pairs = [(shown(model), create(model)) if isinstance(model, str) else model for model in models]
    names = [name for name, _ in pairs]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ParameterError(f"two models are named {', '.join(sorted(twice))}; give each its own name")
    return dict(pairs)


def _curve(summary: dict[str, Any]) -> tuple[CurvePoint, ...]:
    """Validation RMSE by epoch, of a model that learns in epochs."""
    points = [(point["epoch"], point["validation_rmse"]) for point in summary.get("curve", [])]
    return tuple(CurvePoint(epoch, rmse) for epoch, rmse in points if rmse is not None)


def _plain_params(model: Recommender) -> dict[str, Any]:
    return {name: list(v) if isinstance(v, tuple) else v for name, v in model.get_params().items()}
