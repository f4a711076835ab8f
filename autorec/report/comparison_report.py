"""The result of a comparison as plain data: `autorec.evaluation` makes it, this folder prints it.

Each class has `to_dict`, which gives its part of the JSON of `autorec compare --json`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from autorec.audits.finding import LEVELS, Finding
from autorec.report.evaluation_report import Counts, Interval, Json, Settings, Slices


@dataclass(frozen=True)
class Spread:
    """A metric over the splits: mean, sd of the sample (n − 1), 95 % t-interval of the mean. sd and interval are None
    for a single value, the mean for none. values: one a split, None where undefined."""

    mean: float | None
    sd: float | None
    interval: Interval | None
    values: tuple[float | None, ...]

    def to_dict(self) -> Json:
        interval = None if self.interval is None else list(self.interval)
        return {"mean": self.mean, "sd": self.sd, "interval": interval, "values": list(self.values)}


@dataclass(frozen=True)
class Tried:
    """Settings that were tried and their value of the metric on validation ratings."""

    settings: Mapping[str, object]
    value: float


@dataclass(frozen=True)
class Choice:
    """How settings were chosen, on the first split: the best of those tried by `metric`, in `seconds`. Among these
    are values beyond the grid that are hardly better and were not taken."""

    settings: Mapping[str, object]
    metric: str
    tried: tuple[Tried, ...]
    seconds: float

    def to_dict(self) -> Json:
        tried = [{**one.settings, self.metric: one.value} for one in self.tried]
        return {"settings": dict(self.settings), "tried": tried, "seconds": self.seconds}


@dataclass(frozen=True)
class CurvePoint:
    """RMSE on validation ratings after an epoch of a training."""

    epoch: int
    rmse: float


@dataclass(frozen=True)
class ModelResult:
    """One model over all splits.

    baseline    whether it was added to those asked for
    params      the model's settings; settings: how it was judged
    fit_seconds mean over the splits; fit_memory: bytes at the highest peak, None where unknown
    intervals   over the users of a single split; None with several
    counts, summaries: one a split; choice: None where no settings were chosen
    slices, curve: of the first split
    refused     why the model has no result, and so none of what follows `params`; None where it has
    """

    name: str
    baseline: bool
    params: Mapping[str, object]
    fit_seconds: float | None = None
    fit_memory: int | None = None
    metrics: Mapping[str, Spread] = field(default_factory=dict)
    intervals: Mapping[str, Interval] | None = None
    counts: tuple[Counts, ...] = ()
    settings: Settings | None = None
    summaries: tuple[Mapping[str, object], ...] = ()
    choice: Choice | None = None
    slices: Slices | None = None
    curve: tuple[CurvePoint, ...] = ()
    refused: str | None = None

    @property
    def ks(self) -> tuple[int, ...]:
        """Lengths of the lists."""
        return () if self.settings is None else self.settings.k

    def mean(self, metric: str) -> float | None:
        """None where the model has no such metric."""
        spread = self.metrics.get(metric)
        return None if spread is None else spread.mean

    def to_dict(self) -> Json:
        return {
            "name": self.name,
            "baseline": self.baseline,
            "params": dict(self.params),
            "fit_seconds": self.fit_seconds,
            "fit_memory": self.fit_memory,
            "metrics": {name: spread.to_dict() for name, spread in self.metrics.items()},
            "intervals_over_users": None if self.intervals is None else dict(self.intervals),
            "counts": [counts.to_dict() for counts in self.counts],
            "settings": None if self.settings is None else self.settings.to_dict(),
            "summaries": [dict(summary) for summary in self.summaries],
            "choice": None if self.choice is None else self.choice.to_dict(),
            "slices": {} if self.slices is None else self.slices.to_dict(),
            **({} if self.refused is None else {"refused": self.refused}),
        }


@dataclass(frozen=True)
class DataFacts:
    """The ratings that were split. name: of the file or data set, "" where unknown."""

    name: str
    users: int
    items: int
    ratings: int

    def to_dict(self) -> Json:
        return asdict(self)


@dataclass(frozen=True)
class SplitFacts:
    """How the ratings were split. repeats: seeds tried; splits: how many there were; sizes: (train, test) ratings of
    each."""

    by: str
    seed: int
    repeats: int
    splits: int
    sizes: tuple[tuple[int, int], ...]

    def to_dict(self) -> Json:
        return asdict(self) | {"sizes": [{"train": train, "test": test} for train, test in self.sizes]}


@dataclass(frozen=True)
class Verdict:
    """Whether two models can be told apart by a metric; see `autorec.evaluation.significance`.

    difference  first − second, with its 95 % interval (None when there is none)
    p           corrected; winner: None when the models cannot be told apart
    of_best     whether the model that is ahead of all others by this metric is one of the two
    """

    models: tuple[str, str]
    metric: str
    difference: float
    interval: Interval | None
    p: float
    winner: str | None
    sentence: str
    of_best: bool = False

    def to_dict(self) -> Json:
        interval = None if self.interval is None else list(self.interval)
        return asdict(self) | {"models": list(self.models), "interval": interval}


@dataclass(frozen=True)
class SplitAudit:
    """Findings of the audit of one split."""

    split: str
    findings: tuple[Finding, ...]

    def to_dict(self) -> Json:
        return {"split": self.split, "findings": [finding.to_dict() for finding in self.findings]}


def _anonymous(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(finding.anonymous() for finding in findings)


@dataclass(frozen=True)
class DataAudit:
    """What is suspicious in the ratings as a whole and in each split."""

    ratings: tuple[Finding, ...]
    splits: tuple[SplitAudit, ...]

    @property
    def caution(self) -> str | None:
        """The leaks of the first split that has any, as sentences; None without."""
        for split in self.splits:
            leaks = [finding.sentence for finding in split.findings if finding.level == "leak"]
            if leaks:
                return f"Caution: {' '.join(leaks)}"
        return None

    def worst_first(self) -> list[Finding]:
        """The findings about the first split and the ratings, leaks before warnings before notes."""
        return sorted((*self.splits[0].findings, *self.ratings), key=lambda finding: LEVELS.index(finding.level))

    def anonymous(self) -> "DataAudit":
        """The same without the ids of users."""
        splits = tuple(SplitAudit(one.split, _anonymous(one.findings)) for one in self.splits)
        return DataAudit(_anonymous(self.ratings), splits)

    def to_dict(self) -> Json:
        return {
            "caution": self.caution,
            "ratings": [finding.to_dict() for finding in self.ratings],
            "splits": [split.to_dict() for split in self.splits],
        }


@dataclass(frozen=True)
class Item:
    """An item in an example: raw id, with title and rating where they are known."""

    item: object
    title: str | None = None
    rating: float | None = None

    def to_dict(self) -> Json:
        return {name: value for name, value in asdict(self).items() if name == "item" or value is not None}


@dataclass(frozen=True)
class Example:
    """A user: best rated training items, test items, and what each model lists, best first. user: the raw id, None
    where the report is not to name it; ratings: how many there are in training."""

    user: object
    ratings: int
    known: tuple[Item, ...]
    test: tuple[Item, ...]
    lists: Mapping[str, tuple[Item, ...]] = field(default_factory=dict)

    def to_dict(self) -> Json:
        lists = {name: [item.to_dict() for item in items] for name, items in self.lists.items()}
        own = {name: [item.to_dict() for item in getattr(self, name)] for name in ("known", "test")}
        return {"user": self.user, **own, "lists": lists}


@dataclass(frozen=True)
class ComparisonReport:
    """models: those asked for, then baselines. main_metrics: those that say most. left_out: baseline → why it did not
    run. environment: versions, processor, threads. command: how it was asked for, None in Python. date: when."""

    data: DataFacts
    date: str
    models: tuple[ModelResult, ...]
    split: SplitFacts
    significance: tuple[Verdict, ...]
    main_metrics: Sequence[str]
    formulas: Mapping[str, str]
    environment: Mapping[str, str | int | None]
    audit: DataAudit
    examples: tuple[Example, ...]
    left_out: Mapping[str, str]
    command: str | None

    @property
    def metrics(self) -> list[str]:
        """Names of all metrics that a model has, in the order of the evaluation."""
        return list(dict.fromkeys(name for model in self.models for name in model.metrics))

    def to_dict(self) -> Json:
        return {
            "data": self.data.to_dict(),
            "date": self.date,
            "models": [model.to_dict() for model in self.models],
            "split": self.split.to_dict(),
            "significance": [verdict.to_dict() for verdict in self.significance],
            "main_metrics": list(self.main_metrics),
            "formulas": dict(self.formulas),
            "environment": dict(self.environment),
            "audit": self.audit.to_dict(),
            "examples": [example.to_dict() for example in self.examples],
            "left_out": dict(self.left_out),
            "command": self.command,
        }
