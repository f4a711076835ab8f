"""Several models on the same splits of the same ratings, and baselines with them."""

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator, Sequence, Sized
from dataclasses import dataclass, replace
from typing import Any

from sklearn.base import clone

from autorec import checks, progress, words
from autorec.audits.of_ratings import audit_ratings
from autorec.audits.of_split import audit_split, whole
from autorec.errors import AutoRecError
from autorec.evaluation.baselines import choose
from autorec.evaluation.comparison import Comparison, Result
from autorec.evaluation.entries import Entry, Model, Settings, afforded, duration, entries_of
from autorec.evaluation.environment import environment, peak_memory
from autorec.evaluation.evaluate import check_measures, evaluate
from autorec.evaluation.examples import example_users, lists, rated
from autorec.evaluation.own_metrics import Metric, sort_metrics
from autorec.evaluation.rounds import By, Round, describe_rounds, make_rounds
from autorec.models.base import Recommender
from autorec.ratings.convert import as_ratings
from autorec.ratings.matrix import Ratings
from autorec.ratings.read import read_ratings
from autorec.ratings.split import Split
from autorec.report.comparison_report import DataAudit, DataFacts, Example, Item, SplitAudit


@dataclass(frozen=True)
class _How:
    """The arguments of `evaluate`."""

    k: tuple[int, ...]
    relevant: float | None
    cold: float | None
    metrics: Sequence[Metric]

    def __post_init__(self) -> None:
        sort_metrics(self.metrics)  # refuses what is none before any work


def compare(
    ratings: Any,
    models: Model | Sequence[Model],
    *,
    by: By = "random:0.1",
    repeats: int = 1,
    seed: int = 0,
    k: Sequence[int] | int = (10,),
    relevant: float | None = None,
    cold: float | None = None,
    metrics: Sequence[Metric] = (),
    baselines: words.Baselines = "all",
    settings: Settings | None = None,
    name: str = "",
    user_ids: bool = False,
    command: str | None = None,
    read: Callable[[str], Ratings] = read_ratings,
    announce: Callable[[str], None] = progress.note,
) -> Comparison:
    """Fit and evaluate each model on the same splits of ratings [users × items], as `evaluate` takes them.

    models     one or several of: a preset name, a preset file (shown by its stem, unless a model is called so), an
               estimator, a model of one's own (see `autorec.wrap`), or (name, one of the last two)
    by         as in `autorec.split`; or a Split, or several; or a function (ratings, seed) → Split or several. Repeat i
               uses seed + i, for the split and for the models' random_state. Of `strong:N` models that rate get the
               ratings, the others the choices; lists alone are judged
    baselines  "all" adds damped biases, global mean, popularity, biased matrix factorisation, item neighbours, PureSVD
               and EASE where they are not asked for; "simple" the first three; "none" nothing. Left out: those that
               lack memory, or would take longer than all models asked for and than a minute (`Comparison.left_out`)
    settings   name → settings of a model, as in {"i-autorec": {"hidden": 100}}; of all models where the name is ""
    name, command, user_ids  for the report: what the ratings are called, how it was asked for, whether it names users
    announce   gets a sentence with the expected time before the work

    Presets in `baselines.GRIDS`, where they are baselines or asked for by name, get the settings that are best on
    validation ratings inside the first training part, on all splits: in further ones some of these are test ratings,
    which can flatter baselines only. Nothing else of a test part reaches `fit`. A model that refuses a training part is
    a row that says why; an error, where all refuse. Other arguments as in `evaluate`.

    >>> ratings = autorec.load_sample()
    >>> comparison = autorec.compare(ratings, ["ease", autorec.Popularity()], baselines="none", k=(5, 10))
    >>> comparison.to_frame()["ndcg@10"].idxmax()
    'ease'
    """
    data = None if ratings is None else as_ratings(ratings)
    how = _How(check_measures(k, relevant, cold), relevant, cold, metrics)
    _check_telling(announce, user_ids)
    rounds = make_rounds(data, by, seed, repeats, read)
    splits = [one.split for one in rounds]
    entries = entries_of(models, settings, baselines, (splits[0].rated or splits[0]).train)
    entries, left_out, seconds = afforded(entries, splits)
    announce(f"Comparing {_count(entries, 'model')} on {_count(splits, 'split')}: {duration(seconds)} expected.")
    data = whole(splits[0]) if data is None else data
    audited = data_audit(data, splits)
    people = example_users(splits[0], relevant)
    found, listed = _run(entries, rounds, how, people)
    left_out |= {label: result.refused for label, result in found.items() if result.baseline and result.refused}
    return Comparison(
        results=[found[label] for label in found if label not in left_out],
        data=DataFacts(name, data.n_users, data.n_items, len(data)),
        split=describe_rounds(rounds, by, seed, repeats),
        environment=environment(),
        audit=audited if user_ids else audited.anonymous(),
        examples=_fill_examples(rated(splits[0], people, user_ids), listed),
        left_out=left_out,
        command=command,
    )


