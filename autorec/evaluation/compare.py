"""Several models on the same splits of the same ratings, beside the baselines."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone

from autorec import progress
from autorec.audits.of_split import whole
from autorec.errors import NotEnoughMemoryError, ParameterError
from autorec.evaluation.baselines import at_its_best
from autorec.evaluation.baselines import baselines as baseline_models
from autorec.evaluation.comparison import Comparison, Result
from autorec.evaluation.data_audit import data_audit
from autorec.evaluation.environment import environment
from autorec.evaluation.evaluate import evaluate
from autorec.evaluation.examples import example_users, lists, rated
from autorec.evaluation.memory import peak_memory
from autorec.models.base import Recommender
from autorec.models.presets import create, shown
from autorec.ratings.convert import as_ratings
from autorec.ratings.matrix import Ratings
from autorec.ratings.read import read_ratings
from autorec.ratings.split import Split, split
from autorec.report.results import Choice, DataFacts, Item, SplitFacts

Model = str | tuple[str, Recommender]


@dataclass(frozen=True)
class _How:
    """The arguments of `evaluate`; tuned: models whose settings are chosen."""

    k: Sequence[int] | int
    relevant: float | None
    cold: float | None
    tuned: set[str]


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
    name: str = "",
    user_ids: bool = False,
    command: str | None = None,
    read: Callable[[str], Ratings] = read_ratings,
) -> Comparison:
    """Fit and evaluate each model on the same splits.

    models: preset names, preset files (shown by their stem), or (name, estimator) pairs. by: as in `autorec.split`;
    repeat i uses seed + i, for the split and for the models' random_state. baselines: "all" adds damped biases, global
    mean, popularity, biased matrix factorisation, item neighbours, PureSVD and EASE where they are not asked for;
    "simple" the first three; "none" nothing. Of presets given by name, those of `baselines.GRIDS` choose their settings
    on validation ratings inside each training part. Nothing of a test part reaches `fit`. name of the ratings and
    command: for the report; user_ids: whether it names the users of its examples. Other arguments as in `evaluate`.
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
    data = whole(rounds[0][1]) if data is None else data
    audited = data_audit(data, [one for _, one in rounds])
    found = {label: Result(label, _plain_params(model), label not in asked) for label, model in chosen.items()}
    shown = example_users(rounds[0][1], relevant)
    left_out, listed = _run(found, chosen, rounds, how, shown, seed)
    examples = [
        replace(example, lists={label: items[n] for label, items in listed.items()})
        for n, example in enumerate(rated(rounds[0][1], shown, user_ids))
    ]
    results = [result for label, result in found.items() if label not in left_out]
    about = _split_facts(by, seed, repeats, [one for _, one in rounds])
    facts = DataFacts(name, data.n_users, data.n_items, len(data))
    return Comparison(results, facts, about, environment(), audited, examples, left_out, command)


def _run(
    found: dict[str, Result],
    chosen: dict[str, Recommender],
    rounds: Sequence[tuple[int, Split]],
    how: _How,
    shown: Any,
    seed: int,
) -> tuple[dict[str, str], dict[str, list[tuple[Item, ...]]]]:
    """Fill in the results; which baselines are left out, why, and what each model of the first split lists for the
    users `shown`."""
    left_out: dict[str, str] = {}
    listed: dict[str, list[tuple[Item, ...]]] = {}
    with progress.bar("comparing", len(rounds) * len(chosen)) as update:
        for n, (i, one) in enumerate(rounds):
            for number, (label, model) in enumerate(chosen.items()):
                if label in left_out:
                    continue
                update(n * len(chosen) + number, f"{label}, split {n + 1} of {len(rounds)}")
                try:
                    folded = _measure(found[label], model, one, seed + i, how)
                except NotEnoughMemoryError as error:
                    if not found[label].baseline:
                        raise
                    left_out[label] = str(error)
                    continue
                if n == 0:
                    listed[label] = lists(folded, shown)
    return left_out, listed


def _split_facts(by: str, seed: int, repeats: int, splits: Sequence[Split]) -> SplitFacts:
    sizes = tuple((len(one.train), len(one.test)) for one in splits)
    return SplitFacts(by, int(seed), int(repeats), len(splits), sizes)


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


def _plain_params(model: Recommender) -> dict[str, Any]:
    return {name: list(v) if isinstance(v, tuple) else v for name, v in model.get_params().items()}
