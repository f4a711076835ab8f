"""Several models on the same splits of the same ratings, beside the baselines."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from sklearn.base import clone

from autorec import progress
from autorec.errors import ParameterError
from autorec.evaluation.data_audit import audit_lines, data_audit
from autorec.evaluation.environment import environment
from autorec.evaluation.evaluate import Evaluation, counts_text, evaluate, formulas, formulas_text
from autorec.evaluation.page import comparison_page
from autorec.evaluation.significance import verdicts
from autorec.evaluation.tables import markdown_table, number
from autorec.models.base import Recommender
from autorec.models.presets import create, shown
from autorec.ratings.matrix import Ratings, as_ratings
from autorec.ratings.read import read_ratings
from autorec.ratings.split import Split, split

BASELINES = ("bias", "global-mean", "popularity")

Model = str | tuple[str, Recommender]


@dataclass(frozen=True, eq=False)
class Result:
    """One model: an evaluation, fit seconds and the fitted model's summary for each split."""

    name: str
    params: dict[str, Any]
    evaluations: list[Evaluation]
    fit_seconds: list[float]
    summaries: list[dict[str, Any]]

    def values(self, metric: str) -> list[float]:
        """[splits] NaN where undefined."""
        return [evaluation.metrics.get(metric, float("nan")) for evaluation in self.evaluations]


@dataclass(frozen=True, eq=False)
class Comparison:
    """results: one a model, in the order asked for, then baselines. split: by, seed, repeats and sizes.

    audit: what is suspicious in the ratings and the splits, as `data_audit` tells it.
    """

    results: list[Result]
    split: dict[str, Any]
    environment: dict[str, Any]
    audit: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """{"models": [{"name", "params", "fit_seconds", "metrics": {name: {"mean", "sd", "values", …}}}], "split", …}.

        sd is that of the sample (n − 1), interval the 95 % t-interval of the mean; both None for a single split.
        """
        return {
            "models": [self._model(result) for result in self.results],
            "split": self.split,
            "significance": verdicts({result.name: result.evaluations for result in self.results}),
            "formulas": formulas(self._metrics()),
            "environment": self.environment,
            "audit": self.audit,
        }

    def to_markdown(self) -> str:
        """Table of means (± half the 95 % interval), what can be told apart, counts, formulas, how it was made."""
        names = [name for name in self._metrics() if not name.startswith(("gini", "novelty"))]
        rows = [
            [r.name, *(_with_interval(r.values(name)) for name in names), f"{np.mean(r.fit_seconds):.1f}"]
            for r in self.results
        ]
        first = self.results[0].evaluations[0]
        how = ", ".join(f"{name} {value}" for name, value in self.split.items())
        machine = ", ".join(f"{name} {value}" for name, value in self.environment.items())
        spread = "± is half the 95 % t-interval over the splits.\n\n" if len(first.metrics) and self._repeated() else ""
        parts = [
            "# Comparison",
            f"**{self.audit['caution']}**" if self.audit["caution"] else "",
            markdown_table(["model", *names, "fit s"], rows),
            spread + "\n".join(f"- {line}" for line in self._sentences()),
            "## Data audit",
            "\n".join(f"- {line}" for line in audit_lines(self.audit)),
            f"First split: {counts_text(first.counts, first.settings)}",
            formulas_text(names),
            f"Splits: {how}.",
            f"Made with: {machine}.",
        ]
        return "\n\n".join(part for part in parts if part) + "\n"

    def to_html(self) -> str:
        """One page with table, figures, what can be told apart, and how it was made; needs nothing from elsewhere."""
        first = self.results[0].evaluations[0]
        return comparison_page(
            self.to_dict(), self.results, f"First split: {counts_text(first.counts, first.settings)}"
        )

    def _sentences(self) -> list[str]:
        return [v["sentence"] for v in verdicts({result.name: result.evaluations for result in self.results})]

    def _repeated(self) -> bool:
        return len(self.results[0].evaluations) > 1

    def _metrics(self) -> list[str]:
        return list(dict.fromkeys(name for r in self.results for e in r.evaluations for name in e.metrics))

    def _model(self, result: Result) -> dict[str, Any]:
        measured = {name: _spread(result.values(name)) for name in self._metrics()}
        return {
            "name": result.name,
            "params": result.params,
            "fit_seconds": float(np.mean(result.fit_seconds)),
            "metrics": {name: spread for name, spread in measured.items() if spread["mean"] is not None},
            "counts": [evaluation.counts for evaluation in result.evaluations],
            "settings": result.evaluations[0].settings,
            "summaries": result.summaries,
        }