def _check_telling(announce: Any, user_ids: Any) -> None:
    checks.function("announce", announce, "a sentence")
    checks.flag("user_ids", user_ids)


def _fill_examples(examples: Sequence[Example], listed: dict[str, list[tuple[Item, ...]]]) -> list[Example]:
    """The example users, each with what every model lists."""
    lists_of = [{label: items[n] for label, items in listed.items()} for n in range(len(examples))]
    return [replace(example, lists=own) for example, own in zip(examples, lists_of, strict=True)]


def _count(things: Sized, what: str) -> str:
    return f"{len(things)} {what}{'s' * (len(things) != 1)}"


def _run(
    entries: dict[str, Entry], rounds: Sequence[Round], how: _How, people: Any
) -> tuple[dict[str, Result], dict[str, list[tuple[Item, ...]]]]:
    """Name → result, and name → what the model lists, on the first split, for each of the users `people`.

    AutoRecError: every model refused; the error of the first.
    """
    found = {label: Result(label, entry.model, entry.baseline) for label, entry in entries.items()}
    listed: dict[str, list[tuple[Item, ...]]] = {}
    refusals: list[AutoRecError | MemoryError] = []
    with progress.bar("comparing", len(rounds) * len(entries)) as update:
        for n, one in enumerate(rounds):
            for number, (label, entry) in enumerate(entries.items()):
                result = found[label]
                if result.refused:
                    continue
                update(n * len(entries) + number, f"{label}, split {n + 1} of {len(rounds)}")
                try:
                    if n == 0:
                        _choose(result, entry, one, how)
                    folded = _measure(result, one, how)
                    if n == 0:
                        listed[label] = lists(folded, people)
                except (AutoRecError, MemoryError) as error:
                    result.refuse(str(error) or "there is not enough memory")
                    listed.pop(label, None)
                    refusals.append(error)
    if len(refusals) == len(found):
        raise refusals[0]
    return found, listed


def _choose(result: Result, entry: Entry, one: Round, how: _How) -> None:
    """The settings of the model of `result`, on the first split."""
    with _name_in_warnings(result.name):
        train = one.parts(entry.model).train
        choice = choose(result.name, entry.model, entry.grid, train, how.k[0], one.seed, how.relevant)
    if choice is not None:
        result.model = clone(entry.model).set_params(**choice.settings)
        result.choice = choice


def _measure(result: Result, one: Round, how: _How) -> Recommender:
    """Fit and evaluate on one split; the fitted model, its users those of the test."""
    parts = one.parts(result.model)
    fresh: Recommender = clone(result.model)
    if "random_state" in fresh.get_params():
        fresh.set_params(random_state=one.seed)
    start = time.perf_counter()
    with peak_memory() as peak, _name_in_warnings(result.name):
        fresh.fit(parts.train)
    seconds = time.perf_counter() - start
    if fresh.summary_.get("stopped") == "interrupted":
        raise KeyboardInterrupt  # half a training is no result
    folded = fresh if parts.fold_in is None else fresh.fold_in(parts.fold_in)
    evaluation = evaluate(folded, parts.test, k=how.k, relevant=how.relevant, cold=how.cold, metrics=how.metrics)
    result.add(evaluation if one.split.rated is None else evaluation.of_lists(), seconds, peak.bytes, fresh.summary_)
    return folded


@contextlib.contextmanager
def _name_in_warnings(name: str) -> Iterator[None]:
    """Warnings of the block begin with the name of the model."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for one in caught:
        warnings.warn(f"{name}: {one.message}", one.category, stacklevel=4)


def data_audit(ratings: Ratings, splits: Sequence[Split]) -> DataAudit:
    """Audit the ratings [users × items] and each split."""
    of_splits = tuple(SplitAudit(one.name, tuple(audit_split(one))) for one in splits)
    return DataAudit(tuple(audit_ratings(ratings)), of_splits)