def compare(
    ratings: Any,
    models: Sequence[Model],
    *,
    by: str = "random:0.1",
    repeats: int = 1,
    seed: int = 0,
    k: Sequence[int] | int = (10,),
    relevant: float | None = None,
    baselines: bool = True,
    read: Callable[[str], Ratings] = read_ratings,
) -> Comparison:
    """Fit and evaluate each model on the same splits.

    models: preset names, preset files (shown by their stem), or (name, estimator) pairs. by: as in `autorec.split`;
    repeat i uses seed + i, for the split and for the models' random_state. baselines: add bias, global-mean and
    popularity where they are not asked for. Nothing of a test part reaches `fit`. Other arguments as in `evaluate`.
    """
    if not (isinstance(repeats, (int, np.integer)) and repeats >= 1):
        raise ParameterError(f"repeats is {repeats!r}; allowed: a whole number from 1 up")
    chosen = _chosen(models, baselines)
    data = None if ratings is None else as_ratings(ratings)
    found: dict[str, Result] = {name: Result(name, _plain_params(model), [], [], []) for name, model in chosen.items()}
    sizes: list[dict[str, int]] = []
    rounds = [(i, one) for i in range(repeats) for one in split(data, by, seed + i, read)]
    audited = data_audit(data, [one for _, one in rounds])
    total = len(rounds) * len(chosen)
    with progress.bar("comparing", total) as update:
        for place, (i, one) in enumerate(rounds):
            sizes.append({"train": len(one.train), "test": len(one.test)})
            for number_, (name, model) in enumerate(chosen.items()):
                update(place * len(chosen) + number_, f"{name}, split {place + 1} of {len(rounds)}")
                _measure(found[name], model, one, seed + i, k, relevant)
    how = {"by": by, "seed": int(seed), "repeats": int(repeats), "splits": len(rounds), "sizes": sizes}
    return Comparison(list(found.values()), how, environment(), audited)


def _measure(
    result: Result, model: Recommender, one: Split, seed: int, k: Sequence[int] | int, relevant: float | None
) -> None:
    fresh: Recommender = clone(model)
    if "random_state" in fresh.get_params():
        fresh.set_params(random_state=seed)
    start = time.perf_counter()
    fresh.fit(one.train)
    result.fit_seconds.append(time.perf_counter() - start)
    result.summaries.append(fresh.summary_)
    result.evaluations.append(evaluate(fresh, one.test, k=k, relevant=relevant, fold_in=one.fold_in))


def _chosen(models: Iterable[Model], baselines: bool) -> dict[str, Recommender]:
    pairs = [(shown(model), create(model)) if isinstance(model, str) else model for model in models]
    names = [name for name, _ in pairs]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ParameterError(f"two models are named {', '.join(sorted(twice))}; give each its own name")
    if not pairs and not baselines:
        raise ParameterError("there is no model to compare; name one")
    more = [(name, create(name)) for name in BASELINES if baselines and name not in names]
    return dict(pairs + more)


def _plain_params(model: Recommender) -> dict[str, Any]:
    return {name: list(v) if isinstance(v, tuple) else v for name, v in model.get_params().items()}


def _spread(values: list[float]) -> dict[str, Any]:
    """mean, sd (n − 1), 95 % t-interval of the mean, values."""
    known = np.array(values)[~np.isnan(values)]
    if not len(known):
        return {"mean": None, "sd": None, "interval": None, "values": [None for _ in values]}
    half = _half_interval(known)
    mean = float(known.mean())
    return {
        "mean": mean,
        "sd": float(known.std(ddof=1)) if len(known) > 1 else None,
        "interval": None if half is None else [mean - half, mean + half],
        "values": [None if np.isnan(value) else float(value) for value in values],
    }


def _half_interval(values: Any) -> float | None:
    if len(values) < 2:
        return None
    return float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))


def _with_interval(values: list[float]) -> str:
    spread = _spread(values)
    if spread["interval"] is None:
        return number(spread["mean"])
    return f"{number(spread['mean'])} ± {spread['interval'][1] - spread['mean']:.4f}"
